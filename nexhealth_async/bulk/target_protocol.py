"""What a place must be able to do that a pull is copied to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol, runtime_checkable

import anyio
from msgspec import Raw

from nexhealth_async.bulk.batch import Batch
from nexhealth_async.bulk.origin import Origin
from nexhealth_async.bulk.pull_state import GroupState, Progress, ShardState
from nexhealth_async.bulk.shards import Group, Shard

__all__ = ["AsyncResource", "OriginStore", "PageReader", "Target", "open_target"]

_CLOSE_SECONDS = 30.0


class AsyncResource(Protocol):
    """What all targets have in common."""

    async def open(self) -> None:
        """Connect, or open the files."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections; what was kept stays."""
        ...


@asynccontextmanager
async def open_target(target: AsyncResource) -> AsyncGenerator[None]:
    """Open a target, and close it again even in a cancelled scope; for a bounded time."""
    try:
        await target.open()
        yield
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await target.aclose()


class Target(Protocol):
    """A place records are copied to: files, a database, or your own.

    It is used by one task at a time. What one call is told is kept together or not at all, and is
    kept when the call returns: a process killed at any moment finds on resuming what `load` says,
    and nothing beyond it. Rows are identified by practice and id.
    """

    merges: bool
    """Whether writing a record again replaces it; if not, nothing may be written twice."""

    async def open(self) -> None:
        """Connect, lock out other writers, and make ready what is missing."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections; what was kept stays."""
        ...

    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        ...

    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        ...

    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull. One that was not finished before is forgotten.

        Targets that cannot merge raise `UsageError` where an earlier pull's records are.
        """
        ...

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Cut a shard back to its checkpoint: to the state's place, or to nothing."""
        ...

    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids this pull has kept of a group, for targets that cannot merge."""
        ...

    async def write(self, batch: Batch, state: ShardState) -> None:
        """Keep a batch's records, and with them how far its shard has come."""
        ...

    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Keep that a shard is done or has failed."""
        ...

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Keep that a group is complete up to the watermark.

        ``whole`` says that this pull read all of it: rows the pull did not see are deleted.
        Returns how many were.
        """
        ...

    async def finish(self) -> None:
        """Keep that the pull has ended; a shard that failed stays failed."""
        ...


@runtime_checkable
class OriginStore(Protocol):
    """A target that can be asked what it holds before it is touched, and emptied for a new pull.

    Where its records came from is in `nexhealth_async.bulk.Progress.origin`.
    """

    async def inspect(self) -> Progress | None:
        """Return the last pull as `Target.load` does, but change nothing."""
        ...

    async def holds_records(self) -> bool:
        """Tell whether there are records."""
        ...

    async def save_origin(self, origin: Origin) -> None:
        """Keep another origin with the last pull."""
        ...

    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and keep the plan of a new pull: all of that or nothing.

        Where files are deleted one by one, a process that is killed meanwhile leaves them to be
        deleted by whoever opens the target next.
        """
        ...


@runtime_checkable
class PageReader(Protocol):
    """A target that needs no models where it can read a page's bytes itself."""

    def read_page(self, model: str, records: Sequence[Raw]) -> Generator[None, None, object | None]:
        """Make the batch's ``sheet`` of a page's records; see `Reader`. Runs in the event loop."""
        ...
