"""First come, first served; callers that give up cost nobody a permit."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from attrs import define, field

from nexhealth_async import Limit, Rates
from nexhealth_async._client.rate_limiter import RateLimiter
from nexhealth_async._protocol.operations import RateClass
from tests.client.rate_limiter.helpers import PATHS, CallerGroup, RateLimitedServer, calling, evenly
from tests.client.rate_limiter.limiter_model import Kind, VendorLimiter

if TYPE_CHECKING:
    from nexhealth_async._protocol.rate_limits import Permit
    from tests.conftest import MovableLoop


@pytest.mark.parametrize("cancelled", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
async def test_requests_of_a_class_are_sent_in_the_order_of_their_calls(
    kind: Kind, cancelled: float
) -> None:
    rng = random.Random(11)
    vendor = RateLimitedServer(VendorLimiter(kind, rng, part=0.25), evenly(0.1, 0.3), rng)
    async with calling(vendor, rates=Rates().share(0.25)) as nex:
        crowd = CallerGroup(nex, vendor, cancelled=cancelled)
        await crowd.call_for(70, slow=40, people=80, other=80)
    assert vendor.limiter.rejected == 0
    for rate, numbers in vendor.left.items():
        assert len(numbers) > 60
        assert numbers == sorted(numbers), f"somebody of {rate} was overtaken"
        assert set(numbers) == set(crowd.answered[rate]), "one who left was given up"
    assert (len(crowd.given_up) > 30) == (cancelled > 0)


async def _pass(limiter: RateLimiter) -> float:
    """Send, fail without a response at once, and return the time."""
    departure = await limiter.acquire(RateClass.SLOW, background=False, deadline=None)
    limiter.complete(departure, answered=False)
    return departure.left


async def test_the_rest_keeps_its_order_when_a_third_gives_up() -> None:
    """The remaining callers are sent when a queue without the others would send them."""
    rng = random.Random(12)
    staying = [rng.random() >= 0.3 for _ in range(200)]
    moments: list[list[float]] = []
    for with_the_others in (True, False):
        limiter = RateLimiter(Rates(people=None))
        began = asyncio.get_running_loop().time()
        for _ in range(10):
            await _pass(limiter)
        waiting = [
            asyncio.ensure_future(_pass(limiter)) for stays in staying if stays or with_the_others
        ]
        await asyncio.sleep(0.1)
        if with_the_others:
            for call, stays in zip(waiting, staying, strict=True):
                if not stays:
                    call.cancel()
            waiting = [call for call, stays in zip(waiting, staying, strict=True) if stays]
        moments.append([await call - began for call in waiting])
    assert moments[0] == pytest.approx(moments[1], abs=0.001)


async def test_callers_that_give_up_at_their_turn_lose_no_permit(
    simulated: MovableLoop,
) -> None:
    """Ten are sent each second, although three whose turn it was gave up at that moment."""
    limiter = RateLimiter(Rates(overall=None, people=None))
    waiting = [
        asyncio.ensure_future(limiter.acquire(RateClass.SLOW, background=False, deadline=None))
        for _ in range(130)
    ]
    await asyncio.sleep(0.01)
    gone = 10
    for second in range(2, 11):
        simulated.shift(1.3)
        limiter._serve()
        for given_up in waiting[gone : gone + 3]:
            given_up.cancel()
        await asyncio.sleep(0.01)
        gone += 13
        left = sum(call.done() and not call.cancelled() for call in waiting)
        assert left == 10 * second
    assert all(call.done() for call in waiting[:gone])
    limiter.close()
    await asyncio.gather(*waiting, return_exceptions=True)


@define
class _PermitRequest:
    """A caller of the limiter, and its outcome."""

    background: bool
    asked: float
    departure: Permit | None = None
    gave_up: float | None = None


@define
class _Requester:
    """Acquires permits of one class at random, and gives up some of the waits."""

    limiter: RateLimiter
    rate: RateClass
    rng: random.Random
    wishes: list[_PermitRequest] = field(factory=list[_PermitRequest])

    async def ask(self, wish: _PermitRequest) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.rng.choice([None, None, self.rng.uniform(0, 8)])):
                wish.departure = await self.limiter.acquire(
                    self.rate, background=wish.background, deadline=None
                )
        except TimeoutError:
            wish.gave_up = loop.time()
            return
        await asyncio.sleep(self.rng.uniform(0, 0.4))
        self.limiter.complete(wish.departure, answered=True)

    async def run(self, wishes: int, pause: float) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(wishes):
                await asyncio.sleep(self.rng.uniform(0, pause))
                wish = _PermitRequest(self.rng.random() < 0.5, asyncio.get_running_loop().time())
                self.wishes.append(wish)
                group.create_task(self.ask(wish))


@pytest.mark.parametrize("seed", range(6))
async def test_no_page_precedes_a_waiting_call_of_its_class_and_none_is_overtaken(
    seed: int,
) -> None:
    rng = random.Random(seed)
    limiter = RateLimiter(Rates(people=Limit(40, 5.0), other=Limit(40, 5.0)))
    lines = [_Requester(limiter, rate, rng) for rate in RateClass]
    await asyncio.gather(*(line.run(300, rng.choice([0.05, 0.15])) for line in lines))
    for line in lines:
        served = [(wish, wish.departure.left) for wish in line.wishes if wish.departure]
        assert len(served) > 120
        assert len(line.wishes) - len(served) > 10, "too few gave up for a test"
        for background in (False, True):
            of_a_kind = [left for wish, left in served if wish.background is background]
            assert of_a_kind == sorted(of_a_kind)
        calls = [(wish.asked, left) for wish, left in served if not wish.background]
        for page, moment in served:
            if page.background:
                overtaken = [call for call in calls if call[0] < moment - 1e-4 < call[1] - 2e-4]
                assert not overtaken


async def test_two_busy_classes_both_progress_under_their_shared_limit() -> None:
    rng = random.Random(13)
    vendor = RateLimitedServer(VendorLimiter("sliding", rng), evenly(0.05, 0.1), rng)
    together = Rates(overall=Limit(20, 1.0), slow=None, people=None, other=None)
    async with calling(vendor, rates=together) as nex:
        await CallerGroup(nex, vendor).call_for(20, people=100, other=100)
    people, other = (len(vendor.left[rate]) for rate in ("people", "other"))
    assert min(people, other) >= 0.4 * (people + other)


async def test_a_class_with_free_permits_is_not_delayed_by_a_busier_one() -> None:
    """A later call of another class need not wait for a limit that does not concern it."""
    rng = random.Random(14)
    vendor = RateLimitedServer(VendorLimiter("sliding", rng), evenly(0.05, 0.05), rng)
    async with calling(vendor) as nex:
        crowd = asyncio.ensure_future(CallerGroup(nex, vendor).call_for(30, slow=200))
        loop = asyncio.get_running_loop()
        for number in range(100):
            await asyncio.sleep(0.25)
            started = loop.time()
            await nex.request("GET", PATHS["other" if number % 2 else "people"].format(number))
            assert loop.time() - started < 0.11
        await crowd
    assert vendor.limiter.rejected == 0
