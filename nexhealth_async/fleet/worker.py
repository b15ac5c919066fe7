"""Worker process of a fleet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nexhealth_async.errors import NexHealthError, TargetError, UsageError
from nexhealth_async.fleet.queue import FleetQueue, RetryTaskError, TaskAbandonedError, TaskContext
from nexhealth_async.fleet.queue_messages import task_from_json
from nexhealth_async.fleet.shard_runner import FleetSession, run_shard, shared_target

if TYPE_CHECKING:
    from nexhealth_async.bulk import OnEvent, Target

__all__ = ["fleet_work"]

_MAX_DELAY: Final = 60.0
"""Maximum seconds before a failed shard is retried."""


async def fleet_work(
    session: FleetSession,
    *,
    to: Target,
    redis: str | FleetQueue,
    on_event: OnEvent | None = None,
    until_empty: bool = False,
) -> None:
    """Read shards from the queue until SIGINT or SIGTERM; run it in any number of processes.

    After the signal no new shard is started. Running ones have the queue's ``grace`` to end, and
    are then returned to the queue.

    Args:
        session: Session that reads the shards.
        to: Target with the plan.
        redis: URL of the queue's Redis, or a `FleetQueue` with options.
        on_event: Called with each event.
        until_empty: Return once the queue has nothing to start; shards that wait for a retry are
            left to other workers.

    Raises:
        OriginError: The pull in the target reads from another server, account or API version.
        TargetError: The connection to Redis is lost; let a supervisor restart the process.
    """
    with suppress(TargetError):  # reported for each shard if it persists
        overview = await shared_target(to).overview()
        if overview is not None and not overview.progress.finished:
            await session.bulk.check_pull(overview.progress)
    queue = FleetQueue.of(redis)

    async def read(text: str, context: TaskContext) -> None:
        try:
            task = task_from_json(text)
        except UsageError as error:
            raise TaskAbandonedError(str(error)) from None
        try:
            outcome = await run_shard(
                task.shard,
                to,
                session,
                pull=task.pull,
                owner=context.owner,
                alive=context.queue.alive,
                on_event=on_event,
            )
        except NexHealthError as error:
            raise RetryTaskError(
                f"{type(error).__name__}: {error}", after=_retry_delay(context)
            ) from None
        if outcome.status == "failed":
            raise RetryTaskError(outcome.error or "failed", after=_retry_delay(context))
        if outcome.status in ("busy", "overtaken"):
            # The other worker acknowledges it; if that one dies, this retry runs it.
            raise RetryTaskError(outcome.status, after=queue.takeover)
        await context.queue.enqueue(
            {follow_up.id: follow_up.to_json() for follow_up in task.following(outcome)}
        )

    try:
        await queue.serve(read, until_empty=until_empty)
    except TargetError as error:
        raise error.with_traceback(None) from None


def _retry_delay(context: TaskContext) -> float:
    return min(_MAX_DELAY, 2.0 ** min(context.attempt, 10))
