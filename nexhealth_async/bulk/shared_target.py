"""Protocol of targets that many processes write to at the same time."""

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
"""Shards with their states; None: not started."""


@frozen(kw_only=True)
class ReadOptions:
    """Options for reading the shards of a pull."""

    drift: Drift = "verify"
    """Verification of numbered lists, see `Drift`."""
    per_page: int | None = None
    """Records per page; None means the list's maximum."""
    concurrency: int = 8
    """Requests in flight for one shard, if its pages can be requested in parallel."""


@frozen(kw_only=True)
class ClaimHolder:
    """Last claim of a shard."""

    fence: int = 0
    """Number of claims, as a fencing number; only the last claim may write."""
    owner: str | None = None
    touched: datetime | None = None
    """Time of its last write."""


@frozen(kw_only=True)
class ShardClaim:
    """Claim of a shard, with its state and fencing number."""

    pull: str
    shard: Shard
    number: int
    """Number of the shard within its pull."""
    started: datetime
    """Start time of the pull."""
    state: ShardState | None
    holder: ClaimHolder
    reading: ReadOptions = ReadOptions()
    """Read options of the pull."""
    origin: Origin | None = None
    """Origin of the pull; None if an earlier release began it."""

    @property
    def done(self) -> bool:
        """True if all of it was read."""
        return self.state is not None and self.state.status == "done"


@frozen(kw_only=True)
class PullOverview:
    """Last pull of a target, with the claims of its shards."""

    progress: Progress
    holders: Mapping[str, ClaimHolder]
    """Last claim by shard name; shards never claimed are missing."""
    rejected: Sequence[RejectedEntry] = ()
    """Records of all lists that could not be decoded."""


class SharedTarget(Protocol):
    """Target that many processes write to at the same time, each its own shard.

    A shard is claimed before it is written to. Each claim has a new fencing number, and writes with
    an older number are rejected, so that a process that was considered dead can do no harm. Each
    call is one transaction.
    """

    async def open(self) -> None:
        """Connect, and lock out exclusive writers."""
        ...

    async def aclose(self) -> None:
        """Close files and connections; stored data stays."""
        ...

    async def inspect(self, pull: str, shard: str) -> ShardClaim | None:
        """Return a shard by its name, with its state; None if another pull was begun.

        The shard and its read options are those of the stored plan.
        """
        ...

    async def claim(self, claim: ShardClaim, owner: str) -> ShardClaim | None:
        """Claim an inspected shard; None if another process was faster or has finished it.

        The shard is rewound to its position, or to its start.
        """
        ...

    async def write(self, claim: ShardClaim, batch: Batch, state: ShardState) -> bool:
        """Write a batch and the state of its shard; False if another process has claimed it.

        Rejected records are stored as by `nexhealth_async.bulk.rejected_records.RejectedStore`.
        """
        ...

    async def settle(self, claim: ShardClaim, state: ShardState) -> bool:
        """Store that a shard is done or has failed; False if another process has claimed it."""
        ...

    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return all rejected records of the target, without their JSON."""
        ...

    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Delete rejected records, except those that another pull has read meanwhile."""
        ...

    async def group(self, pull: str, group: Group) -> States:
        """Return all shards of a group with their states."""
        ...

    async def complete(
        self, claim: ShardClaim, group: Group, *, watermark: datetime, whole: bool
    ) -> int | None:
        """Store that a group is complete, as `Target.complete`; None if it already was."""
        ...

    async def finish(self, pull: str) -> bool:
        """Store that the pull has ended if every shard is done; return whether it has."""
        ...

    async def keep_reading(self, pull: str, reading: ReadOptions) -> None:
        """Store the read options of a pull; the target need not be open."""
        ...

    async def overview(self) -> PullOverview | None:
        """Return the last pull, finished or not; the target need not be open."""
        ...
