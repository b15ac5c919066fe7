"""Tolerant readers of single values.

Each reader takes a value and a list of repairs. It returns the value, or None for an empty one. If
this took a repair, it appends ``""`` to the list, which callers extend to a path. It rejects other
values with `ValueRejectedError`, which names the expected type and never holds the value.

msgspec reads every value that it can read, so that these readers and the native decoder agree.
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

_MAX_TEXT_LENGTH = 64  # no number or timestamp is longer; limits the cost of hostile text
_MAX_DIGITS = 30  # ids have 64 bits; Decimal("1e9999999") would fill the memory
_DIGITS = re.compile(r"-?\d+", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ] *(\d{1,2}):(\d{2})(?::(\d{2})(?:([.,]?)(\d+))?)? *"
    r"(Z|UTC|GMT|([+-])(\d{1,2}):?(\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)


class ValueRejectedError(Exception):
    """An unreadable value: the expected type and the path."""

    def __init__(self, expected: str, path: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.path = path


def is_empty(value: object) -> bool:
    """Return True for ``{}`` and ``[]``, which the API sometimes sends for an absent value."""
    return isinstance(value, Mapping | list | tuple) and not value


def is_missing(value: object) -> bool:
    """Return True for ``{}``, ``[]`` and blank text."""
    return is_empty(value) or (isinstance(value, str) and not value.strip())


def _add_repair(value: T, repairs: list[str]) -> T:
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
        return _add_repair(str(value), repairs)
    if is_empty(value):
        return _add_repair(None, repairs)
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
    """Read an integer; ``"12"`` and ``12.0`` are 12."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if is_missing(value):
        return _add_repair(None, repairs)
    result = _as_int(value)
    if result is None:
        raise ValueRejectedError("a whole number")
    return _add_repair(result, repairs)


def read_int_or_text(value: object, repairs: list[str]) -> int | str | None:
    """Read an id that is an integer or text."""
    if isinstance(value, str):
        return value
    return read_int(value, repairs)


def read_number(value: object, repairs: list[str]) -> float | None:
    """Read a number that may have a fraction."""
    if is_missing(value):
        return _add_repair(None, repairs)
    result = _as_float(value)
    if result is None or not isfinite(result):
        raise ValueRejectedError("a number")
    return _add_repair(result, repairs) if isinstance(value, str) else result


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
        return _add_repair(None, repairs)
    return read_strict_bool(value, repairs)


def read_strict_bool(value: object, repairs: list[str]) -> bool:
    """Read a flag that must not be lost; accepts ``"true"``, ``"false"``, 1 and 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in {"true", "false"}:
            return _add_repair(word == "true", repairs)
    elif isinstance(value, int) and value in {0, 1}:
        return _add_repair(value == 1, repairs)
    raise ValueRejectedError("true or false")


def read_decimal(value: object, repairs: list[str]) -> Decimal:  # noqa: ARG001 - a reader takes both
    """Read an exact amount of money; reject ``NaN``, infinity and empty values."""
    result: Decimal | None = None
    if isinstance(value, Decimal):
        result = value
    elif isinstance(value, float):
        result = Decimal(repr(value))  # the decimal that was written, not the binary fraction
    elif isinstance(value, int) and not isinstance(value, bool):
        result = Decimal(value)
    elif isinstance(value, str):
        result = _read_natively(value, Decimal)
    if result is None or not result.is_finite():
        raise ValueRejectedError("an amount of money")
    return result


def read_timestamp(value: object, repairs: list[str]) -> datetime | None:
    """Read a timestamp; an unreadable one is None."""
    result = _parse_timestamp(value, repairs)
    if result is None and not is_missing(value):
        return _add_repair(None, repairs)
    return result


def read_strict_timestamp(value: object, repairs: list[str]) -> datetime | None:
    """Read a timestamp that must not be lost: ``cancelled_at`` as None would restore the record.

    ``{}`` is None here too, because the API sends it for a missing timestamp.
    """
    result = _parse_timestamp(value, repairs)
    if result is None and not (isinstance(value, Mapping) and not value):
        raise ValueRejectedError("a date-time")
    return result


def read_lenient_timestamp(value: object, repairs: list[str]) -> datetime | None:
    """Read a timestamp that only old samples show; every unreadable value is None."""
    if isinstance(value, bool | Mapping | list | tuple):
        return _add_repair(None, repairs)
    return read_timestamp(value, repairs)


def _parse_timestamp(value: object, repairs: list[str]) -> datetime | None:
    if is_missing(value):
        return _add_repair(None, repairs)
    if isinstance(value, str):
        result = _read_natively(value, datetime)
        is_guessed = False
        if result is None:
            result, is_guessed = _parse_irregular_timestamp(value)
    elif isinstance(value, date):
        is_guessed = not isinstance(value, datetime)
        result = (
            value if isinstance(value, datetime) else datetime(*value.timetuple()[:3], tzinfo=UTC)
        )
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return None
    else:
        raise ValueRejectedError("a date-time")
    if result is not None and result.tzinfo is None:
        result, is_guessed = result.replace(tzinfo=UTC), True
    return _add_repair(result, repairs) if is_guessed else result


def _parse_irregular_timestamp(value: str) -> tuple[datetime | None, bool]:
    """Parse other notations; also return True if a part had to be guessed."""
    match = _TIMESTAMP.fullmatch(value.strip()) if len(value) <= _MAX_TEXT_LENGTH else None
    if match is None:
        return None, False
    year, month, date_, hour, minute, second, point, fraction, zone = match.groups()[:9]
    # ``15:11:282Z`` on the vendor's pages lacks a point; it is read as 28.2 seconds.
    is_guessed = hour is None or zone is None or (fraction is not None and not point)
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
            is_guessed,
        )
    except ValueError:
        return None, False


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    length = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return timezone(-length if sign == "-" else length) if length else UTC


def read_date(value: object, repairs: list[str]) -> date | None:
    """Read a date, or the day of a timestamp as written; an unreadable one is None."""
    result: date | None = None
    if isinstance(value, str):
        result = _read_natively(value, date)
        if result is not None:
            return result
        timestamp = _read_natively(value, datetime) or _parse_irregular_timestamp(value)[0]
        result = timestamp and timestamp.date()
        if result is not None and ":" not in value:
            return result  # only leading zeros were missing: 1978-1-5
    elif isinstance(value, datetime):
        result = value.date()
    elif isinstance(value, date):
        return value
    elif not is_empty(value) and (
        isinstance(value, bool) or not isinstance(value, int | float | Decimal)
    ):
        raise ValueRejectedError("a date")
    return _add_repair(result, repairs)


def read_json(value: object, repairs: list[str]) -> object:
    """Return a JSON value, with the parser's exact numbers as floats."""
    if isinstance(value, Decimal):
        result = _as_float(value)
        return result if result is not None and isfinite(result) else _add_repair(None, repairs)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {key: read_json(inner, repairs) for key, inner in pairs}
    if isinstance(value, list | tuple):
        return [read_json(inner, repairs) for inner in cast("list[object]", value)]
    return value
