"""Ordered tables of records, which tests can change while a client reads them.

Seeded rows are generated on demand from index and seed, so that a hundred thousand patients take
no more memory than a list of ids. Unfiltered pages are slices of that list.
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
    """A table of rows in the order of listings; seeded rows are generated on demand.

    Rows are plain dicts in JSON form. ``get`` and iteration return shallow copies: change rows with
    ``update``. Positions start at 0; a seeded table is ordered by id.

    Args:
        make: A function that generates a seeded row from its index and id.
        count: Number of seeded rows.
        first_id: Id of the first row.
        step: Difference between two ids.
        facts: Functions that return a field of a seeded row by its index, without generating it.
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
        self._deleted: set[int] = set()
        self._next = first_id + count * step
        self._step = step
        self._cache: OrderedDict[Hashable, object] = OrderedDict()
        self._version = 0
        self._groups: dict[str, dict[object, list[int]]] = {}
        self.on_change: Callable[[JsonRow | None, JsonRow | None], None] | None = None
        """Called after every change with the row before and after it."""
        self.now: Callable[[], float] | None = None
        """Clock from which `update` sets ``updated_at``."""

    @property
    def ids(self) -> Sequence[int]:
        """Ids of all rows, in the order of listings."""
        return self._ids

    @property
    def first_id(self) -> int:
        """Id of the first seeded row, or of the next one if there are none."""
        return self._seeded.start

    @property
    def version(self) -> int:
        """Number that increases with every change."""
        return self._version

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id: object) -> bool:
        return id in self._rows or (id in self._seeded and id not in self._deleted)

    def __iter__(self) -> Iterator[JsonRow]:
        return (self.row(id) for id in tuple(self._ids))

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows>"

    def get(self, id: int) -> JsonRow | None:
        """Return a row, or None."""
        return self.row(id) if id in self else None

    def row(self, id: int) -> JsonRow:
        """Return a row.

        Raises:
            KeyError: No row has this id.
        """
        stored = self._rows.get(id)
        if stored is not None:
            return dict(stored)
        if self._make is None or id not in self._seeded or id in self._deleted:
            raise KeyError(id)
        return self._make(self._seeded.index(id), id)

    def insert(self, position: int | None = None, **fields: object) -> int:
        """Insert a row at a position (0 is the first), by default at the end, and return its id.

        Without ``id``, the id is greater than all others. If the table has seeded rows, missing
        fields are generated in the same way.

        Raises:
            ValueError: A row has this id.
        """
        field_id = fields.get("id")
        id = field_id if isinstance(field_id, int) else self._next
        if id in self:
            raise ValueError(f"Row {id} exists already.")
        self._next = max(self._next, id + self._step)
        defaults = self._make(abs(id - self._seeded.start) // self._step, id) if self._make else {}
        self._rows[id] = {**defaults, **fields, "id": id}
        self._ids.insert(len(self._ids) if position is None else position, id)
        self._changed()
        self._notify(None, id)
        return id

    def add(self, row: JsonRow) -> int:
        """Append a complete row unchanged, and return its new id."""
        id = self._next
        self._next += self._step
        self._rows[id] = {**row, "id": id}
        self._ids.append(id)
        self._changed()
        self._notify(None, id)
        return id

    def delete(self, id: int) -> None:
        """Delete a row; the following rows move up by one position."""
        before = self.get(id) if self.on_change is not None else None
        self._ids.remove(id)
        self._rows.pop(id, None)
        self._deleted.add(id)
        self._changed()
        self._notify(before, None)

    def update(self, id: int, **fields: object) -> None:
        """Set fields of a row to any values, including invalid ones.

        ``updated_at`` becomes the clock's time, unless it is among the fields or the row has none.
        """
        before = self.row(id)
        after = {**before, **fields}
        if self.now is not None and "updated_at" in before and "updated_at" not in fields:
            after["updated_at"] = format_timestamp(self.now())
        self._rows[id] = after
        self._changed()
        self._notify(before, id)

    def move(self, id: int, position: int) -> None:
        """Move a row to another position."""
        self._ids.remove(id)
        self._ids.insert(position, id)
        self._changed()

    def where(self, field: str, value: object) -> list[int]:
        """Return the ids of the rows whose field has this value; the first call builds an index."""
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
        """Return the ids of the rows to keep, cached under ``key`` until the table changes."""
        ids = self._ids if among is None else among
        return self.cached(key, lambda: [id for id in ids if keep(self.row(id))])

    def cached(self, key: Hashable, build: Callable[[], _T]) -> _T:
        """Return the result of ``build``, cached under ``key`` until the table changes."""
        if key not in self._cache:
            self._cache[key] = build()
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return cast("_T", self._cache[key])

    def by_index(self, field: str, value: object) -> Sequence[int]:
        """Return the ids of the rows whose field has this value, without generating rows."""
        fact = self._facts[field]

        def keep(id: int) -> bool:
            stored = self._rows.get(id)
            current = fact(self._seeded.index(id)) if stored is None else stored.get(field)
            return current is value

        return self.cached(("fact", field, value), lambda: [id for id in self._ids if keep(id)])

    def _notify(self, previous: JsonRow | None, id: int | None) -> None:
        if self.on_change is not None:
            self.on_change(previous, None if id is None else self.row(id))

    def _changed(self) -> None:
        self._version += 1
        self._cache.clear()
        self._groups.clear()
