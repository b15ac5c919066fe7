"""Worker pool that runs the handler, with a time limit and a bounded shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Literal, TypeAlias

from attrs import define, field

from nexhealth_async.webhooks.event import Event

__all__ = ["Handler", "Job", "JobOutcome", "WorkerPool"]

Handler: TypeAlias = Callable[[Event], Awaitable[None]]
"""Handler of events; the event is retried if it raises."""

JobOutcome: TypeAlias = Literal["handled", "failed", "released"]
"""Result of handling; ``released``: not tried, or stopped because the receiver was closed."""

_LOG = logging.getLogger("nexhealth_async.webhooks")

_GRACE: Final = 1.0
"""Seconds that a cancelled handler has to end."""


@define(eq=False)
class Job:
    """Event to handle."""

    event: Event = field(repr=False)
    key: str
    done: asyncio.Future[int]
    """Response status for a delivery that waits for the end."""
    attempts: int = 0
    """Number of times a queue has delivered it, including this one."""
    task: asyncio.Task[None] | None = None
    """Task of the handler."""
    is_done: bool = False
    """True if the handler returned."""
    error: Exception | None = field(default=None, repr=False)
    """Error that the handler raised."""
    is_settled: bool = False


Settle: TypeAlias = Callable[[Job, JobOutcome, Exception | None], Awaitable[None]]


class WorkerPool:
    """Worker pool that passes jobs to a handler or to iterators and settles each once.

    Args:
        settle: Records how a job ended.
        time_limit: Seconds after which a handler is cancelled; None for no limit.
        on_room: Called when an iterator starts.
    """

    def __init__(
        self, settle: Settle, time_limit: float | None, on_room: Callable[[], None]
    ) -> None:
        self._settle, self._time_limit, self._on_room = settle, time_limit, on_room
        self._queue: asyncio.Queue[Job | None] = asyncio.Queue()
        """Jobs in order; None marks the end."""
        self.jobs: set[Job] = set()
        """All jobs that wait or are being handled."""
        self._ended = asyncio.Event()
        """Set when a job ends."""
        self.iterators: int = 0
        """Number of iterators over the events at present."""
        self._workers: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._abandoned: set[asyncio.Task[None]] = set()
        """Handlers that still run although they were cancelled."""
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Number of jobs that no worker has taken."""
        return max(0, self._queue.qsize() - self._is_closed)

    @property
    def has_workers(self) -> bool:
        """True if there are workers or iterators."""
        return bool(self._workers) or self.iterators > 0

    def start(self, handler: Handler, workers: int) -> None:
        """Start the workers."""
        loop = asyncio.get_running_loop()
        self._workers = {
            loop.create_task(self._work(handler), name="nexhealth-webhooks") for _ in range(workers)
        }

    def add(self, job: Job) -> None:
        """Queue an event for handling."""
        self.jobs.add(job)
        self._queue.put_nowait(job)

    def close(self) -> None:
        """Let workers and iterators end after the queued jobs."""
        self._is_closed = True
        self._queue.put_nowait(None)

    async def wait_until_idle(self) -> None:
        """Wait until no job is left."""
        while self.jobs:
            self._ended.clear()
            await self._ended.wait()

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - limits the rest
        """Cancel running handlers, release the other jobs, and wait for the settlements.

        A handler that still runs after its cancellation is abandoned.

        Args:
            timeout: Seconds to wait for the settlements.
        """
        running = {job.task for job in self.jobs if job.task is not None}
        for task in (*self._workers, *running):
            task.cancel()
        if tasks := {*self._workers, *running}:
            await asyncio.wait(tasks, timeout=_GRACE)
        for job in tuple(self.jobs):
            self._start_settling(job, "handled" if job.is_done else "released", None)
            if job.task is not None and not job.task.done():
                self._abandon(job.task)
        if self._settling:
            _, unfinished = await asyncio.wait(self._settling, timeout=timeout)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _work(self, handler: Handler) -> None:
        while (job := await self._next()) is not None:
            await self._handle(handler, job)

    async def _next(self) -> Job | None:
        job = await self._queue.get()
        if job is None:
            self._queue.put_nowait(None)  # for the other workers
        return job

    async def _handle(self, handler: Handler, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(_call(handler, job))
        job.task = task
        await asyncio.wait({task}, timeout=self._time_limit)
        is_late = not task.done()
        if is_late:
            task.cancel()
            await asyncio.wait({task}, timeout=_GRACE)
        if job.is_done:
            await self._settle_job(job, "handled", None)
            return
        if not task.done():
            self._abandon(task)
        error = job.error
        if is_late:
            error = TimeoutError(f"the handler took longer than {self._time_limit} seconds")
        await self._settle_job(job, "failed", error)

    def _abandon(self, task: asyncio.Task[None]) -> None:
        _LOG.error("a webhook handler still runs although it was cancelled")
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    async def _settle_job(self, job: Job, outcome: JobOutcome, error: Exception | None) -> None:
        """Settle a job, even if the caller is cancelled meanwhile."""
        task = self._start_settling(job, outcome, error)
        if task is not None:
            await asyncio.shield(task)

    def _start_settling(
        self, job: Job, outcome: JobOutcome, error: Exception | None
    ) -> asyncio.Task[None] | None:
        if job.is_settled:
            return None
        job.is_settled = True
        task = asyncio.get_running_loop().create_task(self._finish_job(job, outcome, error))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _finish_job(self, job: Job, outcome: JobOutcome, error: Exception | None) -> None:
        try:
            await self._settle(job, outcome, error)
        finally:
            self.jobs.discard(job)
            self._ended.set()

    async def iterate(self) -> AsyncGenerator[Event]:
        """Yield the events; each counts as handled when the next is requested."""
        self.iterators += 1
        self._on_room()
        try:
            while (job := await self._next()) is not None:
                is_handled = False
                try:
                    yield job.event
                    is_handled = True
                finally:
                    unhandled_outcome: JobOutcome = "released" if self._is_closed else "failed"
                    await self._settle_job(
                        job, "handled" if is_handled else unhandled_outcome, None
                    )
        finally:
            self.iterators -= 1


async def _call(handler: Handler, job: Job) -> None:
    """Run the handler; its error is kept out of the task, whose repr would show it."""
    try:
        await handler(job.event)
    except Exception as error:  # noqa: BLE001 - one event must not stop the others
        job.error = error
    else:
        job.is_done = True
