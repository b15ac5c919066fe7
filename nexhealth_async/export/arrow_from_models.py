"""Columns out of records, all values of a column at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, repeat
from operator import attrgetter
from types import MemberDescriptorType, NoneType
from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import define, field, frozen
from msgspec import Raw

from nexhealth_async.codec import NATIVE_ERRORS
from nexhealth_async.export.arrow_arrays import (
    UNREPRESENTABLE,
    Values,
    list_array,
    money_array,
    null_array,
    null_mask,
    struct_fields,
    timestamp_array,
    type_of,
)
from nexhealth_async.export.columns import EXTRA, ColumnKind, FieldColumn, check_of, fields_of
from nexhealth_async.export.extra_fields import (
    extra_json,
    fields_in,
    find_extra_fields,
    items_in,
    json_of,
    json_text,
    known_model_fields,
    outline_struct,
)
from nexhealth_async.export.pyarrow_types import arrow

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from nexhealth_async.export.columns import Check
    from nexhealth_async.export.pyarrow_types import Array
    from nexhealth_async.models import Money

__all__ = ["arrays_of"]

_FieldValues: TypeAlias = "Sequence[tuple[FieldColumn, Values | None]]"


def arrays_of(
    model: type,
    records: Sequence[object],
    raw: Sequence[bytes] | None,
    repaired: Collection[object],
) -> list[Array]:
    """Return the columns of a model's fields, and `_extra` behind them."""
    taken = _field_values(model, records)
    sent, odd = _sent_fields(model, taken, raw)
    if repaired:
        odd |= {at for at, one in enumerate(records) if getattr(one, "id", None) in repaired}
    work = _ArrayBuilder()
    rows = range(len(records))
    arrays = [work.build(column, values, sent.get(column.name), rows) for column, values in taken]
    return [*arrays, work.extra_fields(model, records, raw, odd)]


def _sent_fields(
    model: type, field_values: _FieldValues, raw: Sequence[bytes] | None
) -> tuple[Mapping[str, Values], set[int]]:
    """Return what was sent for columns that are JSON, and the rows that hold more than columns."""
    odd = set[int]()
    if raw is None:
        return {}, odd
    names = tuple(
        column.name for column, values in field_values if values is not None and column.has_json
    )
    outline = outline_struct(model)
    kept = list[object]()
    for at, data in enumerate(raw):
        try:
            kept.append(outline(data))
        except NATIVE_ERRORS:
            odd.add(at)
            kept.append(_SentFields(fields_in(data)) if names else None)
    return {name: list(map(attrgetter(name), kept)) for name in names}, odd


@frozen
class _SentFields:
    """What was sent, as attributes; None for what was not."""

    _raw: Mapping[str, Raw]

    def __getattr__(self, name: str) -> Raw | None:
        return self._raw.get(name)


def _parts_sent(part: FieldColumn, sent: Values | None) -> Values | None:
    """Return what was sent for one part of a column; None for parts made of the record alone."""
    if sent is None or not part.has_json:
        return None
    name = part.name
    return [
        fields_in(one).get(name) if isinstance(one, Raw) else getattr(one, name, None)
        for one in sent
    ]


def _field_values(model: type, records: Sequence[object]) -> _FieldValues:
    """Take all values of each column out of records; None for columns without any.

    Fields that replies often lack are in the records' dicts, and only if they were sent.
    """
    columns = fields_of(model)
    loose = _unstructured_fields(model)
    there = set(chain.from_iterable(map(vars, records))) if loose else set[str]()
    wanted = tuple(
        column.name for column in columns if column.name not in loose or column.name in there
    )
    if not records or not wanted:
        return [(column, None) for column in columns]
    # A tuple for each record would be work for the garbage collector, more than all else here.
    taken = {name: list(map(attrgetter(name), records)) for name in wanted}
    return [(column, taken.get(column.name)) for column in columns]


@cache
def _unstructured_fields(model: type) -> frozenset[str]:
    return frozenset(
        column.name
        for column in fields_of(model)
        if not isinstance(getattr(model, column.name, None), MemberDescriptorType)
    )


@define
class _ArrayBuilder:
    """The columns of one table while they are built."""

    unrepresentable: dict[int, set[str]] = field(factory=dict[int, "set[str]"])
    """By row: columns with a value that they cannot hold."""
    top: str = ""
    """Name of the column in work."""

    def build(
        self, column: FieldColumn, values: Values | None, sent: Values | None, rows: Sequence[int]
    ) -> Array:
        """Build a column of a table; ``rows`` are the values' rows."""
        self.top = column.name
        return self._build_checked(column, values, sent, rows)

    def _build_checked(
        self, column: FieldColumn, values: Values | None, sent: Values | None, rows: Sequence[int]
    ) -> Array:
        if values is None:
            return null_array(column, len(rows))
        try:
            return self._convert(column, values, sent, rows)
        except UNREPRESENTABLE:
            check = check_of(column)
            kept = [
                self._keep_if_valid(column, check, value, row)
                for value, row in zip(values, rows, strict=True)
            ]
            return self._convert(column, kept, sent, rows)

    def _keep_if_valid(self, column: FieldColumn, check: Check, value: object, row: int) -> object:
        if value is None or column.kind is ColumnKind.JSON:
            return value
        if column.mixed and type(value) is int:
            return str(value)
        if check(value):
            return value
        self.unrepresentable.setdefault(row, set()).add(self.top)
        return None

    def _convert(
        self, column: FieldColumn, values: Values, sent: Values | None, rows: Sequence[int]
    ) -> Array:
        pa = arrow()
        match column.kind:
            case ColumnKind.TIMESTAMP:
                return timestamp_array(cast("Sequence[datetime | None]", values), type_of(column))
            case ColumnKind.MONEY:
                return money_array(cast("Sequence[Money | None]", values))
            case ColumnKind.JSON:
                return pa.array(_texts(values, sent), pa.string())
            case ColumnKind.STRUCT:
                return self._struct(column, values, sent, rows)
            case ColumnKind.LIST:
                return self._list(column, values, sent, rows)
            case _:
                return pa.array(values, type_of(column))

    def _struct(
        self, column: FieldColumn, values: Values, sent: Values | None, rows: Sequence[int]
    ) -> Array:
        pa, model = arrow(), cast("type", column.model)
        _check(values, model)
        blank, mask = model(), null_mask(values)
        full = values if mask is None else [value or blank for value in values]
        arrays = [
            self._build_checked(part, taken, _parts_sent(part, sent), rows)
            for part, taken in _field_values(model, full)
        ]
        return pa.StructArray.from_arrays(arrays, fields=struct_fields(model), mask=mask)

    def _list(
        self, column: FieldColumn, values: Values, sent: Values | None, rows: Sequence[int]
    ) -> Array:
        element = cast("FieldColumn", column.element)
        _check(values, tuple)
        lists = cast("Sequence[tuple[object, ...] | None]", values)
        lengths = [len(value) if value else 0 for value in lists]
        flat = list(chain.from_iterable(filter(None, lists)))
        owners = list(chain.from_iterable(map(repeat, rows, lengths)))
        items = None if sent is None else _items(sent, lengths)
        return list_array(column, lists, self._build_checked(element, flat or None, items, owners))

    def extra_fields(
        self,
        model: type,
        records: Sequence[object],
        raw: Sequence[bytes] | None,
        unrepresentable: set[int],
    ) -> Array:
        """Build `_extra`, once all other columns are."""
        if not unrepresentable and not self.unrepresentable:
            return null_array(EXTRA, len(records))
        known = known_model_fields(model)
        texts: list[str | None] = [None] * len(records)
        for at in unrepresentable.union(self.unrepresentable):
            record, fields = records[at], {} if raw is None else fields_in(raw[at])
            left = find_extra_fields(known, record, fields)
            for name in self.unrepresentable.get(at, ()):
                left[name] = fields[name] if name in fields else json_of(getattr(record, name))
            texts[at] = extra_json(left)
        return arrow().array(texts, type_of(EXTRA))


def _check(values: Values, kind: type) -> None:
    if not all(one is NoneType or issubclass(one, kind) for one in set(map(type, values))):
        raise TypeError(kind.__name__)


def _texts(values: Values, sent: Values | None) -> list[str | None]:
    """Return the JSON of values as it came; of those that came without theirs, as we write it."""
    if sent is None:
        return [None if value is None else json_text(json_of(value)) for value in values]
    return [
        None if value is None else json_text(one if isinstance(one, Raw) else json_of(value))
        for value, one in zip(values, sent, strict=True)
    ]


def _items(sent: Values, lengths: Sequence[int]) -> list[object]:
    """Return what the elements of lists were sent as, where it is clear which is which."""
    found: list[object] = []
    for one, length in zip(sent, lengths, strict=True):
        items = items_in(one) if isinstance(one, Raw) else one
        known = isinstance(items, list) and len(cast("list[object]", items)) == length
        found += cast("list[object]", items) if known else [None] * length
    return found
