"""The documented rate limits, as windows of the sandbox's clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from typing import Final, Literal, TypeAlias

from attrs import define, field

from nexhealth_async.sandbox.routes import RateName

__all__ = ["RateLimits", "RetryAfter", "WindowKind"]

WindowKind: TypeAlias = Literal["fixed", "sliding"]
RetryAfter: TypeAlias = float | Literal["date", "exact"] | None

_WINDOWS: Final[Mapping[str, tuple[int, float]]] = {
    "all": (100, 1.0),
    "slow": (10, 1.0),
    "people": (1000, 60.0),
    "other": (2000, 60.0),
}
# That the slot search counts as "people" is an assumption; see `Assumptions`.
_LIMITS_BY_RATE: Final[Mapping[str, tuple[str, ...]]] = {
    "slow": ("all", "slow", "people"),
    "people": ("all", "people"),
    "other": ("all", "other"),
}


@define
class _RateWindow:
    limit: int
    seconds: float
    times: deque[float] = field(factory=deque[float])


class RateLimits:
    """The rate limits of the key; off until ``kind`` is set."""

    def __init__(self) -> None:
        self.kind: WindowKind | None = None
        self.phase: float = 0.0
        self.retry_after: RetryAfter = None
        self.rejected: int = 0
        self.windows: dict[str, _RateWindow] = {
            name: _RateWindow(n, w) for name, (n, w) in _WINDOWS.items()
        }

    def wait(self, rate: RateName, now: float) -> float | None:
        """Count a request; return None if it is allowed, else the seconds to wait."""
        if self.kind is None:
            return None
        windows = [self.windows[name] for name in _LIMITS_BY_RATE[rate]]
        longest = max(self._wait_for_window(window, now) for window in windows)
        if longest > 0:
            self.rejected += 1
            return longest
        for window in windows:
            window.times.append(now)
        return None

    def header(self, wait: float, now: float) -> dict[str, str]:
        """Return the ``Retry-After`` header in the configured form; empty without one."""
        if self.retry_after is None:
            return {}
        if self.retry_after == "date":
            until = datetime.fromtimestamp(ceil(now + wait), UTC)
            return {"Retry-After": format_datetime(until, usegmt=True)}
        if self.retry_after == "exact":
            return {"Retry-After": str(ceil(wait))}
        return {"Retry-After": f"{self.retry_after:g}"}

    def _wait_for_window(self, window: _RateWindow, now: float) -> float:
        """Return the seconds until a window has room for a request."""
        start = now - window.seconds
        if self.kind == "fixed":
            start = (now - self.phase) // window.seconds * window.seconds + self.phase
        while window.times and (
            window.times[0] < start if self.kind == "fixed" else window.times[0] <= start
        ):
            window.times.popleft()
        if len(window.times) < window.limit:
            return 0.0
        oldest = start if self.kind == "fixed" else window.times[0]
        return max(oldest + window.seconds - now, 1e-6)
