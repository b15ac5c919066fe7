"""The sandbox's clock, which tests can stop and move."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """The current time of a sandbox.

    Tokens, rate limits and the check for times in the past use this clock; latency and delays are
    real time.

    Args:
        start: Without it, the clock follows the system clock. With it (a datetime with a zone), the
            clock stands still at this time. `advance` moves the clock in both cases.

    Raises:
        ValueError: ``start`` has no zone.
    """

    def __init__(self, start: datetime | None = None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError("start needs a time zone, such as datetime(..., tzinfo=UTC).")
        self._fixed = None if start is None else start.timestamp()
        self._offset = 0.0

    def now(self) -> float:
        """Return the time in seconds since 1970, UTC."""
        return (time.time() if self._fixed is None else self._fixed) + self._offset

    def today(self) -> datetime:
        """Return the time as a datetime in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward, or back by a negative number of seconds."""
        self._offset += seconds

    def __repr__(self) -> str:
        return f"<Clock {self.today().isoformat(timespec='seconds')}>"
