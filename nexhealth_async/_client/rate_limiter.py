"""Rate limiter: queues of waiting requests per rate class, served by one timer.

The arithmetic is in `nexhealth_async._protocol.rate_limits`.
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
"""Maximum number of requests in flight. More would hold permits while they wait for connections,
and arrive at once when the server recovers."""


class _WaitQueue:
    """Waiters of one rate class: single calls before prefetched pages, each first in, first out."""

    def __init__(self) -> None:
        self.calls: deque[asyncio.Future[Permit]] = deque()
        self.pages: deque[asyncio.Future[Permit]] = deque()

    def ahead(self, *, background: bool) -> int:
        """Count the waiters that a new request would wait behind."""
        queues = (self.calls, self.pages) if background else (self.calls,)
        return sum(not waiter.done() for queue in queues for waiter in queue)

    def head(self) -> asyncio.Future[Permit] | None:
        """Return the next waiter, None if there is none."""
        for queue in (self.calls, self.pages):
            while queue:
                if not queue[0].done():
                    return queue[0]
                queue.popleft()
        return None


class RateLimiter:
    """Delays requests to keep the rate limits; first come, first served within a rate class."""

    def __init__(self, rates: Rates | SharedRates, account: str = "") -> None:
        """Create a limiter.

        Args:
            rates: The limits to keep.
            account: Fingerprint of the API key, under which processes share limits.
        """
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
        self._in_flight = 0
        self._at_capacity = False
        """True while a request waits because `MAX_IN_FLIGHT` is reached."""
        self._deadlines: dict[asyncio.Future[Permit], float] = {}
        """Deadlines of waiters on shared limits, which may become unreachable while they wait."""

    def try_acquire(self, rate: RateClass, now: float) -> Permit | None:
        """Return a permit if one is free and no request waits for it; None otherwise."""
        if self._in_flight >= MAX_IN_FLIGHT or self._queues[rate].head() is not None:
            return None
        if self._log.earliest(rate, now) > now:
            return None
        self._in_flight += 1
        return self._log.acquire(rate, now)

    async def acquire(self, rate: RateClass, *, background: bool, deadline: float | None) -> Permit:
        """Wait for a permit.

        A waiter that is cancelled uses up no permit.

        Args:
            rate: Rate class of the request.
            background: True for prefetched pages, which wait behind single calls.
            deadline: Time on the loop's clock.

        Raises:
            APITimeoutError: The deadline cannot be met, which is raised at once, or it passed.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if permit := self.try_acquire(rate, now):
            return permit
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
                self.release(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._deadlines.pop(waiter, None)

    def complete(self, permit: Permit, *, answered: bool) -> None:
        """Record the end of a request; a response may free its permit earlier."""
        self._in_flight -= 1
        if answered:
            permit.answer(asyncio.get_running_loop().time())
        self._schedule_serving()

    def release(self, permit: Permit) -> None:
        """Return the permit of a request that was not sent."""
        self._in_flight -= 1
        permit.release()
        if self._shared is not None and not self._closed:
            self._serve()  # The permit is available again.
        self._schedule_serving()

    def pause(self, rate: RateClass, seconds: float) -> None:
        """Send no request of a class for some seconds, after a 429."""
        self._log.close(rate, asyncio.get_running_loop().time() + seconds)

    def close(self) -> None:
        """Raise `SessionStateError` in all waiters."""
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
        """Number of permit requests to the shared limits."""
        return 0 if self._shared is None else self._shared.turns

    async def aclose(self) -> None:
        """Return permits of shared limits; call it after `close`."""
        if self._shared is not None:
            await self._shared.aclose()

    def _waiting(self, rate: RateClass) -> int:
        return self._queues[rate].ahead(background=True)

    def _wake(self) -> None:
        """Serve waiters after a change of the shared limits; fail those that would be too late."""
        if self._closed:
            return
        self._serve()
        now = asyncio.get_running_loop().time()
        for rate, queue in self._queues.items():
            moment = self._log.earliest(rate, now) if self._deadlines else now
            waiters = [*queue.calls, *queue.pages] if self._deadlines else ()
            waiting = (waiter for waiter in waiters if not waiter.done())
            for ahead, waiter in enumerate(waiting):
                if self._log.not_before(rate, moment, ahead) >= self._deadlines.get(waiter, inf):
                    waiter.set_exception(_deadline_error())

    def _schedule_serving(self) -> None:
        if (self._timer is not None or self._at_capacity) and not self._closed:
            self._serve()

    def _serve(self) -> None:
        """Grant the permits that are free, and set the timer for the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._at_capacity = False
        granted = True
        moments: list[float] = []
        while granted:  # one request per class in turn, so that none uses the overall limit alone
            granted, moments = False, []
            for rate, queue in [*self._queues.items()]:
                if (waiter := queue.head()) is None:
                    continue
                if self._in_flight >= MAX_IN_FLIGHT:
                    self._at_capacity = True
                    return
                moment = self._log.earliest(rate, now)
                if moment > now:
                    if moment < inf:
                        moments.append(moment)
                    continue
                self._in_flight += 1
                waiter.set_result(self._log.acquire(rate, now))
                granted = True
                # Where permits become free one by one, the classes take turns.
                self._queues[rate] = self._queues.pop(rate)
        if moments:
            self._timer = loop.call_at(min(moments), self._serve)


def _give_up(waiter: asyncio.Future[Permit]) -> None:
    if not waiter.done():
        waiter.set_exception(_deadline_error())


def _deadline_error() -> APITimeoutError:
    return APITimeoutError(
        "the rate limit allows no request within the call's timeout, so nothing was sent"
    )
