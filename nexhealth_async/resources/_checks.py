"""Checks before sending, for mistakes that the API answers with a misleading error or accepts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

from nexhealth_async._protocol.timestamps import check_aware
from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["check_any_of", "check_note", "check_one_of", "check_order", "check_positive"]

_NOTE_LENGTH = 128
"""Reference: ``POST /appointments``, ``note``."""
_DAY_LENGTH = len("2026-06-01")


def check_note(note: str | None) -> None:
    """Raise for a note that is too long for the practice's system."""
    if note is not None and len(note) > _NOTE_LENGTH:
        raise InvalidArgumentError(
            f"note has {len(note)} characters; the API accepts at most {_NOTE_LENGTH}"
        )


def check_positive(name: str, value: int | None) -> None:
    """Raise unless the value is a positive whole number or None."""
    number = cast("object", value)
    if number is None:
        return
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise InvalidArgumentError(f"{name} must be a whole number of at least 1")


def check_one_of(
    arguments: Mapping[str, object], names: Collection[str], *, min_count: int = 1
) -> None:
    """Raise for more than one of the arguments, or fewer than ``min_count``; None is missing."""
    count = sum(arguments.get(name) is not None for name in names)
    if not min_count <= count <= 1:
        exactly = "exactly" if min_count else "at most"
        raise InvalidArgumentError(f"pass {exactly} one of {', '.join(names)}")


def check_any_of(arguments: Mapping[str, object], names: Collection[str]) -> None:
    """Raise if all of the arguments are missing."""
    if all(arguments.get(name) is None for name in names):
        raise InvalidArgumentError(f"pass at least one of {', '.join(names)}")


def check_order(
    names: tuple[str, str], start: datetime | str | None, end: datetime | str | None
) -> None:
    """Raise for timestamps without a time zone, and for an end before its start."""
    timestamps = [
        _check_aware(name, value)
        for name, value in zip(names, (start, end), strict=True)
        if value is not None
    ]
    if len(timestamps) > 1 and timestamps[1] < timestamps[0]:
        raise InvalidArgumentError(f"{names[1]} must not be before {names[0]}")


def _check_aware(name: str, value: datetime | str) -> datetime:
    """Return the timestamp for checks; text is sent unchanged."""
    try:
        timestamp = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        timestamp = None
    is_date = isinstance(value, str) and len(value) <= _DAY_LENGTH
    if not isinstance(timestamp, datetime) or is_date:
        kind = "this text" if isinstance(value, str) else type(value).__name__
        raise InvalidArgumentError(
            f"{name} must be an aware datetime or an ISO 8601 date-time with a zone, such as "
            f"2026-06-01T08:00:00Z, not {kind}"
        )
    return check_aware(name, timestamp)
