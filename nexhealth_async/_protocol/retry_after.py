"""The header ``Retry-After``."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["retry_after"]


def retry_after(headers: Mapping[str, str], received_at: float) -> float | None:
    """Return ``Retry-After`` in seconds, from a number or a date; None if missing or invalid.

    A date is compared with the response's ``Date`` if there is one, so that a wrong local clock
    does no harm.

    Args:
        headers: The response's headers, with names in lower case.
        received_at: Time of receipt in seconds since the epoch.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    until = _timestamp(text)
    if until is None:
        return None
    return max(0.0, until - (_timestamp(headers.get("date", "")) or received_at))


def _timestamp(text: str) -> float | None:
    if not text:
        return None
    try:
        parsed = parsedate_to_datetime(text)
        # HTTP dates are in UTC, even without a zone; datetime would assume local time.
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
