"""200 tasks against every kind of window: no 429, and hardly any permit wasted."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import Rates
from tests.client.rate_limiter.helpers import CallerGroup, RateLimitedServer, calling, evenly
from tests.client.rate_limiter.limiter_model import DOCUMENTED, Kind, VendorLimiter

if TYPE_CHECKING:
    from tests.client.rate_limiter.helpers import Trip

SLACK = 0.25
KINDS: list[Kind] = ["fixed", "sliding", "bucket"]
kinds = pytest.mark.parametrize("kind", KINDS)


def far(rng: random.Random) -> tuple[float, float]:
    """Up to a quarter of a second to arrive, and sometimes two seconds for the response."""
    return rng.uniform(0, 0.249), 2.0 if rng.random() < 0.05 else rng.uniform(0, 0.4)


def anywhere(rng: random.Random) -> tuple[float, float]:
    """Counted at any point of a round trip of up to a quarter of a second."""
    trip, part = rng.uniform(0, 0.249), rng.random()
    return trip * part, trip * (1 - part)


def lopsided(rng: random.Random) -> tuple[float, float]:
    """Fast there and slow back, or the reverse."""
    return (0.249, 0.0) if rng.random() < 0.5 else (0.0, 0.4)


TRIPS: dict[str, Trip] = {
    "near": evenly(0.03, 0.03),
    "far": far,
    "anywhere": anywhere,
    "lopsided": lopsided,
    "none": evenly(0, 0),
}
trips = pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS)


def due(limit: str, seconds: float, *, part: float = 1.0) -> float:
    """Return the least that a saturated limit must have accepted in so many seconds."""
    count, window = DOCUMENTED[limit]
    return 0.97 * int(count * part) * seconds / (window + SLACK)


@kinds
async def test_200_tasks_of_all_classes_use_three_minutes_fully_without_a_429(kind: Kind) -> None:
    rng = random.Random(KINDS.index(kind))
    vendor = RateLimitedServer(VendorLimiter(kind, rng), evenly(0.03, 0.03), rng)
    seconds = 3 * 60.25
    async with calling(vendor) as nex:
        began = await CallerGroup(nex, vendor).call_for(seconds, slow=60, people=70, other=70)
    assert vendor.limiter.rejected == 0
    for limit in ("people", "other"):
        assert vendor.admitted(limit, since=began, seconds=seconds) >= due(limit, seconds)
    assert vendor.admitted("slow", since=began, seconds=seconds) > 0
    assert vendor.logins == 1


@kinds
@trips
@pytest.mark.parametrize("seed", [1, 2])
async def test_200_tasks_of_the_slow_class_use_every_second_fully(
    kind: Kind, trip: Trip, seed: int
) -> None:
    rng = random.Random(seed)
    vendor = RateLimitedServer(VendorLimiter(kind, rng), trip, rng)
    seconds = 24 * 1.25
    async with calling(vendor) as nex:
        began = await CallerGroup(nex, vendor).call_for(seconds + 1, slow=200)
    assert vendor.limiter.rejected == 0
    # What travels to and fro the window's end is not counted in it.
    assert vendor.admitted("slow", since=began, seconds=seconds + SLACK) >= due("slow", seconds)


async def test_late_responses_cost_at_most_a_quarter_second_of_each_window() -> None:
    """Measured over so many windows that the phase of the first does not matter."""
    rng = random.Random(4)
    vendor = RateLimitedServer(
        VendorLimiter("sliding", rng), lambda rng: (rng.uniform(0, 0.1), 2.0), rng
    )
    seconds = 80 * 1.25
    async with calling(vendor) as nex:
        began = await CallerGroup(nex, vendor).call_for(seconds + 1, slow=200)
    assert vendor.limiter.rejected == 0
    assert vendor.admitted("slow", since=began, seconds=seconds) >= due("slow", seconds)


@kinds
@trips
async def test_200_tasks_use_the_overall_limit_fully(kind: Kind, trip: Trip) -> None:
    rng = random.Random(3)
    vendor = RateLimitedServer(VendorLimiter(kind, rng), trip, rng)
    seconds = 8 * 1.25
    async with calling(vendor) as nex:
        began = await CallerGroup(nex, vendor).call_for(seconds, slow=20, people=90, other=90)
    assert vendor.limiter.rejected == 0
    all_classes = sum(
        vendor.admitted(rate, since=began, seconds=seconds + SLACK) for rate in ("people", "other")
    )
    assert all_classes >= due("overall", seconds)


@pytest.mark.parametrize("seed", range(24))
async def test_a_process_with_a_share_stays_within_it(seed: int) -> None:
    """A tenth of the limits, so that many minutes under any condition can be simulated."""
    rng = random.Random(seed)
    kind, trip = rng.choice(KINDS), rng.choice(list(TRIPS.values()))
    vendor = RateLimitedServer(VendorLimiter(kind, rng, part=0.1), trip, rng)
    seconds = 3 * 60.25
    async with calling(vendor, rates=Rates().share(0.1)) as nex:
        crowd = CallerGroup(nex, vendor, cancelled=rng.choice([0.0, 0.3]), patience=60.0)
        mix = {"slow": rng.randint(0, 9), "people": rng.randint(9, 30), "other": 20}
        began = await crowd.call_for(seconds, **mix)
    assert vendor.limiter.rejected == 0
    for limit in ("people", "other"):
        counted = vendor.admitted(limit, since=began, seconds=seconds + SLACK)
        assert counted >= due(limit, seconds, part=0.1)


@kinds
async def test_travel_beyond_a_quarter_second_is_rejected_rarely_and_loses_nothing(
    kind: Kind,
) -> None:
    """No client can then be exact without waiting for every response; a 429 is waited out."""
    rng = random.Random(5)
    vendor = RateLimitedServer(VendorLimiter(kind, rng), evenly(0.4, 0.4), rng)
    seconds = 60.0
    async with calling(vendor) as nex:
        crowd = CallerGroup(nex, vendor)
        began = await crowd.call_for(seconds, slow=200)
    assert vendor.limiter.rejected <= 0.01 * len(vendor.arrivals)
    assert vendor.admitted("slow", since=began, seconds=seconds) >= 0.95 * due("slow", seconds)
    admitted = {arrival.number for arrival in vendor.arrivals if arrival.admitted}
    assert set(crowd.answered["slow"]) <= admitted


async def test_windows_that_begin_while_the_session_is_idle_change_nothing() -> None:
    """Bursts after pauses of any length: the worst case of a fixed window."""
    rng = random.Random(6)
    for kind in KINDS:
        vendor = RateLimitedServer(VendorLimiter(kind, rng), evenly(0.1, 0.1), rng)
        async with calling(vendor) as nex:
            for _ in range(6):
                await CallerGroup(nex, vendor).call_for(rng.uniform(0.1, 3), slow=20, other=150)
                await asyncio.sleep(rng.choice([0.3, 1.1, 61]))
        assert vendor.limiter.rejected == 0
