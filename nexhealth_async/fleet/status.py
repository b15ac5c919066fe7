"""Status of a fleet's pull."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import field, frozen

from nexhealth_async.bulk import ClaimHolder, RejectedCount, Shard, ShardState
from nexhealth_async.bulk.target_support import count_rejected, rejected_text
from nexhealth_async.fleet.queue import FleetQueue
from nexhealth_async.fleet.queue_messages import ShardTask
from nexhealth_async.fleet.shard_runner import shared_target

if TYPE_CHECKING:
    from nexhealth_async.bulk import Progress, PullOverview, Target

__all__ = ["FleetStatus", "ShardStatus", "Stage", "fleet_status"]

Stage: TypeAlias = Literal["waiting", "reading", "failed", "done", "dead"]


@frozen(kw_only=True)
class ShardStatus:
    """Status of one shard."""

    shard: Shard
    stage: Stage
    """Stage of the shard; the queue retries failed ones, but not dead ones."""
    records: int = 0
    pages: int = 0
    refused: int = 0
    """Number of records that could not be decoded."""
    error: str | None = None
    """Class and text of the last error, without personal data."""
    tries: int = 0
    """Number of claims by workers."""
    owner: str | None = None
    """Name of the worker that had it last."""
    touched: datetime | None = None
    """Time of its last write."""


@frozen(kw_only=True)
class FleetStatus:
    """Status of a pull, and its report once it is over. It holds no personal data."""

    pull: str
    started: datetime
    shards: tuple[ShardStatus, ...]
    finished: bool
    """True if every shard is done and every group is complete."""
    rejected: Mapping[str, RejectedCount] = field(factory=dict[str, RejectedCount])
    """Rejected records in the target, by resource and practice.

    New ones are those that this pull rejected first.
    """

    @property
    def records(self) -> int:
        """Number of records written; records in several shards of a group count in each."""
        return sum(shard.records for shard in self.shards)

    @property
    def dead(self) -> tuple[ShardStatus, ...]:
        """Shards that the queue has given up."""
        return self.of("dead")

    @property
    def is_over(self) -> bool:
        """True if nothing more will happen without `requeue`."""
        moving = any(shard.stage in ("reading", "failed") for shard in self.shards)
        waiting = any(shard.stage == "waiting" and not shard.shard.sweep for shard in self.shards)
        return self.finished or (bool(self.dead) and not moving and not waiting)

    def of(self, stage: Stage) -> tuple[ShardStatus, ...]:
        """Return the shards at one stage."""
        return tuple(shard for shard in self.shards if shard.stage == stage)

    def __repr__(self) -> str:
        """Show the counts of shards and records."""
        return (
            f"<FleetStatus {self.pull}: {len(self.of('done'))} of {len(self.shards)} shards done, "
            f"{len(self.dead)} dead, {self.records} records{rejected_text(self.rejected)}>"
        )


async def fleet_status(
    pull: str | None = None, *, to: Target, redis: str | FleetQueue | None = None
) -> FleetStatus | None:
    """Return the status of a pull, from any process.

    Args:
        pull: Id of the pull; None for the last one.
        to: Target of the pull.
        redis: URL of the queue's Redis, or a `FleetQueue`. Without it dead shards appear as failed
            or waiting.

    Returns:
        The status; None if the target's last pull is another one.
    """
    overview = await shared_target(to).overview()
    if overview is None or pull not in (None, overview.progress.id):
        return None
    if redis is None:
        return _status(overview, {})
    async with FleetQueue.of(redis).connected() as queue:
        abandoned = await queue.abandoned_tasks(_task_ids(overview.progress))
    if abandoned:  # the shards may have finished meanwhile
        current = await shared_target(to).overview()
        is_same = current is not None and current.progress.id == overview.progress.id
        overview = current if current is not None and is_same else overview
    return _status(overview, abandoned)


def _task_ids(progress: Progress) -> list[str]:
    """Return the ids of the messages that show which shards were given up.

    A sweep is queued before the last of its group's other shards leaves the queue, so the other
    shards are queried first.
    """
    unfinished = [shard for shard in progress.shards if not _is_done(progress, shard)]
    groups_with_sweep = {shard.group for shard in unfinished if shard.sweep}
    first = [
        shard
        for shard in progress.shards
        if not shard.sweep and (shard.group in groups_with_sweep or not _is_done(progress, shard))
    ]
    sweeps = [shard for shard in unfinished if shard.sweep]
    return [ShardTask(pull=progress.id, shard=shard.name).id for shard in (*first, *sweeps)]


def _is_done(progress: Progress, shard: Shard) -> bool:
    return progress.states.get(shard.name, ShardState()).status == "done"


def _status(overview: PullOverview, abandoned: Mapping[str, str | None]) -> FleetStatus:
    progress = overview.progress
    ids = {
        shard.name: ShardTask(pull=progress.id, shard=shard.name).id for shard in progress.shards
    }
    blocked_groups = {
        shard.group
        for shard in progress.shards
        if not shard.sweep and not (_is_done(progress, shard) and ids[shard.name] in abandoned)
    }
    return FleetStatus(
        pull=progress.id,
        started=progress.started,
        shards=tuple(
            _shard_status(
                shard,
                progress.states.get(shard.name),
                overview.holders,
                is_abandoned=ids[shard.name] in abandoned
                and not (shard.sweep and shard.group in blocked_groups),
                reason=abandoned.get(ids[shard.name]),
            )
            for shard in progress.shards
        ),
        finished=progress.finished,
        rejected=count_rejected(
            overview.rejected,
            {shard.group for shard in progress.shards},
            {
                (shard.group, shard.key)
                for shard in overview.rejected
                if shard.first_pull != progress.id
            },
        ),
    )


def _shard_status(
    shard: Shard,
    state: ShardState | None,
    holders: Mapping[str, ClaimHolder],
    *,
    is_abandoned: bool,
    reason: str | None,
) -> ShardStatus:
    current, holder = state or ShardState(), holders.get(shard.name, ClaimHolder())
    stage: Stage
    if current.status == "done":
        stage = "done"
    elif is_abandoned:
        stage = "dead"
    elif current.status == "failed":
        stage = "failed"
    else:
        stage = "reading" if holder.fence else "waiting"
    return ShardStatus(
        shard=shard,
        stage=stage,
        records=current.records,
        pages=current.pages,
        refused=current.refused,
        error=current.error or (reason if stage == "dead" else None),
        tries=holder.fence,
        owner=holder.owner,
        touched=holder.touched,
    )
