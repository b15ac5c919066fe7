"""A process that reads shards."""

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
"""Seconds before a failed shard is tried again, at the most."""


async def fleet_work(
    session: FleetSession,
    *,
    to: Target,
    redis: str | FleetQueue,
    on_event: OnEvent | None = None,
    until_empty: bool = False,
) -> None:
    """Read shards from the queue until SIGINT or SIGTERM; run it in as many processes as you like.

    After the signal no new shard is begun; those under way have the queue's ``grace`` to end, and
    are handed back then, to be gone on with elsewhere. With ``until_empty`` it ends by itself when
    nothing is left to take; what waits to be tried again is left to others then.

    Raises `OriginError` at once if the pull in the target reads from another server, account or
    version than the session, and `TargetError` if Redis is lost: let a supervisor start the process
    again.
    """
    with suppress(TargetError):  # told of each shard, should it last
        seen = await shared_target(to).overview()
        if seen is not None and not seen.progress.finished:
            await session.bulk.check_pull(seen.progress)
    queue = FleetQueue.of(redis)

    async def read(text: str, turn: TaskContext) -> None:
        try:
            order = task_from_json(text)
        except UsageError as error:
            raise TaskAbandonedError(str(error)) from None
        try:
            outcome = await run_shard(
                order.shard,
                to,
                session,
                pull=order.pull,
                owner=turn.owner,
                alive=turn.queue.alive,
                on_event=on_event,
            )
        except NexHealthError as error:
            raise RetryTaskError(
                f"{type(error).__name__}: {error}", after=_retry_delay(turn)
            ) from None
        if outcome.status == "failed":
            raise RetryTaskError(outcome.error or "failed", after=_retry_delay(turn))
        if outcome.status in ("busy", "overtaken"):
            # Whoever has it acknowledges it; should that one die, it is found here again.
            raise RetryTaskError(outcome.status, after=queue.takeover)
        await turn.queue.enqueue({one.id: one.to_json() for one in order.following(outcome)})

    try:
        await queue.serve(read, until_empty=until_empty)
    except TargetError as error:
        raise error.with_traceback(None) from None


def _retry_delay(context: TaskContext) -> float:
    return min(_MAX_DELAY, 2.0 ** min(context.attempt, 10))
