"""Columns of a model's table, shared by all targets.

Each field is one column with the same name. An amount of money is two columns, such as
``fee_amount`` and ``fee_currency``. Nested objects are structs. Nested records with an id, such as
``guarantor``, are JSON, because they are rows of another list. A column that names another record,
such as ``procedure_id``, has the type of that record's ``id``, so that tables can be joined. A
field with two spellings is one column: ``cancelled``. Further columns:

- ``_practice``: subdomain that the row was read from. In lists of the whole account, it is the
  record's own subdomain, or ``''`` if it has none. With the id it identifies a row.
- ``_extra``: JSON of everything the server sent that has no column; null if there is nothing.
- ``_pull``: id of the last pull that saw the row.

A value that does not fit its column is null there, and the field is part of ``_extra`` as it was
sent. This applies to integers of more than 64 bits, amounts with more than four decimals or more
than 14 digits before the point, and timestamps outside the years 1 to 9999 in UTC. It also applies
to values that the model could only read as None.
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
from nexhealth_async.codec import is_attrs, resolve_annotations, without_none

__all__ = [
    "EXTRA",
    "PRACTICE",
    "PULL",
    "Check",
    "ColumnKind",
    "FieldColumn",
    "check_of",
    "columns_of",
    "fields_of",
    "quantize_amount",
]


Check: TypeAlias = "Callable[[object], bool]"


class ColumnKind(Enum):
    """The type of a column's values."""

    INTEGER = "integer of 64 bits"
    FLOAT = "number"
    BOOLEAN = "true or false"
    TEXT = "text"
    TIMESTAMP = "timestamp in UTC, to the microsecond"
    DATE = "day"
    MONEY = "exact amount and currency"
    LIST = "list"
    STRUCT = "several parts"
    JSON = "JSON text"


@frozen(kw_only=True, cache_hash=True)
class FieldColumn:
    """A column, or one part of a column."""

    name: str
    """Field name in the API; empty for the elements of a list."""
    kind: ColumnKind
    element: FieldColumn | None = None
    """Type of a list's elements; never JSON."""
    parts: tuple[FieldColumn, ...] = ()
    """Parts of a struct."""
    model: type | None = None
    """Class of a struct's values."""
    mixed: bool = False
    """True if a text field may hold integers, which become text."""
    required: bool = False
    """True if the column is never null."""

    @property
    def is_plain(self) -> bool:
        """True for a scalar, an amount of money, or a list of scalars."""
        kind = self.element.kind if self.element is not None else self.kind
        return kind not in (ColumnKind.STRUCT, ColumnKind.JSON)

    @property
    def has_json(self) -> bool:
        """True if the column or one of its parts is JSON text."""
        inner = self.parts if self.element is None else (self.element,)
        return self.kind is ColumnKind.JSON or any(part.has_json for part in inner)


PRACTICE: Final = FieldColumn(name="_practice", kind=ColumnKind.TEXT, required=True)
EXTRA: Final = FieldColumn(name="_extra", kind=ColumnKind.JSON)
PULL: Final = FieldColumn(name="_pull", kind=ColumnKind.TEXT, required=True)

_OTHER_SPELLINGS: Final = {"Appointment": frozenset({"canceled"})}
"""Fields without a column, by model: their value is in the field with the other spelling."""
_SCALARS: Final[dict[object, ColumnKind]] = {
    int: ColumnKind.INTEGER,
    float: ColumnKind.FLOAT,
    bool: ColumnKind.BOOLEAN,
    str: ColumnKind.TEXT,
    datetime: ColumnKind.TIMESTAMP,
    date: ColumnKind.DATE,
}


def columns_of(model: type) -> tuple[FieldColumn, ...]:
    """Return all columns of a model's table."""
    return (PRACTICE, *fields_of(model), EXTRA, PULL)


def fields_of(model: type) -> tuple[FieldColumn, ...]:
    """Return the columns of a model's fields, its own fields before inherited ones."""
    return _fields_of(model)


@cache
def _fields_of(model: type) -> tuple[FieldColumn, ...]:
    resolve_annotations(model)
    fields = sorted(
        attrs.fields(cast("type[attrs.AttrsInstance]", model)),
        key=lambda attribute: attribute.inherited,
    )
    spellings = _OTHER_SPELLINGS.get(model.__name__, frozenset[str]())
    return tuple(
        _column(attribute.name, attribute.type)
        for attribute in fields
        if attribute.name not in spellings
    )


def _column(name: str, declared: object) -> FieldColumn:
    kind = without_none(declared)
    if kind in _SCALARS:
        return FieldColumn(name=name, kind=_SCALARS[kind])
    if kind is models.Money:
        return FieldColumn(name=name, kind=ColumnKind.MONEY)
    if is_attrs(kind) and not hasattr(kind, "id"):
        return FieldColumn(name=name, kind=ColumnKind.STRUCT, parts=fields_of(kind), model=kind)
    if get_origin(kind) is tuple:
        element = _column("", get_args(kind)[0])
        if element.kind is not ColumnKind.JSON:
            return FieldColumn(name=name, kind=ColumnKind.LIST, element=element)
    parts = [part for part in get_args(kind) if part is not NoneType]
    if set(parts) == {int, str} and name.endswith("_id"):
        # The type of the referenced ids; text goes to _extra.
        return FieldColumn(name=name, kind=ColumnKind.INTEGER)
    if set(parts) == {int, str}:
        return FieldColumn(name=name, kind=ColumnKind.TEXT, mixed=True)
    lists = [part for part in parts if get_origin(part) is tuple]
    if len(lists) == 1 and set(parts) - set(lists) == {str}:
        return _column(name, lists[0])  # text that the model converts to a list
    return FieldColumn(name=name, kind=ColumnKind.JSON)


_INT_LIMIT: Final = 2**63
"""Integers of 64 bits are below it."""
_EXACT_FLOAT_LIMIT: Final = 2**53
"""Largest integer up to which a float holds every integer."""
_AMOUNT_STEP: Final = Decimal("0.0001")
_EXACT: Final = Context(prec=18, traps=[Inexact, InvalidOperation])


def check_of(column: FieldColumn) -> Check:
    """Return a function that checks if a column can hold a value other than None.

    For lists and structs it checks the type of the value, not its content.
    """
    if column.kind is ColumnKind.STRUCT:
        model = cast("type", column.model)
        return lambda value: isinstance(value, model)
    return _CHECKS[column.kind]


def quantize_amount(amount: Decimal) -> Decimal:
    """Return an amount with four decimals, as columns hold it.

    Raises:
        ArithmeticError: The amount has more decimals or too many digits.
    """
    return amount.quantize(_AMOUNT_STEP, context=_EXACT)


def _is_int(value: object) -> bool:
    return type(value) is int and -_INT_LIMIT <= value < _INT_LIMIT


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= _EXACT_FLOAT_LIMIT)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _is_timestamp(value: object) -> bool:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return False
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _is_date(value: object) -> bool:
    return type(value) is date


def _is_money(value: object) -> bool:
    if not isinstance(value, models.Money):
        return False
    try:
        quantize_amount(value.amount)
    except (ArithmeticError, AttributeError):  # too many digits, or a value of a user's hook
        return False
    return _is_text(value.currency)


def _is_list(value: object) -> bool:
    return isinstance(value, tuple)


_CHECKS: Final[dict[ColumnKind, Check]] = {
    ColumnKind.INTEGER: _is_int,
    ColumnKind.FLOAT: _is_number,
    ColumnKind.BOOLEAN: _is_bool,
    ColumnKind.TEXT: _is_text,
    ColumnKind.TIMESTAMP: _is_timestamp,
    ColumnKind.DATE: _is_date,
    ColumnKind.MONEY: _is_money,
    ColumnKind.LIST: _is_list,
    ColumnKind.JSON: _is_text,
}
