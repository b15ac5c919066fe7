"""Protocol of targets that a pull is copied to."""

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
    """Methods that all targets have."""

    async def open(self) -> None:
        """Connect, or open the files."""
        ...

    async def aclose(self) -> None:
        """Close files and connections; stored data stays."""
        ...


@asynccontextmanager
async def open_target(target: AsyncResource) -> AsyncGenerator[None]:
    """Open a target, and close it at the end, even in a cancelled scope; for a limited time."""
    try:
        await target.open()
        yield
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await target.aclose()


class Target(Protocol):
    """Target that records are copied to: files, a database, or your own.

    It is used by one task at a time. Each call is one transaction and is durable when it returns:
    after a crash the target holds what `load` returns, and nothing beyond it. Rows are identified
    by practice and id.
    """

    merges: bool
    """True if a record written again replaces its row; if not, records are written once."""

    async def open(self) -> None:
        """Connect, lock out other writers, and create what is missing."""
        ...

    async def aclose(self) -> None:
        """Close files and connections; stored data stays."""
        ...

    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        ...

    async def groups(self) -> Mapping[Group, GroupState]:
        """Return the state of each resource of each practice."""
        ...

    async def begin(self, progress: Progress) -> None:
        """Store the plan of a new pull, and forget an unfinished one.

        Targets that do not merge raise `UsageError` if they hold an earlier pull's records.
        """
        ...

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Rewind a shard to the position of its state, or to its start."""
        ...

    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids that this pull has written of a group, for targets that do not merge."""
        ...

    async def write(self, batch: Batch, state: ShardState) -> None:
        """Write a batch and the state of its shard."""
        ...

    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Store that a shard is done or has failed."""
        ...

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Store that a group is complete up to the watermark.

        ``whole`` says that this pull read all of it: unseen rows are deleted. Returns the number of
        deleted rows.
        """
        ...

    async def finish(self) -> None:
        """Store that the pull has ended; failed shards stay failed."""
        ...


@runtime_checkable
class OriginStore(Protocol):
    """Target that can be inspected before it is changed, and emptied for a new pull.

    `nexhealth_async.bulk.Progress.origin` is the origin of its records.
    """

    async def inspect(self) -> Progress | None:
        """Return the last pull as `Target.load` does, but change nothing."""
        ...

    async def holds_records(self) -> bool:
        """Return whether there are records."""
        ...

    async def save_origin(self, origin: Origin) -> None:
        """Store another origin with the last pull."""
        ...

    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and store the plan of a new pull, atomically.

        A target that deletes files one by one finishes the deletion when it is opened next after a
        crash.
        """
        ...


@runtime_checkable
class PageReader(Protocol):
    """Target that can convert a page's bytes itself, without models."""

    def read_page(self, model: str, records: Sequence[Raw]) -> Generator[None, None, object | None]:
        """Return the batch's ``fast_arrow`` for a page, see `Reader`. Runs in the event loop."""
        ...
