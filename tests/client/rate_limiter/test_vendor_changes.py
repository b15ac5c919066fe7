"""The vendor lowers its limits, or others use the key: a 429 closes only its class."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import Limit, Rates, RetryPolicy
from tests.client.rate_limiter.helpers import PATHS, CallerGroup, RateLimitedServer, calling, evenly
from tests.client.rate_limiter.limiter_model import Kind, VendorLimiter

if TYPE_CHECKING:
    from tests.client.rate_limiter.helpers import Arrival

STUBBORN = RetryPolicy(attempts=50, base_delay=0.2)


def without_interruption(arrivals: list[Arrival], rate: str, seconds: float) -> bool:
    """Tell whether a class never paused for so long."""
    times = [arrival.at for arrival in arrivals if arrival.rate == rate]
    return all(late - early < seconds for early, late in pairwise(times))


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
async def test_a_lowered_limit_stops_its_class_and_no_other(kind: Kind) -> None:
    rng = random.Random(21)
    vendor = RateLimitedServer(VendorLimiter(kind, rng), evenly(0.03, 0.03), rng)
    vendor.limiter.change("people", 300)
    # Paces that leave room under the common limit, so that nothing else holds a class up.
    rates = Rates(people=Limit(40, 1.0), other=Limit(20, 1.0))
    async with calling(vendor, rates=rates, retry=STUBBORN) as nex:
        crowd = CallerGroup(nex, vendor)
        began = await crowd.call_for(150, people=60, other=60)
    refused = [arrival for arrival in vendor.arrivals if not arrival.admitted]
    assert refused
    assert {one.rate for one in refused} == {"people"}
    # For each closing, at most those who were under way already, and one call for each task.
    assert len(refused) <= 4 * 60
    assert without_interruption(vendor.arrivals, "other", 1.35)
    assert not without_interruption(vendor.arrivals, "people", 10)
    assert vendor.admitted("other", since=began, seconds=150) >= 0.97 * 20 * 150 / 1.25
    admitted = {arrival.number for arrival in vendor.arrivals if arrival.admitted}
    for rate in ("people", "other"):
        assert len(crowd.answered[rate]) == len(set(crowd.answered[rate]) & admitted)


@pytest.mark.parametrize("says", [True, False], ids=["Retry-After", "no Retry-After"])
async def test_a_closed_class_sends_nothing(says: bool) -> None:  # noqa: FBT001 - pytest passes it so
    rng = random.Random(22)
    vendor = RateLimitedServer(
        VendorLimiter("sliding", rng), lambda _: (0.05, 0.05), rng, says_retry_after=says
    )
    vendor.limiter.change("people", 100)
    async with calling(vendor, retry=STUBBORN) as nex:
        waiting = [
            asyncio.ensure_future(nex.request("GET", PATHS["people"].format(n))) for n in range(130)
        ]
        while vendor.limiter.rejected == 0:
            await asyncio.sleep(0.01)
        learnt = asyncio.get_running_loop().time() + 0.06
        closed = 58.0 if says else 0.2
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(nex.request("GET", PATHS["other"].format(number)))
        await asyncio.sleep(max(0.0, learnt + closed - asyncio.get_running_loop().time()))
        left = [arrival.left for arrival in vendor.arrivals if arrival.rate == "people"]
        assert not [moment for moment in left if learnt < moment < learnt + closed]
        assert len([arrival for arrival in vendor.arrivals if arrival.rate == "other"]) >= 20
        await asyncio.gather(*waiting)


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
async def test_another_process_on_the_key_causes_429s_but_loses_no_call(kind: Kind) -> None:
    rng = random.Random(23)
    vendor = RateLimitedServer(VendorLimiter(kind, rng), evenly(0.03, 0.03), rng)
    async with calling(vendor, retry=STUBBORN) as nex:
        crowd = asyncio.ensure_future(CallerGroup(nex, vendor).call_for(30, slow=40))
        loop = asyncio.get_running_loop()
        end = loop.time() + 30
        while loop.time() < end:
            for _ in range(5):
                vendor.limiter.admit("slow", loop.time())
            await asyncio.sleep(1)
        await crowd
    assert any(not arrival.admitted for arrival in vendor.arrivals)
    served = [arrival for arrival in vendor.arrivals if arrival.admitted and arrival.rate == "slow"]
    assert len(served) >= 30 * 2
    assert len({one.number for one in served}) == len(served), "a call was carried out twice"


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
async def test_a_request_abandoned_in_flight_keeps_its_permit(how: str) -> None:
    """A request that was sent counts when it arrives, whether or not its caller still waits."""
    rng = random.Random(24)
    vendor = RateLimitedServer(
        VendorLimiter("sliding", rng), lambda rng: (rng.choice([0.0, 0.24]), 0.005), rng
    )
    retry = RetryPolicy(
        attempts=4, base_delay=0.0, attempt_timeout=0.02 if how == "deadline" else None
    )
    async with calling(vendor, retry=retry) as nex:
        loop = asyncio.get_running_loop()

        def leave_soon(number: int) -> None:
            task = asyncio.current_task()
            if how == "cancelled" and number % 3 == 0 and task is not None:
                loop.call_later(0.01, task.cancel)

        vendor.on_leaving = leave_soon
        calls = (nex.request("GET", PATHS["slow"].format(number)) for number in range(200))
        await asyncio.gather(*calls, return_exceptions=True)
    assert vendor.limiter.rejected == 0
