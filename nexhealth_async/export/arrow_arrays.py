"""Arrow's types for columns, and arrays that are made in one way only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from nexhealth_async.export.columns import Column, Kind, exact, fields_of
from nexhealth_async.export.pyarrow_types import arrow, extremes

if TYPE_CHECKING:
    from decimal import Decimal

    from nexhealth_async.export.pyarrow_types import Array, DataType, Field

__all__ = [
    "UNFIT",
    "MoneyValue",
    "Values",
    "lists_of",
    "mask_of",
    "moments_of",
    "money_columns",
    "money_of",
    "nulls",
    "struct_fields",
    "type_of",
]


class MoneyValue(Protocol):
    """An amount of money, as a model or as it was sent."""

    @property
    def amount(self) -> Decimal:
        """The amount, in whole units of the currency."""
        ...

    @property
    def currency(self) -> str:
        """ISO 4217 code of the currency."""
        ...


Values: TypeAlias = "Sequence[object]"

UNFIT: Final = (ValueError, TypeError, AttributeError, ArithmeticError, NotImplementedError)
"""What building a column raises where it cannot hold a value; `OverflowError` is arithmetic."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


@cache
def type_of(column: Column) -> DataType:
    """Return the Arrow type of a column."""
    pa = arrow()
    match column.kind:
        case Kind.INTEGER:
            return pa.int64()
        case Kind.FLOAT:
            return pa.float64()
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.TEXT | Kind.JSON:
            return pa.string()
        case Kind.TIMESTAMP:
            return pa.timestamp("us", "UTC")
        case Kind.DATE:
            return pa.date32()
        case Kind.MONEY:
            return pa.struct(_money_fields())
        case Kind.LIST:
            return pa.list_(_field("item", cast("Column", column.element)))
        case Kind.STRUCT:
            return pa.struct(struct_fields(cast("type", column.model)))


def _field(name: str, column: Column) -> Field:
    return arrow().field(name, type_of(column), not column.required)


@cache
def struct_fields(model: type) -> tuple[Field, ...]:
    """Return the parts of the struct that a model's values become."""
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
    """Return the columns of an amount of money in a table."""
    pa = arrow()
    return tuple(pa.field(f"{name}_{part.name}", part.type, True) for part in _money_fields())


@lru_cache(maxsize=256)
def nulls(column: Column, size: int) -> Array:
    """Return a column of nulls, shared by all tables of this size: most columns are nothing else.

    They are few, but for a struct each costs as much as a column of numbers.
    """
    return arrow().nulls(size, type_of(column))


def mask_of(values: Values) -> Array | None:
    """Return which values are None; None if no value is."""
    missing = [value is None for value in values]
    return arrow().array(missing, arrow().bool_()) if any(missing) else None


def lists_of(column: Column, lists: Sequence[Sequence[object] | None], elements: Array) -> Array:
    """Build lists from all their elements, which stand one behind the other."""
    ends = accumulate((len(one) if one else 0 for one in lists), initial=0)
    offsets = arrow().array(list(ends), arrow().int32())
    return arrow().ListArray.from_arrays(
        offsets, elements, type=type_of(column), mask=mask_of(lists)
    )


def money_of(values: Sequence[MoneyValue | None]) -> Array:
    """Build amounts of money; `ValueError` for one that is not finite."""
    pa = arrow()
    amount, currency = _money_fields()
    if not all(one is None or one.amount.is_finite() for one in values):
        raise ValueError(Kind.MONEY.value)
    # pyarrow is not to see an amount such as 1e-999999999, which ends the process.
    amounts = [None if one is None else exact(one.amount) for one in values]
    currencies = [None if one is None else one.currency for one in values]
    return pa.StructArray.from_arrays(
        [pa.array(amounts, amount.type), pa.array(currencies, currency.type)],
        fields=_money_fields(),
        mask=mask_of(values),
    )


def moments_of(moments: Sequence[datetime | None], kind: DataType) -> Array:
    """Build moments from their distance to 1970: a fifth of the cost, and no zone upsets it."""
    pa = arrow()
    apart = [None if one is None else one - _EPOCH for one in moments]
    array = pa.array(apart, pa.duration("us"))
    ends = extremes(array.view(pa.int64()))
    if ends is not None and not _FIRST <= ends[0] <= ends[1] <= _LAST:
        raise ValueError(Kind.TIMESTAMP.value)
    return array.view(kind)
