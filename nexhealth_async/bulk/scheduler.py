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
from nexhealth_async.bulk.fair_queue import Lane, Seat, in_turns
from nexhealth_async.bulk.page_decoding import Found, Unpacking
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
from nexhealth_async.bulk.rejected_records import FATAL
from nexhealth_async.bulk.report import Report
from nexhealth_async.bulk.resource_facts import facts
from nexhealth_async.bulk.shard_filters import walk_arguments
from nexhealth_async.bulk.shard_tracker import Books
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.errors import InvalidArgument, NexHealthError, WalkOver
from nexhealth_async.pagination.page_plans import check_drift
from nexhealth_async.pagination.prefetching import RawPage, reap
from nexhealth_async.pagination.walk import RawPages

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from nexhealth_async._client.client import Client
    from nexhealth_async._client.statistics import Stats
    from nexhealth_async.pagination.batch_decoder import Decoder
    from nexhealth_async.pagination.page_plans import Drift

__all__ = ["Delivered", "Engine", "Settings", "Settled", "beginning"]

_AHEAD = 2
"""Pages that wait for the consumer, beside the one that each shard holds."""


@frozen(kw_only=True)
class Settings:
    """How to read."""

    concurrency: int = 8
    drift: Drift = "verify"
    per_page: int | None = None
    on_event: OnEvent | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what no list can be read with."""
        for name, value in (("concurrency", self.concurrency), ("per_page", self.per_page)):
            if value is not None and value < 1:
                raise InvalidArgument(f"{name} must be a whole number of at least 1")
        check_drift(self.drift)


@frozen(kw_only=True)
class Delivered:
    """A batch, and how far its shard has come with it."""

    batch: Batch
    state: ShardState


@frozen(kw_only=True)
class Settled:
    """A shard that is done or has failed."""

    shard: Shard
    state: ShardState


@define(eq=False, kw_only=True)
class _End:
    shard: Shard
    error: NexHealthError | None


_Item: TypeAlias = "Found[object] | _End | None"


def beginning(caller: Client) -> tuple[float, Stats]:
    """Return the moment, and what the session has done before it."""
    return asyncio.get_running_loop().time(), caller.stats.snapshot()


class Engine:
    """One run of a pull; `start` and `stop` it in the same event loop, and `step` through it."""

    def __init__(self, caller: Client, books: Books, settings: Settings) -> None:
        self._caller = caller
        self._settings = settings
        self.books = books
        self.reader: Reader | None = None
        """What is tried on a page before models are."""
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_AHEAD)
        self._lanes: dict[RateClass, Lane] = {}
        self._left: dict[Group, int] = {}
        """How many shards are to be read before a group's sweep."""
        self._unpacking: Unpacking[object] | None = None
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
        for shard in in_turns(self._due()):
            self._enqueue(shard)
        self._runner = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End all reading and wait for it, even in a cancelled scope."""
        if self._runner is not None:
            await reap([self._runner])
        while not self._queue.empty():
            self._queue.get_nowait()
        self._unpacking = None
        self._queue.put_nowait(None)  # whoever waits for more learns that none comes
        self._end()

    async def step(self) -> Delivered | Settled | None:
        """Return what comes next, None at the end: the one before is done with, says asking.

        Cancelling this loses nothing.
        """
        if self._over:
            raise WalkOver("this pull has ended; start a new one, or resume it")
        if self._handed is not None:
            self.books.accounts[self._handed].keep()
            self._handed = None
        while True:
            if self._unpacking is None:
                item = await self._queue.get()
                if isinstance(item, _End):
                    return self._settled(item)
                if item is None:
                    self._ended()
                    return None
                self._unpacking = self.books.unpack(item, self.reader)
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

    async def _delivered(self, page: Unpacking[object]) -> Delivered | None:
        await page.run()
        if self._unpacking is None:  # closed meanwhile
            return None
        self._unpacking = None
        batch = self.books.take(page)
        account = self.books.accounts[page.shard.name]
        if not batch.size and not batch.refused:
            account.keep()
            return None
        self._handed = page.shard.name
        self._emit(
            BatchRead(
                shard=page.shard,
                records=account.latest.records,
                read=account.read,
                total=account.total,
                refused=len(batch.refused),
            )
        )
        return Delivered(batch=batch, state=account.latest)

    def _settled(self, end: _End) -> Settled:
        shard, error, now = end.shard, end.error, asyncio.get_running_loop().time()
        state = self.books.settle(shard, error, now)
        seconds = self.books.accounts[shard.name].seconds(now)
        if error is None:
            self._emit(ShardDone(shard=shard, records=state.records, seconds=seconds))
        else:
            self._emit(ShardFailed(shard=shard, records=state.records, error=error))
        return Settled(shard=shard, state=state)

    def _ended(self) -> None:
        stopped = self._over
        self._end()
        if self._failure is not None:
            raise self._failure
        if stopped:
            raise WalkOver("this pull was closed; start a new one, or resume it")
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

    def _due(self) -> list[Shard]:
        """Return what is to be read now: sweeps only of groups that need nothing else."""
        books, due = self.books, list[Shard]()
        for one in books.plan.groups:
            main = books.undone(one.shards)
            self._left[one.group] = len(main)
            due += main or books.undone(one.sweep)
        return due

    def _enqueue(self, shard: Shard) -> Lane:
        about = facts(shard.resource, shard.version)
        lane = self._lanes.setdefault(about.rate, Lane(self._settings.concurrency))
        lane.add([shard], wide=about.paging is Paging.NUMBERED)
        return lane

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for lane in self._lanes.values():
                self._begin(lane, tasks)
        await self._queue.put(None)

    def _begin(self, lane: Lane, tasks: TaskGroup) -> None:
        for seat in lane.admit():
            tasks.start_soon(self._serve, lane, seat, tasks)

    async def _serve(self, lane: Lane, seat: Seat, tasks: TaskGroup) -> None:
        """Read one shard, then let others in; what no shard can survive ends them all."""
        try:
            error = await self._outcome(seat)
        except Exception as failure:  # noqa: BLE001 - raised to the consumer, whatever it is
            self._failure = self._failure or failure
            tasks.cancel_scope.cancel()
            return
        await self._queue.put(_End(shard=seat.shard, error=error))
        lane.leave(seat)
        if error is None and not seat.shard.sweep:
            self._let_sweep(seat.shard.group)
        self._begin(lane, tasks)

    def _let_sweep(self, group: Group) -> None:
        self._left[group] -= 1
        if not self._left[group]:
            for shard in self.books.plan.sweep_of(group):
                self._enqueue(shard)

    async def _outcome(self, seat: Seat) -> NexHealthError | None:
        """Read a shard to its end, or to the error that ends it."""
        account = self.books.accounts[seat.shard.name]
        account.begun = asyncio.get_running_loop().time()
        self._emit(ShardStarted(shard=seat.shard, behind=account.latest.place is not None))
        try:
            await self._read(seat, account.latest.place)
        except FATAL:
            raise
        except NexHealthError as error:
            # Without what it came from: frames and their records live as long as the report.
            error.__context__ = error.__cause__ = None
            return error.with_traceback(None)
        return None

    async def _read(self, seat: Seat, place: str | None) -> None:
        at, _, after = (place or "0:").partition(":")
        for now in range(int(at), len(seat.shard.lists)):
            pages = self._pages(seat, now, after or None)
            async with aclosing(pages):
                seat.pages = pages
                try:
                    async for page in pages:
                        await self._queue.put(_found(seat.shard, now, page, pages.decoder))
                        del page
                finally:
                    seat.pages = None
            after = ""

    def _pages(self, seat: Seat, at: int, after: str | None) -> RawPages[object]:
        shard, settings = seat.shard, self._settings
        endpoint, arguments, ids = walk_arguments(shard, shard.lists[at])
        arguments |= {"prefetch": seat.slots, "after": after}
        if seat.wide:
            arguments["drift"] = settings.drift
        if settings.per_page is not None:
            arguments["per_page"] = settings.per_page
        pages = self._caller.walk(endpoint, arguments, *ids).raw_pages()
        pages.be_patient()
        return pages


def _found(shard: Shard, at: int, page: RawPage, decoder: Decoder[object]) -> Found[object]:
    about = facts(shard.resource, shard.version)
    place = _place(at, page) if about.paging is Paging.CURSOR else None
    return Found(shard=shard, list=at, page=page, decoder=decoder, place=place)


def _place(at: int, page: RawPage) -> str | None:
    """Say where to go on: in which list, and behind which of its pages."""
    if page.resume is not None:
        return f"{at}:{page.resume}"
    # Without a cursor a list has ended; with one that cannot be kept, only the start is left.
    return None if page.cursor else f"{at + 1}:"
