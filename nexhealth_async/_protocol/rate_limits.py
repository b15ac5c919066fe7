"""When the next request may leave under the documented limits, as exact logs of departures.

A server's window may be fixed or sliding and begin at any moment, and a request is counted
somewhere between leaving here and its answer coming back. So a departure holds its place in a
limit of N per W until W after the answer, or W and a quarter of a second after leaving if the
answer is slow; a leaky bucket with burst b would let b + N through in one window.
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
"""Seconds a request may travel before it is counted, as far as the log reckons."""


@frozen
class Limit:
    """At most ``count`` requests in any ``seconds``."""

    count: int = field(validator=validators.ge(1))
    seconds: float = field(validator=validators.gt(0))


@frozen(kw_only=True)
class Rates:
    """The limits a session keeps, per API key; a value to pass as ``rates=``.

    The defaults are the documented limits. Where several processes share a key, give each its
    share: ``Rates().share(1 / 4)``. None switches a limit off.
    """

    overall: Limit | None = Limit(100, 1.0)
    """Every request, login included."""
    slow: Limit | None = Limit(10, 1.0)
    """Appointment reads and slot searches, which count in ``people`` too."""
    people: Limit | None = Limit(1_000, 60.0)
    """Patients and appointments."""
    other: Limit | None = Limit(2_000, 60.0)
    """Everything else."""

    @classmethod
    def unlimited(cls) -> Rates:
        """Keep no limits; the server's 429s are still waited out."""
        return cls(overall=None, slow=None, people=None, other=None)

    def share(self, part: float) -> Rates:
        """Return these limits scaled to a process's part of them, at least one request each."""
        if not 0 < part <= 1:
            raise InvalidArgumentError("a part of the limits is more than 0 and at most 1")

        def scaled(limit: Limit | None) -> Limit | None:
            return limit and Limit(max(1, int(limit.count * part)), limit.seconds)

        return Rates(
            overall=scaled(self.overall),
            slow=scaled(self.slow),
            people=scaled(self.people),
            other=scaled(self.other),
        )


class Permit:
    """One request's places in its limits' logs."""

    __slots__ = ("_logs", "answered", "left", "soon", "withdrawn")

    def __init__(self, left: float, logs: tuple[_WindowLog, ...]) -> None:
        self.left: float = left
        """When it left."""
        self.answered: float | None = None
        """When the answer came."""
        self.soon: bool = False
        """True if that was soon enough to free the places earlier."""
        self.withdrawn: bool = False
        """True if it never left after all."""
        self._logs = logs

    def count_in(self, logs: tuple[_WindowLog, ...]) -> None:
        """Hold places in these logs too."""
        self._logs = (*self._logs, *logs)

    def answer(self, moment: float) -> None:
        """Note that the answer came, which may free its places earlier."""
        if self.answered is not None or self.withdrawn:
            return
        self.answered = moment
        if moment < self.left + ANSWER_SLACK:
            self.soon = True
            for log in self._logs:
                log.note_answer(self)

    def withdraw(self) -> None:
        """Give its places back at once: it did not leave."""
        if not self.withdrawn:
            self.withdrawn = True
            for log in self._logs:
                log.free(self)

    def free_at(self, seconds: float) -> float:
        """Return when its place in a limit with this window is free again."""
        if self.withdrawn:
            return -inf
        if self.soon and self.answered is not None:
            return self.answered + seconds
        return self.left + seconds + ANSWER_SLACK


class _WindowLog:
    """The departures that still hold a place in one limit.

    Places become free in the order of leaving or, earlier, in the order of answering. Both orders
    are kept, so that the next place to become free is at the head of one of the two queues.
    """

    __slots__ = ("_answered", "_held", "_left", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._held = 0
        self._left: deque[Permit] = deque()
        self._answered: deque[Permit] = deque()

    def add(self, departure: Permit) -> None:
        self._held += 1
        self._left.append(departure)

    def note_answer(self, departure: Permit) -> None:
        self._answered.append(departure)

    def free(self, departure: Permit) -> None:
        """Give a withdrawn place back, unless it is free by now."""
        queue = self._answered if departure.soon else self._left
        with suppress(ValueError):
            queue.remove(departure)
            self._held -= 1

    def earliest(self, now: float) -> float:
        """Return the first moment, now or later, at which a place is free."""
        count = self.limit.count
        if self._held < count:
            return now  # Whether places are free already is looked at when none is left.
        soonest = self._sweep(now)
        if self._held < count:
            return now
        if self._held == count:
            return soonest
        # Somebody left without asking; then several places must become free.
        holding = (*self._answered, *(held for held in self._left if not held.soon))
        ends = sorted(held.free_at(self.limit.seconds) for held in holding)
        return ends[self._held - count]

    def _sweep(self, now: float) -> float:
        """Give back what is free by now; return when the next place will be."""
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
    """The logs of all limits of one key. Times are any monotonic seconds, given by the caller."""

    def __init__(self, rates: Rates) -> None:
        limits: dict[str, Limit | None] = attrs.asdict(rates, recurse=False)
        logs = {name: _WindowLog(limit) for name, limit in limits.items() if limit is not None}
        self._logs = {
            rate: tuple(logs[name] for name in names if name in logs)
            for rate, names in LIMITS_OF_CLASS.items()
        }
        self._closed_until: dict[RateClass, float] = {}

    def earliest(self, rate: RateClass, now: float) -> float:
        """Return when a request of this class may leave: now, or a later moment."""
        moment = now
        if self._closed_until and (until := self._closed_until.get(rate, now)) > now:
            moment = until
        for log in self._logs[rate]:
            moment = max(moment, log.earliest(now))
        return moment

    def not_before(self, rate: RateClass, moment: float, ahead: int) -> float:
        """Return a time before which nobody can leave who has so many ahead at ``moment``.

        Answers under way may open places up to a quarter of a second before that.
        """
        waits = (ahead // log.limit.count * log.limit.seconds for log in self._logs[rate])
        return moment - ANSWER_SLACK + max(waits, default=0.0)

    def leave(self, rate: RateClass, now: float) -> Permit:
        """Take a place in every limit of the class at once."""
        logs = self._logs[rate]
        departure = Permit(now, logs)
        for log in logs:
            log.add(departure)
        return departure

    def adopt(self, rate: RateClass, departures: Sequence[Permit]) -> None:
        """Count what left by leave of another log, given in the order of leaving."""
        logs = self._logs[rate]
        for departure in departures:
            departure.count_in(logs)
            for log in logs:
                log.add(departure)
        soon = (one for one in departures if one.soon)
        for departure in sorted(soon, key=lambda one: one.answered or 0.0):
            for log in logs:
                log.note_answer(departure)

    def close(self, rate: RateClass, until: float) -> None:
        """Let nothing of this class leave before a moment: the server answered 429."""
        self._closed_until[rate] = max(until, self._closed_until.get(rate, until))


class LimiterBackend(Protocol):
    """What the gates ask about places: a `SlidingWindowLog`, or one that shares its limits."""

    def earliest(self, rate: RateClass, now: float) -> float:
        """Return when a request may leave; infinity where that has to be asked for first."""
        ...

    def not_before(self, rate: RateClass, moment: float, ahead: int) -> float:
        """Return a time before which nobody can leave who has so many ahead."""
        ...

    def leave(self, rate: RateClass, now: float) -> Permit:
        """Take a place in every limit of the class."""
        ...

    def close(self, rate: RateClass, until: float) -> None:
        """Let nothing of this class leave before a moment."""
        ...


class SharedLimiterBackend(LimiterBackend, Protocol):
    """A process's part of limits that many processes share."""

    @property
    def turns(self) -> int:
        """How often it asked the others."""
        ...

    async def aclose(self) -> None:
        """Give back what is held, and let go of connections."""
        ...


class SharedRates(Protocol):
    """Limits that many processes keep together, to pass as ``rates=``."""

    @property
    def rates(self) -> Rates:
        """The limits of the API key, which all processes share."""
        ...

    def join(
        self, account: str, *, waiting: Callable[[RateClass], int], wake: Callable[[], None]
    ) -> SharedLimiterBackend:
        """Return a session's part in the limits of a key; nothing is connected yet.

        ``waiting`` tells how many requests of a class wait for a place, and ``wake`` is called
        when more is known than before.
        """
        ...
