"""Rate limits as exact sliding-window logs of requests.

A server's window may be fixed or sliding and start at any moment, and the server counts a request
at some time between sending and response. So a permit for a limit of N per W seconds is held until
W after the response, or until W and a quarter of a second after sending if the response is slow. A
leaky bucket with burst b would let b + N requests through in one window.
Reference: v2 1.10, v3 1.7 (limits per API key).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Final, Protocol

import attrs
from attrs import field, frozen, validators

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async.errors import InvalidArgumentError

__all__ = [
    "ANSWER_SLACK",
    "LIMITS_OF_CLASS",
    "Limit",
    "LimiterBackend",
    "Permit",
    "Rates",
    "SharedLimiterBackend",
    "SharedRates",
    "SlidingWindowLog",
]

ANSWER_SLACK = 0.25
"""Seconds that may pass between sending a request and the server counting it."""


@frozen
class Limit:
    """At most ``count`` requests in any ``seconds``."""

    count: int = field(validator=validators.ge(1))
    seconds: float = field(validator=validators.gt(0))


@frozen(kw_only=True)
class Rates:
    """Rate limits of a session, per API key, passed as ``rates=``.

    The defaults are the documented limits. If several processes use a key, give each its share:
    ``Rates().share(1 / 4)``. None turns a limit off.
    """

    overall: Limit | None = Limit(100, 1.0)
    """All requests, logins included."""
    slow: Limit | None = Limit(10, 1.0)
    """Appointment reads and slot searches, which count in ``people`` too."""
    people: Limit | None = Limit(1_000, 60.0)
    """Patients and appointments."""
    other: Limit | None = Limit(2_000, 60.0)
    """Everything else."""

    @classmethod
    def unlimited(cls) -> Rates:
        """Return rates without limits; calls still wait after a 429."""
        return cls(overall=None, slow=None, people=None, other=None)

    def share(self, part: float) -> Rates:
        """Return a process's share of these limits, at least one request per limit.

        Args:
            part: The share, more than 0 and at most 1.

        Raises:
            InvalidArgumentError: ``part`` is out of range.
        """
        if not 0 < part <= 1:
            raise InvalidArgumentError("part must be more than 0 and at most 1")

        def scaled(limit: Limit | None) -> Limit | None:
            return limit and Limit(max(1, int(limit.count * part)), limit.seconds)

        return Rates(
            overall=scaled(self.overall),
            slow=scaled(self.slow),
            people=scaled(self.people),
            other=scaled(self.other),
        )


class Permit:
    """Permission to send one request, counted in the logs of its limits."""

    __slots__ = ("_logs", "answered", "left", "released", "soon")

    def __init__(self, left: float, logs: tuple[_WindowLog, ...]) -> None:
        self.left: float = left
        """Time of sending."""
        self.answered: float | None = None
        """Time of the response."""
        self.soon: bool = False
        """True if the response came early enough to free the permit earlier."""
        self.released: bool = False
        """True if the request was not sent."""
        self._logs = logs

    def count_in(self, logs: tuple[_WindowLog, ...]) -> None:
        """Count the permit in these logs too."""
        self._logs = (*self._logs, *logs)

    def answer(self, moment: float) -> None:
        """Record the time of the response, which may free the permit earlier."""
        if self.answered is not None or self.released:
            return
        self.answered = moment
        if moment < self.left + ANSWER_SLACK:
            self.soon = True
            for log in self._logs:
                log.note_answer(self)

    def release(self) -> None:
        """Free the permit at once: the request was not sent."""
        if not self.released:
            self.released = True
            for log in self._logs:
                log.free(self)

    def free_at(self, seconds: float) -> float:
        """Return the time at which a limit with this window stops counting the permit."""
        if self.released:
            return -inf
        if self.soon and self.answered is not None:
            return self.answered + seconds
        return self.left + seconds + ANSWER_SLACK


class _WindowLog:
    """The permits that one limit counts.

    Permits become free in the order of sending or, earlier, in the order of responses. Both orders
    are kept, so the next permit to become free is at the head of one of the two queues.
    """

    __slots__ = ("_answered", "_held", "_left", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._held = 0
        self._left: deque[Permit] = deque()
        self._answered: deque[Permit] = deque()

    def add(self, permit: Permit) -> None:
        self._held += 1
        self._left.append(permit)

    def note_answer(self, permit: Permit) -> None:
        self._answered.append(permit)

    def free(self, permit: Permit) -> None:
        """Stop counting a released permit, unless it is free already."""
        queue = self._answered if permit.soon else self._left
        with suppress(ValueError):
            queue.remove(permit)
            self._held -= 1

    def earliest(self, now: float) -> float:
        """Return the earliest time, from now on, at which a permit is free."""
        count = self.limit.count
        if self._held < count:
            return now  # expired permits are removed only once the limit is reached
        soonest = self._remove_expired(now)
        if self._held < count:
            return now
        if self._held == count:
            return soonest
        # More permits were taken than the limit allows; several must become free.
        permits = (*self._answered, *(permit for permit in self._left if not permit.soon))
        ends = sorted(permit.free_at(self.limit.seconds) for permit in permits)
        return ends[self._held - count]

    def _remove_expired(self, now: float) -> float:
        """Remove the permits that are free by now; return when the next one will be."""
        seconds, soonest = self.limit.seconds, inf
        left, answered = self._left, self._answered
        while answered:
            if (end := answered[0].free_at(seconds)) > now:
                soonest = end
                break
            answered.popleft()
            self._held -= 1
        while left:
            if not left[0].soon:
                if (end := left[0].free_at(seconds)) > now:
                    return min(soonest, end)
                self._held -= 1
            left.popleft()
        return soonest


LIMITS_OF_CLASS: Final[Mapping[RateClass, tuple[str, ...]]] = {
    RateClass.SLOW: ("overall", "slow", "people"),
    RateClass.PEOPLE: ("overall", "people"),
    RateClass.OTHER: ("overall", "other"),
}
"""Names of the limits that count a request of each class. Reference: rate limiting, per API key."""


class SlidingWindowLog:
    """Logs of all limits of one API key. Times are monotonic seconds, given by the caller."""

    def __init__(self, rates: Rates) -> None:
        limits: dict[str, Limit | None] = attrs.asdict(rates, recurse=False)
        logs = {name: _WindowLog(limit) for name, limit in limits.items() if limit is not None}
        self._logs = {
            rate: tuple(logs[name] for name in names if name in logs)
            for rate, names in LIMITS_OF_CLASS.items()
        }
        self._paused_until: dict[RateClass, float] = {}

    def earliest(self, rate: RateClass, now: float) -> float:
        """Return the earliest time, from now on, at which a request of this class may be sent."""
        moment = now
        if self._paused_until and (until := self._paused_until.get(rate, now)) > now:
            moment = until
        for log in self._logs[rate]:
            moment = max(moment, log.earliest(now))
        return moment

    def not_before(self, rate: RateClass, moment: float, ahead: int) -> float:
        """Return a time before which a request with so many others ahead cannot be sent.

        Args:
            rate: Rate class of the requests.
            moment: Time at which the first of them can be sent. Responses in flight may free
                permits up to a quarter of a second earlier.
            ahead: Number of requests ahead.
        """
        waits = (ahead // log.limit.count * log.limit.seconds for log in self._logs[rate])
        return moment - ANSWER_SLACK + max(waits, default=0.0)

    def acquire(self, rate: RateClass, now: float) -> Permit:
        """Take a permit from all limits of the class, even if they are exhausted."""
        logs = self._logs[rate]
        permit = Permit(now, logs)
        for log in logs:
            log.add(permit)
        return permit

    def adopt(self, rate: RateClass, permits: Sequence[Permit]) -> None:
        """Count permits of another log, given in the order of sending."""
        logs = self._logs[rate]
        for permit in permits:
            permit.count_in(logs)
            for log in logs:
                log.add(permit)
        soon = (permit for permit in permits if permit.soon)
        for permit in sorted(soon, key=lambda permit: permit.answered or 0.0):
            for log in logs:
                log.note_answer(permit)

    def close(self, rate: RateClass, until: float) -> None:
        """Send no request of this class before a time, after a 429."""
        self._paused_until[rate] = max(until, self._paused_until.get(rate, until))


class LimiterBackend(Protocol):
    """Source of permits for a rate limiter: a `SlidingWindowLog`, or limits shared by processes."""

    def earliest(self, rate: RateClass, now: float) -> float:
        """Return when a request may be sent; infinity while the shared limits must be asked."""
        ...

    def not_before(self, rate: RateClass, moment: float, ahead: int) -> float:
        """Return a time before which a request with so many others ahead cannot be sent."""
        ...

    def acquire(self, rate: RateClass, now: float) -> Permit:
        """Take a permit from all limits of the class."""
        ...

    def close(self, rate: RateClass, until: float) -> None:
        """Send no request of this class before a time."""
        ...


class SharedLimiterBackend(LimiterBackend, Protocol):
    """A process's part of limits that processes share."""

    @property
    def turns(self) -> int:
        """Number of permit requests to the shared limits."""
        ...

    async def aclose(self) -> None:
        """Return unused permits and close connections."""
        ...


class SharedRates(Protocol):
    """Limits that processes share, passed as ``rates=``."""

    @property
    def rates(self) -> Rates:
        """Limits of the API key for all processes together."""
        ...

    def join(
        self, account: str, *, waiting: Callable[[RateClass], int], wake: Callable[[], None]
    ) -> SharedLimiterBackend:
        """Return a session's part of the limits of a key, without connecting yet.

        Args:
            account: Fingerprint of the API key.
            waiting: Returns the number of requests of a class that wait for a permit.
            wake: Called when the shared limits have changed.
        """
        ...
