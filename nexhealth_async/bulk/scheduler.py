"""Reads the shards of a pull, a lane for each rate class, and hands pages on one after the other.

The tasks that read live in a task of their own, so that nothing of theirs is held across the
consumer's code. They wait while the consumer is slow; records are told apart, and decoded, only
when they are handed over: what a shard leaves out has really been delivered before, and what waits
is bytes, which are no work for the garbage collector.
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
"""Pages that wait for the consumer, beside the one that each shard holds."""


@frozen(kw_only=True)
class EngineSettings:
    """How to read."""

    concurrency: int = 8
    drift: Drift = "verify"
    per_page: int | None = None
    on_event: OnEvent | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what no list can be read with."""
        for name, value in (("concurrency", self.concurrency), ("per_page", self.per_page)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{name} must be a whole number of at least 1")
        check_drift(self.drift)


@frozen(kw_only=True)
class DeliveredBatch:
    """A batch, and how far its shard has come with it."""

    batch: Batch
    state: ShardState


@frozen(kw_only=True)
class SettledShard:
    """A shard that is done or has failed."""

    shard: Shard
    state: ShardState


@define(eq=False, kw_only=True)
class _ShardEnd:
    shard: Shard
    error: NexHealthError | None


_Item: TypeAlias = "ReceivedPage[object] | _ShardEnd | None"


def start_position(caller: Client) -> tuple[float, Stats]:
    """Return the moment, and what the session has done before it."""
    return asyncio.get_running_loop().time(), caller.stats.snapshot()


class Engine:
    """One run of a pull; `start` and `stop` it in the same event loop, and `step` through it."""

    def __init__(self, caller: Client, books: PullTracker, settings: EngineSettings) -> None:
        self._caller = caller
        self._settings = settings
        self.books = books
        self.reader: Reader | None = None
        """What is tried on a page before models are."""
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_PAGES_AHEAD)
        self._lanes: dict[RateClass, ShardQueue] = {}
        self._left: dict[Group, int] = {}
        """How many shards are to be read before a group's sweep."""
        self._unpacking: PageDecoding[object] | None = None
        """The page that is being decoded."""
        self._handed: str | None = None
        """The shard whose batch the consumer is at."""
        self._runner: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._over = False
        self.finished: bool = False

    def start(self) -> None:
        """Begin to read."""
        books = self.books
        every = [account.shard for account in books.accounts.values()]
        self._emit(
            PullStarted(
                shards=tuple(every),
                resumed=sum(account.done for account in books.accounts.values()),
                snapshot=self.snapshot,
            )
        )
        for shard in interleave(self._due_shards()):
            self._enqueue(shard)
        self._runner = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End all reading and wait for it, even in a cancelled scope."""
        if self._runner is not None:
            await cancel_and_wait([self._runner])
        while not self._queue.empty():
            self._queue.get_nowait()
        self._unpacking = None
        self._queue.put_nowait(None)  # whoever waits for more learns that none comes
        self._end()

    async def step(self) -> DeliveredBatch | SettledShard | None:
        """Return what comes next, None at the end: the one before is done with, says asking.

        Cancelling this loses nothing.
        """
        if self._over:
            raise WalkClosedError("this pull has ended; start a new one, or resume it")
        if self._handed is not None:
            self.books.accounts[self._handed].record_state()
            self._handed = None
        while True:
            if self._unpacking is None:
                item = await self._queue.get()
                if isinstance(item, _ShardEnd):
                    return self._settled(item)
                if item is None:
                    self._ended()
                    return None
                self._unpacking = self.books.decode_page(item, self.reader)
                del item  # a page's bytes are in use no longer than its records are decoded
            delivered = await self._delivered(self._unpacking)
            if delivered is not None:
                return delivered

    def snapshot(self) -> Snapshot:
        """Return how far the pull has come."""
        return self.books.snapshot(asyncio.get_running_loop().time())

    def report(self) -> Report:
        """Return what has become of each shard so far."""
        return self.books.report(asyncio.get_running_loop().time())

    # The consumer's side

    async def _delivered(self, page: PageDecoding[object]) -> DeliveredBatch | None:
        await page.decode()
        if self._unpacking is None:  # closed meanwhile
            return None
        self._unpacking = None
        batch = self.books.record_page(page)
        account = self.books.accounts[page.shard.name]
        if not batch.size and not batch.refused:
            account.record_state()
            return None
        self._handed = page.shard.name
        self._emit(
            BatchRead(
                shard=page.shard,
                records=account.current_state.records,
                read=account.read,
                total=account.total,
                refused=len(batch.refused),
            )
        )
        return DeliveredBatch(batch=batch, state=account.current_state)

    def _settled(self, end: _ShardEnd) -> SettledShard:
        shard, error, now = end.shard, end.error, asyncio.get_running_loop().time()
        state = self.books.finish_shard(shard, error, now)
        seconds = self.books.accounts[shard.name].seconds(now)
        if error is None:
            self._emit(ShardDone(shard=shard, records=state.records, seconds=seconds))
        else:
            self._emit(ShardFailed(shard=shard, records=state.records, error=error))
        return SettledShard(shard=shard, state=state)

    def _ended(self) -> None:
        stopped = self._over
        self._end()
        if self._failure is not None:
            raise self._failure
        if stopped:
            raise WalkClosedError("this pull was closed; start a new one, or resume it")
        self.finished = True
        complete = all(account.done for account in self.books.accounts.values())
        self._emit(PullEnded(complete=complete))

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self.books.ended = asyncio.get_running_loop().time()

    def _emit(self, event: Event) -> None:
        if self._settings.on_event is not None:
            self._settings.on_event(event)

    # The readers' side

    def _due_shards(self) -> list[Shard]:
        """Return what is to be read now: sweeps only of groups that need nothing else."""
        books, due = self.books, list[Shard]()
        for one in books.plan.groups:
            main = books.unfinished_shards(one.shards)
            self._left[one.group] = len(main)
            due += main or books.unfinished_shards(one.sweep)
        return due

    def _enqueue(self, shard: Shard) -> ShardQueue:
        about = facts(shard.resource, shard.version)
        lane = self._lanes.setdefault(about.rate, ShardQueue(self._settings.concurrency))
        lane.add([shard], can_prefetch=about.paging is Paging.NUMBERED)
        return lane

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for lane in self._lanes.values():
                self._begin(lane, tasks)
        await self._queue.put(None)

    def _begin(self, queue: ShardQueue, tasks: TaskGroup) -> None:
        for seat in queue.acquire():
            tasks.start_soon(self._serve, queue, seat, tasks)

    async def _serve(self, queue: ShardQueue, slot: ShardSlot, tasks: TaskGroup) -> None:
        """Read one shard, then let others in; what no shard can survive ends them all."""
        try:
            error = await self._run_shard(slot)
        except Exception as failure:  # noqa: BLE001 - raised to the consumer, whatever it is
            self._failure = self._failure or failure
            tasks.cancel_scope.cancel()
            return
        await self._queue.put(_ShardEnd(shard=slot.shard, error=error))
        queue.release(slot)
        if error is None and not slot.shard.sweep:
            self._release_sweep(slot.shard.group)
        self._begin(queue, tasks)

    def _release_sweep(self, group: Group) -> None:
        self._left[group] -= 1
        if not self._left[group]:
            for shard in self.books.plan.sweep_of(group):
                self._enqueue(shard)

    async def _run_shard(self, slot: ShardSlot) -> NexHealthError | None:
        """Read a shard to its end, or to the error that ends it."""
        account = self.books.accounts[slot.shard.name]
        account.started_at = asyncio.get_running_loop().time()
        self._emit(
            ShardStarted(shard=slot.shard, queue_length=account.current_state.position is not None)
        )
        try:
            await self._read_shard(slot, account.current_state.position)
        except FATAL_ERRORS:
            raise
        except NexHealthError as error:
            # Without what it came from: frames and their records live as long as the report.
            error.__context__ = error.__cause__ = None
            return error.with_traceback(None)
        return None

    async def _read_shard(self, slot: ShardSlot, position: str | None) -> None:
        at, _, after = (position or "0:").partition(":")
        for now in range(int(at), len(slot.shard.lists)):
            pages = self._pages(slot, now, after or None)
            async with aclosing(pages):
                slot.pages = pages
                try:
                    async for page in pages:
                        await self._queue.put(_received_page(slot.shard, now, page, pages.decoder))
                        del page
                finally:
                    slot.pages = None
            after = ""

    def _pages(self, slot: ShardSlot, position: int, after: str | None) -> RawPages[object]:
        shard, settings = slot.shard, self._settings
        endpoint, arguments, ids = walk_arguments(shard, shard.lists[position])
        arguments |= {"prefetch": slot.permits, "after": after}
        if slot.can_prefetch:
            arguments["drift"] = settings.drift
        if settings.per_page is not None:
            arguments["per_page"] = settings.per_page
        pages = self._caller.walk(endpoint, arguments, *ids).raw_pages()
        pages.without_deadline()
        return pages


def _received_page(
    shard: Shard, position: int, page: RawPage, decoder: RecordDecoder[object]
) -> ReceivedPage[object]:
    about = facts(shard.resource, shard.version)
    place = _next_position(position, page) if about.paging is Paging.CURSOR else None
    return ReceivedPage(shard=shard, list=position, page=page, decoder=decoder, position=place)


def _next_position(position: int, page: RawPage) -> str | None:
    """Say where to go on: in which list, and behind which of its pages."""
    if page.resume is not None:
        return f"{position}:{page.resume}"
    # Without a cursor a list has ended; with one that cannot be kept, only the start is left.
    return None if page.cursor else f"{position + 1}:"
