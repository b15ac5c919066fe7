"""The vendor's limits, modelled from the documents alone: nothing of the library is used here."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from attrs import define, field

if TYPE_CHECKING:
    import random

__all__ = ["COUNTED_IN", "DOCUMENTED", "Kind", "Limiter"]

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
    """So many in each window of the clock; where the windows begin, nobody is told."""

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
    """So many in any stretch of time of that length."""

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
    """As many at once as a window allows, then as fast as they drip in again."""

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


class Limiter:
    """All limits of one key, of one kind, each beginning at a moment of its own."""

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
        """Allow so many from now on."""
        self._windows[name].limit = limit

    def admit(self, rate: str, now: float) -> float:
        """Count a request and return 0, or refuse it and return the seconds to wait."""
        windows = [self._windows[name] for name in COUNTED_IN[rate]]
        longest = max(window.wait(now) for window in windows)
        if longest > 0:
            self.rejected += 1
            return longest
        for window in windows:
            window.count(now)
        return 0.0
