"""What a session has done so far, counted."""

from __future__ import annotations

from attrs import define, evolve

__all__ = ["Stats"]


@define(kw_only=True)
class Stats:
    """Counters of a session and its copies, logins included; they only rise.

    Reading them costs nothing and tells nothing of anybody. Seconds waited are added up over all
    calls, so that calls that waited together count each.
    """

    requests: int = 0
    """Requests that left, every attempt counted."""
    retries: int = 0
    """Of these, the ones that repeated an earlier one: after a failure, a 429 or a 401."""
    rate_limited: int = 0
    """Answers 429."""
    waited_login: float = 0.0
    """Seconds calls waited for a token."""
    waited_rate: float = 0.0
    """Seconds calls waited for a place within the rate limits, those after a 429 included."""
    waited_retry: float = 0.0
    """Seconds calls waited before trying again."""

    def snapshot(self) -> Stats:
        """Return a copy that stays as it is."""
        return evolve(self)

    def __sub__(self, earlier: Stats) -> Stats:
        """Return what was counted since an earlier snapshot."""
        if not isinstance(earlier, Stats):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return Stats(
            requests=self.requests - earlier.requests,
            retries=self.retries - earlier.retries,
            rate_limited=self.rate_limited - earlier.rate_limited,
            waited_login=self.waited_login - earlier.waited_login,
            waited_rate=self.waited_rate - earlier.waited_rate,
            waited_retry=self.waited_retry - earlier.waited_retry,
        )
