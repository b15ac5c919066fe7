"""The rate gates: who waits for which limit, in which order, woken by one timer.

The arithmetic is `nexhealth_async._protocol.rate_limits`; here are only the waiters.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Rates, SlidingWindowLog
from nexhealth_async.errors import APITimeoutError, SessionStateError

if TYPE_CHECKING:
    from nexhealth_async._protocol.rate_limits import (
        LimiterBackend,
        Permit,
        SharedLimiterBackend,
        SharedRates,
    )

__all__ = ["MAX_IN_FLIGHT", "RateLimiter"]

MAX_IN_FLIGHT = 100
"""Requests under way at once; more would only wait for connections, their places in the limits
taken, and arrive together when the server goes on."""


class _WaitQueue:
    """Those who wait for one class: single calls before prefetched pages, each in order."""

    def __init__(self) -> None:
        self.calls: deque[asyncio.Future[Permit]] = deque()
        self.pages: deque[asyncio.Future[Permit]] = deque()

    def ahead(self, *, background: bool) -> int:
        """Count those who go before a newcomer."""
        lines = (self.calls, self.pages) if background else (self.calls,)
        return sum(not waiter.done() for line in lines for waiter in line)

    def head(self) -> asyncio.Future[Permit] | None:
        """Return the next one who still waits."""
        for line in (self.calls, self.pages):
            while line:
                if not line[0].done():
                    return line[0]
                line.popleft()
        return None


class RateLimiter:
    """Lets requests leave within the limits; first come, first served within a class."""

    def __init__(self, rates: Rates | SharedRates, account: str = "") -> None:
        """Keep these limits; shared ones are those of an account, by what stands for its key."""
        self.rates: Rates = rates if isinstance(rates, Rates) else rates.rates
        self._shared: SharedLimiterBackend | None = None
        self._log: LimiterBackend
        if isinstance(rates, Rates):
            self._log = SlidingWindowLog(rates)
        else:
            self._log = self._shared = rates.join(account, waiting=self._waiting, wake=self._wake)
        self._queues = {rate: _WaitQueue() for rate in RateClass}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._under_way = 0
        self._crowded = False
        """True while somebody waits for a request to end, whatever the limits say."""
        self._deadlines: dict[asyncio.Future[Permit], float] = {}
        """By whom they wait, who may learn later that it is in vain."""

    def try_acquire(self, rate: RateClass, now: float) -> Permit | None:
        """Take a place in every limit of the class if there is one and nobody waits for it."""
        if self._under_way >= MAX_IN_FLIGHT or self._queues[rate].head() is not None:
            return None
        if self._log.earliest(rate, now) > now:
            return None
        self._under_way += 1
        return self._log.leave(rate, now)

    async def acquire(self, rate: RateClass, *, background: bool, deadline: float | None) -> Permit:
        """Wait for a place in every limit of the class, and take it.

        Raises `APITimeoutError` at once if the deadline (in the loop's time) cannot be met, and
        otherwise when it passes. Being cancelled costs nobody else a place.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if departure := self.try_acquire(rate, now):
            return departure
        queue = self._queues[rate]
        if deadline is not None:
            moment = self._log.earliest(rate, now)
            ahead = queue.ahead(background=background)
            if self._log.not_before(rate, moment, ahead) >= deadline:
                raise _deadline_error()
        waiter: asyncio.Future[Permit] = loop.create_future()
        (queue.pages if background else queue.calls).append(waiter)
        self._serve()
        timer = None if deadline is None else loop.call_at(deadline, _give_up, waiter)
        if deadline is not None and self._shared is not None:
            self._deadlines[waiter] = deadline
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.withdraw(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._deadlines.pop(waiter, None)

    def complete(self, departure: Permit, *, answered: bool) -> None:
        """Note that a request is over; an answer may free its place in the limits earlier."""
        self._under_way -= 1
        if answered:
            departure.answer(asyncio.get_running_loop().time())
        self._schedule_serving()

    def withdraw(self, departure: Permit) -> None:
        """Give back the place of a request that did not leave after all."""
        self._under_way -= 1
        departure.withdraw()
        if self._shared is not None and not self._closed:
            self._serve()  # The place is in hand again.
        self._schedule_serving()

    def pause(self, rate: RateClass, seconds: float) -> None:
        """Let nothing of a class leave for some seconds: the server answered 429."""
        self._log.close(rate, asyncio.get_running_loop().time() + seconds)

    def close(self) -> None:
        """Send everyone who waits away: the session closes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for queue in self._queues.values():
            while (waiter := queue.head()) is not None:
                waiter.set_exception(
                    SessionStateError(
                        "the session was closed while waiting for the rate limit; "
                        "close it after the last call"
                    )
                )

    @property
    def turns(self) -> int:
        """How often the other processes' places were asked for."""
        return 0 if self._shared is None else self._shared.turns

    async def aclose(self) -> None:
        """Give back what is held of shared limits; to be called after `close`."""
        if self._shared is not None:
            await self._shared.aclose()

    def _waiting(self, rate: RateClass) -> int:
        return self._queues[rate].ahead(background=True)

    def _wake(self) -> None:
        """Go on with what the other processes leave, and send away whom it comes too late for."""
        if self._closed:
            return
        self._serve()
        now = asyncio.get_running_loop().time()
        for rate, queue in self._queues.items():
            moment = self._log.earliest(rate, now) if self._deadlines else now
            line = [*queue.calls, *queue.pages] if self._deadlines else ()
            waiting = (waiter for waiter in line if not waiter.done())
            for ahead, waiter in enumerate(waiting):
                if self._log.not_before(rate, moment, ahead) >= self._deadlines.get(waiter, inf):
                    waiter.set_exception(_deadline_error())

    def _schedule_serving(self) -> None:
        if (self._timer is not None or self._crowded) and not self._closed:
            self._serve()

    def _serve(self) -> None:
        """Let everyone leave whose time has come, and set the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._crowded = False
        someone_left = True
        moments: list[float] = []
        while someone_left:  # one of each class in turn, so that none takes the common limit alone
            someone_left, moments = False, []
            for rate, queue in [*self._queues.items()]:
                if (waiter := queue.head()) is None:
                    continue
                if self._under_way >= MAX_IN_FLIGHT:
                    self._crowded = True
                    return
                moment = self._log.earliest(rate, now)
                if moment > now:
                    if moment < inf:
                        moments.append(moment)
                    continue
                self._under_way += 1
                waiter.set_result(self._log.leave(rate, now))
                someone_left = True
                # Where places come one by one, whoever had the last goes last.
                self._queues[rate] = self._queues.pop(rate)
        if moments:
            self._timer = loop.call_at(min(moments), self._serve)


def _give_up(waiter: asyncio.Future[Permit]) -> None:
    if not waiter.done():
        waiter.set_exception(_deadline_error())


def _deadline_error() -> APITimeoutError:
    return APITimeoutError(
        "the rate limit leaves no place within the call's timeout, so nothing was sent"
    )
