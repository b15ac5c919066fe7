"""How far a fleet has come with a pull."""

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
    """How far one shard has come."""

    shard: Shard
    stage: Stage
    """Failed ones are tried again by the queue; dead ones no more, until they are queued again."""
    records: int = 0
    pages: int = 0
    refused: int = 0
    """Records that could not be read as their model."""
    error: str | None = None
    """What it failed with last: the error's class and text, free of personal data."""
    tries: int = 0
    """How often a worker took it."""
    owner: str | None = None
    """The worker that had it last."""
    touched: datetime | None = None
    """When something of it was kept last."""


@frozen(kw_only=True)
class FleetStatus:
    """How far a pull has come; when it is over, this is its report. Nothing of it is personal."""

    pull: str
    started: datetime
    shards: tuple[ShardStatus, ...]
    finished: bool
    """True if every shard is done and every group is complete."""
    rejected: Mapping[str, RejectedCount] = field(factory=dict[str, RejectedCount])
    """Records in the target that could not be read as their model, by resource and practice.

    New ones are those that this pull rejected first.
    """

    @property
    def records(self) -> int:
        """Records kept; one that stands in several shards of a group counts in each."""
        return sum(one.records for one in self.shards)

    @property
    def dead(self) -> tuple[ShardStatus, ...]:
        """The shards that the queue has given up."""
        return self.of("dead")

    @property
    def is_over(self) -> bool:
        """True if nothing more will happen by itself."""
        moving = any(one.stage in ("reading", "failed") for one in self.shards)
        waiting = any(one.stage == "waiting" and not one.shard.sweep for one in self.shards)
        return self.finished or (bool(self.dead) and not moving and not waiting)

    def of(self, stage: Stage) -> tuple[ShardStatus, ...]:
        """Return the shards at one stage."""
        return tuple(one for one in self.shards if one.stage == stage)

    def __repr__(self) -> str:
        """Show how many shards are done and dead."""
        return (
            f"<FleetStatus {self.pull}: {len(self.of('done'))} of {len(self.shards)} shards done, "
            f"{len(self.dead)} dead, {self.records} records{rejected_text(self.rejected)}>"
        )


async def fleet_status(
    pull: str | None = None, *, to: Target, redis: str | FleetQueue | None = None
) -> FleetStatus | None:
    """Tell how far a pull has come; None means the last one. May be asked from any process.

    Without ``redis`` nothing is known of the queue, so that dead shards count as failed or waiting.
    Returns None if there is no such pull: a target knows only the last one's shards.
    """
    seen = await shared_target(to).overview()
    if seen is None or pull not in (None, seen.progress.id):
        return None
    if redis is None:
        return _status(seen, {})
    async with FleetQueue.of(redis).connected() as line:
        gone = await line.abandoned_tasks(_task_ids(seen.progress))
    if gone:  # perhaps because it was done meanwhile
        later = await shared_target(to).overview()
        same = later is not None and later.progress.id == seen.progress.id
        seen = later if later is not None and same else seen
    return _status(seen, gone)


def _task_ids(progress: Progress) -> list[str]:
    """Return the messages that tell which shards are given up.

    A sweep is queued before the last of its group's other shards leaves the queue, so these are
    asked after first.
    """
    undone = [one for one in progress.shards if not _is_done(progress, one)]
    sweeping = {one.group for one in undone if one.sweep}
    first = [
        one
        for one in progress.shards
        if not one.sweep and (one.group in sweeping or not _is_done(progress, one))
    ]
    sweeps = [one for one in undone if one.sweep]
    return [ShardTask(pull=progress.id, shard=one.name).id for one in (*first, *sweeps)]


def _is_done(progress: Progress, shard: Shard) -> bool:
    return progress.states.get(shard.name, ShardState()).status == "done"


def _status(overview: PullOverview, abandoned: Mapping[str, str | None]) -> FleetStatus:
    progress = overview.progress
    ids = {one.name: ShardTask(pull=progress.id, shard=one.name).id for one in progress.shards}
    held_up = {
        one.group
        for one in progress.shards
        if not one.sweep and not (_is_done(progress, one) and ids[one.name] in abandoned)
    }
    return FleetStatus(
        pull=progress.id,
        started=progress.started,
        shards=tuple(
            _shard_status(
                one,
                progress.states.get(one.name),
                overview.holders,
                given_up=ids[one.name] in abandoned and not (one.sweep and one.group in held_up),
                reason=abandoned.get(ids[one.name]),
            )
            for one in progress.shards
        ),
        finished=progress.finished,
        rejected=count_rejected(
            overview.rejected,
            {one.group for one in progress.shards},
            {(one.group, one.key) for one in overview.rejected if one.first_pull != progress.id},
        ),
    )


def _shard_status(
    shard: Shard,
    state: ShardState | None,
    holders: Mapping[str, ClaimHolder],
    *,
    given_up: bool,
    reason: str | None,
) -> ShardStatus:
    kept, holder = state or ShardState(), holders.get(shard.name, ClaimHolder())
    stage: Stage
    if kept.status == "done":
        stage = "done"
    elif given_up:
        stage = "dead"
    elif kept.status == "failed":
        stage = "failed"
    else:
        stage = "reading" if holder.fence else "waiting"
    return ShardStatus(
        shard=shard,
        stage=stage,
        records=kept.records,
        pages=kept.pages,
        refused=kept.refused,
        error=kept.error or (reason if stage == "dead" else None),
        tries=holder.fence,
        owner=holder.owner,
        touched=holder.touched,
    )
