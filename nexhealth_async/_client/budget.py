"""Metering: how many requests a session may send, for accounts that pay for each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from attrs import field, frozen

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import LIMITS_OF_CLASS
from nexhealth_async.errors import BudgetExceededError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Budget", "BudgetMeter", "Reservation", "Usage"]

_LOG = logging.getLogger("nexhealth_async")
_LIMITS = ("overall", "slow", "people", "other")


@frozen(kw_only=True)
class Usage:
    """How far one limit of a budget is used."""

    limit: str
    """Which: ``"overall"``, ``"slow"``, ``"people"`` or ``"other"``."""
    used: int
    """Requests counted so far in this period."""
    of: int
    """How many the budget allows."""
    renews_after: float | None
    """Seconds until the period ends; None where the budget is for the whole session."""

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self.of - self.used


@frozen(kw_only=True)
class Budget:
    """How many requests a session and its copies may send; a value to pass as ``budget=``.

    Every request that leaves counts, as it does at the server: each page of a walk, pages fetched
    ahead, each login, each repetition, whatever the answer is. One for which no connection came
    about does not. What the contract with the vendor counts is not known here; compare
    ``nex.stats.requests`` with the bill.

    When nothing is left, calls raise `BudgetExceededError` before they send anything, and a failure
    that would be tried again is raised as it is. A walk delivers what came and names where to go
    on. A request takes its place when it begins to wait for its turn, and gives it back if it never
    leaves. Each session counts for itself: give processes that share an account their parts.
    """

    overall: int | None = None
    """Every request, login included."""
    slow: int | None = None
    """Appointment reads and slot searches, which count in ``people`` too."""
    people: int | None = None
    """Patients and appointments."""
    other: int | None = None
    """Everything else, logins too."""
    seconds: float | None = None
    """Length of a period, the first beginning with the first request; without it the budget is for
    the life of the session. It is measured by the event loop's clock, not by the calendar."""
    warn_at: float = 0.8
    """Part of a limit at which the warning comes, once in each period."""
    on_warning: Callable[[Usage], object] | None = field(default=None, repr=False)
    """Called in the event loop's thread when that part is reached; must be quick. An error of its
    own breaks no call. Without it the warning is logged."""

    def __attrs_post_init__(self) -> None:
        limits = [getattr(self, name) for name in _LIMITS]
        if all(limit is None for limit in limits):
            raise InvalidArgumentError("a budget names at least one limit: Budget(overall=10_000)")
        if not all(limit is None or _counts(limit) for limit in limits):
            raise InvalidArgumentError("the limits of a budget are whole numbers, 1 or more")
        if self.seconds is not None and not self.seconds > 0:
            raise InvalidArgumentError("the period of a budget is more than 0 seconds")
        if not 0 < self.warn_at <= 1:
            raise InvalidArgumentError("warn_at is a part of the budget, more than 0 and at most 1")


def _counts(limit: object) -> bool:
    return isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1


class BudgetMeter:
    """Counts against a budget. Times are any monotonic seconds, given by the caller."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._limits: dict[str, int] = {
            name: limit for name in _LIMITS if (limit := getattr(budget, name)) is not None
        }
        self._counting = {
            rate: tuple(name for name in names if name in self._limits)
            for rate, names in LIMITS_OF_CLASS.items()
        }
        self._used = dict.fromkeys(self._limits, 0)
        self._warned: set[str] = set()
        self._period = 0
        self._ends: float | None = None

    def take(self, rate: RateClass, now: float) -> int:
        """Count one request and return the period it counts in; raises `BudgetExceededError`."""
        self.check(rate, now)
        if self._ends is None and self._budget.seconds is not None:
            self._ends = now + self._budget.seconds
        for name in self._counting[rate]:
            self._used[name] += 1
            if self._used[name] >= self._budget.warn_at * self._limits[name]:
                self._warn(name, now)
        return self._period

    def check(self, rate: RateClass, now: float) -> None:
        """Raise `BudgetExceededError` if nothing is left."""
        self._start_period(now)
        for name in self._counting[rate]:
            if self._used[name] >= self._limits[name]:
                raise _exceeded_error(self._usage(name, now))

    def refund(self, rate: RateClass, period: int) -> None:
        """Count one request less: it did not leave."""
        if period == self._period:
            for name in self._counting[rate]:
                self._used[name] -= 1

    def usage(self, now: float) -> tuple[Usage, ...]:
        """Say how far each limit is used."""
        self._start_period(now)
        return tuple(self._usage(name, now) for name in self._limits)

    def _start_period(self, now: float) -> None:
        """Begin a new period if it is time."""
        seconds = self._budget.seconds
        if seconds is not None and self._ends is not None and now >= self._ends:
            self._ends += ((now - self._ends) // seconds + 1) * seconds
            self._period += 1
            self._used = dict.fromkeys(self._limits, 0)
            self._warned.clear()

    def _usage(self, name: str, now: float) -> Usage:
        renews = None if self._ends is None else self._ends - now
        return Usage(limit=name, used=self._used[name], of=self._limits[name], renews_after=renews)

    def _warn(self, name: str, now: float) -> None:
        if name in self._warned:
            return
        self._warned.add(name)
        usage = self._usage(name, now)
        if self._budget.on_warning is None:
            _LOG.warning(
                "%d of %d requests of the budget (%s) are used", usage.used, usage.of, name
            )
            return
        try:
            self._budget.on_warning(usage)
        except Exception as error:  # noqa: BLE001 - no observer may break what it observes
            _LOG.warning("on_warning of the budget raised %s", type(error).__name__)


class Reservation:
    """What one call pays out of a budget, attempt by attempt."""

    __slots__ = ("_meter", "_period", "_rate")

    def __init__(self, meter: BudgetMeter, rate: RateClass) -> None:
        self._meter = meter
        self._rate = rate
        self._period: int | None = None
        """Where the next attempt is paid for, once it is."""

    def charge(self, now: float) -> None:
        """Pay for the next attempt, if that is not done; raises `BudgetExceededError`."""
        if self._period is None:
            self._period = self._meter.take(self._rate, now)

    def check(self, now: float) -> None:
        """Raise `BudgetExceededError` if the next attempt could not be paid for."""
        if self._period is None:
            self._meter.check(self._rate, now)

    def refund(self) -> None:
        """Get back what was paid: the attempt did not leave."""
        if self._period is not None:
            self._meter.refund(self._rate, self._period)
            self._period = None

    def commit(self) -> None:
        """Note that the attempt left."""
        self._period = None


def _exceeded_error(usage: Usage) -> BudgetExceededError:
    requests = f"{usage.of:,} request{'' if usage.of == 1 else 's'}"
    when = "" if usage.renews_after is None else f"; it renews in {usage.renews_after:.0f} seconds"
    return BudgetExceededError(
        f"the budget of {requests} ({usage.limit}) is used up, nothing was sent{when}",
        limit=usage.limit,
        renews_after=usage.renews_after,
    )
