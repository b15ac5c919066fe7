"""Rules that the API answers with a misleading refusal, or not at all; checked before sending."""

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
    """Refuse a note that the practice's system would not take."""
    if note is not None and len(note) > _NOTE_LENGTH:
        raise InvalidArgumentError(
            f"note has {len(note)} characters; the API takes {_NOTE_LENGTH} at most"
        )


def check_positive(name: str, value: int | None) -> None:
    """Refuse a count below 1, and what is none."""
    given = cast("object", value)
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise InvalidArgumentError(f"{name} must be a whole number of at least 1")


def check_one_of(
    arguments: Mapping[str, object], names: Collection[str], *, min_count: int = 1
) -> None:
    """Refuse more than one of the names, or fewer than ``min_count``; None counts as not given."""
    found = sum(arguments.get(name) is not None for name in names)
    if not min_count <= found <= 1:
        exactly = "exactly" if min_count else "at most"
        raise InvalidArgumentError(f"give {exactly} one of {', '.join(names)}")


def check_any_of(arguments: Mapping[str, object], names: Collection[str]) -> None:
    """Refuse a call that has none of the names."""
    if all(arguments.get(name) is None for name in names):
        raise InvalidArgumentError(f"give at least one of {', '.join(names)}")


def check_order(
    names: tuple[str, str], start: datetime | str | None, end: datetime | str | None
) -> None:
    """Refuse times without a zone, and an end before its start."""
    moments = [
        _check_aware(name, value)
        for name, value in zip(names, (start, end), strict=True)
        if value is not None
    ]
    if len(moments) > 1 and moments[1] < moments[0]:
        raise InvalidArgumentError(f"{names[1]} must not be before {names[0]}")


def _check_aware(name: str, value: datetime | str) -> datetime:
    """Read a time only to check it; text is sent as it was given."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or (isinstance(value, str) and len(value) <= _DAY_LENGTH):
        kind = "this text" if isinstance(value, str) else type(value).__name__
        raise InvalidArgumentError(
            f"{name} must be an aware datetime or an ISO 8601 date-time with a zone, such as "
            f"2026-06-01T08:00:00Z, not {kind}"
        )
    return check_aware(name, moment)
