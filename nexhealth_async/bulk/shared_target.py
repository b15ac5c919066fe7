"""What a place must be able to do that many processes copy one pull to at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from attrs import frozen

from nexhealth_async.bulk.batch import Batch
from nexhealth_async.bulk.origin import Origin
from nexhealth_async.bulk.pull_state import Progress, ShardState
from nexhealth_async.bulk.rejected_records import RejectedEntry
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.pagination.page_plans import Drift

__all__ = ["ClaimHolder", "PullOverview", "ReadOptions", "ShardClaim", "SharedTarget", "States"]

States: TypeAlias = "Sequence[tuple[Shard, ShardState | None]]"
"""Shards with how far they have come; None: not begun."""


@frozen(kw_only=True)
class ReadOptions:
    """How the shards of a pull are read."""

    drift: Drift = "verify"
    """How numbered lists are shown to be complete, see `Drift`."""
    per_page: int | None = None
    """Records of one page; None means the most a list gives."""
    concurrency: int = 8
    """Requests in flight for one shard, where its list can be asked for several pages at once."""


@frozen(kw_only=True)
class ClaimHolder:
    """Who had a shard last."""

    fence: int = 0
    """How often it was taken; whoever took it last may write, and nobody else."""
    owner: str | None = None
    touched: datetime | None = None
    """When something of it was kept last."""


@frozen(kw_only=True)
class ShardClaim:
    """A shard as it stands, and under which fencing number."""

    pull: str
    shard: Shard
    number: int
    """Of the shard within its pull."""
    started: datetime
    """When the pull was."""
    state: ShardState | None
    holder: ClaimHolder
    reading: ReadOptions = ReadOptions()
    """How the pull is read."""
    origin: Origin | None = None
    """Where its pull reads from; None if an earlier release began it."""

    @property
    def done(self) -> bool:
        """Whether all of it was read."""
        return self.state is not None and self.state.status == "done"


@frozen(kw_only=True)
class PullOverview:
    """The last pull of a target, and who has which of its shards."""

    progress: Progress
    holders: Mapping[str, ClaimHolder]
    """By name of the shard; those nobody took are missing."""
    rejected: Sequence[RejectedEntry] = ()
    """Records that could not be read as their model, of all lists."""


class SharedTarget(Protocol):
    """A place many processes write to at once, each its own shard.

    A shard is taken before it is written to. That gives it a new fencing number, with which every
    write is made; one with an older number is refused, so that a process which was thought dead
    and comes back can do no harm. What one call is told is kept together or not at all.
    """

    async def open(self) -> None:
        """Connect, and lock out whoever wants to write alone."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; what was kept stays."""
        ...

    async def inspect(self, pull: str, shard: str) -> ShardClaim | None:
        """Return a shard, by its name, and how it stands; None if another pull was begun.

        What the shard is, and how it is read, is what was kept when the pull was planned.
        """
        ...

    async def claim(self, claim: ShardClaim, owner: str) -> ShardClaim | None:
        """Take a shard that was seen; None if another was faster, or has ended it.

        It is cut back to where it can go on: the state's place, or the start.
        """
        ...

    async def write(self, claim: ShardClaim, batch: Batch, state: ShardState) -> bool:
        """Keep a batch and how far its shard has come; False if another has the shard now.

        Rejected records are kept as by `nexhealth_async.bulk.rejected_records.RejectedStore`.
        """
        ...

    async def settle(self, claim: ShardClaim, state: ShardState) -> bool:
        """Keep that a shard is done or has failed; False if another has the shard now."""
        ...

    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return all rejected records the target keeps, without their JSON."""
        ...

    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Remove rejected records, except those that another pull has read meanwhile."""
        ...

    async def group(self, pull: str, group: Group) -> States:
        """Return how all shards of a group stand."""
        ...

    async def complete(
        self, claim: ShardClaim, group: Group, *, watermark: datetime, whole: bool
    ) -> int | None:
        """Keep that a group is complete, as `Target.complete`; None if that was kept before."""
        ...

    async def finish(self, pull: str) -> bool:
        """Keep that the pull has ended if every shard is done; tells whether it is."""
        ...

    async def keep_reading(self, pull: str, reading: ReadOptions) -> None:
        """Keep how the shards of a pull are read; it may be told to a target that is not open."""
        ...

    async def overview(self) -> PullOverview | None:
        """Return the last pull, finished or not; it may be asked of a target that is not open."""
        ...
