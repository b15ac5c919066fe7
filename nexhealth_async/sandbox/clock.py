"""The sandbox's clock: the machine's own unless told otherwise, and moved by hand in tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """What the sandbox believes the time to be.

    Without an argument it follows the machine's clock; with a moment (with zone) it stands still
    there. Either way ``advance`` moves it. Tokens, rate windows and "in the past" are judged by it;
    latency and delays are real waiting.
    """

    def __init__(self, start: datetime | None = None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError(
                "Give the clock a moment with a zone, such as datetime(..., tzinfo=UTC)."
            )
        self._fixed = None if start is None else start.timestamp()
        self._offset = 0.0

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return (time.time() if self._fixed is None else self._fixed) + self._offset

    def today(self) -> datetime:
        """The same moment as a datetime in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward (or, with a negative number, back)."""
        self._offset += seconds

    def __repr__(self) -> str:
        return f"<Clock {self.today().isoformat(timespec='seconds')}>"
