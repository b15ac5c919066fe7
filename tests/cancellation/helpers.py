"""A session and a sandbox, cancelled at each suspension in turn; and the checks afterwards."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, define

from nexhealth_async import NexHealth, Rates
from nexhealth_async.sandbox import Sandbox
from tests.cancellation.suspensions import Moment, SuspensionCounter, follow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

    import aiohttp

    from nexhealth_async import LocationScope

__all__ = ["ONCE", "CancelMethod", "CancelScene", "everywhere", "opened", "scene"]

TALLY = [0]
"""Number of trials made."""
PATIENTS = 9
PAGE = 4
_PATIENCE = 5.0
_OURS = ("_give_up", "_on_timeout")
"""Timer callbacks that must not outlive the wait they end."""
_SERVERS = ("RequestHandler", "web_protocol", "wait_for_close", "_wait_for_close", "Deliveries")


@define
class CancelMethod:
    """Times and moments at which to cancel a suspended task."""

    moment: Moment = "at_once"
    again: int = 0

    def __str__(self) -> str:
        return (
            f"{self.moment}-{('once', 'twice')[self.again] if self.again < 2 else 'relentlessly'}"
        )


ONCE = CancelMethod()
WAYS = (
    ONCE,
    CancelMethod("as_it_wakes"),
    CancelMethod("at_once", 1),
    CancelMethod("as_it_wakes", 1),
    CancelMethod("at_once", 5),
)


@define
class CancelScene:
    """One session, its sandbox, and the checks after each trial."""

    sandbox: Sandbox
    nex: NexHealth
    steps: SuspensionCounter = Factory(lambda: SuspensionCounter(0, "at_once"))
    handle: Any = None
    """The object that ends the work: a timeout, a scope or an event."""
    collects: bool = False
    """True to collect garbage after a trial, where other libraries make cycles."""

    @property
    def location(self) -> LocationScope:
        return self.nex.practice(self.sandbox.subdomain).location(self.sandbox.location_id)

    @property
    def connectors(self) -> list[aiohttp.BaseConnector]:
        transport = self.nex._client.state.transport
        sessions = (transport._pooled, transport._single)
        return [s.connector for s in sessions if s is not None and s.connector is not None]

    async def warm(self) -> CancelScene:
        """Log in, connect, and build the decoders."""
        await self.location.patients.get(self.sandbox.patients.ids[0])
        return self

    async def check(self, *, closed: bool = False) -> None:
        """Fail if the trial left anything behind, or if the next call does not work."""
        shared = self.nex._client.state
        await self.quiet()
        assert not shared.tasks, "the session still holds pages"
        assert shared.token_manager._login is None, "the login has ended, and still holds the lock"
        for queue in shared.rate_limiter._queues.values():
            assert queue.head() is None, "somebody still stands at the gate"
        assert not shared.rate_limiter._in_flight, "a request that ended counts as under way"
        for connector in self.connectors:
            assert not connector._acquired, "a connection is still taken"
            assert not connector._waiters
        timers = cast("Any", asyncio.get_running_loop())._scheduled
        assert not [t for t in timers if not t.cancelled() and any(o in repr(t) for o in _OURS)]
        if not closed:
            async with asyncio.timeout(_PATIENCE):
                patient = await self.location.patients.get(self.sandbox.patients.ids[0])
            assert patient.id == self.sandbox.patients.ids[0]

    async def quiet(self) -> None:
        """Wait until only this task and the server's are left; a login may finish."""
        async with asyncio.timeout(_PATIENCE):
            while strangers():
                await asyncio.sleep(0)
        for _ in range(2):  # what tasks call when they are done
            await asyncio.sleep(0)

    async def trial(
        self,
        work: Callable[[CancelScene], Coroutine[Any, Any, object]],
        steps: SuspensionCounter,
        act: Callable[[CancelScene, asyncio.Task[object], list[asyncio.Task[Any]]], object],
    ) -> tuple[bool, object]:
        """Run once; return whether the task was cancelled, and otherwise its result or error."""
        loop = asyncio.get_running_loop()
        self.steps = steps
        task, children = follow(work(self), steps)
        steps.act = partial(act, self, task, children.tasks)
        try:
            await asyncio.wait({task}, timeout=_PATIENCE)
            assert task.done(), "it hangs"
            left = [
                one for one in children.tasks if not one.done() and "Client.fetch_page" in str(one)
            ]
        finally:
            loop.set_task_factory(None)
            steps.act = lambda: None
        outcome: object = None
        if not task.cancelled():
            error = task.exception()
            outcome = error.with_traceback(None) if error is not None else task.result()
        cancelled = task.cancelled()
        # With the task goes its error, with that the frames, and with those the walk.
        del task
        children.tasks.clear()
        if self.collects:
            gc.collect(0)
        await self.quiet()
        unstopped = [one for one in left if not one.cancelled()]
        assert not unstopped, "pages nobody wants went on"
        return cancelled, outcome


def cancel(_: CancelScene, task: asyncio.Task[object], __: list[asyncio.Task[Any]]) -> None:
    """Cancel the task under trial."""
    task.cancel()


def cancel_all(
    _: CancelScene, task: asyncio.Task[object], children: list[asyncio.Task[Any]]
) -> None:
    """Cancel all tasks, as ``asyncio.run`` does at its end."""
    for one in (task, *children):
        one.cancel()


def ends_cancelled(steps: SuspensionCounter, cancelled: bool, outcome: object) -> None:  # noqa: FBT001 - a callback
    """The cancellation is raised unchanged."""
    assert cancelled, f"the cancellation was swallowed; it ended with {outcome!r}"


def ends_well(steps: SuspensionCounter, cancelled: bool, outcome: object) -> None:  # noqa: FBT001 - a callback
    """The work handles the cancellation and returns."""
    assert not cancelled
    assert not isinstance(outcome, BaseException), repr(outcome)


async def everywhere(
    scene: CancelScene,
    work: Callable[[CancelScene], Coroutine[Any, Any, object]],
    *,
    through: set[str],
    ways: tuple[CancelMethod, ...] = WAYS,
    act: Callable[[CancelScene, asyncio.Task[object], list[asyncio.Task[Any]]], object] = cancel,
    judge: Callable[[SuspensionCounter, bool, object], None] = ends_cancelled,
    before: Callable[[], Awaitable[object] | None] | None = None,
) -> int:
    """Run the work repeatedly, stopped one suspension later each time, in each of the ways.

    ``through`` names functions of the library in which the work must have been stopped at least
    once. Returns the number of suspensions at which it was stopped.
    """
    seen: set[str] = set()
    places = 0
    for way in ways:
        for at in count(1):
            if before is not None and (preparing := before()) is not None:
                await preparing
            steps = SuspensionCounter(at, way.moment, again=way.again)
            try:
                cancelled, outcome = await scene.trial(work, steps, act)
                if not steps.fired:
                    assert not cancelled
                    assert not isinstance(outcome, BaseException), repr(outcome)
                    break
                judge(steps, cancelled, outcome)
                await scene.check()
            except BaseException as error:
                error.add_note(f"stopped {way} at step {at}: {steps.where}")
                raise
            seen |= steps.seen
            places = max(places, at)
            TALLY[0] += 1
    assert seen >= through, f"never suspended in {through - seen}, but in {seen}"
    return places


def strangers() -> set[asyncio.Task[Any]]:
    """All tasks but this one and the sandbox's."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return {task for task in tasks if not _is_servers(task)}


def _is_servers(task: asyncio.Task[Any]) -> bool:
    name = getattr(task.get_coro(), "__qualname__", "")
    return any(known in name for known in _SERVERS)


def open_files() -> int:
    """Return the number of open descriptors of this process; 0 if unknown."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


async def back_to(files: int) -> None:
    """Wait until no more descriptors are open than before; sockets close a turn or two later."""
    async with asyncio.timeout(_PATIENCE):
        while open_files() > files:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def opened(sandbox: Sandbox, **options: Any) -> AsyncGenerator[CancelScene]:
    """A new session beside a running sandbox; it must close promptly in any state."""
    nex = await NexHealth(sandbox.api_key, base_url=sandbox.url, **options).open()
    try:
        yield CancelScene(sandbox, nex)
    finally:
        async with asyncio.timeout(_PATIENCE):
            await nex.aclose()
    assert not [
        task for task in strangers() if "Client.fetch_page" in str(task) or "_refresh" in str(task)
    ]


@asynccontextmanager
async def scene(
    *, patients: int = PATIENTS, page: int = PAGE, **options: Any
) -> AsyncGenerator[CancelScene]:
    """A sandbox with small pages and a warm session, with the garbage collector off."""
    options.setdefault("rates", Rates.unlimited())
    loop = asyncio.get_running_loop()
    loop.set_task_factory(None)
    gc.collect()
    gc.disable()
    files = open_files()
    try:
        async with Sandbox(patients=patients, seed=1, remember=100) as sandbox:
            sandbox.page_cap = sandbox.cursor_page_cap = page
            async with opened(sandbox, **options) as made:
                yield await made.warm()
        await back_to(files)
    finally:
        gc.enable()
