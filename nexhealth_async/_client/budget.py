"""Request budget of a session, for accounts that are billed per request."""

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
    """Usage of one limit of a budget."""

    limit: str
    """Name of the limit: ``"overall"``, ``"slow"``, ``"people"`` or ``"other"``."""
    used: int
    """Requests counted in this period."""
    of: int
    """Requests that the budget allows."""
    renews_after: float | None
    """Seconds until the period ends; None for a budget without periods."""

    @property
    def left(self) -> int:
        """Requests left in this period."""
        return self.of - self.used


@frozen(kw_only=True)
class Budget:
    """Limits on the number of requests of a session and its copies, passed as ``budget=``.

    Every request that is sent counts: each page of a walk, prefetched pages, logins and retries,
    whatever the response. A request without a connection does not count. The vendor may count
    differently; compare ``nex.stats.requests`` with the invoice.

    When nothing is left, calls raise `BudgetExceededError` before they send anything, and an error
    that would be retried is raised instead. A walk delivers what it has received and reports where
    to resume. A request is counted when it starts to wait for the rate limit, and refunded if it
    is not sent. Sessions count separately: divide the budget between processes that share an
    account.
    """

    overall: int | None = None
    """All requests, logins included."""
    slow: int | None = None
    """Appointment reads and slot searches, which count in ``people`` too."""
    people: int | None = None
    """Patients and appointments."""
    other: int | None = None
    """Everything else, logins included."""
    seconds: float | None = None
    """Length of a period in seconds, from the first request; None for the life of the session.
    Measured on the event loop's clock, not by the calendar."""
    warn_at: float = 0.8
    """Fraction of a limit at which to warn, once per period."""
    on_warning: Callable[[Usage], object] | None = field(default=None, repr=False)
    """Called in the event loop's thread at that fraction; it must be quick, and its errors do not
    affect calls. Without it the warning is logged."""

    def __attrs_post_init__(self) -> None:
        limits = [getattr(self, name) for name in _LIMITS]
        if all(limit is None for limit in limits):
            raise InvalidArgumentError("a budget needs at least one limit: Budget(overall=10_000)")
        if not all(limit is None or _is_positive_int(limit) for limit in limits):
            raise InvalidArgumentError("the limits of a budget must be whole numbers, 1 or more")
        if self.seconds is not None and not self.seconds > 0:
            raise InvalidArgumentError("seconds of a budget must be more than 0")
        if not 0 < self.warn_at <= 1:
            raise InvalidArgumentError("warn_at must be more than 0 and at most 1")


def _is_positive_int(limit: object) -> bool:
    return isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1


class BudgetMeter:
    """Counts requests against a budget. Times are monotonic seconds, given by the caller."""

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
        """Count one request and return its period; raises `BudgetExceededError`."""
        self.check(rate, now)
        if self._ends is None and self._budget.seconds is not None:
            self._ends = now + self._budget.seconds
        for name in self._counting[rate]:
            self._used[name] += 1
            if self._used[name] >= self._budget.warn_at * self._limits[name]:
                self._warn(name, now)
        return self._period

    def check(self, rate: RateClass, now: float) -> None:
        """Raise `BudgetExceededError` if the budget is used up."""
        self._start_period(now)
        for name in self._counting[rate]:
            if self._used[name] >= self._limits[name]:
                raise _exceeded_error(self._usage(name, now))

    def refund(self, rate: RateClass, period: int) -> None:
        """Uncount one request that was not sent, if its period has not ended."""
        if period == self._period:
            for name in self._counting[rate]:
                self._used[name] -= 1

    def usage(self, now: float) -> tuple[Usage, ...]:
        """Return the usage of each limit."""
        self._start_period(now)
        return tuple(self._usage(name, now) for name in self._limits)

    def _start_period(self, now: float) -> None:
        """Start a new period if the current one has ended."""
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
        except Exception as error:  # noqa: BLE001 - an observer's error must not fail the call
            _LOG.warning("on_warning of the budget raised %s", type(error).__name__)


class Reservation:
    """Budget reservation of one call, renewed for each attempt."""

    __slots__ = ("_meter", "_period", "_rate")

    def __init__(self, meter: BudgetMeter, rate: RateClass) -> None:
        self._meter = meter
        self._rate = rate
        self._period: int | None = None
        """Period that the next attempt is charged to, None if it is not charged yet."""

    def charge(self, now: float) -> None:
        """Charge the next attempt unless that is done; raises `BudgetExceededError`."""
        if self._period is None:
            self._period = self._meter.take(self._rate, now)

    def check(self, now: float) -> None:
        """Raise `BudgetExceededError` if the next attempt would exceed the budget."""
        if self._period is None:
            self._meter.check(self._rate, now)

    def refund(self) -> None:
        """Refund the charge of an attempt that was not sent."""
        if self._period is not None:
            self._meter.refund(self._rate, self._period)
            self._period = None

    def commit(self) -> None:
        """Keep the charge: the attempt was sent."""
        self._period = None


def _exceeded_error(usage: Usage) -> BudgetExceededError:
    requests = f"{usage.of:,} request{'' if usage.of == 1 else 's'}"
    when = "" if usage.renews_after is None else f"; it renews in {usage.renews_after:.0f} seconds"
    return BudgetExceededError(
        f"the budget of {requests} ({usage.limit}) is used up, so nothing was sent{when}",
        limit=usage.limit,
        renews_after=usage.renews_after,
    )
