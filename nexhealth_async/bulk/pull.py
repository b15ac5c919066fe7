"""`Pull`: many lists at once, batch after batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Self

from nexhealth_async.bulk.checkpoint_json import progress_to_json
from nexhealth_async.bulk.scheduler import DeliveredBatch, Engine, start_position
from nexhealth_async.bulk.shard_tracker import PullTracker
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.batch import Batch, Reader
    from nexhealth_async.bulk.progress_events import Snapshot
    from nexhealth_async.bulk.pull_state import Progress
    from nexhealth_async.bulk.rejected_records import AllowRejected
    from nexhealth_async.bulk.report import Report
    from nexhealth_async.bulk.scheduler import EngineSettings
    from nexhealth_async.bulk.shards import Shard

__all__ = ["Pull"]


class Pull(AsyncIterator["Batch"]):
    """A pull under way: ``async with nex.bulk.pull(...) as pull: async for batch in pull: ...``.

    Entering it finds out what there is to read; from then on shards are read concurrently, as far
    as you take batches from it. Leaving it early, by an error too, ends all requests at once. It
    has one consumer. Cancelling ``anext`` loses nothing.

    A record that cannot be read as its model comes in the batch's ``refused``, with its JSON, and
    `Report.raise_if_partial` raises for it unless ``allow_rejected="all"`` was passed.

    Every record is delivered once per practice, though it stand in the lists of two locations. A
    shard that fails ends alone: `report` tells of it at the end, and the loop raises nothing. A
    refused key, a refused version and a closed session end the pull.
    """

    def __init__(
        self,
        server: Client,
        settings: EngineSettings,
        prepare: Callable[[], Awaitable[tuple[Client, Progress]]],
        *,
        allow_rejected: AllowRejected = None,
    ) -> None:
        self._allow_rejected: AllowRejected = allow_rejected
        self._server = server
        self._settings = settings
        self._prepare = prepare
        self._engine: Engine | None = None
        self._entered = False
        self._busy = False

    async def __aenter__(self) -> Self:
        """Plan and begin to read."""
        if self._entered:
            raise UsageError("this pull was entered before; make a new one")
        self._entered = True
        began = start_position(self._server)
        caller, progress = await self._prepare()
        books = PullTracker(
            progress, stats=caller.stats, began=began, allow_rejected=self._allow_rejected
        )
        engine = Engine(caller, books, self._settings)
        engine.start()
        self._engine = engine
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """End what is under way, and wait for its end."""
        if self._engine is not None:
            await self._engine.stop()

    async def __anext__(self) -> Batch:
        """Return the next batch; asking for it says that you are done with the one before."""
        engine = self._start()
        if self._busy:
            raise UsageError("another task is awaiting this pull; a pull has one consumer")
        self._busy = True
        try:
            while True:
                step = await engine.step()
                if isinstance(step, DeliveredBatch):
                    return step.batch
                if step is None:
                    raise StopAsyncIteration
        finally:
            self._busy = False

    def __repr__(self) -> str:
        """Show how many shards there are and how far they are."""
        return "<Pull: not entered>" if self._engine is None else f"<Pull: {self.report!r}>"

    def decode_with(self, reader: Reader) -> None:
        """Try this on each page from now on, and make models only where it fails or on demand.

        :meta private:
        """
        self._start().reader = reader

    @property
    def shards(self) -> tuple[Shard, ...]:
        """What it reads, the sweeps behind the other shards of their groups."""
        return tuple(account.shard for account in self._start().books.accounts.values())

    @property
    def report(self) -> Report:
        """What has become of each shard so far."""
        return self._start().report()

    def snapshot(self) -> Snapshot:
        """Return how far it has come, for a display."""
        return self._start().snapshot()

    def checkpoint(self) -> str:
        """Return how far it has come, as JSON for ``resume=``; it holds no personal data.

        It covers the batches handed over before the one you are at. A resumed pull leaves out the
        shards that were done and goes on behind the last page of lists with cursors. Numbered lists
        it reads again from their start, since their pages may have shifted; and what one shard
        delivered before, another may deliver again: merge by practice and id.
        """
        engine = self._start()
        return progress_to_json(engine.books.progress(finished=engine.finished))

    def _start(self) -> Engine:
        if self._engine is None:
            raise UsageError("enter the pull first: `async with nex.bulk.pull(...) as pull:`")
        return self._engine
