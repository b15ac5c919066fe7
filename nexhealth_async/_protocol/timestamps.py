"""The check that a timestamp has a time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["check_aware"]


def check_aware(name: str, timestamp: datetime) -> datetime:
    """Return a timestamp that has a time zone.

    Args:
        name: Name of the argument or field, for the error.
        timestamp: Timestamp to check.

    Raises:
        InvalidArgumentError: The timestamp is naive; the API would assume some time zone.
    """
    if timestamp.utcoffset() is None:
        raise InvalidArgumentError(
            f"{name} has no time zone; pass an aware datetime such as "
            "datetime(2026, 1, 1, tzinfo=UTC)"
        )
    return timestamp
