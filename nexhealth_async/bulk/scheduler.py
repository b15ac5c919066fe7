"""Scheduler of a pull: reads shards concurrently and delivers their pages in order of arrival.

Reading runs in a separate task, so that it holds nothing across the consumer's code, and pauses
while the consumer is slow. Pages wait as bytes, which the garbage collector does not track. They
are deduplicated and decoded only on delivery, so that a record is dropped only if it has really
been delivered before.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias

import anyio
from attrs import define, frozen

from nexhealth_async._protocol.operations import Paging, RateClass
from nexhealth_async.bulk.batch import Batch, Reader
from nexhealth_async.bulk.fair_queue import ShardQueue, ShardSlot, interleave
from nexhealth_async.bulk.page_decoding import PageDecoding, ReceivedPage
from nexhealth_async.bulk.progress_events import (
    BatchRead,
    Event,
    OnEvent,
    PullEnded,
    PullStarted,
    ShardDone,
    ShardFailed,
    ShardStarted,
    Snapshot,
)
from nexhealth_async.bulk.pull_state import ShardState
from nexhealth_async.bulk.rejected_records import FATAL_ERRORS
from nexhealth_async.bulk.report import Report
from nexhealth_async.bulk.resource_facts import facts
from nexhealth_async.bulk.shard_filters import walk_arguments
from nexhealth_async.bulk.shard_tracker import PullTracker
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.errors import InvalidArgumentError, NexHealthError, WalkClosedError
from nexhealth_async.pagination.page_plans import check_drift
from nexhealth_async.pagination.prefetching import RawPage, cancel_and_wait
from nexhealth_async.pagination.walk import RawPages

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from nexhealth_async._client.client import Client
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async.pagination.batch_decoder import RecordDecoder
    from nexhealth_async.pagination.page_plans import Drift

__all__ = ["DeliveredBatch", "Engine", "EngineSettings", "SettledShard", "start_position"]

_PAGES_AHEAD = 2
"""Pages that wait for the consumer, besides the one that each shard holds."""


@frozen(kw_only=True)
class EngineSettings:
    """Settings of a run."""

    concurrency: int = 8
    drift: Drift = "verify"
    per_page: int | None = None
    on_event: OnEvent | None = None

    def __attrs_post_init__(self) -> None:
        """Validate the settings."""
        for name, value in (("concurrency", self.concurrency), ("per_page", self.per_page)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{name} must be a whole number of at least 1")
        check_drift(self.drift)


@frozen(kw_only=True)
class DeliveredBatch:
    """Batch, with the state of its shard after it."""

    batch: Batch
    state: ShardState


@frozen(kw_only=True)
class SettledShard:
    """Shard that is done or has failed."""

    shard: Shard
    state: ShardState


@define(eq=False, kw_only=True)
class _ShardEnd:
    shard: Shard
    error: NexHealthError | None


_Item: TypeAlias = "ReceivedPage[object] | _ShardEnd | None"


def start_position(client: Client) -> tuple[float, Stats]:
    """Return the current loop time and the session's statistics so far."""
    return asyncio.get_running_loop().time(), client.stats.snapshot()


class Engine:
    """One run of a pull; call `start`, `step` and `stop` in the same event loop."""

    def __init__(self, client: Client, tracker: PullTracker, settings: EngineSettings) -> None:
        self._client = client
        self._settings = settings
        self.tracker = tracker
        self.reader: Reader | None = None
        """Reader to try on each page before models are made."""
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_PAGES_AHEAD)
        self._queues: dict[RateClass, ShardQueue] = {}
        self._unread_shards: dict[Group, int] = {}
        """Number of shards to read before a group's sweep."""
        self._decoding: PageDecoding[object] | None = None
        """Page that is being decoded."""
        self._delivered_shard: str | None = None
        """Name of the shard whose batch the consumer holds."""
        self._runner: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._is_over = False
        self.finished: bool = False

    def start(self) -> None:
        """Start reading."""
        tracker = self.tracker
        shards = [shard_log.shard for shard_log in tracker.shard_logs.values()]
        self._emit(
            PullStarted(
                shards=tuple(shards),
                resumed=sum(shard_log.done for shard_log in tracker.shard_logs.values()),
                snapshot=self.snapshot,
            )
        )
        for shard in interleave(self._select_shards()):
            self._enqueue(shard)
        self._runner = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop all reading and wait for it, even in a cancelled scope."""
        if self._runner is not None:
            await cancel_and_wait([self._runner])
        while not self._queue.empty():
            self._queue.get_nowait()
        self._decoding = None
        self._queue.put_nowait(None)  # wakes a waiting consumer
        self._record_end()

    async def step(self) -> DeliveredBatch | SettledShard | None:
        """Return the next batch or settled shard; None at the end.

        The call confirms the previous batch. Cancelling it loses nothing.
        """
        if self._is_over:
            raise WalkClosedError("this pull has ended; start a new one, or resume it")
        if self._delivered_shard is not None:
            self.tracker.shard_logs[self._delivered_shard].record_state()
            self._delivered_shard = None
        while True:
            if self._decoding is None:
                item = await self._queue.get()
                if isinstance(item, _ShardEnd):
                    return self._settle(item)
                if item is None:
                    self._finish()
                    return None
                self._decoding = self.tracker.decode_page(item, self.reader)
                del item  # frees the page's bytes once its records are decoded
            step = await self._deliver(self._decoding)
            if step is not None:
                return step

    def snapshot(self) -> Snapshot:
        """Return the progress of the pull."""
        return self.tracker.snapshot(asyncio.get_running_loop().time())

    def report(self) -> Report:
        """Return the report so far."""
        return self.tracker.report(asyncio.get_running_loop().time())

    # Consumer

    async def _deliver(self, page: PageDecoding[object]) -> DeliveredBatch | None:
        await page.decode()
        if self._decoding is None:  # closed meanwhile
            return None
        self._decoding = None
        batch = self.tracker.record_page(page)
        shard_log = self.tracker.shard_logs[page.shard.name]
        if not batch.size and not batch.refused:
            shard_log.record_state()
            return None
        self._delivered_shard = page.shard.name
        self._emit(
            BatchRead(
                shard=page.shard,
                records=shard_log.current_state.records,
                read=shard_log.read,
                total=shard_log.total,
                refused=len(batch.refused),
            )
        )
        return DeliveredBatch(batch=batch, state=shard_log.current_state)

    def _settle(self, shard_end: _ShardEnd) -> SettledShard:
        shard, error, now = shard_end.shard, shard_end.error, asyncio.get_running_loop().time()
        state = self.tracker.finish_shard(shard, error, now)
        seconds = self.tracker.shard_logs[shard.name].seconds(now)
        if error is None:
            self._emit(ShardDone(shard=shard, records=state.records, seconds=seconds))
        else:
            self._emit(ShardFailed(shard=shard, records=state.records, error=error))
        return SettledShard(shard=shard, state=state)

    def _finish(self) -> None:
        stopped = self._is_over
        self._record_end()
        if self._failure is not None:
            raise self._failure
        if stopped:
            raise WalkClosedError("this pull was closed; start a new one, or resume it")
        self.finished = True
        complete = all(shard_log.done for shard_log in self.tracker.shard_logs.values())
        self._emit(PullEnded(complete=complete))

    def _record_end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.tracker.ended = asyncio.get_running_loop().time()

    def _emit(self, event: Event) -> None:
        if self._settings.on_event is not None:
            self._settings.on_event(event)

    # Readers

    def _select_shards(self) -> list[Shard]:
        """Return the shards to read now: sweeps only of groups with nothing else to read."""
        tracker, shards = self.tracker, list[Shard]()
        for group_plan in tracker.plan.groups:
            unfinished = tracker.unfinished_shards(group_plan.shards)
            self._unread_shards[group_plan.group] = len(unfinished)
            shards += unfinished or tracker.unfinished_shards(group_plan.sweep)
        return shards

    def _enqueue(self, shard: Shard) -> ShardQueue:
        resource_facts = facts(shard.resource, shard.version)
        queue = self._queues.setdefault(resource_facts.rate, ShardQueue(self._settings.concurrency))
        queue.add([shard], can_prefetch=resource_facts.paging is Paging.NUMBERED)
        return queue

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for queue in self._queues.values():
                self._start_shards(queue, tasks)
        await self._queue.put(None)

    def _start_shards(self, queue: ShardQueue, tasks: TaskGroup) -> None:
        for slot in queue.acquire():
            tasks.start_soon(self._run_slot, queue, slot, tasks)

    async def _run_slot(self, queue: ShardQueue, slot: ShardSlot, tasks: TaskGroup) -> None:
        """Read one shard, then start the next ones; a fatal error stops all."""
        try:
            error = await self._run_shard(slot)
        except Exception as failure:  # noqa: BLE001 - raised to the consumer
            self._failure = self._failure or failure
            tasks.cancel_scope.cancel()
            return
        await self._queue.put(_ShardEnd(shard=slot.shard, error=error))
        queue.release(slot)
        if error is None and not slot.shard.sweep:
            self._release_sweep(slot.shard.group)
        self._start_shards(queue, tasks)

    def _release_sweep(self, group: Group) -> None:
        self._unread_shards[group] -= 1
        if not self._unread_shards[group]:
            for shard in self.tracker.plan.sweep_of(group):
                self._enqueue(shard)

    async def _run_shard(self, slot: ShardSlot) -> NexHealthError | None:
        """Read a shard to its end; return the error that ended it, if any."""
        shard_log = self.tracker.shard_logs[slot.shard.name]
        shard_log.started_at = asyncio.get_running_loop().time()
        self._emit(
            ShardStarted(shard=slot.shard, resumed=shard_log.current_state.position is not None)
        )
        try:
            await self._read_shard(slot, shard_log.current_state.position)
        except FATAL_ERRORS:
            raise
        except NexHealthError as error:
            # The report keeps the error: drop the frames, which hold records.
            error.__context__ = error.__cause__ = None
            return error.with_traceback(None)
        return None

    async def _read_shard(self, slot: ShardSlot, position: str | None) -> None:
        start, _, after = (position or "0:").partition(":")
        for index in range(int(start), len(slot.shard.lists)):
            pages = self._pages(slot, index, after or None)
            async with aclosing(pages):
                slot.pages = pages
                try:
                    async for page in pages:
                        await self._queue.put(
                            _received_page(slot.shard, index, page, pages.decoder)
                        )
                        del page
                finally:
                    slot.pages = None
            after = ""

    def _pages(self, slot: ShardSlot, index: int, after: str | None) -> RawPages[object]:
        shard, settings = slot.shard, self._settings
        endpoint, arguments, ids = walk_arguments(shard, shard.lists[index])
        arguments |= {"prefetch": slot.permits, "after": after}
        if slot.can_prefetch:
            arguments["drift"] = settings.drift
        if settings.per_page is not None:
            arguments["per_page"] = settings.per_page
        pages = self._client.walk(endpoint, arguments, *ids).raw_pages()
        pages.without_deadline()
        return pages


def _received_page(
    shard: Shard, index: int, page: RawPage, decoder: RecordDecoder[object]
) -> ReceivedPage[object]:
    resource_facts = facts(shard.resource, shard.version)
    resume_position = (
        _next_position(index, page) if resource_facts.paging is Paging.CURSOR else None
    )
    return ReceivedPage(
        shard=shard, list=index, page=page, decoder=decoder, position=resume_position
    )


def _next_position(index: int, page: RawPage) -> str | None:
    """Return the resume position: the list and its next page."""
    if page.resume is not None:
        return f"{index}:{page.resume}"
    # Without a cursor the list has ended; with one that cannot be saved, restart the shard.
    return None if page.cursor else f"{index + 1}:"
