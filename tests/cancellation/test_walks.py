"""Walks cancelled at each suspension: dropped, closed or continued."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import NO_RETRY, NexHealthError
from tests.cancellation.helpers import (
    ONCE,
    PATIENTS,
    CancelScene,
    cancel_all,
    ends_well,
    everywhere,
    scene,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from nexhealth_async import Walk
    from nexhealth_async.models import Patient, PatientRecall

prefetches = pytest.mark.parametrize("prefetch", [0, 1, 4])

NUMBERED = {"Pager.next", "Client.fetch_page", "Transport._exchange", "Walk._advance"}


def patients(at: CancelScene, prefetch: int, **options: Any) -> Walk[Patient]:
    return at.location.patients.walk(prefetch=prefetch, **options)


async def all_of(walk: AsyncGenerator[Any, None], rows: int = PATIENTS) -> None:
    ids = [one.id async for one in walk]
    assert len(set(ids)) == len(ids) == rows


async def collect_until_end(walk: AsyncGenerator[Any, None]) -> list[Any]:
    """Walk to the end, however often ``anext`` is cancelled."""
    got: list[Any] = []
    task = asyncio.current_task()
    assert task is not None
    while True:
        try:
            got.append(await anext(walk))
        except asyncio.CancelledError:
            task.uncancel()
        except StopAsyncIteration:
            return got


@prefetches
async def test_a_walk_cancelled_anywhere_leaves_nothing_behind(prefetch: int) -> None:
    async with scene() as at:
        await everywhere(at, lambda at: all_of(patients(at, prefetch)), through=NUMBERED)


@prefetches
async def test_a_walk_continues_after_a_cancelled_anext_without_loss(
    prefetch: int,
) -> None:
    async def go_on(at: CancelScene) -> None:
        ids = [record.id for record in await collect_until_end(patients(at, prefetch))]
        assert ids == sorted(at.sandbox.patients.ids)

    async with scene() as at:
        await everywhere(at, go_on, through=NUMBERED, judge=ends_well)


async def test_pages_continue_after_a_cancelled_anext_without_loss() -> None:
    async def go_on(at: CancelScene) -> None:
        pages = await collect_until_end(patients(at, 2).pages())
        assert [page.number for page in pages] == [1, 2, 3]
        ids = [item.id for page in pages for item in page.items]
        assert ids == sorted(at.sandbox.patients.ids)

    async with scene() as at:
        await everywhere(at, go_on, through={"Pages._advance", "Pager.next"}, judge=ends_well)


async def test_a_verified_walk_continues_too() -> None:
    async def go_on(at: CancelScene) -> None:
        ids = [record.id for record in await collect_until_end(patients(at, 1, drift="verify"))]
        assert ids == sorted(at.sandbox.patients.ids)

    async with scene(patients=5) as at:
        await everywhere(at, go_on, through={"Walk._advance"}, judge=ends_well)


def recalls(at: CancelScene, prefetch: int) -> Walk[PatientRecall]:
    return at.location.patient_recalls.walk(prefetch=prefetch)


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_a_cursor_walk_cancelled_anywhere_leaves_nothing_behind(prefetch: int) -> None:
    async with scene(page=1, version="v3") as at:
        rows = len([recall async for recall in recalls(at, prefetch)])
        assert rows > at.sandbox.cursor_page_cap
        await everywhere(at, lambda at: all_of(recalls(at, prefetch), rows), through=NUMBERED)


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_a_cursor_walk_continues_after_a_cancelled_anext(prefetch: int) -> None:
    async with scene(page=1, version="v3") as at:
        whole = [recall.id async for recall in recalls(at, prefetch)]

        async def go_on(at: CancelScene) -> None:
            assert [record.id for record in await collect_until_end(recalls(at, prefetch))] == whole

        await everywhere(at, go_on, through=NUMBERED, judge=ends_well)


async def test_cancelling_between_batches_of_a_page_loses_no_record() -> None:
    async def go_on(at: CancelScene) -> None:
        ids = [record.id for record in await collect_until_end(patients(at, 1))]
        assert ids == sorted(at.sandbox.patients.ids)

    async with scene(patients=200, page=150) as at:
        await everywhere(at, go_on, through={"Walk._advance"}, judge=ends_well)


VIEWS: dict[str, Callable[[Walk[Any]], AsyncGenerator[Any, None]]] = {
    "records": lambda walk: walk,
    "pages": lambda walk: walk.pages(),
    "raw": lambda walk: walk.raw(),
}


@pytest.mark.parametrize("view", VIEWS)
async def test_a_closed_walk_has_no_task_left(view: str) -> None:
    """Cancelled once while it is read or closed; a second cancellation may hurry it."""

    async def leave(at: CancelScene) -> None:
        try:
            async with aclosing(VIEWS[view](patients(at, 4))) as walk:
                async for _ in walk:
                    break
        finally:
            at.handle = sum(not page.done() for page in at.nex._client.state.tasks)

    async with scene(patients=40) as at:
        at.sandbox.latency = 0.001

        def before() -> None:
            assert at.steps.again or not at.handle, "it left tasks behind"

        await everywhere(
            at,
            leave,
            through={"cancel_and_wait", "_PageIterator.aclose", "Pager.next"},
            before=before,
        )
        before()


async def test_a_dropped_walk_ends_its_tasks() -> None:
    async def leave(at: CancelScene) -> None:
        async for _ in patients(at, 4):
            break
        await asyncio.sleep(0.002)

    async with scene(patients=40) as at:
        at.sandbox.latency = 0.001
        await everywhere(at, leave, through=NUMBERED)


async def test_two_walks_of_one_task_are_independent() -> None:
    async def both(at: CancelScene) -> None:
        first, second = patients(at, 2), patients(at, 1)
        ids = [(await anext(first)).id]
        second_ids = [record.id for record in await collect_until_end(second)]
        ids += [record.id for record in await collect_until_end(first)]
        assert ids == second_ids == sorted(at.sandbox.patients.ids)

    async def guarded(at: CancelScene) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await both(at)
        except asyncio.CancelledError:
            task.uncancel()  # the one bare ``anext`` was hit

    async with scene() as at:
        await everywhere(at, guarded, through=NUMBERED, judge=ends_well)


async def test_practices_and_flat_slots_leave_nothing_behind_either() -> None:
    async def look(at: CancelScene) -> None:
        assert [practice async for practice in at.nex.practices()]

    async with scene() as at:
        await everywhere(at, look, through={"FlatWalk.__anext__", "Pager.next"})


@prefetches
async def test_cancelling_all_tasks_at_once_leaves_nothing_behind(prefetch: int) -> None:
    async with scene() as at:
        await everywhere(
            at,
            lambda at: all_of(patients(at, prefetch)),
            ways=(ONCE,),
            through=NUMBERED,
            act=cancel_all,
        )


@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_a_failed_walk_is_freed_when_it_is_dropped(status: int) -> None:
    """It is in no cycle with its error, whose traceback holds every frame."""
    async with scene(retry=NO_RETRY) as at:
        at.sandbox.fail_next(status, path="/patients", times=3)
        walk = patients(at, 1)
        with suppress(NexHealthError):
            await anext(walk)
        gone = weakref.ref(walk)
        del walk
        await at.quiet()
        assert gone() is None
