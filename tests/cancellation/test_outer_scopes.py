"""Work ended from outside at each suspension: timeout, cancelled scope, failing sibling."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from nexhealth_async.models import Patient
from tests.cancellation.helpers import PATIENTS, CancelScene, ends_well, everywhere, scene

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.cancellation.suspensions import SuspensionCounter


async def nothing(at: CancelScene) -> list[int]:
    await at.location.patients.get(at.sandbox.patients.ids[1])
    return []


async def a_walk(at: CancelScene) -> list[int]:
    return [patient.id async for patient in at.location.patients.walk(prefetch=2)]


async def a_closed_walk(at: CancelScene) -> list[int]:
    async with aclosing(at.location.patients.walk(prefetch=2)) as walk:
        return [one.id async for one in walk]


async def its_pages(at: CancelScene) -> list[int]:
    pages: AsyncGenerator[Any, None] = at.location.patients.walk(prefetch=2).pages()
    async with aclosing(pages):
        return [item.id async for page in pages for item in page.items]


WORKS = [nothing, a_walk, a_closed_walk, its_pages]
works = pytest.mark.parametrize("work", WORKS)

THROUGH = {"Transport._exchange"}


def not_cancelling() -> None:
    """The caller that ended the work also uncancelled the task."""
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


def run_out(at: CancelScene, *_: object) -> None:
    """Expire the timeout that a trial waits under."""
    if not at.handle.expired():
        at.handle.reschedule(0)


async def work_apart(work: Callable[[CancelScene], Any], at: CancelScene) -> None:
    """Do the work in a child task, whose suspensions count too."""
    await work(at)


@works
async def test_a_timeout_anywhere_raises_timeout_error_and_leaves_nothing_behind(
    work: Callable[[CancelScene], Any],
) -> None:
    async def timed(at: CancelScene) -> str:
        try:
            async with asyncio.timeout(None) as at.handle:
                await work(at)
        except TimeoutError:
            not_cancelling()
            return "late"
        return "done"

    await everywhere_once_late(timed, run_out)


@works
async def test_a_wait_for_anywhere_raises_timeout_error_and_leaves_nothing_behind(
    work: Callable[[CancelScene], Any],
) -> None:
    """The inner task is cancelled where `asyncio.wait_for` would have timed out."""

    async def timed(at: CancelScene) -> str:
        at.handle = asyncio.ensure_future(work_apart(work, at))
        try:
            await asyncio.wait_for(at.handle, 60)
        except asyncio.CancelledError:
            not_cancelling()
            return "late"
        return "done"

    await everywhere_once_late(timed, lambda at: at.handle.cancel())


@works
async def test_a_cancelled_scope_anywhere_leaves_nothing_behind(
    work: Callable[[CancelScene], Any],
) -> None:
    async def scoped(at: CancelScene) -> str:
        with anyio.move_on_after(60) as at.handle:
            await work(at)
        not_cancelling()
        return "late" if at.handle.cancelled_caught else "done"

    await everywhere_once_late(scoped, lambda at: at.handle.cancel())


@works
async def test_a_failing_sibling_anywhere_ends_the_work_only(
    work: Callable[[CancelScene], Any],
) -> None:
    async def fail(event: asyncio.Event) -> None:
        await event.wait()
        raise LookupError

    async def grouped(at: CancelScene) -> str:
        at.handle = asyncio.Event()
        outcome = "done"
        try:
            async with asyncio.TaskGroup() as group:
                sibling = group.create_task(fail(at.handle))
                await work(at)
                sibling.cancel()
        except* LookupError:
            outcome = "late"
        return outcome

    # Python 3.11's group may forget to take a cancellation back, and is in a cycle with its errors.
    await everywhere_once_late(grouped, lambda at: at.handle.set(), collects=True)


@works
async def test_a_failing_task_of_an_anyio_group_ends_the_work_only(
    work: Callable[[CancelScene], Any],
) -> None:
    async def fail(event: asyncio.Event) -> None:
        await event.wait()
        raise LookupError

    async def grouped(at: CancelScene) -> str:
        at.handle = asyncio.Event()
        outcome = "done"
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(fail, at.handle)
                await work(at)
                group.cancel_scope.cancel()
        except* LookupError:
            outcome = "late"
        not_cancelling()
        return outcome

    await everywhere_once_late(grouped, lambda at: at.handle.set())


async def everywhere_once_late(
    work: Callable[[CancelScene], Any],
    end: Callable[[CancelScene], object],
    *,
    collects: bool = False,
) -> None:
    """Call ``end`` at each suspension in turn; it must end the work at some of them at least."""
    outcomes: set[object] = set()

    def judge(steps: SuspensionCounter, cancelled: bool, outcome: object) -> None:  # noqa: FBT001 - a callback
        ends_well(steps, cancelled, outcome)
        outcomes.add(outcome)

    def act(at: CancelScene, *_: object) -> None:
        end(at)

    async with scene() as at:
        at.collects = collects
        await everywhere(at, work, through=THROUGH, act=act, judge=judge)
    assert "late" in outcomes


async def test_a_walk_read_under_many_short_timeouts_is_complete() -> None:
    async def patient(at: CancelScene) -> None:
        got: list[Patient] = []
        walk = at.location.patients.walk(prefetch=1)
        while True:
            try:
                async with asyncio.timeout(None) as at.handle:
                    got.append(await anext(walk))
            except TimeoutError:
                pass
            except StopAsyncIteration:
                break
            not_cancelling()
        assert [one.id for one in got] == sorted(at.sandbox.patients.ids)
        assert len(got) == PATIENTS

    async with scene() as at:
        await everywhere(
            at,
            patient,
            through={"Pager.next", "Walk._advance"},
            act=run_out,
            judge=ends_well,
        )
