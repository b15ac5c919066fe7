"""The columns of a model's table, the same for every target.

Each field is a column of its own name; an amount of money is two, such as ``fee_amount`` and
``fee_currency``; fields with other parts are structs. Records that stand inside a record and have
an id of their own, such as ``guarantor``, stay JSON: they are rows of another list. A column that
names another record, such as ``procedure_id``, has the type of that record's ``id``, so that
tables join. A field with two spellings is one column: ``cancelled``. Around the fields stand:

- ``_practice``: the subdomain the row was read from; in lists of the whole account the record's
  own, ``''`` where it has none. With the id it identifies a row.
- ``_extra``: JSON, everything the vendor sent that no column holds; null if there is nothing.
- ``_pull``: the id of the last pull that saw the row.

What a column cannot hold (a number past 64 bits, an amount with more than four decimals or past 14
digits before the point, a moment outside the years 1 to 9999 in UTC) is null there, and its field
stands in ``_extra`` as the vendor sent it. So does what the vendor sent where the model could only
read None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum
from functools import cache
from types import NoneType
from typing import Final, TypeAlias, cast, get_args, get_origin

import attrs
from attrs import frozen

from nexhealth_async import models
from nexhealth_async.codec import bare, is_attrs, prepare

__all__ = [
    "EXTRA",
    "PRACTICE",
    "PULL",
    "Check",
    "Column",
    "Kind",
    "check_of",
    "columns_of",
    "exact",
    "fields_of",
]


Check: TypeAlias = "Callable[[object], bool]"


class Kind(Enum):
    """What a column holds."""

    INTEGER = "whole number of 64 bits"
    FLOAT = "number"
    BOOLEAN = "yes or no"
    TEXT = "text"
    TIMESTAMP = "moment in UTC, to the microsecond"
    DATE = "day"
    MONEY = "exact amount and currency"
    LIST = "list"
    STRUCT = "several parts"
    JSON = "JSON text"


@frozen(kw_only=True, cache_hash=True)
class Column:
    """One column, or one part of a column."""

    name: str
    """The API's own name; empty for the elements of a list."""
    kind: Kind
    element: Column | None = None
    """Of a list: what its elements are, which is never JSON."""
    parts: tuple[Column, ...] = ()
    """Of a struct: its parts, by name."""
    model: type | None = None
    """Of a struct: the class of its values."""
    mixed: bool = False
    """Of text: the field holds whole numbers at times, which become text."""
    required: bool = False
    """Never null."""

    @property
    def is_plain(self) -> bool:
        """Whether it needs neither structs nor JSON: a scalar, an amount, or a list of scalars."""
        kind = self.element.kind if self.element is not None else self.kind
        return kind not in (Kind.STRUCT, Kind.JSON)

    @property
    def has_json(self) -> bool:
        """Whether it, or anything inside, is JSON text."""
        inner = self.parts if self.element is None else (self.element,)
        return self.kind is Kind.JSON or any(part.has_json for part in inner)


PRACTICE: Final = Column(name="_practice", kind=Kind.TEXT, required=True)
EXTRA: Final = Column(name="_extra", kind=Kind.JSON)
PULL: Final = Column(name="_pull", kind=Kind.TEXT, required=True)

_SPELLINGS: Final = {"Appointment": frozenset({"canceled"})}
"""By model: fields that are another spelling of a field that follows them, and no columns."""
_SCALARS: Final[dict[object, Kind]] = {
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    bool: Kind.BOOLEAN,
    str: Kind.TEXT,
    datetime: Kind.TIMESTAMP,
    date: Kind.DATE,
}


def columns_of(model: type) -> tuple[Column, ...]:
    """Return all columns of a model's table, ours around its fields."""
    return (PRACTICE, *fields_of(model), EXTRA, PULL)


def fields_of(model: type) -> tuple[Column, ...]:
    """Return the columns of a model's fields, its own before inherited ones."""
    return _fields_of(model)


@cache
def _fields_of(model: type) -> tuple[Column, ...]:
    prepare(model)
    fields = sorted(
        attrs.fields(cast("type[attrs.AttrsInstance]", model)),
        key=lambda attribute: attribute.inherited,
    )
    spellings = _SPELLINGS.get(model.__name__, frozenset[str]())
    return tuple(
        _column(attribute.name, attribute.type)
        for attribute in fields
        if attribute.name not in spellings
    )


def _column(name: str, declared: object) -> Column:
    kind = bare(declared)
    if kind in _SCALARS:
        return Column(name=name, kind=_SCALARS[kind])
    if kind is models.Money:
        return Column(name=name, kind=Kind.MONEY)
    if is_attrs(kind) and not hasattr(kind, "id"):
        return Column(name=name, kind=Kind.STRUCT, parts=fields_of(kind), model=kind)
    if get_origin(kind) is tuple:
        element = _column("", get_args(kind)[0])
        if element.kind is not Kind.JSON:
            return Column(name=name, kind=Kind.LIST, element=element)
    parts = [part for part in get_args(kind) if part is not NoneType]
    if set(parts) == {int, str} and name.endswith("_id"):
        return Column(name=name, kind=Kind.INTEGER)  # as the ids it points to; text goes aside
    if set(parts) == {int, str}:
        return Column(name=name, kind=Kind.TEXT, mixed=True)
    lists = [part for part in parts if get_origin(part) is tuple]
    if len(lists) == 1 and set(parts) - set(lists) == {str}:
        return _column(name, lists[0])  # text that the model makes a list of
    return Column(name=name, kind=Kind.JSON)


_WIDEST: Final = 2**63
_PRECISE: Final = 2**53
_FINEST: Final = Decimal("0.0001")
_EXACT: Final = Context(prec=18, traps=[Inexact, InvalidOperation])


def check_of(column: Column) -> Check:
    """Return what tells whether a column can hold a value that is not None.

    Of lists and structs it looks at the value alone, not at what is inside.
    """
    if column.kind is Kind.STRUCT:
        model = cast("type", column.model)
        return lambda value: isinstance(value, model)
    return _CHECKS[column.kind]


def exact(amount: Decimal) -> Decimal:
    """Return an amount with four decimals, which is what columns hold.

    Raises:
        ArithmeticError: it has more, or is too large.
    """
    return amount.quantize(_FINEST, context=_EXACT)


def _is_whole(value: object) -> bool:
    return type(value) is int and -_WIDEST <= value < _WIDEST


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= _PRECISE)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _is_moment(value: object) -> bool:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return False
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _is_day(value: object) -> bool:
    return type(value) is date


def _is_money(value: object) -> bool:
    if not isinstance(value, models.Money):
        return False
    try:
        exact(value.amount)
    except (ArithmeticError, AttributeError):  # too long, or a user's hook made something else
        return False
    return _is_text(value.currency)


def _is_list(value: object) -> bool:
    return isinstance(value, tuple)


_CHECKS: Final[dict[Kind, Check]] = {
    Kind.INTEGER: _is_whole,
    Kind.FLOAT: _is_number,
    Kind.BOOLEAN: _is_flag,
    Kind.TEXT: _is_text,
    Kind.TIMESTAMP: _is_moment,
    Kind.DATE: _is_day,
    Kind.MONEY: _is_money,
    Kind.LIST: _is_list,
    Kind.JSON: _is_text,
}
