"""The vendor's limits, modelled from the documents alone, without any code of the library."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from attrs import define, field

if TYPE_CHECKING:
    import random

__all__ = ["COUNTED_IN", "DOCUMENTED", "Kind", "VendorLimiter"]

Kind: TypeAlias = Literal["fixed", "sliding", "bucket"]

DOCUMENTED: Final = {
    "overall": (100, 1.0),
    "slow": (10, 1.0),
    "people": (1_000, 60.0),
    "other": (2_000, 60.0),
}

COUNTED_IN: Final = {
    "slow": ("overall", "slow", "people"),
    "people": ("overall", "people"),
    "other": ("overall", "other"),
}


class _Window(Protocol):
    limit: int

    def wait(self, now: float) -> float:
        """Return the seconds until there is room; 0 if there is room now."""
        ...

    def count(self, now: float) -> None: ...


@define
class _Fixed:
    """Fixed windows: so many requests in each window, whose phase is unknown."""

    limit: int
    seconds: float
    phase: float
    _window: float = float("-inf")
    _counted: int = 0

    def wait(self, now: float) -> float:
        window = (now - self.phase) // self.seconds
        if window != self._window:
            self._window, self._counted = window, 0
        if self._counted < self.limit:
            return 0.0
        return (window + 1) * self.seconds + self.phase - now + 1e-6

    def count(self, now: float) -> None:
        self._counted += 1


@define
class _Sliding:
    """Sliding window: so many requests in any interval of that length."""

    limit: int
    seconds: float
    _times: deque[float] = field(factory=deque[float])

    def wait(self, now: float) -> float:
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if len(self._times) < self.limit:
            return 0.0
        return self._times[0] + self.seconds - now + 1e-6

    def count(self, now: float) -> None:
        self._times.append(now)


@define
class _Bucket:
    """Token bucket: a window's worth at once, then at a constant rate."""

    limit: int
    seconds: float
    _level: float = field(init=False)
    _at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._level = self.limit

    def wait(self, now: float) -> float:
        pace = self.limit / self.seconds
        self._level = min(self.limit, self._level + (now - self._at) * pace)
        self._at = now
        return 0.0 if self._level >= 1 - 1e-6 else (1 - self._level) / pace

    def count(self, now: float) -> None:
        self._level -= 1


class VendorLimiter:
    """All limits of one key and one kind, each with a different phase."""

    def __init__(self, kind: Kind, rng: random.Random, *, part: float = 1.0) -> None:
        self.rejected = 0
        self._windows: dict[str, _Window] = {}
        for name, (count, seconds) in DOCUMENTED.items():
            limit = max(1, int(count * part))
            if kind == "fixed":
                self._windows[name] = _Fixed(limit, seconds, rng.uniform(0, seconds))
            elif kind == "sliding":
                self._windows[name] = _Sliding(limit, seconds)
            else:
                self._windows[name] = _Bucket(limit, seconds)

    def change(self, name: str, limit: int) -> None:
        """Change the limit."""
        self._windows[name].limit = limit

    def admit(self, rate: str, now: float) -> float:
        """Count a request and return 0, or reject it and return the seconds to wait."""
        windows = [self._windows[name] for name in COUNTED_IN[rate]]
        longest = max(window.wait(now) for window in windows)
        if longest > 0:
            self.rejected += 1
            return longest
        for window in windows:
            window.count(now)
        return 0.0
