"""Arrow types of columns, and builders of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from nexhealth_async.export.columns import ColumnKind, FieldColumn, fields_of, quantize_amount
from nexhealth_async.export.pyarrow_types import arrow, min_and_max

if TYPE_CHECKING:
    from decimal import Decimal

    from nexhealth_async.export.pyarrow_types import Array, DataType, Field

__all__ = [
    "UNREPRESENTABLE",
    "MoneyValue",
    "Values",
    "list_array",
    "money_array",
    "money_columns",
    "null_array",
    "null_mask",
    "struct_fields",
    "timestamp_array",
    "type_of",
]


class MoneyValue(Protocol):
    """An amount of money, as a model or as sent by the server."""

    @property
    def amount(self) -> Decimal:
        """The amount, in whole units of the currency."""
        ...

    @property
    def currency(self) -> str:
        """ISO 4217 code of the currency."""
        ...


Values: TypeAlias = "Sequence[object]"

UNREPRESENTABLE: Final = (
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
)
"""Exceptions raised for a value that a column cannot hold (`OverflowError` is arithmetic)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


@cache
def type_of(column: FieldColumn) -> DataType:
    """Return the Arrow type of a column."""
    pa = arrow()
    match column.kind:
        case ColumnKind.INTEGER:
            return pa.int64()
        case ColumnKind.FLOAT:
            return pa.float64()
        case ColumnKind.BOOLEAN:
            return pa.bool_()
        case ColumnKind.TEXT | ColumnKind.JSON:
            return pa.string()
        case ColumnKind.TIMESTAMP:
            return pa.timestamp("us", "UTC")
        case ColumnKind.DATE:
            return pa.date32()
        case ColumnKind.MONEY:
            return pa.struct(_money_fields())
        case ColumnKind.LIST:
            return pa.list_(_field("item", cast("FieldColumn", column.element)))
        case ColumnKind.STRUCT:
            return pa.struct(struct_fields(cast("type", column.model)))


def _field(name: str, column: FieldColumn) -> Field:
    return arrow().field(name, type_of(column), not column.required)


@cache
def struct_fields(model: type) -> tuple[Field, ...]:
    """Return the fields of the struct that holds a model's values."""
    return tuple(_field(column.name, column) for column in fields_of(model))


@cache
def _money_fields() -> tuple[Field, ...]:
    pa = arrow()
    return (
        pa.field("amount", pa.decimal128(18, 4), True),
        pa.field("currency", pa.string(), True),
    )


@cache
def money_columns(name: str) -> tuple[Field, ...]:
    """Return the two columns of an amount of money in a table."""
    pa = arrow()
    return tuple(pa.field(f"{name}_{part.name}", part.type, True) for part in _money_fields())


@lru_cache(maxsize=256)
def null_array(column: FieldColumn, size: int) -> Array:
    """Return a column of nulls, cached because most columns hold nothing else.

    There are few of them, but for a struct each costs as much as a column of numbers.
    """
    return arrow().nulls(size, type_of(column))


def null_mask(values: Values) -> Array | None:
    """Return a mask of the values that are None; None if no value is."""
    missing = [value is None for value in values]
    return arrow().array(missing, arrow().bool_()) if any(missing) else None


def list_array(
    column: FieldColumn, lists: Sequence[Sequence[object] | None], elements: Array
) -> Array:
    """Build an array of lists from their concatenated elements."""
    ends = accumulate((len(items) if items else 0 for items in lists), initial=0)
    offsets = arrow().array(list(ends), arrow().int32())
    return arrow().ListArray.from_arrays(
        offsets, elements, type=type_of(column), mask=null_mask(lists)
    )


def money_array(values: Sequence[MoneyValue | None]) -> Array:
    """Build an array of amounts of money.

    Raises:
        ValueError: An amount is not finite.
    """
    pa = arrow()
    amount, currency = _money_fields()
    if not all(value is None or value.amount.is_finite() for value in values):
        raise ValueError(ColumnKind.MONEY.value)
    # An amount such as 1e-999999999 would crash the process in pyarrow.
    amounts = [None if value is None else quantize_amount(value.amount) for value in values]
    currencies = [None if value is None else value.currency for value in values]
    return pa.StructArray.from_arrays(
        [pa.array(amounts, amount.type), pa.array(currencies, currency.type)],
        fields=_money_fields(),
        mask=null_mask(values),
    )


def timestamp_array(timestamps: Sequence[datetime | None], kind: DataType) -> Array:
    """Build an array of timestamps from their distance to 1970.

    This takes a fifth of the time of a direct conversion, and works for every time zone.
    """
    pa = arrow()
    distances = [None if value is None else value - _EPOCH for value in timestamps]
    array = pa.array(distances, pa.duration("us"))
    limits = min_and_max(array.view(pa.int64()))
    if limits is not None and not _FIRST <= limits[0] <= limits[1] <= _LAST:
        raise ValueError(ColumnKind.TIMESTAMP.value)
    return array.view(kind)
