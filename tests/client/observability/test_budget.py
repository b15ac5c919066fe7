"""Budgets: no request beyond the limit, every request that was sent counted, timely warnings."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async import (
    NO_RETRY,
    APITimeoutError,
    Budget,
    BudgetExceededError,
    InvalidArgumentError,
    Limit,
    NexHealth,
    Rates,
    ServerError,
    Usage,
    UsageError,
)
from nexhealth_async._client.budget import BudgetMeter, Reservation
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async.sandbox import Sandbox
from tests.session.transport_error_helpers import (
    QUICK,
    SENTINEL,
    ErrorScene,
    LoopClock,
    check_text,
    scene,
)

if TYPE_CHECKING:
    from tests.conftest import MovableLoop

SLOW, PEOPLE, OTHER = RateClass.SLOW, RateClass.PEOPLE, RateClass.OTHER


def taken(meter: BudgetMeter, rate: RateClass, times: int, now: float = 0.0) -> int:
    """Charge until it is refused, at most so often; return the number of successes."""
    for done in range(times):
        try:
            meter.take(rate, now)
        except BudgetExceededError:
            return done
    return times


@pytest.mark.parametrize(
    ("budget", "rate", "allowed"),
    [
        (Budget(overall=3), OTHER, 3),
        (Budget(overall=3, people=2), PEOPLE, 2),
        (Budget(overall=3, people=2), OTHER, 3),
        (Budget(people=2), SLOW, 2),
        (Budget(people=2, slow=1), SLOW, 1),
        (Budget(slow=1), PEOPLE, 9),
        (Budget(other=1), SLOW, 9),
    ],
)
def test_each_class_counts_in_the_limits_of_the_rates(
    budget: Budget, rate: RateClass, allowed: int
) -> None:
    assert taken(BudgetMeter(budget), rate, 9) == allowed


def test_a_refused_request_counts_nowhere() -> None:
    meter = BudgetMeter(Budget(overall=5, slow=1))
    assert taken(meter, SLOW, 9) == 1
    assert taken(meter, PEOPLE, 9) == 4


@pytest.mark.parametrize(
    ("moment", "allowed"), [(0.0, 0), (59.9, 0), (60.0, 2), (119.9, 2), (120.0, 2), (1e6, 2)]
)
def test_a_period_begins_with_the_first_request(moment: float, allowed: int) -> None:
    meter = BudgetMeter(Budget(overall=2, seconds=60))
    assert meter.usage(0.0)[0].renews_after is None
    assert taken(meter, OTHER, 9, now=100.0) == 2
    assert taken(meter, OTHER, 9, now=100.0 + moment) == allowed


def test_periods_have_a_constant_length() -> None:
    """The first request of a period may come at any time."""
    meter = BudgetMeter(Budget(overall=1, seconds=60))
    assert [taken(meter, OTHER, 2, now) for now in (0, 119, 120, 179, 180)] == [1, 1, 1, 0, 1]


def test_the_error_names_the_limit_and_its_renewal() -> None:
    meter = BudgetMeter(Budget(overall=5, slow=1, seconds=60))
    meter.take(SLOW, 0.0)
    with pytest.raises(
        BudgetExceededError, match=r"1 request \(slow\).*renews in 50 seconds"
    ) as caught:
        meter.take(SLOW, 10.0)
    assert (caught.value.limit, caught.value.renews_after) == ("slow", 50.0)
    with pytest.raises(BudgetExceededError, match="nothing was sent; wait for") as caught:
        taken_all(BudgetMeter(Budget(overall=1)))
    assert caught.value.renews_after is None


def taken_all(meter: BudgetMeter) -> None:
    while True:
        meter.take(OTHER, 0.0)


def test_unsent_requests_are_refunded_to_their_own_period_only() -> None:
    meter = BudgetMeter(Budget(overall=2, seconds=60))
    reservation = Reservation(meter, OTHER)
    reservation.charge(0.0)
    reservation.charge(0.0)
    assert meter.usage(0.0)[0].used == 1
    reservation.refund()
    reservation.refund()
    assert meter.usage(0.0)[0].used == 0
    reservation.charge(0.0)
    assert taken(meter, OTHER, 9, now=61.0) == 2
    reservation.refund()
    assert meter.usage(61.0)[0].left == 0


@given(
    st.lists(
        st.tuples(st.sampled_from([SLOW, PEOPLE, OTHER]), st.floats(0, 30), st.booleans()),
        max_size=60,
    )
)
def test_no_period_exceeds_the_budget(steps: list[tuple[RateClass, float, bool]]) -> None:
    budget = Budget(overall=6, slow=2, people=3, other=4, seconds=50)
    meter, now, start = BudgetMeter(budget), 0.0, None
    held: Counter[tuple[int, str]] = Counter()
    for rate, pause, leaves in steps:
        now += pause
        reservation = Reservation(meter, rate)
        refused = _refused(reservation, now)
        if refused is not None:
            assert held[_period(start, now), refused] == getattr(budget, refused)
            continue
        start = now if start is None else start
        if not leaves:
            reservation.refund()
            continue
        for name in {"slow": ["slow", "people"]}.get(rate.value, [rate.value]):
            held[_period(start, now), name] += 1
        held[_period(start, now), "overall"] += 1
    assert all(count <= getattr(budget, name) for (_, name), count in held.items())


def _refused(reservation: Reservation, now: float) -> str | None:
    try:
        reservation.charge(now)
    except BudgetExceededError as error:
        return error.limit
    return None


def _period(start: float | None, now: float) -> int:
    return 0 if start is None else int((now - start) // 50)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"overall": 0},
        {"overall": -1},
        {"overall": 1.5},
        {"people": True},
        {"overall": 1, "seconds": 0},
        {"overall": 1, "warn_at": 0},
        {"overall": 1, "warn_at": 1.1},
        {"seconds": 5},
    ],
)
def test_an_invalid_budget_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        Budget(**wrong)


def test_the_warning_comes_once_for_each_period_and_limit() -> None:
    heard: list[Usage] = []
    budget = Budget(overall=10, slow=2, seconds=60, warn_at=0.5, on_warning=heard.append)
    meter = BudgetMeter(budget)
    taken(meter, PEOPLE, 4)
    assert not heard
    taken(meter, SLOW, 2)
    assert [(one.limit, one.used, one.of, one.left) for one in heard] == [
        ("overall", 5, 10, 5),
        ("slow", 1, 2, 1),
    ]
    taken(meter, OTHER, 9)
    assert len(heard) == 2
    taken(meter, OTHER, 5, now=60.0)
    assert len(heard) == 3
    assert heard[2].renews_after == 60.0


def test_without_a_callback_the_warning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "nexhealth_async"):
        taken(BudgetMeter(Budget(overall=10)), OTHER, 10)
    assert [record.getMessage() for record in caplog.records] == [
        "8 of 10 requests of the budget (overall) are used"
    ]


def test_an_error_in_the_callback_affects_no_call(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Usage) -> None:
        raise RuntimeError(SENTINEL)

    meter = BudgetMeter(Budget(overall=1, on_warning=fail))
    with caplog.at_level(logging.WARNING, "nexhealth_async"):
        assert taken(meter, OTHER, 1) == 1
    assert "RuntimeError" in caplog.text
    assert SENTINEL not in caplog.text


# In a session


async def _spent(at: ErrorScene) -> BudgetExceededError:
    with pytest.raises(BudgetExceededError) as caught:
        await at.works()
    return caught.value


async def test_nothing_is_sent_once_the_budget_is_used_up() -> None:
    async with scene(budget=Budget(overall=3)) as at:
        await at.works()  # with its login
        await at.works()
        error = await _spent(at)
        check_text(error, attempts=0)
        assert isinstance(error, UsageError)
        assert len(at.sandbox.requests) == 3 == at.nex.stats.requests
        (usage,) = at.nex.budget
        assert (usage.limit, usage.used, usage.left) == ("overall", 3, 0)


async def test_copies_share_the_budget() -> None:
    async with scene(budget=Budget(overall=2)) as at:
        await at.works()
        with pytest.raises(BudgetExceededError):
            await at.nex.with_options(timeout=1).log_in()
            await at.nex.with_options(timeout=1).request("GET", "/practices")


async def test_fifty_concurrent_tasks_stay_within_the_budget() -> None:
    async with scene(budget=Budget(overall=21)) as at:
        done = await asyncio.gather(*(at.works() for _ in range(50)), return_exceptions=True)
        assert sum(one is None for one in done) == 20
        assert sum(isinstance(one, BudgetExceededError) for one in done) == 30
        assert len(at.sandbox.requests) == 21


async def test_a_login_refused_for_permits_that_return_is_retried(
    loop: MovableLoop,
) -> None:
    """All permits are taken by waiting calls; they give up, and the session still works."""
    rates = Rates(overall=None, slow=None, people=Limit(1, 1000.0), other=None)
    budget = Budget(overall=4)
    async with scene(
        budget=budget, rates=rates, clock=LoopClock(), retry=NO_RETRY, timeout=None
    ) as at:
        at.sandbox.token_lifetime = 100
        await at.works()
        waiting = [asyncio.create_task(at.works()) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert at.nex.budget[0].left == 0
        loop.shift(120)
        with pytest.raises(BudgetExceededError):
            await at.nex.log_in()
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        loop.shift(6)
        await at.nex.log_in()
        assert at.sandbox.logins == 2


async def test_a_walk_delivers_its_records_and_names_its_resume_value() -> None:
    async with scene(patients=25, budget=Budget(people=2)) as at:
        walk = at.location.patients.walk(per_page=10, new_patient=None)
        ids: list[int] = []
        with pytest.raises(BudgetExceededError) as caught:
            async for one in walk:
                ids.append(one.id)
        assert ids == list(at.sandbox.patients.ids)[:20]
        assert caught.value.resume is not None
        rest = at.sandbox
        async with NexHealth(rest.api_key, base_url=rest.url) as richer:
            location = richer.practice(rest.subdomain).location(rest.location_id)
            ids += [
                patient.id
                async for patient in location.patients.walk(
                    per_page=10, new_patient=None, after=caught.value.resume
                )
            ]
        assert ids == list(at.sandbox.patients.ids)


async def test_an_unaffordable_retry_raises_the_original_failure() -> None:
    async with scene(budget=Budget(people=2)) as at:
        at.sandbox.fail_next(503, times=9)
        with pytest.raises(ServerError) as caught:
            await at.works()
        assert caught.value.attempts == 2
        assert at.sent == 2


async def test_a_new_period_admits_calls_again(loop: MovableLoop) -> None:
    async with scene(budget=Budget(overall=2, seconds=60), clock=LoopClock()) as at:
        await at.works()
        error = await _spent(at)
        assert error.renews_after is not None
        assert 50 < error.renews_after <= 60
        loop.shift(60)
        await at.works()
        await at.works()
        await _spent(at)


@pytest.mark.parametrize("seconds", [None, 400])
async def test_an_unaffordable_login_is_retried_in_the_next_period(
    seconds: float | None, loop: MovableLoop
) -> None:
    """The budget of logins is used up, that of patients is not."""
    budget = Budget(other=1, people=9, seconds=seconds)
    async with scene(budget=budget, clock=LoopClock()) as at:
        at.sandbox.token_lifetime = 100
        await at.works()
        loop.shift(120)
        for _ in range(3):
            error = await _spent(at)
            assert error.limit == "other"
        assert at.sandbox.logins == 1
        assert {one.limit: one.used for one in at.nex.budget} == {"people": 1, "other": 1}
        loop.shift(300)
        if seconds is None:
            await _spent(at)
        else:
            await at.works()
            assert at.sandbox.logins == 2


async def test_a_request_without_a_connection_is_not_charged() -> None:
    async with Sandbox(patients=1, seed=1) as sandbox:
        url = sandbox.url
    async with NexHealth("a-key", base_url=url, retry=QUICK, budget=Budget(overall=2)) as nex:
        with pytest.raises(Exception, match="no connection"):
            await nex.log_in()
        assert nex.stats.requests == QUICK.attempts
        assert nex.budget[0].used == 0


async def test_a_call_that_never_leaves_the_queue_is_not_charged() -> None:
    rates = Rates(overall=None, slow=None, people=Limit(1, 1000.0), other=None)
    async with scene(budget=Budget(people=9), rates=rates) as at:
        await at.works()
        with pytest.raises(APITimeoutError):
            await at.works()
        waiting = asyncio.create_task(
            at.nex.with_options(timeout=None)
            .practice(at.sandbox.subdomain)
            .patients.walk(location_id=at.sandbox.location_id)
            .count()
        )
        await asyncio.sleep(0.01)
        assert at.nex.budget[0].used == 2
        waiting.cancel()
        await asyncio.wait([waiting])
        assert at.nex.budget[0].used == 1


async def test_a_session_without_a_budget_has_no_counters() -> None:
    async with scene() as at:
        await at.works()
        assert at.nex.budget == ()
    assert NexHealth("a-key", budget=Budget(overall=1)).budget == ()
