"""When the next request may leave under the documented limits, as exact logs of departures.

A server's window may be fixed or sliding and begin at any moment, and a request is counted
somewhere between leaving here and its answer coming back. So a departure holds its place in a
limit of N per W until W after the answer, or W and a quarter of a second after leaving if the
answer is slow; a leaky bucket with burst b would let b + N through in one window.
Reference: v2 1.10, v3 1.7 (limits per API key).
"""

from __future__ import annotations

from collections import deque
from math import inf

from attrs import define, field, frozen, validators

from nexhealth_async.endpoints import RateClass
from nexhealth_async.errors import InvalidArgument

__all__ = ["Departure", "Limit", "Rates", "RatesLog"]

_SLACK = 0.25
"""Seconds a request may travel before it is counted, as far as the log reckons."""

_LEFT_OVER = 64
"""Withdrawn departures that may stay in a log until their turn comes."""


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
            raise InvalidArgument("a part of the limits is more than 0 and at most 1")

        def scaled(limit: Limit | None) -> Limit | None:
            return limit and Limit(max(1, int(limit.count * part)), limit.seconds)

        return Rates(
            overall=scaled(self.overall),
            slow=scaled(self.slow),
            people=scaled(self.people),
            other=scaled(self.other),
        )


@define(eq=False)
class Departure:
    """One request's places in its limits' logs."""

    rate: RateClass
    left: float
    _answered: float | None = None
    _withdrawn: bool = False
    _logs: tuple[_Log, ...] = field(default=(), alias="logs", repr=False)

    @property
    def answered(self) -> float | None:
        """When the answer came; set it, and the places are free earlier."""
        return self._answered

    @answered.setter
    def answered(self, moment: float) -> None:
        self._answered = moment
        if moment < self.left + _SLACK:
            for log in self._logs:
                log.note_answer(self)

    @property
    def withdrawn(self) -> bool:
        """True if it never left; set it, and its places are free at once."""
        return self._withdrawn

    @withdrawn.setter
    def withdrawn(self, value: bool) -> None:
        self._withdrawn = value
        if value:
            for log in self._logs:
                log.free(self)

    def free_at(self, seconds: float) -> float:
        """Return when its place in a limit with this window is free again."""
        if self._withdrawn:
            return float("-inf")
        latest = self.left + seconds + _SLACK
        return latest if self._answered is None else min(latest, self._answered + seconds)


class _Log:
    """The departures that still hold a place in one limit.

    Places become free in the order of leaving or, earlier, in the order of answering. Both orders
    are kept, so that the next place to become free is at the head of one of the two queues.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._holding: set[Departure] = set()
        self._left: deque[Departure] = deque()
        self._answered: deque[Departure] = deque()

    def add(self, departure: Departure) -> None:
        self._holding.add(departure)
        self._left.append(departure)

    def note_answer(self, departure: Departure) -> None:
        if departure in self._holding:
            self._answered.append(departure)

    def free(self, departure: Departure) -> None:
        """Give its place back; who waits and gives up all the time must not fill the queue."""
        self._holding.discard(departure)
        if len(self._left) > 2 * len(self._holding) + _LEFT_OVER:
            self._left = deque(held for held in self._left if held in self._holding)

    def earliest(self, now: float) -> float:
        """Return the first moment, now or later, at which a place is free."""
        holding = self._holding
        if len(holding) < self.limit.count:
            return now  # Whether places are free already is looked at when none is left.
        soonest = self._sweep(now)
        taken = len(holding) - self.limit.count
        if taken < 0:
            return now
        if taken == 0:
            return soonest
        # Somebody left without asking; then several places must become free.
        return sorted(held.free_at(self.limit.seconds) for held in holding)[taken]

    def _sweep(self, now: float) -> float:
        """Give back what is free by now; return when the next place will be."""
        seconds, holding = self.limit.seconds, self._holding
        soonest = inf
        for queue in (self._left, self._answered):
            while queue:
                head = queue[0]
                if head in holding:
                    end = head.free_at(seconds)
                    if end > now:
                        soonest = min(soonest, end)
                        break
                    holding.remove(head)
                queue.popleft()
        return soonest


class RatesLog:
    """The logs of all limits of one key. Times are any monotonic seconds, given by the caller."""

    def __init__(self, rates: Rates) -> None:
        overall, slow, people, other = (
            None if limit is None else _Log(limit)
            for limit in (rates.overall, rates.slow, rates.people, rates.other)
        )
        counted_by = {
            RateClass.SLOW: (overall, slow, people),
            RateClass.PEOPLE: (overall, people),
            RateClass.OTHER: (overall, other),
        }
        self._logs = {
            rate: tuple(log for log in logs if log is not None) for rate, logs in counted_by.items()
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
        """Return a time before which nobody can leave who has so many ahead at ``moment``."""
        waits = (ahead // log.limit.count * log.limit.seconds for log in self._logs[rate])
        return moment + max(waits, default=0.0)

    def leave(self, rate: RateClass, now: float) -> Departure:
        """Take a place in every limit of the class at once."""
        logs = self._logs[rate]
        departure = Departure(rate, now, logs=logs)
        for log in logs:
            log.add(departure)
        return departure

    def close(self, rate: RateClass, until: float) -> None:
        """Let nothing of this class leave before a moment: the server answered 429."""
        self._closed_until[rate] = max(until, self._closed_until.get(rate, until))
