"""What a command line says of a target before it is copied to: what there is to resume, if any."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from nexhealth_async.bulk import OriginStore, RejectedStore
from nexhealth_async.bulk.target_support import PageReader, is_over
from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.cli.terminal import print_note
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk import (
        Batch,
        Group,
        GroupState,
        Origin,
        Progress,
        RejectedEntry,
        Shard,
        ShardState,
        Target,
    )
    from nexhealth_async.bulk.target_support import Reader

__all__ = ["RejectsFile", "nothing_to_resume"]


def nothing_to_resume(where: str, *, complete: bool = False) -> CliError:
    """Make the error for a place where no pull was left unfinished."""
    if complete:
        return CliError(f"The pull in {where} is complete: nothing is left to resume.")
    return CliError(
        f"There is no pull to resume in {where}: check --to, or name lists to begin one."
    )


class RejectsFile:
    """A target as the command line uses it: it refuses to resume what cannot be resumed."""

    read_page: Reader
    """There only if the target has it."""
    rejected: Callable[[], Awaitable[Sequence[RejectedEntry]]]
    """There only if the target has it."""
    forget_rejected: Callable[[Sequence[RejectedEntry]], Awaitable[None]]
    """There only if the target has it."""

    def __init__(self, target: Target, *, only_resume: str | None = None) -> None:
        self.merges: bool = target.merges
        if isinstance(target, PageReader):
            self.read_page = target.read_page
        if isinstance(target, RejectedStore):
            self.rejected = target.rejected
            self.forget_rejected = target.forget_rejected
        self._target = target
        self._only_resume = only_resume

    async def open(self) -> None:
        """Open the target."""
        await self._target.open()

    async def aclose(self) -> None:
        """Close the target."""
        await self._target.aclose()

    async def load(self) -> Progress | None:
        """Return the last pull; raises `CliError` if there is none to be resumed."""
        return await self._resumable(await self._target.load())

    async def _resumable(self, progress: Progress | None) -> Progress | None:
        over = progress is None or (is_over(progress) and not await self._reads_again())
        if self._only_resume is not None and over:
            raise nothing_to_resume(self._only_resume, complete=progress is not None)
        return progress

    async def _reads_again(self) -> bool:
        """Whether a complete pull is resumed for the sake of records that could not be read."""
        target = self._target
        return (
            not target.merges
            and isinstance(target, RejectedStore)
            and bool(await target.rejected())
        )

    async def inspect(self) -> Progress | None:
        """Return the last pull, and change nothing; raises `CliError` as `load` does."""
        inner = self._target
        return await self._resumable(
            await (inner.inspect() if isinstance(inner, OriginStore) else inner.load())
        )

    async def holds_records(self) -> bool:
        """Tell whether there are records."""
        inner = self._target
        return isinstance(inner, OriginStore) and await inner.holds_records()

    async def save_origin(self, origin: Origin) -> None:
        """Keep another origin with the last pull."""
        if isinstance(self._target, OriginStore):
            await self._target.save_origin(origin)

    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and begin a new pull."""
        if isinstance(self._target, OriginStore):
            await self._target.begin_replacing(progress)

    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        return await self._target.groups()

    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull; say so if that gives up an unfinished one."""
        before = await self._check_started() if self.merges else None
        await self._target.begin(progress)
        if before is not None and not is_over(before):
            lists = ", ".join(dict.fromkeys(shard.resource for shard in before.shards))
            print_note(f"an unfinished pull ({lists}) was there and cannot be resumed any more")

    async def _check_started(self) -> Progress | None:
        with suppress(UsageError):  # a plan of another release, of which nothing is left now
            return await self._target.load()
        return None

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Cut a shard back to its checkpoint."""
        await self._target.rewind(shard, state)

    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids this pull has kept of a group."""
        return await self._target.known(group)

    async def write(self, batch: Batch, state: ShardState) -> None:
        """Keep a batch, and how far its shard has come."""
        await self._target.write(batch, state)

    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Keep that a shard is done or has failed."""
        await self._target.settle(shard, state)

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Keep that a group is complete."""
        return await self._target.complete(group, watermark=watermark, whole=whole)

    async def finish(self) -> None:
        """Keep that the pull has ended."""
        await self._target.finish()
