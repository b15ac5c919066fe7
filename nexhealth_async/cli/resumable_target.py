"""A target that reports a missing or discarded pull to the user of the command line."""

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

__all__ = ["ResumableTarget", "nothing_to_resume"]


def nothing_to_resume(where: str, *, complete: bool = False) -> CliError:
    """Return the error for a target without an unfinished pull."""
    if complete:
        return CliError(f"The pull in {where} is complete: there is nothing to resume.")
    return CliError(
        f"There is no pull to resume in {where}: check --to, or name lists to start one."
    )


class ResumableTarget:
    """A wrapper of a target that rejects resuming without an unfinished pull.

    It has the optional methods that the target has.

    Args:
        target: The target.
        only_resume: Name of the target if the command only resumes a pull, else None.
    """

    read_page: Reader
    """Set only if the target has it."""
    rejected: Callable[[], Awaitable[Sequence[RejectedEntry]]]
    """Set only if the target has it."""
    forget_rejected: Callable[[Sequence[RejectedEntry]], Awaitable[None]]
    """Set only if the target has it."""

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
        """Return the last pull; raise `CliError` if the command needs one to resume."""
        return await self._check_resumable(await self._target.load())

    async def _check_resumable(self, progress: Progress | None) -> Progress | None:
        has_ended = progress is None or (is_over(progress) and not await self._retries_rejected())
        if self._only_resume is not None and has_ended:
            raise nothing_to_resume(self._only_resume, complete=progress is not None)
        return progress

    async def _retries_rejected(self) -> bool:
        """Return whether resuming a complete pull reads rejected records again."""
        target = self._target
        return (
            not target.merges
            and isinstance(target, RejectedStore)
            and bool(await target.rejected())
        )

    async def inspect(self) -> Progress | None:
        """Return the last pull without changes; raise `CliError` as `load` does."""
        target = self._target
        return await self._check_resumable(
            await (target.inspect() if isinstance(target, OriginStore) else target.load())
        )

    async def holds_records(self) -> bool:
        """Return whether the target holds records."""
        target = self._target
        return isinstance(target, OriginStore) and await target.holds_records()

    async def save_origin(self, origin: Origin) -> None:
        """Store another origin with the last pull."""
        if isinstance(self._target, OriginStore):
            await self._target.save_origin(origin)

    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and start a new pull."""
        if isinstance(self._target, OriginStore):
            await self._target.begin_replacing(progress)

    async def groups(self) -> Mapping[Group, GroupState]:
        """Return the state of each resource of each practice."""
        return await self._target.groups()

    async def begin(self, progress: Progress) -> None:
        """Store the plan of a new pull; print a note if that discards an unfinished one."""
        previous = await self._load_previous() if self.merges else None
        await self._target.begin(progress)
        if previous is not None and not is_over(previous):
            lists = ", ".join(dict.fromkeys(shard.resource for shard in previous.shards))
            print_note(f"the previous pull ({lists}) was unfinished and cannot be resumed any more")

    async def _load_previous(self) -> Progress | None:
        with suppress(UsageError):  # the plan of another release cannot be read
            return await self._target.load()
        return None

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Truncate a shard to its checkpoint."""
        await self._target.rewind(shard, state)

    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids that this pull has stored of a group."""
        return await self._target.known(group)

    async def write(self, batch: Batch, state: ShardState) -> None:
        """Store a batch and its shard's checkpoint."""
        await self._target.write(batch, state)

    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Store that a shard is done or has failed."""
        await self._target.settle(shard, state)

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Store that a group is complete."""
        return await self._target.complete(group, watermark=watermark, whole=whole)

    async def finish(self) -> None:
        """Store that the pull has ended."""
        await self._target.finish()
