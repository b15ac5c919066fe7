"""Arrow columns built from records, one column at a time."""

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
    """Return the columns of a model's fields, then `_extra`."""
    field_values = _field_values(model, records)
    sent, irregular = _sent_fields(model, field_values, raw)
    if repaired:
        irregular |= {
            at for at, record in enumerate(records) if getattr(record, "id", None) in repaired
        }
    builder = _ArrayBuilder()
    rows = range(len(records))
    arrays = [
        builder.build(column, values, sent.get(column.name), rows)
        for column, values in field_values
    ]
    return [*arrays, builder.extra_fields(model, records, raw, irregular)]


def _sent_fields(
    model: type, field_values: _FieldValues, raw: Sequence[bytes] | None
) -> tuple[Mapping[str, Values], set[int]]:
    """Return the JSON sent for JSON columns, and the rows with fields that have no column."""
    irregular = set[int]()
    if raw is None:
        return {}, irregular
    names = tuple(
        column.name for column, values in field_values if values is not None and column.has_json
    )
    outline = outline_struct(model)
    outlines = list[object]()
    for at, data in enumerate(raw):
        try:
            outlines.append(outline(data))
        except NATIVE_ERRORS:
            irregular.add(at)
            outlines.append(_SentFields(fields_in(data)) if names else None)
    return {name: list(map(attrgetter(name), outlines)) for name in names}, irregular


@frozen
class _SentFields:
    """Fields of a record's JSON as attributes; None for absent fields."""

    _raw: Mapping[str, Raw]

    def __getattr__(self, name: str) -> Raw | None:
        return self._raw.get(name)


def _parts_sent(part: FieldColumn, sent: Values | None) -> Values | None:
    """Return the JSON sent for one part of a column; None if the part holds no JSON."""
    if sent is None or not part.has_json:
        return None
    name = part.name
    return [
        fields_in(value).get(name) if isinstance(value, Raw) else getattr(value, name, None)
        for value in sent
    ]


def _field_values(model: type, records: Sequence[object]) -> _FieldValues:
    """Collect the values of each column from records; None for columns without values.

    Optional fields are in the records' ``__dict__``, and only if they were sent.
    """
    columns = fields_of(model)
    optional = _unslotted_fields(model)
    sent = set(chain.from_iterable(map(vars, records))) if optional else set[str]()
    names = tuple(
        column.name for column in columns if column.name not in optional or column.name in sent
    )
    if not records or not names:
        return [(column, None) for column in columns]
    # One tuple per record would cost more in the garbage collector than everything else here.
    values_by_name = {name: list(map(attrgetter(name), records)) for name in names}
    return [(column, values_by_name.get(column.name)) for column in columns]


@cache
def _unslotted_fields(model: type) -> frozenset[str]:
    return frozenset(
        column.name
        for column in fields_of(model)
        if not isinstance(getattr(model, column.name, None), MemberDescriptorType)
    )


@define
class _ArrayBuilder:
    """Builder of the columns of one table."""

    unrepresentable: dict[int, set[str]] = field(factory=dict[int, "set[str]"])
    """Names of the columns that cannot hold their value, by row."""
    top: str = ""
    """Name of the current column."""

    def build(
        self, column: FieldColumn, values: Values | None, sent: Values | None, rows: Sequence[int]
    ) -> Array:
        """Build a column of a table; ``rows`` are the row numbers of the values."""
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
            valid = [
                self._keep_if_valid(column, check, value, row)
                for value, row in zip(values, rows, strict=True)
            ]
            return self._convert(column, valid, sent, rows)

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
            self._build_checked(part, part_values, _parts_sent(part, sent), rows)
            for part, part_values in _field_values(model, full)
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
        irregular: set[int],
    ) -> Array:
        """Build `_extra`, after all other columns, for irregular and unrepresentable rows."""
        if not irregular and not self.unrepresentable:
            return null_array(EXTRA, len(records))
        known = known_model_fields(model)
        texts: list[str | None] = [None] * len(records)
        for at in irregular.union(self.unrepresentable):
            record, fields = records[at], {} if raw is None else fields_in(raw[at])
            extra = find_extra_fields(known, record, fields)
            for name in self.unrepresentable.get(at, ()):
                extra[name] = fields[name] if name in fields else json_of(getattr(record, name))
            texts[at] = extra_json(extra)
        return arrow().array(texts, type_of(EXTRA))


def _check(values: Values, kind: type) -> None:
    if not all(found is NoneType or issubclass(found, kind) for found in set(map(type, values))):
        raise TypeError(kind.__name__)


def _texts(values: Values, sent: Values | None) -> list[str | None]:
    """Return the values' JSON as sent, or encode the value if no JSON is given."""
    if sent is None:
        return [None if value is None else json_text(json_of(value)) for value in values]
    return [
        None if value is None else json_text(raw if isinstance(raw, Raw) else json_of(value))
        for value, raw in zip(values, sent, strict=True)
    ]


def _items(sent: Values, lengths: Sequence[int]) -> list[object]:
    """Return the JSON of the elements of lists, if the lengths match."""
    elements: list[object] = []
    for value, length in zip(sent, lengths, strict=True):
        items = items_in(value) if isinstance(value, Raw) else value
        known = isinstance(items, list) and len(cast("list[object]", items)) == length
        elements += cast("list[object]", items) if known else [None] * length
    return elements
