"""Pull of many lists, batch by batch: `Pull`."""

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
    """Running pull: ``async with nex.bulk.pull(...) as pull: async for batch in pull: ...``.

    Entering it lists the practices and locations to read. Shards are then read concurrently, at the
    pace of the consumer. Leaving it early, also by an error, cancels all requests at once. A pull
    has one consumer. Cancelling ``anext`` loses nothing.

    A record that its model cannot decode comes in the batch's ``refused``, with its JSON, and
    `Report.raise_if_partial` raises unless ``allow_rejected="all"`` was passed.

    Every record is delivered once per practice, even if the lists of two locations contain it. A
    failed shard does not stop the others: the loop raises nothing, and `report` lists the error. An
    invalid key, an invalid version and a closed session end the pull.
    """

    def __init__(
        self,
        client: Client,
        settings: EngineSettings,
        prepare: Callable[[], Awaitable[tuple[Client, Progress]]],
        *,
        allow_rejected: AllowRejected = None,
    ) -> None:
        self._allow_rejected: AllowRejected = allow_rejected
        self._client = client
        self._settings = settings
        self._prepare = prepare
        self._engine: Engine | None = None
        self._entered = False
        self._busy = False

    async def __aenter__(self) -> Self:
        """Plan the pull and start reading."""
        if self._entered:
            raise UsageError("this pull was already entered; create a new one")
        self._entered = True
        began = start_position(self._client)
        pull_client, progress = await self._prepare()
        tracker = PullTracker(
            progress, stats=pull_client.stats, began=began, allow_rejected=self._allow_rejected
        )
        engine = Engine(pull_client, tracker, self._settings)
        engine.start()
        self._engine = engine
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Cancel all requests and wait for their end."""
        if self._engine is not None:
            await self._engine.stop()

    async def __anext__(self) -> Batch:
        """Return the next batch and confirm the one before.

        Raises:
            UsageError: The pull was not entered, or another task is awaiting it.
        """
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
        """Show how many shards there are and how many are done."""
        return "<Pull: not entered>" if self._engine is None else f"<Pull: {self.report!r}>"

    def decode_with(self, reader: Reader) -> None:
        """Convert each page with a reader from now on; make models if it fails or on access.

        :meta private:
        """
        self._start().reader = reader

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Shards of the pull, each group's sweep after its other shards."""
        return tuple(shard_log.shard for shard_log in self._start().tracker.shard_logs.values())

    @property
    def report(self) -> Report:
        """Report so far."""
        return self._start().report()

    def snapshot(self) -> Snapshot:
        """Return the current progress, for a display."""
        return self._start().snapshot()

    def checkpoint(self) -> str:
        """Return the progress as JSON for ``resume=``, without personal data.

        It covers the batches before the current one. A resumed pull skips finished shards and
        continues after the last page of lists with cursors. It reads numbered lists again from
        their start, since their pages may have shifted. A record delivered by one shard before may
        then come again from another: merge by practice and id.
        """
        engine = self._start()
        return progress_to_json(engine.tracker.progress(finished=engine.finished))

    def _start(self) -> Engine:
        if self._engine is None:
            raise UsageError(
                "the pull is not entered; use `async with nex.bulk.pull(...) as pull:`"
            )
        return self._engine
