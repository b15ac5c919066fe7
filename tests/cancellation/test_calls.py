"""Calls cancelled at each suspension: login, rate limit, request, retry, file, copies."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NO_RETRY, Limit, NexHealth, Rates, RetryPolicy
from nexhealth_async._protocol.operations import RateClass
from tests.cancellation.helpers import (
    ONCE,
    WAYS,
    CancelMethod,
    CancelScene,
    back_to,
    cancel,
    cancel_all,
    everywhere,
    open_files,
    scene,
)
from tests.cancellation.suspensions import SuspensionCounter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MovableLoop


NUMBERS = count(1)


async def get(at: CancelScene) -> None:
    await at.location.patients.get(at.sandbox.patients.ids[1])


async def write(at: CancelScene) -> None:
    name = f"An invented type, number {next(NUMBERS)}"
    await at.location.appointment_types.create(name=name, minutes=30)


async def request(at: CancelScene) -> None:
    await at.nex.request(
        "GET",
        "/patients",
        params={"location_id": at.sandbox.location_id, "subdomain": at.sandbox.subdomain},
    )


async def total(at: CancelScene) -> None:
    assert await at.location.patients.walk().count() == len(at.sandbox.patients.ids)


async def copied(at: CancelScene) -> None:
    quick = at.nex.with_options(timeout=5, retry=NO_RETRY)
    location = quick.practice(at.sandbox.subdomain).location(at.sandbox.location_id)
    await location.patients.get(at.sandbox.patients.ids[1])


async def entered_copy(at: CancelScene) -> None:
    async with at.nex.with_options(timeout=5) as quick:
        location = quick.practice(at.sandbox.subdomain).location(at.sandbox.location_id)
        await location.patients.get(at.sandbox.patients.ids[1])


async def download(at: CancelScene) -> None:
    documents = at.location.patients.documents
    async with documents.download(at.handle) as file:
        assert [chunk async for chunk in file]


async def log_in(at: CancelScene) -> None:
    await at.nex.log_in()


@pytest.mark.parametrize("work", [get, copied, entered_copy, total, request, write])
async def test_a_call_cancelled_anywhere_leaves_nothing_behind(work: object) -> None:
    async with scene() as at:
        assert await everywhere(at, work, through={"Transport._exchange"})  # type: ignore[arg-type]  # pytest's parameter


async def test_a_write_cancelled_anywhere_is_not_repeated() -> None:
    async with scene() as at:
        kind = len(at.sandbox.appointment_types.ids)

        def at_most_one_more() -> None:
            nonlocal kind
            assert len(at.sandbox.appointment_types.ids) <= kind + 1
            kind = len(at.sandbox.appointment_types.ids)

        await everywhere(at, write, through={"Transport._exchange"}, before=at_most_one_more)


async def test_a_login_continues_without_its_first_caller() -> None:
    async with scene() as at:

        def forget() -> None:
            at.nex._client.state.token_manager._token = None
            at.sandbox.keys.logins = 0

        steps = await everywhere(
            at, get, through={"TokenManager._join", "TokenManager._refresh"}, before=forget
        )
        assert steps >= 3
        assert at.sandbox.logins == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_first_login_is_shared_with_the_next_call(way: CancelMethod) -> None:
    async with scene() as at:
        trial = 0
        for trial in count(1):
            nex = NexHealth(at.sandbox.api_key, base_url=at.sandbox.url, rates=Rates.unlimited())
            fresh, logins = CancelScene(at.sandbox, await nex.open()), at.sandbox.logins
            steps = SuspensionCounter(trial, way.moment, again=way.again)
            cancelled, _ = await fresh.trial(log_in, steps, cancel)
            assert cancelled is bool(steps.fired), steps.where
            await fresh.check()
            assert at.sandbox.logins == logins + 1
            async with asyncio.timeout(1):
                await nex.aclose()
            if not steps.fired:
                break
        assert trial > 3


async def test_a_rejected_token_is_replaced_despite_cancellations(loop: MovableLoop) -> None:
    async with scene() as at:

        def expire() -> None:
            loop.shift(60)
            at.sandbox.expire_tokens()

        await everywhere(
            at, get, through={"TokenManager._join", "Transport._exchange"}, before=expire
        )


async def test_cancelling_the_wait_between_two_attempts_leaves_nothing_behind(
    loop: MovableLoop,
) -> None:
    async with scene(retry=RetryPolicy()) as at:
        loop.io_wait, loop.skip_waits = 0.02, True

        def spoil() -> None:
            at.sandbox.clear()
            at.sandbox.fail_next(503, path="/patients/{id}", times=1)

        steps = await everywhere(at, get, through={"CallRunner.run"}, before=spoil)
        assert steps >= 3


async def test_cancelling_a_waiter_at_the_limiter_costs_no_permit(loop: MovableLoop) -> None:
    limit = Limit(3, 1.0)
    async with scene(rates=Rates(overall=None, slow=None, people=limit, other=None)) as at:
        loop.io_wait, loop.skip_waits = 0.02, True
        limiter = at.nex._client.state.rate_limiter

        async def fill() -> None:
            loop.shift(2)
            for _ in range(limit.count):
                departure = await limiter.acquire(RateClass.PEOPLE, background=False, deadline=None)
                limiter.complete(departure, answered=True)

        async def full() -> bool:
            """Tell whether all permits can be acquired at once, a window later."""
            loop.shift(2)
            now = loop.time()
            for _ in range(limit.count):
                limiter.release(
                    await limiter.acquire(RateClass.PEOPLE, background=False, deadline=None)
                )
            return loop.time() - now < 0.5

        await everywhere(at, get, through={"RateLimiter.acquire"}, before=fill)
        assert await full()


@pytest.mark.parametrize("moment", ["at_once", "as_it_wakes"])
async def test_a_permit_of_a_cancelled_waiter_goes_to_the_next(
    moment: str, loop: MovableLoop
) -> None:
    """The queue is served no later than without the cancelled call."""
    rates = Rates(overall=None, slow=None, people=Limit(1, 10.0), other=None)
    async with scene(rates=rates) as at:
        limiter = at.nex._client.state.rate_limiter
        loop.shift(20)
        taken = await limiter.acquire(RateClass.PEOPLE, background=False, deadline=None)
        first = asyncio.ensure_future(get(at))
        second = asyncio.ensure_future(get(at))
        await asyncio.sleep(0)
        if moment == "at_once":
            first.cancel()
            limiter.release(taken)
        else:
            limiter.release(taken)
            first.cancel()
        async with asyncio.timeout(5):
            await second
        assert first.cancelled()
        loop.shift(20)


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_download_cancelled_anywhere_releases_its_connection(
    version: str,
) -> None:
    async with scene(version=version) as at:
        patient = at.sandbox.patients.ids[0]
        content = bytes(range(256)) * 4_000  # more than fits into the buffers on its way
        at.handle = await at.location.patients.documents.create(
            patient, file=content, filename="scan.bin"
        )
        await everywhere(at, download, through={"Download.__anext__", "Transport._begin"})


async def test_an_upload_cancelled_anywhere_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "scan.bin"
    path.write_bytes(b"%PDF" * 100)

    async def upload(at: CancelScene) -> None:
        await at.location.patients.documents.create(at.sandbox.patients.ids[0], file=path)

    async with scene() as at:
        await everywhere(at, upload, through={"with_content", "Transport._exchange"})


async def test_the_session_works_after_cancelling_all_tasks_at_once() -> None:
    async with scene() as at:

        def forget() -> None:
            at.nex._client.state.token_manager._token = None

        await everywhere(
            at, get, ways=(ONCE,), through={"TokenManager._refresh"}, act=cancel_all, before=forget
        )


async def test_a_thousand_cancelled_calls_leave_no_descriptor() -> None:
    async with scene() as at:
        before = open_files()
        for turns in range(200):
            calls = [asyncio.ensure_future(get(at)) for _ in range(5)]
            for _ in range(turns % 12):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        await at.check()
        await back_to(before + 2 * 6)
