"""Deadlines: a call that cannot be sent in time is refused at once, and only such a call."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest
from attrs import frozen

from nexhealth_async import APITimeoutError, OutcomeUnknownError
from nexhealth_async._client.rate_limiter import RateLimiter
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Limit, Rates
from tests.client.rate_limiter.helpers import PATHS, RateLimitedServer, calling
from tests.client.rate_limiter.limiter_model import VendorLimiter

ONLY_SLOW = Rates(overall=None, slow=Limit(10, 1.0), people=None, other=None)
ANSWER = 0.02


@frozen
class _CallOutcome:
    timeout: float | None
    waited: float
    served: bool


async def _crowd(timeouts: list[float | None]) -> list[_CallOutcome]:
    """Let all callers acquire at once, each with its timeout; responses come soon."""
    limiter, loop = RateLimiter(ONLY_SLOW), asyncio.get_running_loop()

    async def one(timeout: float | None) -> _CallOutcome:  # noqa: ASYNC109 - the call's, which the gates keep
        started = loop.time()
        deadline = None if timeout is None else started + timeout
        try:
            departure = await limiter.acquire(RateClass.SLOW, background=False, deadline=deadline)
        except APITimeoutError:
            return _CallOutcome(timeout, loop.time() - started, served=False)
        waited = loop.time() - started
        await asyncio.sleep(ANSWER)
        limiter.complete(departure, answered=True)
        return _CallOutcome(timeout, waited, served=True)

    return await asyncio.gather(*(one(timeout) for timeout in timeouts))


@pytest.mark.parametrize("seed", range(10))
async def test_every_deadline_is_met_or_refused_without_affecting_others(seed: int) -> None:
    """The k-th accepted call is sent as if the refused ones had never asked."""
    rng = random.Random(seed)
    timeouts = [rng.choice([None, rng.uniform(0.01, 30)]) for _ in range(200)]
    ends = await _crowd(timeouts)
    for end in ends:
        if end.timeout is None:
            assert end.served
        elif end.served:
            assert end.waited < end.timeout
        else:
            assert end.waited < 0.01 or end.waited == pytest.approx(end.timeout, abs=0.01)
    assert any(not end.served and end.waited < 0.01 for end in ends), "none was told at once"
    left = sorted(end.waited for end in ends if end.served)
    for k, waited in enumerate(left):
        assert waited <= k // 10 * (1.0 + ANSWER) + 0.01


@pytest.mark.parametrize("seed", range(5))
async def test_no_call_is_refused_that_could_be_sent_in_time(seed: int) -> None:
    """A call this far back, without a deadline, is sent after those that were refused."""
    rng = random.Random(seed)
    timeouts = [None if at < 100 else rng.uniform(1, 30) for at in range(200)]
    ends = await _crowd(timeouts)
    for place, end in enumerate(ends):
        if end.timeout is not None and end.waited < 0.01 and place > 10:
            ahead = sum(one.served for one in ends[:place])
            # The estimate may be a quarter of a second off: answers under way open places earlier.
            assert end.timeout <= ahead // 10 * (1.0 + ANSWER) + 0.26


async def test_a_deadline_made_possible_by_a_pending_response_is_met() -> None:
    limiter, loop = RateLimiter(ONLY_SLOW), asyncio.get_running_loop()
    gone = [
        await limiter.acquire(RateClass.SLOW, background=False, deadline=None) for _ in range(10)
    ]
    for one in gone:
        loop.call_later(ANSWER, partial(limiter.complete, one, answered=True))
    deadline = loop.time() + 1.2
    departure = await limiter.acquire(RateClass.SLOW, background=False, deadline=deadline)
    assert departure.left < deadline


async def test_a_write_refused_by_the_limiter_was_not_sent() -> None:
    rng = random.Random(1)
    vendor = RateLimitedServer(VendorLimiter("sliding", rng), lambda _: (0.01, 0.01), rng)
    async with calling(vendor, rates=Rates(other=Limit(5, 60.0))) as nex:
        quick = nex.with_options(timeout=3)
        ends = await asyncio.gather(
            *(quick.request("POST", PATHS["other"].format(number)) for number in range(9)),
            return_exceptions=True,
        )
        refused = [end for end in ends if isinstance(end, BaseException)]
        assert len(refused) == 5, "the login took a place as well"
        assert all(isinstance(end, APITimeoutError) for end in refused)
        assert not any(isinstance(end, OutcomeUnknownError) for end in refused)
        assert vendor.left["other"] == [0, 1, 2, 3]
