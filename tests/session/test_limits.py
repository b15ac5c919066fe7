"""The documented rate limits, against a server that enforces them, in simulated time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Literal

import pytest

from nexhealth_async import APITimeoutError, Limit, RateLimitError, Rates
from tests.session.transport_error_helpers import ErrorScene, LoopClock, check_text, scene

if TYPE_CHECKING:
    from tests.conftest import MovableLoop

Kind = Literal["fixed", "sliding"]

START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.fixture
def skipping(loop: MovableLoop, monkeypatch: pytest.MonkeyPatch) -> MovableLoop:
    """Simulated time, a microsecond for each reading, so that a busy machine changes nothing.

    Waits take a few real milliseconds; sockets of this process answer sooner.
    """
    began, looks = loop.time() - loop.offset, count()
    monkeypatch.setattr(loop, "time", lambda: began + loop.offset + next(looks) * 1e-6)
    loop.skip_waits, loop.io_wait = True, 0.004
    return loop


async def booked(at: ErrorScene) -> int:
    """Count appointments: one request of the class with 10 a second."""
    return await at.location.appointments.walk(start=START, end=END).count()


def arrivals(at: ErrorScene) -> list[float]:
    return [
        request.at for request in at.sandbox.seen("GET", "/appointments") if request.status == 200
    ]


@pytest.mark.parametrize("phase", [0.0, 0.37, 0.999])
@pytest.mark.parametrize("kind", ["fixed", "sliding"])
async def test_60_tasks_get_no_429_and_waste_no_time(
    kind: Kind, phase: float, skipping: MovableLoop
) -> None:
    async with scene(clock=LoopClock()) as at:
        at.sandbox.rate_limits, at.sandbox.rate_phase = kind, phase
        await at.works()
        began = skipping.time()
        await asyncio.gather(*(booked(at) for _ in range(60)))
        took = skipping.time() - began
        assert at.sandbox.rejected == 0
        times = arrivals(at)
        assert len(times) == 60
        assert all(later - early >= 1.0 for early, later in zip(times, times[10:], strict=False))
        assert 5.0 <= took < 6.0


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
async def test_slow_responses_cause_no_429(kind: Kind, skipping: MovableLoop) -> None:
    async with scene(clock=LoopClock()) as at:
        at.sandbox.rate_limits = kind
        at.sandbox.latency, at.sandbox.jitter = 0.12, 0.1
        await asyncio.gather(*(booked(at) for _ in range(40)))
        assert at.sandbox.rejected == 0
        assert len(arrivals(at)) == 40


async def test_classes_wait_independently(skipping: MovableLoop) -> None:
    """A full slow class does not delay the others."""
    async with scene(clock=LoopClock()) as at:
        at.sandbox.rate_limits = "sliding"
        await at.works()
        began = skipping.time()
        slow = [asyncio.ensure_future(booked(at)) for _ in range(30)]
        await asyncio.gather(*(at.works() for _ in range(20)))
        assert skipping.time() - began < 1.0
        assert not all(task.done() for task in slow)
        await asyncio.gather(*slow)
        assert at.sandbox.rejected == 0


async def test_the_overall_limit_counts_every_class(skipping: MovableLoop) -> None:
    """Scaled down on both sides: a hundred requests at once take a busy machine too long."""
    async with scene(clock=LoopClock(), rates=Rates(overall=Limit(12, 1.0))) as at:
        at.sandbox.limits.windows["all"].limit = 12
        at.sandbox.rate_limits = "sliding"
        await asyncio.gather(*(at.works() for _ in range(25)), *(booked(at) for _ in range(8)))
        assert at.sandbox.rejected == 0
        times = sorted(request.at for request in at.sandbox.requests)
        assert len(times) == 1 + 33
        assert all(later - early >= 1.0 for early, later in zip(times, times[12:], strict=False))


@pytest.mark.parametrize("form", ["exact", "date"])
async def test_a_429_closes_its_class_for_the_requested_time(
    form: Literal["exact", "date"], skipping: MovableLoop
) -> None:
    """Another process used the limit: one 429, then all calls of the class wait, and no others."""
    async with scene(clock=LoopClock(), timeout=None) as at:
        await at.works()
        at.sandbox.fail_next(429, path="/appointments", headers=_asking(form))
        began = skipping.time()
        waiting = [asyncio.ensure_future(booked(at))]
        while not at.sandbox.seen("GET", "/appointments"):
            await asyncio.sleep(0)
        while at.sandbox.seen("GET", "/appointments")[0].status is None:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        waiting += [asyncio.ensure_future(booked(at)) for _ in range(12)]
        await at.works()
        assert skipping.time() - began < 5
        # The one that was refused queued first, so it is among the first ten to leave.
        await waiting[0]
        assert 7 <= skipping.time() - began < 7.9
        await asyncio.gather(*waiting)
        times = arrivals(at)
        assert len(times) == 13


def _asking(form: str) -> dict[str, str]:
    if form == "exact":
        return {"Retry-After": "7"}
    return {
        "Date": "Mon, 01 Jun 2026 10:00:00 GMT",
        "Retry-After": "Mon, 01 Jun 2026 10:00:07 GMT",
    }


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
async def test_a_limit_shared_with_others_is_found_by_its_429s(
    kind: Kind, skipping: MovableLoop
) -> None:
    """Without rate limits the session follows the server's 429s, and loses nothing."""
    async with scene(clock=LoopClock(), timeout=None, rates=Rates.unlimited()) as at:
        at.sandbox.rate_limits, at.sandbox.retry_after = kind, "exact"
        results = await asyncio.gather(*(booked(at) for _ in range(25)), return_exceptions=True)
        assert at.sandbox.rejected > 0
        assert all(result == 0 or isinstance(result, RateLimitError) for result in results)
        assert sum(result == 0 for result in results) >= 20


async def test_a_cancelled_waiter_costs_no_permit(skipping: MovableLoop) -> None:
    async with scene(clock=LoopClock()) as at:
        at.sandbox.rate_limits = "sliding"
        await at.works()
        began = skipping.time()
        tasks = [asyncio.ensure_future(booked(at)) for _ in range(60)]
        await asyncio.sleep(0)
        for task in tasks[15:55]:
            task.cancel()
        kept = tasks[:15] + tasks[55:]
        await asyncio.gather(*kept)
        assert skipping.time() - began < 1.25 + 0.3
        await asyncio.wait(tasks)
        assert len(arrivals(at)) == 20
        assert at.sandbox.rejected == 0


async def test_a_call_cancelled_as_it_gets_its_permit_returns_it(
    loop: MovableLoop,
) -> None:
    async with scene(rates=Rates(slow=Limit(2, 1.0)), clock=LoopClock()) as at:
        await asyncio.gather(booked(at), booked(at))
        loop.shift(0.5)
        first, second, third = (asyncio.ensure_future(booked(at)) for _ in range(3))
        await asyncio.sleep(0)
        loop.shift(0.8)
        at.nex._client.state.rate_limiter._serve()
        began = loop.time()
        first.cancel()
        second.cancel()
        await asyncio.wait([third])
        assert third.result() == 0
        assert loop.time() - began < 0.7
        assert first.cancelled()
        assert second.cancelled()
        assert len(arrivals(at)) == 3


async def test_a_call_that_cannot_be_sent_in_time_fails_at_once(loop: MovableLoop) -> None:
    async with scene(clock=LoopClock()) as at:
        await asyncio.gather(*(booked(at) for _ in range(10)))
        hasty = at.nex.with_options(
            timeout=0.5, subdomain=at.sandbox.subdomain, location_id=at.sandbox.location_id
        )
        began = loop.time()
        for _ in range(3):
            with pytest.raises(APITimeoutError, match="rate limit") as caught:
                await hasty.appointments.walk(start=START, end=END).count()
            check_text(caught.value, operation="GET /appointments")
        assert loop.time() - began < 0.1
        assert len(arrivals(at)) == 10
        loop.shift(1.3)
        await booked(at)


async def test_a_queued_call_fails_at_its_deadline_at_the_latest(
    skipping: MovableLoop,
) -> None:
    async with scene(clock=LoopClock(), timeout=2.4) as at:
        results = await asyncio.gather(*(booked(at) for _ in range(60)), return_exceptions=True)
        served = sum(result == 0 for result in results)
        assert served in (20, 30)
        assert all(result == 0 or isinstance(result, APITimeoutError) for result in results)
        assert len(arrivals(at)) == served


async def test_a_write_that_cannot_be_sent_in_time_was_not_sent(loop: MovableLoop) -> None:
    """It raises `APITimeoutError`, which is safe to repeat, and not `OutcomeUnknownError`."""
    rates = Rates(other=Limit(2, 60.0))  # the login counts too
    async with scene(rates=rates, clock=LoopClock(), timeout=5.0) as at:
        id = at.sandbox.appointment_types.ids[0]
        await at.location.appointment_types.get(id)
        with pytest.raises(APITimeoutError, match="nothing was sent"):
            await at.location.appointment_types.create(name="Polish")
        assert len(at.sandbox.appointment_types) == 4


async def test_a_token_that_expires_in_the_queue_is_replaced_before_sending(
    skipping: MovableLoop,
) -> None:
    """The permit is released during the login, and acquired again at once."""
    rates = Rates(slow=Limit(1, 60.0))
    async with scene(rates=rates, clock=LoopClock(), timeout=None) as at:
        at.sandbox.token_lifetime = 30
        await booked(at)
        began = skipping.time()
        await booked(at)
        assert 59 < skipping.time() - began < 62
        assert at.sandbox.logins == 2
        assert all(request.status in (200, 201) for request in at.sandbox.requests)


async def test_prefetched_pages_wait_beyond_the_default_timeout(skipping: MovableLoop) -> None:
    rates = Rates(people=Limit(1, 50.0))
    async with scene(patients=50, rates=rates, clock=LoopClock()) as at:
        walk = at.location.patients.walk(per_page=10, new_patient=None, prefetch=2)
        began = skipping.time()
        assert [one.id async for one in walk] == list(at.sandbox.patients.ids)
        assert skipping.time() - began >= 4 * 50
        assert at.sent == 5


async def test_copies_share_the_limits(skipping: MovableLoop) -> None:
    async with scene(clock=LoopClock()) as at:
        at.sandbox.rate_limits = "sliding"
        place = {"subdomain": at.sandbox.subdomain, "location_id": at.sandbox.location_id}
        copies = [at.nex.with_options(timeout=30 + n) for n in range(5)]
        await asyncio.gather(
            *(
                copy.appointments.walk(start=START, end=END, **place).count()  # type: ignore[arg-type]
                for copy in copies
                for _ in range(6)
            )
        )
        assert at.sandbox.rejected == 0
        assert len(arrivals(at)) == 30
