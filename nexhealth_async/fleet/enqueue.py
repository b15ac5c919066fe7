"""Start of a pull for a fleet."""

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
    """Plan a pull, store the plan in the target, queue its shards, and return the pull's id.

    The options are those of `nexhealth_async.bulk.api.Bulk.copy`, including ``adopt`` and
    ``recopy``. Of two pulls that begin at the same time, the later one replaces the other.

    Args:
        session: Session that plans the pull.
        resources: Names of lists; None for all.
        to: Target that processes can share, such as
            `nexhealth_async.export.postgres.PostgresTarget`.
        redis: URL of the queue's Redis, or a `FleetQueue` with options.
        reading: Options for reading the shards.
        replace: Replace an unfinished pull; its queued shards then do nothing.
        **options: See `PlanOptions`.

    Raises:
        UsageError: Processes cannot share the target.
        OriginError: The target holds records of another origin.
        UnfinishedPullError: The target's last pull is unfinished; `requeue` continues it.
        TargetError: Workers are writing to the target, or Redis cannot be reached.
    """
    check_options(fleet_pull, options)
    target = shared_target(to)
    async with FleetQueue.of(redis).connected() as queue:
        if not replace:
            _check_unfinished(await target.overview())
        progress = await session.bulk.begin(resources, to=to, **options)
        await target.keep_reading(progress.id, reading or ReadOptions())
        await _enqueue_progress(queue, progress)
    return progress.id


def _check_unfinished(overview: PullOverview | None) -> None:
    """Raise `UnfinishedPullError` if the target's last pull is unfinished."""
    if overview is None or overview.progress.finished:
        return
    shards, states = overview.progress.shards, overview.progress.states
    lists = len({shard.resource for shard in shards})
    done = sum(shard.name in states and states[shard.name].status == "done" for shard in shards)
    raise UnfinishedPullError(
        f"a pull of {lists} list{'' if lists == 1 else 's'} is unfinished in this schema: "
        f"{done} of {len(shards)} shards are done"
    )


async def requeue(
    *, to: Target, redis: str | FleetQueue, reading: ReadOptions | None = None
) -> str | None:
    """Queue the remaining shards of the target's last pull.

    Use it for dead shards, for a pull that ``nex.bulk.copy`` began, and after Redis has lost its
    data. Queued shards stay queued.

    Args:
        to: Target with the pull.
        redis: URL of the queue's Redis, or a `FleetQueue` with options.
        reading: Options for reading the remaining shards; None keeps the planned ones.

    Returns:
        The pull's id; None if nothing is left.

    Raises:
        UsageError: The target has no pull.
    """
    async with FleetQueue.of(redis).connected() as queue:
        target = shared_target(to)
        overview = await target.overview()
        if overview is None:
            raise UsageError("the target has no pull to continue; begin one")
        if overview.progress.finished:
            return None
        if overview.progress.origin is None:
            raise OriginError(
                "an earlier release began this pull and saved no origin; begin a new one",
                option="adopt",
            )
        if reading is not None:
            await target.keep_reading(overview.progress.id, reading)
        await _enqueue_progress(queue, overview.progress)
    return overview.progress.id


async def _enqueue_progress(queue: QueueClient, progress: Progress) -> None:
    await queue.enqueue({task.id: task.to_json() for task in shard_tasks(progress)})
