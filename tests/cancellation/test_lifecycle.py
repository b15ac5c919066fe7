"""Sessions cancelled while they open and close, and closed with calls in flight."""

from __future__ import annotations

import asyncio
import gc
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import NexHealth, OutcomeUnknownError, Rates, SessionStateError
from nexhealth_async.sandbox import Sandbox
from tests.cancellation.helpers import (
    WAYS,
    CancelMethod,
    CancelScene,
    back_to,
    cancel,
    cancel_all,
    open_files,
)
from tests.cancellation.suspensions import SuspensionCounter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TOLD = (SessionStateError, OutcomeUnknownError)

ways = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=40, seed=1, remember=100) as sandbox:
        sandbox.page_cap = 4
        yield sandbox


async def fresh(sandbox: Sandbox, **options: Any) -> CancelScene:
    nex = NexHealth(sandbox.api_key, base_url=sandbox.url, rates=Rates.unlimited(), **options)
    return CancelScene(sandbox, await nex.open())


def all_closed(at: CancelScene) -> bool:
    transport = at.nex._client.state.transport
    return all(s is None or s.closed for s in (transport._pooled, transport._single))


@ways
async def test_a_session_cancelled_while_it_opens_leaves_no_connection_open(
    sandbox: Sandbox, way: CancelMethod
) -> None:
    async def use(at: CancelScene) -> None:
        async with at.nex:
            pass

    trial = 0
    for trial in count(1):
        nex = NexHealth(sandbox.api_key, base_url=sandbox.url, preload=["patients", "appointments"])
        at, steps = CancelScene(sandbox, nex), SuspensionCounter(trial, way.moment, again=way.again)
        cancelled, _ = await at.trial(use, steps, cancel)
        assert cancelled is bool(steps.fired)
        assert all_closed(at), f"step {trial}: {steps.where}"
        if not steps.fired:
            break
    assert trial > 1


@ways
async def test_a_session_cancelled_while_it_opens_can_be_opened_again(
    sandbox: Sandbox, way: CancelMethod
) -> None:
    async def use(at: CancelScene) -> None:
        async with at.nex:
            pass

    nex = NexHealth(sandbox.api_key, base_url=sandbox.url, preload=["patients", "appointments"])
    at, steps = CancelScene(sandbox, nex), SuspensionCounter(1, way.moment, again=way.again)
    await at.trial(use, steps, cancel)
    assert steps.fired
    async with nex:
        assert [institution async for institution in nex.institutions.walk()]


async def busy(at: CancelScene, step: int) -> list[asyncio.Future[Any]]:
    """Have an idle connection, pages, a write and a login in flight, after so many turns."""
    at.sandbox.clear()
    await at.warm()
    walk = at.location.patients.walk(prefetch=4)
    await anext(walk)
    at.handle = walk
    at.sandbox.hang_next(path="/appointment_types")
    at.sandbox.hang_next(path="/authenticates")
    name = f"An invented type, number {step}"
    write = asyncio.ensure_future(at.location.appointment_types.create(name=name, minutes=30))
    while not at.sandbox.seen("POST", "/appointment_types"):
        await asyncio.sleep(0)
    at.nex._client.state.token_manager._token = None
    login = asyncio.ensure_future(at.nex.log_in())
    for _ in range(step % 3):
        await asyncio.sleep(0)
    return [write, login]


@ways
async def test_closing_a_session_in_a_cancelled_task_closes_it(
    sandbox: Sandbox, way: CancelMethod
) -> None:
    async def close(at: CancelScene) -> None:
        try:
            await at.nex.aclose()
        finally:
            at.handle = [task for task in at.nex._client.state.tasks if not task.done()]

    files = open_files()
    trial = 0
    for trial in count(1):
        at = await fresh(sandbox)
        others = await busy(at, trial)
        steps = SuspensionCounter(trial, way.moment, again=way.again)
        cancelled, outcome = await at.trial(close, steps, cancel)
        place = f"{way} at step {trial}: {steps.where}"
        assert not isinstance(outcome, BaseException), f"{outcome!r}, {place}"
        assert all_closed(at), f"connections are left open, {place}"
        assert way.again or not at.handle, f"pages are left, {place}"
        async with asyncio.timeout(2):
            ended = await asyncio.gather(*others, return_exceptions=True)
        all_refused = all(isinstance(one, TOLD) for one in ended)
        assert all_refused, f"{ended}, {place}"
        await at.check(closed=True)
        assert cancelled is bool(steps.fired), f"the cancellation was swallowed, {place}"
        await at.nex.aclose()
        if not steps.fired:
            break
    assert trial > 2
    await back_to(files)


async def get(at: CancelScene) -> None:
    await at.location.patients.get(at.sandbox.patients.ids[1])


async def write(at: CancelScene) -> None:
    name = f"An invented type, number {len(at.sandbox.appointment_types.ids)}"
    await at.location.appointment_types.create(name=name, minutes=30)


async def walk(at: CancelScene) -> None:
    assert len([patient async for patient in at.location.patients.walk(prefetch=3, limit=12)]) == 12


async def pages(at: CancelScene) -> None:
    assert len([page async for page in at.location.patients.walk(limit=12).pages()]) == 3


async def cursors(at: CancelScene) -> None:
    location = at.nex.with_options(version="v3").practice(at.sandbox.subdomain)
    recalls = location.location(at.sandbox.location_id).patient_recalls
    assert [recall async for recall in recalls.walk(per_page=5)]


@ways
@pytest.mark.parametrize("work", [get, write, walk, pages, cursors])
async def test_calls_in_flight_raise_at_once_when_the_session_closes(
    sandbox: Sandbox, work: Callable[[CancelScene], Any], way: CancelMethod
) -> None:
    """Closed at each suspension of a call, its first login included."""
    files = open_files()
    closing: list[asyncio.Task[None]] = []

    def close(at: CancelScene, *_: object) -> None:
        closing.append(asyncio.ensure_future(at.nex.aclose()))

    trial = 0
    for trial in count(1):
        at = await fresh(sandbox)
        steps = SuspensionCounter(trial, way.moment, again=way.again)
        cancelled, outcome = await at.trial(work, steps, close)
        place = f"{outcome!r}, {way} at step {trial}: {steps.where}"
        assert not cancelled, place
        assert outcome is None or isinstance(outcome, TOLD), place
        async with asyncio.timeout(2):
            await asyncio.gather(*closing)
            await at.nex.aclose()
        closing.clear()
        assert all_closed(at), place
        await at.check(closed=True)
        if not steps.fired:
            break
    assert trial > 4
    await back_to(files)


@pytest.mark.parametrize("work", [get, write, walk, pages, cursors])
async def test_a_loop_that_cancels_all_tasks_at_its_end_closes_the_session(
    sandbox: Sandbox, work: Callable[[CancelScene], Any]
) -> None:
    """The steps of ``asyncio.run`` on Ctrl-C happen at each suspension."""

    async def inside(at: CancelScene) -> None:
        async with at.nex:
            await work(at)

    files = open_files()
    trial = 0
    for trial in count(1):
        nex = NexHealth(sandbox.api_key, base_url=sandbox.url, rates=Rates.unlimited())
        at, steps = CancelScene(sandbox, nex), SuspensionCounter(trial, "at_once")
        cancelled, _ = await at.trial(inside, steps, cancel_all)
        assert cancelled is bool(steps.fired)
        assert all_closed(at)
        await at.quiet()
        if not steps.fired:
            break
    assert trial > 4
    await back_to(files)
