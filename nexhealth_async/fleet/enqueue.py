"""Begins a pull for a fleet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from nexhealth_async.bulk import PlanOptions, ReadOptions
from nexhealth_async.bulk.target_support import check_options, takes_options
from nexhealth_async.errors import OriginError, UnfinishedPullError, UsageError
from nexhealth_async.fleet.queue import FleetQueue, QueueClient
from nexhealth_async.fleet.queue_messages import shard_tasks
from nexhealth_async.fleet.shard_runner import FleetSession, shared_target

if TYPE_CHECKING:
    from nexhealth_async.bulk import Progress, PullOverview, Target

__all__ = ["fleet_pull", "requeue"]


@takes_options(PlanOptions)
async def fleet_pull(
    session: FleetSession,
    resources: Sequence[str] | None = None,
    *,
    to: Target,
    redis: str | FleetQueue,
    reading: ReadOptions | None = None,
    replace: bool = False,
    **options: Unpack[PlanOptions],
) -> str:
    """Plan a pull, keep the plan in the target, queue its shards, and return the pull's id.

    What is to be pulled is told as to `nexhealth_async.bulk.api.Bulk.copy`, ``adopt`` and
    ``recopy`` included; `OriginError` where the target holds records from somewhere else.
    ``redis`` is the queue's address, or a `FleetQueue` with options of its own. The target is one
    that processes can share, such as `nexhealth_async.export.postgres.PostgresTarget`; `UsageError`
    otherwise. `UnfinishedPullError` where the target's last pull is: `requeue` goes on with that
    one. With ``replace`` it is forgotten instead, and its shards that still are in the queue do
    nothing. Of two that begin at the same moment, the later one replaces the other. `TargetError`
    if workers are writing to the target at this moment.
    """
    check_options(fleet_pull, options)
    target = shared_target(to)
    async with FleetQueue.of(redis).connected() as line:
        if not replace:
            _check_unfinished(await target.overview())
        progress = await session.bulk.begin(resources, to=to, **options)
        await target.keep_reading(progress.id, reading or ReadOptions())
        await _enqueue_progress(line, progress)
    return progress.id


def _check_unfinished(overview: PullOverview | None) -> None:
    """Raise `UnfinishedPullError` if there is a pull of which something is left."""
    if overview is None or overview.progress.finished:
        return
    shards, states = overview.progress.shards, overview.progress.states
    lists = len({one.resource for one in shards})
    done = sum(one.name in states and states[one.name].status == "done" for one in shards)
    raise UnfinishedPullError(
        f"a pull of {lists} list{'' if lists == 1 else 's'} is unfinished in this schema: "
        f"{done} of {len(shards)} parts are done"
    )


async def requeue(
    *, to: Target, redis: str | FleetQueue, reading: ReadOptions | None = None
) -> str | None:
    """Queue what is left of the target's last pull; returns its id, None if nothing is left.

    That is for dead letters, for a pull that another process had begun with ``nex.bulk.copy``, and
    for a Redis that has lost its memory. What still is in the queue stays there. ``reading`` says
    how all that is left is read from now on; None: as before. Raises `UsageError` if there was no
    pull.
    """
    async with FleetQueue.of(redis).connected() as line:
        target = shared_target(to)
        seen = await target.overview()
        if seen is None:
            raise UsageError("there is no pull to go on with; begin one")
        if seen.progress.finished:
            return None
        if seen.progress.origin is None:
            raise OriginError(
                "an earlier release began this pull and kept no origin; begin a new one in its "
                "place",
                option="adopt",
            )
        if reading is not None:
            await target.keep_reading(seen.progress.id, reading)
        await _enqueue_progress(line, seen.progress)
    return seen.progress.id


async def _enqueue_progress(queue: QueueClient, progress: Progress) -> None:
    await queue.enqueue({order.id: order.to_json() for order in shard_tasks(progress)})
