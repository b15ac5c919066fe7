"""Order and times of the rate limiter, in simulated time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import APITimeoutError, Limit, Rates, SessionStateError
from nexhealth_async._client.rate_limiter import MAX_IN_FLIGHT, RateLimiter
from nexhealth_async._protocol.operations import RateClass

if TYPE_CHECKING:
    from tests.conftest import MovableLoop

ONLY_SLOW = Rates(overall=None, slow=Limit(10, 1.0), people=None, other=None)


@pytest.fixture(autouse=True)
def skipping(loop: MovableLoop) -> None:
    loop.skip_waits = True


async def leave(limiter: RateLimiter, rate: RateClass = RateClass.SLOW, **options: object) -> float:
    departure = await limiter.acquire(
        rate,
        background=bool(options.get("background")),
        deadline=options.get("deadline"),  # type: ignore[arg-type]
    )
    if "answer" in options:
        await asyncio.sleep(float(str(options["answer"])))
    limiter.complete(departure, answered="answer" in options)
    return departure.left


async def test_an_idle_limiter_admits_at_once() -> None:
    limiter = RateLimiter(ONLY_SLOW)
    moments = [await leave(limiter) for _ in range(10)]
    assert moments[-1] - moments[0] < 0.5


@pytest.mark.parametrize("answer", [0.0, 0.05, 0.2, 5.0])
async def test_no_window_exceeds_the_limit_and_little_is_wasted(answer: float) -> None:
    limiter = RateLimiter(ONLY_SLOW)
    left = sorted(await asyncio.gather(*(leave(limiter, answer=answer) for _ in range(100))))
    for at, moment in enumerate(left[:-10]):
        assert left[at + 10] - moment >= 1.0 - 1e-6
    assert left[-1] - left[0] <= 9 * 1.25 / 0.97


async def test_first_come_first_served_within_a_class() -> None:
    limiter = RateLimiter(ONLY_SLOW)
    order: list[int] = []

    async def one(number: int) -> None:
        await leave(limiter)
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(45)))
    assert order == list(range(45))


async def test_single_calls_precede_prefetched_pages() -> None:
    limiter = RateLimiter(ONLY_SLOW)
    for _ in range(10):
        await leave(limiter)
    order: list[str] = []

    async def one(name: str, *, background: bool) -> None:
        await leave(limiter, background=background)
        order.append(name)

    await asyncio.gather(
        *(one("page", background=True) for _ in range(3)),
        *(one("call", background=False) for _ in range(3)),
    )
    assert order == ["call"] * 3 + ["page"] * 3


async def test_a_waiting_class_delays_no_other() -> None:
    limiter = RateLimiter(Rates())
    for _ in range(10):
        await leave(limiter, RateClass.SLOW)
    waiting = asyncio.ensure_future(leave(limiter, RateClass.SLOW))
    await asyncio.sleep(0)
    first = await leave(limiter, RateClass.PEOPLE)
    second = await leave(limiter, RateClass.OTHER)
    assert not waiting.done()
    assert await waiting > max(first, second)


async def test_classes_share_the_common_limit_in_turn() -> None:
    limiter = RateLimiter(Rates(overall=Limit(10, 1.0), slow=None, people=None, other=None))
    for _ in range(10):
        await leave(limiter)
    order: list[RateClass] = []

    async def one(rate: RateClass) -> None:
        await leave(limiter, rate)
        order.append(rate)

    await asyncio.gather(
        *(one(RateClass.PEOPLE) for _ in range(10)), *(one(RateClass.OTHER) for _ in range(10))
    )
    assert 4 <= order[:10].count(RateClass.OTHER) <= 6


async def test_cancelling_waiters_costs_no_permit() -> None:
    rng = random.Random(1)
    limiter = RateLimiter(ONLY_SLOW)
    tasks = [asyncio.ensure_future(leave(limiter)) for _ in range(200)]
    await asyncio.sleep(0)
    for task in rng.sample(tasks, 100):
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    left = sorted(moment for moment in done if isinstance(moment, float))
    assert len(left) >= 100
    assert left[-1] - left[0] <= (len(left) / 10) * 1.25


async def test_a_permit_granted_to_a_cancelled_waiter_is_returned() -> None:
    limiter = RateLimiter(ONLY_SLOW)
    taken = [
        await limiter.acquire(RateClass.SLOW, background=False, deadline=None) for _ in range(10)
    ]
    waiting = asyncio.ensure_future(leave(limiter))
    await asyncio.sleep(0)
    limiter.release(taken[0])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    before = asyncio.get_running_loop().time()
    assert await leave(limiter) - before < 0.01


async def test_an_impossible_deadline_is_refused_at_once(loop: MovableLoop) -> None:
    limiter = RateLimiter(ONLY_SLOW)
    for _ in range(10):
        await leave(limiter)
    now = loop.time()
    with pytest.raises(APITimeoutError, match="nothing was sent"):
        await leave(limiter, deadline=now + 0.5)
    assert loop.time() - now < 0.1


async def test_a_deadline_behind_a_long_queue_is_refused_at_once(
    loop: MovableLoop,
) -> None:
    limiter = RateLimiter(ONLY_SLOW)
    tasks = [asyncio.ensure_future(leave(limiter)) for _ in range(60)]
    await asyncio.sleep(0)
    now = loop.time()
    with pytest.raises(APITimeoutError, match="nothing was sent"):
        await leave(limiter, deadline=now + 4)
    assert loop.time() - now < 0.1
    for task in tasks[20:]:
        task.cancel()
    left = await leave(limiter, deadline=now + 4)
    assert left - now < 4
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_deadline_that_passes_in_the_queue_ends_the_wait(loop: MovableLoop) -> None:
    limiter = RateLimiter(ONLY_SLOW)
    tasks = [asyncio.ensure_future(leave(limiter)) for _ in range(25)]
    await asyncio.sleep(0)
    now = loop.time()
    with pytest.raises(APITimeoutError):
        await leave(limiter, deadline=now + 2.3)
    assert 2.2 <= loop.time() - now <= 2.5
    await asyncio.gather(*tasks)


async def test_a_closed_class_waits_and_the_others_do_not(loop: MovableLoop) -> None:
    limiter = RateLimiter(Rates())
    limiter.pause(RateClass.PEOPLE, 30)
    now = loop.time()
    assert await leave(limiter, RateClass.OTHER) - now < 1
    assert await leave(limiter, RateClass.PEOPLE) - now >= 30


async def test_closing_raises_in_the_waiters() -> None:
    limiter = RateLimiter(ONLY_SLOW)
    tasks = [asyncio.ensure_future(leave(limiter)) for _ in range(30)]
    await asyncio.sleep(0)
    limiter.close()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, SessionStateError) for one in done) == 20


async def test_the_number_in_flight_is_bounded_and_the_next_is_sent_when_one_ends() -> None:
    limiter = RateLimiter(Rates.unlimited())
    under_way = [
        await limiter.acquire(RateClass.OTHER, background=False, deadline=None)
        for _ in range(MAX_IN_FLIGHT)
    ]
    waiting = [asyncio.ensure_future(leave(limiter, rate)) for rate in RateClass]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(call.done() for call in waiting)
    limiter.complete(under_way.pop(), answered=False)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)  # each ends at once and lets in the next
    limiter.release(under_way.pop())
    assert limiter.try_acquire(RateClass.OTHER, 0.0) is not None
