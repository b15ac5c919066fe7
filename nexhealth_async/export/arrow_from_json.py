"""Arrow columns built from a page's JSON, without models.

The columns are equal to those built from models. This works if every record can be read strictly
and every value fits its column, as in most pages. All other pages are decoded to models.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from attrs import field, frozen
from msgspec import Raw
from msgspec.structs import astuple

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
from nexhealth_async.export.columns import EXTRA, ColumnKind, FieldColumn, fields_of
from nexhealth_async.export.extra_fields import extra_json, fields_in, json_of, json_text
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.pyarrow_types import arrow
from nexhealth_async.export.strict_decoding import (
    StrictAmount,
    StrictReader,
    attribute_of,
    names_of,
    reader_of_json,
    strict_reader,
    struct_of,
)

if TYPE_CHECKING:
    from nexhealth_async.export.pyarrow_types import Array

__all__ = ["FastArrays", "Steps", "fast_arrays", "read_page", "warm_up"]

_STEP: Final = 256
"""Records read in one step, which takes 0.25 ms for small records and 2 ms for large ones."""
_HEAVY_BYTES: Final = 4096
"""Largest average size of a record; larger ones are read as models, a few at a time."""
_MAX_TRIES: Final = 4
"""Sets of fields to try: those of the first record, those of the model, and two more."""
_SLOW_STEP: Final = 64
"""Records split into fields in one step."""
_COLUMNS_PER_STEP: Final = 8
"""Simple columns built in one step."""
_SLOW_KINDS: Final = frozenset({ColumnKind.JSON, ColumnKind.MONEY, ColumnKind.STRUCT})
"""Kinds of columns that take a step each."""
_SIMPLE_KINDS: Final = frozenset(
    {ColumnKind.INTEGER, ColumnKind.FLOAT, ColumnKind.BOOLEAN, ColumnKind.TEXT, ColumnKind.DATE}
)
"""Kinds of values that pyarrow converts itself."""


@frozen
class FastArrays:
    """Columns of a page that replace its models."""

    arrays: Sequence[Array] = field(repr=False)
    """Columns of the model's fields, then `_extra`."""
    ids: Values = field(repr=False)
    """Ids of the records; None for a record without an id."""


Steps: TypeAlias = "Generator[None, None, FastArrays | None]"


def warm_up() -> None:
    """Import everything the first column needs; takes half a second, so call it in a thread."""
    timestamp_array([datetime.now(UTC)], arrow().timestamp("us", "UTC"))


def read_page(model: str, records: Sequence[Raw]) -> Steps:
    """Build the columns of a page by model name; see `nexhealth_async.bulk.batch.Reader`."""
    return fast_arrays(model_of(model), records)


def fast_arrays(model: type, records: Sequence[Raw]) -> Steps:
    """Build columns of records step by step; return None if models would give other columns."""
    if not records or sum(memoryview(record).nbytes for record in records) > _HEAVY_BYTES * len(
        records
    ):
        return None
    names = frozenset(fields_in(records[0]))
    rows: list[tuple[object, ...]] = []
    for _ in range(_MAX_TRIES):
        if (strict := strict_reader(model, names)) is None:
            return None
        rows.clear()
        try:
            yield from _read(strict, records, rows)
            return (yield from _build(strict, records, rows))
        except (*NATIVE_ERRORS, *UNREPRESENTABLE):  # the error may hold a value
            pass
        if len(rows) == len(records):
            return None  # a value does not fit its column
        sent = fields_in(records[len(rows)]).keys()
        if sent <= names:
            return None
        names |= sent | names_of(model)
    return None


def _read(
    strict: StrictReader, records: Sequence[Raw], rows: list[tuple[object, ...]]
) -> Generator[None]:
    for start in range(0, len(records), _STEP):
        rows.extend(map(astuple, map(strict.read, records[start : start + _STEP])))
        yield


def _build(
    strict: StrictReader, records: Sequence[Raw], rows: Sequence[tuple[object, ...]]
) -> Generator[None, None, FastArrays]:
    model, size = strict.model, len(rows)
    # The fields that the model lacks come last.
    sent = dict(zip(strict.names, zip(*rows, strict=True), strict=False))
    arrays: list[Array] = []
    yield
    for column in fields_of(model):
        values = sent.get(column.name)
        if values is None:
            values = (attribute_of(model, column.name).default,) * size
        if values[0] is None and values.count(None) == size:
            arrays.append(null_array(column, size))
            continue
        arrays.append(_array(model, column, values))
        if len(arrays) % _COLUMNS_PER_STEP == 0 or column.kind in _SLOW_KINDS:
            yield
    arrays.append((yield from _extra(strict, records)))
    return FastArrays(arrays, sent.get("id", (None,) * size))


def _extra(strict: StrictReader, records: Sequence[Raw]) -> Generator[None, None, Array]:
    others = strict.others
    if not others:
        return null_array(EXTRA, len(records))
    texts: list[str | None] = []
    for at, record in enumerate(records):
        fields = fields_in(record)  # in the order in which they were sent
        texts.append(extra_json({name: raw for name, raw in fields.items() if name in others}))
        if at % _SLOW_STEP == 0:
            yield
    return arrow().array(texts, type_of(EXTRA))


def _parts(rows: Values, part: FieldColumn) -> Values:
    return list(map(attrgetter(part.name), rows))


def _array(model: type, column: FieldColumn, values: Values) -> Array:
    """Build a column, or a part of one, from strictly read values."""
    match column.kind:
        case ColumnKind.TIMESTAMP:
            return timestamp_array(cast("Sequence[datetime | None]", values), type_of(column))
        case ColumnKind.MONEY:
            return money_array(cast("Sequence[StrictAmount | None]", values))
        case ColumnKind.JSON:
            return arrow().array(_texts(model, column, values), type_of(column))
        case ColumnKind.STRUCT:
            return _struct(column, values)
        case ColumnKind.LIST:
            return _list(model, column, values)
        case ColumnKind.TEXT if column.mixed:
            texts = [str(value) if type(value) is int else value for value in values]
            return arrow().array(texts, type_of(column))
        case _:
            return arrow().array(values, type_of(column))


def _texts(model: type, column: FieldColumn, values: Values) -> list[str | None]:
    """Return the values' JSON as sent, after checking that the model can read it."""
    read = reader_of_json(model, column.name)
    texts: list[str | None] = []
    for value in values:
        if isinstance(value, Raw):
            texts.append(None if read(value) is None else json_text(value))
        else:  # the default of a field that was not sent
            texts.append(None if value is None else json_text(json_of(value)))
    return texts


def _struct(column: FieldColumn, values: Values) -> Array:
    model = cast("type", column.model)
    mask = null_mask(values)
    blank = None if mask is None else struct_of(model)()
    full = values if mask is None else [blank if value is None else value for value in values]
    arrays = [_array(model, part, _parts(full, part)) for part in column.parts]
    return arrow().StructArray.from_arrays(arrays, fields=struct_fields(model), mask=mask)


def _list(model: type, column: FieldColumn, values: Values) -> Array:
    """Build lists; a single text becomes a list if the model does the same."""
    element = cast("FieldColumn", column.element)
    if str in set(map(type, values)):
        values = [
            ((value,) if value else ()) if isinstance(value, str) else value for value in values
        ]
    if element.kind in _SIMPLE_KINDS and not element.mixed:
        return arrow().array(values, type_of(column))
    lists = cast("Sequence[tuple[object, ...] | None]", values)
    flat = list(chain.from_iterable(filter(None, lists)))
    return list_array(column, lists, _array(model, element, flat))
