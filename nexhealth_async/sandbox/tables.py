"""What a practice holds, as ordered tables that tests may change while a client reads them.

A table makes its seeded rows when they are asked for, from index and seed: a hundred thousand
patients cost a list of ids. Unfiltered pages are cut by index.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar, cast

from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp

__all__ = ["RecordTable"]

_T = TypeVar("_T")
_MAX_CACHED = 32


class RecordTable:
    """Rows in the order a listing shows them; seeded ones are made on demand.

    Rows are plain dicts in wire shape. What ``get`` and iteration give is a copy at the first
    level: change rows through ``update``. Positions count from 0; a seeded table is ordered by id.
    """

    def __init__(
        self,
        make: Callable[[int, int], JsonRow] | None = None,
        count: int = 0,
        *,
        first_id: int = 1,
        step: int = 1,
        facts: Mapping[str, Callable[[int], object]] | None = None,
    ) -> None:
        self._facts = facts or {}
        self._make = make
        self._seeded = range(first_id, first_id + count * step, step)
        self._ids: list[int] = list(self._seeded)
        self._rows: dict[int, JsonRow] = {}
        self._gone: set[int] = set()
        self._next = first_id + count * step
        self._step = step
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        self._version = 0
        self._groups: dict[str, dict[object, list[int]]] = {}
        self.watcher: Callable[[JsonRow | None, JsonRow | None], None] | None = None
        """Told of every change: the row before it and after it."""
        self.now: Callable[[], float] | None = None
        """The clock by which `update` moves ``updated_at``."""

    @property
    def ids(self) -> Sequence[int]:
        """Every id, in the order of listings."""
        return self._ids

    @property
    def first_id(self) -> int:
        """The id of the first seeded row, or of the first one to come."""
        return self._seeded.start

    @property
    def version(self) -> int:
        """Rises with every change."""
        return self._version

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id: object) -> bool:
        return id in self._rows or (id in self._seeded and id not in self._gone)

    def __iter__(self) -> Iterator[JsonRow]:
        return (self.row(id) for id in tuple(self._ids))

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows>"

    def get(self, id: int) -> JsonRow | None:
        """One row, or ``None``."""
        return self.row(id) if id in self else None

    def row(self, id: int) -> JsonRow:
        """One row that is there.

        Raises:
            KeyError: no row has this id.
        """
        stored = self._rows.get(id)
        if stored is not None:
            return dict(stored)
        if self._make is None or id not in self._seeded or id in self._gone:
            raise KeyError(id)
        return self._make(self._seeded.index(id), id)

    def insert(self, position: int | None = None, **fields: object) -> int:
        """Add a row and return its id: at the end, or at a position (0 is the front).

        A new id is drawn above all others unless ``id=`` is given. Fields left out are invented
        as for seeded rows, where the table has such.
        """
        given = fields.get("id")
        id = given if isinstance(given, int) else self._next
        if id in self:
            raise ValueError(f"There is a row {id} already.")
        self._next = max(self._next, id + self._step)
        made = self._make(abs(id - self._seeded.start) // self._step, id) if self._make else {}
        self._rows[id] = {**made, **fields, "id": id}
        self._ids.insert(len(self._ids) if position is None else position, id)
        self._changed()
        self._notify(None, id)
        return id

    def add(self, row: JsonRow) -> int:
        """Append a complete row as it is, under a new id, which is returned."""
        id = self._next
        self._next += self._step
        self._rows[id] = {**row, "id": id}
        self._ids.append(id)
        self._changed()
        self._notify(None, id)
        return id

    def delete(self, id: int) -> None:
        """Take a row away; those behind it move up by one."""
        before = self.get(id) if self.watcher is not None else None
        self._ids.remove(id)
        self._rows.pop(id, None)
        self._gone.add(id)
        self._changed()
        self._notify(before, None)

    def update(self, id: int, **fields: object) -> None:
        """Change fields of a row, to anything: broken values are welcome in tests.

        ``updated_at`` becomes the clock's time, unless it is given or the row has none.
        """
        before = self.row(id)
        after = {**before, **fields}
        if self.now is not None and "updated_at" in before and "updated_at" not in fields:
            after["updated_at"] = format_timestamp(self.now())
        self._rows[id] = after
        self._changed()
        self._notify(before, id)

    def move(self, id: int, position: int) -> None:
        """Take a row from where it is listed and put it at another position."""
        self._ids.remove(id)
        self._ids.insert(position, id)
        self._changed()

    def where(self, field: str, value: object) -> list[int]:
        """Ids of the rows whose field has this value, by an index built at the first question."""
        groups = self._groups.get(field)
        if groups is None:
            groups = self._groups[field] = {}
            for id in self._ids:
                key = self.row(id).get(field)
                if isinstance(key, Hashable):
                    groups.setdefault(key, []).append(id)
        return groups.get(value, [])

    def select(
        self,
        key: Hashable,
        keep: Callable[[JsonRow], bool],
        among: Sequence[int] | None = None,
    ) -> Sequence[int]:
        """Ids of the rows to keep, remembered under ``key`` until the table changes."""
        ids = self._ids if among is None else among
        return self.cached(key, lambda: [id for id in ids if keep(self.row(id))])

    def cached(self, key: Hashable, build: Callable[[], _T]) -> _T:
        """What ``build`` gives, kept under ``key`` until the table changes."""
        if key not in self._kept:
            self._kept[key] = build()
            if len(self._kept) > _MAX_CACHED:
                self._kept.popitem(last=False)
        return cast("_T", self._kept[key])

    def by_index(self, field: str, value: object) -> Sequence[int]:
        """Ids of the rows whose field has this value, without making rows where that is known."""
        fact = self._facts[field]

        def keep(id: int) -> bool:
            changed = self._rows.get(id)
            known = fact(self._seeded.index(id)) if changed is None else changed.get(field)
            return known is value

        return self.cached(("fact", field, value), lambda: [id for id in self._ids if keep(id)])

    def _notify(self, previous: JsonRow | None, id: int | None) -> None:
        if self.watcher is not None:
            self.watcher(previous, None if id is None else self.row(id))

    def _changed(self) -> None:
        self._version += 1
        self._kept.clear()
        self._groups.clear()
