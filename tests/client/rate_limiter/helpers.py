"""The vendor behind a simulated network, and a session whose requests take no real time."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import Factory, define, field, frozen

from nexhealth_async import APITimeoutError, NexHealth, RetryPolicy
from nexhealth_async._protocol.http_messages import Response
from tests.client.rate_limiter.limiter_model import VendorLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from nexhealth_async._protocol.http_messages import Request
    from tests.conftest import MovableLoop

__all__ = [
    "PATHS",
    "Arrival",
    "CallerGroup",
    "RateLimitedServer",
    "Trip",
    "calling",
    "evenly",
    "simulated_time",
]

Trip: TypeAlias = "Callable[[random.Random], tuple[float, float]]"
"""Draws the seconds until a request is counted, and from there to its response."""

PATHS = {"slow": "/appointments/{}", "people": "/patients/{}", "other": "/providers/{}"}
"""A path of each class, with a number that identifies the request."""

_CLASS = {"appointments": "slow", "patients": "people"}


def simulated_time(loop: asyncio.AbstractEventLoop, io_wait: float = 0.0) -> None:
    """Give a test's loop a simulated time: waits are skipped, and work takes no time.

    Each reading adds a tenth of a microsecond, so that rounding cannot stop the clock.
    """
    movable = cast("MovableLoop", loop)
    began, looks = math.floor(loop.time() - movable.offset) + 0.0, count()
    cast("Any", loop).time = lambda: began + movable.offset + next(looks) * 1e-7
    movable.skip_waits, movable.io_wait = True, io_wait


def evenly(out: float, back: float) -> Trip:
    """Travel time of up to so many seconds each way, evenly distributed."""
    return lambda rng: (rng.uniform(0, out), rng.uniform(0, back))


@frozen
class Arrival:
    """A request as the vendor's limiter saw it."""

    rate: str
    number: int
    left: float
    at: float
    admitted: bool


@define
class RateLimitedServer:
    """Replaces the transport: counts requests, and responds or rejects with 429."""

    limiter: VendorLimiter
    trip: Trip
    rng: random.Random
    says_retry_after: bool = True
    left: dict[str, list[int]] = Factory(lambda: {rate: [] for rate in PATHS})
    """Numbers of the requests that were sent, by class, in order."""
    arrivals: list[Arrival] = field(factory=list[Arrival])
    logins: int = 0
    on_leaving: Callable[[int], None] | None = None
    """Called with a request's number when it is sent, in the task that sends it."""
    host: str = "api.example.com"
    base_url: str = "https://api.example.com"

    def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def send(self, request: Request, *, timeout: float | None) -> Response:  # noqa: ASYNC109 - as the transport's own
        loop = asyncio.get_running_loop()
        resource, _, number = request.target.partition("?")[0].strip("/").partition("/")
        rate, known_by = _CLASS.get(resource, "other"), int(number or 0)
        if resource != "authenticates":
            self.left[rate].append(known_by)
            if self.on_leaving is not None:
                self.on_leaving(known_by)
        left = loop.time()
        out, back = self.trip(self.rng)
        answer: asyncio.Future[Response] = loop.create_future()
        loop.call_at(left + out, self._arrive, answer, back, (rate, known_by, left, resource))
        if timeout is None or out + back < timeout:
            return await answer
        await asyncio.sleep(timeout)
        raise APITimeoutError("no reply in time")

    def _arrive(
        self, answer: asyncio.Future[Response], back: float, about: tuple[str, int, float, str]
    ) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        rate, number, left, resource = about
        wait = self.limiter.admit(rate, now)
        self.arrivals.append(Arrival(rate, number, left, now, wait == 0))
        if wait:
            headers = {"retry-after": str(math.ceil(wait))} if self.says_retry_after else {}
            reply = Response(status=429, headers=headers, body=b'{"code":false,"error":["slow"]}')
        elif resource == "authenticates":
            self.logins += 1
            reply = Response(status=201, body=b'{"code":true,"data":{"token":"a.b.c"}}')
        else:
            reply = Response(status=200, body=b'{"code":true,"data":{}}')
        loop.call_at(now + back, _answer, answer, reply)

    def admitted(self, rate: str, *, since: float, seconds: float) -> int:
        """Count the accepted requests in an interval; the people limit counts slow ones too."""
        rates = ("slow", "people") if rate == "people" else (rate,)
        return sum(
            arrival.admitted and arrival.rate in rates and since <= arrival.at < since + seconds
            for arrival in self.arrivals
        )


def _answer(answer: asyncio.Future[Response], reply: Response) -> None:
    if not answer.done():
        answer.set_result(reply)


@asynccontextmanager
async def calling(vendor: RateLimitedServer, **options: Any) -> AsyncGenerator[NexHealth]:
    """A logged-in session whose requests go to the vendor."""
    settings: dict[str, Any] = {"timeout": None, "retry": RetryPolicy(base_delay=0.1), **options}
    nex = NexHealth("an-invented-key", base_url=vendor.base_url, **settings)
    cast("Any", nex._client.state).transport = vendor
    async with nex:
        await nex.log_in()
        yield nex


@define
class CallerGroup:
    """Tasks that call without pause: each calls again as soon as it has its response."""

    nex: NexHealth
    vendor: RateLimitedServer
    cancelled: float = 0.0
    """Fraction of the calls that are cancelled while they wait for a permit."""
    patience: float = 20.0
    """Longest wait in seconds of such a call."""
    answered: dict[str, list[int]] = Factory(lambda: {rate: [] for rate in PATHS})
    given_up: set[int] = field(factory=set[int])
    _asked: int = 0
    _gone: set[int] = field(factory=set[int])

    async def call_for(self, seconds: float, **tasks: int) -> float:
        """Let so many tasks of each class call for so long; return the start time."""
        self.vendor.on_leaving = self._gone.add
        began = asyncio.get_running_loop().time()
        end = began + seconds
        lines = [self._line(rate, end) for rate, many in tasks.items() for _ in range(many)]
        await asyncio.gather(*lines)
        return began

    async def _line(self, rate: str, end: float) -> None:
        loop, rng = asyncio.get_running_loop(), self.vendor.rng
        while loop.time() < end:
            self._asked += 1
            number = self._asked
            call = asyncio.ensure_future(self.nex.request("GET", PATHS[rate].format(number)))
            if rng.random() < self.cancelled:
                loop.call_later(rng.uniform(0, self.patience), self._give_up, number, call)
            try:
                await call
            except asyncio.CancelledError:
                if number not in self.given_up:
                    raise
            else:
                self.answered[rate].append(number)

    def _give_up(self, number: int, call: asyncio.Future[Any]) -> None:
        if number not in self._gone:
            self.given_up.add(number)
            call.cancel()
