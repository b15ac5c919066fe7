"""Reading single values that are not quite what they should be.

Each reader takes a value and a list of repairs. It returns what was meant, None where nothing was;
if that took a repair, it appends ``""`` to the list, which callers turn into a path. What it cannot
repair it refuses with ``Refusal``, which says what was due and never what was there.

Whatever msgspec can read is read by msgspec, so that the native decoder and this one agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from math import isfinite
from typing import TypeAlias, TypeVar, cast

import msgspec

__all__ = [
    "Reader",
    "ValueRejectedError",
    "is_empty",
    "is_missing",
    "read_bool",
    "read_date",
    "read_decimal",
    "read_int",
    "read_int_or_text",
    "read_json",
    "read_lenient_timestamp",
    "read_number",
    "read_strict_bool",
    "read_strict_timestamp",
    "read_text",
    "read_timestamp",
]

Reader: TypeAlias = Callable[[object, list[str]], object]

T = TypeVar("T")

_MAX_TEXT_LENGTH = 64  # no number or timestamp is longer; keeps hostile text from costing time
_MAX_DIGITS = 30  # ids are 64-bit; Decimal("1e9999999") is no id but a way to fill the memory
_DIGITS = re.compile(r"-?\d+", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ] *(\d{1,2}):(\d{2})(?::(\d{2})(?:([.,]?)(\d+))?)? *"
    r"(Z|UTC|GMT|([+-])(\d{1,2}):?(\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)


class ValueRejectedError(Exception):
    """A value nobody can read: what was due, and where."""

    def __init__(self, expected: str, path: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.path = path


def is_empty(value: object) -> bool:
    """Tell whether this is ``{}`` or ``[]``, which the API sends for "nothing" at times."""
    return isinstance(value, Mapping | list | tuple) and not value


def is_missing(value: object) -> bool:
    """Tell whether this is ``{}``, ``[]`` or blank text: a value that is not there."""
    return is_empty(value) or (isinstance(value, str) and not value.strip())


def _note_repair(value: T, repairs: list[str]) -> T:
    repairs.append("")
    return value


def _read_natively(value: str, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, ArithmeticError):
        return None


def read_text(value: object, repairs: list[str]) -> str | None:
    """Read text; a number becomes its text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if isinstance(value, int) and abs(value) >= 10**_MAX_TEXT_LENGTH:
            raise ValueRejectedError("text")
        return _note_repair(str(value), repairs)
    if is_empty(value):
        return _note_repair(None, repairs)
    raise ValueRejectedError("text")


def _as_int(value: object) -> int | None:
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > _MAX_DIGITS or value % 1:
            return None
        return int(value)
    if isinstance(value, str):
        digits = value.strip()
        if len(digits) <= _MAX_DIGITS and _DIGITS.fullmatch(digits):
            return int(digits)
    return None


def read_int(value: object, repairs: list[str]) -> int | None:
    """Read a whole number; ``"12"`` and ``12.0`` are 12."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if is_missing(value):
        return _note_repair(None, repairs)
    found = _as_int(value)
    if found is None:
        raise ValueRejectedError("a whole number")
    return _note_repair(found, repairs)


def read_int_or_text(value: object, repairs: list[str]) -> int | str | None:
    """Read an id that is a number in one place and text in another."""
    if isinstance(value, str):
        return value
    return read_int(value, repairs)


def read_number(value: object, repairs: list[str]) -> float | None:
    """Read a number that may have a fraction."""
    if is_missing(value):
        return _note_repair(None, repairs)
    found = _as_float(value)
    if found is None or not isfinite(found):
        raise ValueRejectedError("a number")
    return _note_repair(found, repairs) if isinstance(value, str) else found


def _as_float(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal) or (
        isinstance(value, str) and len(value) <= _MAX_TEXT_LENGTH
    ):
        try:
            return float(value)
        except (ValueError, ArithmeticError):
            return None
    return None


def read_bool(value: object, repairs: list[str]) -> bool | None:
    """Read a flag; ``{}``, ``[]`` and blank text are None."""
    if is_missing(value):
        return _note_repair(None, repairs)
    return read_strict_bool(value, repairs)


def read_strict_bool(value: object, repairs: list[str]) -> bool:
    """Read a flag that must not get lost; ``"true"``, ``"false"``, 1 and 0 are understood."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        said = value.strip().lower()
        if said in {"true", "false"}:
            return _note_repair(said == "true", repairs)
    elif isinstance(value, int) and value in {0, 1}:
        return _note_repair(value == 1, repairs)
    raise ValueRejectedError("yes or no")


def read_decimal(value: object, repairs: list[str]) -> Decimal:  # noqa: ARG001 - a reader takes both
    """Read an amount of money, exactly; ``NaN``, infinity and empty values are refused."""
    found: Decimal | None = None
    if isinstance(value, Decimal):
        found = value
    elif isinstance(value, float):
        found = Decimal(repr(value))  # the number that was written, not its binary neighbour
    elif isinstance(value, int) and not isinstance(value, bool):
        found = Decimal(value)
    elif isinstance(value, str):
        found = _read_natively(value, Decimal)
    if found is None or not found.is_finite():
        raise ValueRejectedError("an amount of money")
    return found


def read_timestamp(value: object, repairs: list[str]) -> datetime | None:
    """Read a timestamp; one that cannot be understood is None."""
    found = _parse_timestamp(value, repairs)
    if found is None and not is_missing(value):
        return _note_repair(None, repairs)
    return found


def read_strict_timestamp(value: object, repairs: list[str]) -> datetime | None:
    """Read a timestamp that must not get lost: ``cancelled_at`` as None would un-cancel.

    ``{}`` is None here too: the API spells a missing timestamp so.
    """
    found = _parse_timestamp(value, repairs)
    if found is None and not (isinstance(value, Mapping) and not value):
        raise ValueRejectedError("a date-time")
    return found


def read_lenient_timestamp(value: object, repairs: list[str]) -> datetime | None:
    """Read a timestamp that only old samples show: whatever cannot be understood is None."""
    if isinstance(value, bool | Mapping | list | tuple):
        return _note_repair(None, repairs)
    return read_timestamp(value, repairs)


def _parse_timestamp(value: object, repairs: list[str]) -> datetime | None:
    if is_missing(value):
        return _note_repair(None, repairs)
    if isinstance(value, str):
        found = _read_natively(value, datetime)
        guessed = False
        if found is None:
            found, guessed = _parse_odd_timestamp(value)
    elif isinstance(value, date):
        guessed = not isinstance(value, datetime)
        found = (
            value if isinstance(value, datetime) else datetime(*value.timetuple()[:3], tzinfo=UTC)
        )
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return None
    else:
        raise ValueRejectedError("a date-time")
    if found is not None and found.tzinfo is None:
        found, guessed = found.replace(tzinfo=UTC), True
    return _note_repair(found, repairs) if guessed else found


def _parse_odd_timestamp(value: str) -> tuple[datetime | None, bool]:
    """Read other spellings; also tell whether something had to be guessed."""
    match = _TIMESTAMP.fullmatch(value.strip()) if len(value) <= _MAX_TEXT_LENGTH else None
    if match is None:
        return None, False
    year, month, date_, hour, minute, second, point, fraction, zone = match.groups()[:9]
    # Malformed ``15:11:282Z`` of the vendor's pages lacks a point: 28.2 seconds is nearest.
    guessed = hour is None or zone is None or (fraction is not None and not point)
    try:
        return (
            datetime(
                int(year),
                int(month),
                int(date_),
                int(hour or 0),
                int(minute or 0),
                int(second or 0),
                int(f"{fraction or ''}000000"[:6]),
                tzinfo=_offset(*match.groups()[9:]),
            ),
            guessed,
        )
    except ValueError:
        return None, False


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    length = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return timezone(-length if sign == "-" else length) if length else UTC


def read_date(value: object, repairs: list[str]) -> date | None:
    """Read a date; of a timestamp the day as written. One not understood is None."""
    found: date | None = None
    if isinstance(value, str):
        found = _read_natively(value, date)
        if found is not None:
            return found
        when = _read_natively(value, datetime) or _parse_odd_timestamp(value)[0]
        found = when and when.date()
        if found is not None and ":" not in value:
            return found  # only zeros were missing: 1978-1-5
    elif isinstance(value, datetime):
        found = value.date()
    elif isinstance(value, date):
        return value
    elif not is_empty(value) and (
        isinstance(value, bool) or not isinstance(value, int | float | Decimal)
    ):
        raise ValueRejectedError("a date")
    return _note_repair(found, repairs)


def read_json(value: object, repairs: list[str]) -> object:
    """Take a value as it is, with plain floats for the exact numbers the parser made."""
    if isinstance(value, Decimal):
        found = _as_float(value)
        return found if found is not None and isfinite(found) else _note_repair(None, repairs)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {key: read_json(inner, repairs) for key, inner in pairs}
    if isinstance(value, list | tuple):
        return [read_json(inner, repairs) for inner in cast("list[object]", value)]
    return value
