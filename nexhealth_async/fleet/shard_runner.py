"""Function that runs one shard, for any queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk import Bulk, OnEvent, ReadOptions, ShardOutcome, SharedTarget, Target

__all__ = ["FleetSession", "run_shard", "shared_target"]


class FleetSession(Protocol):
    """Session that a fleet needs, such as `nexhealth_async.NexHealth`."""

    @property
    def bulk(self) -> Bulk:
        """Bulk reads."""
        ...


@runtime_checkable
class _Shareable(Protocol):
    def shared(self) -> SharedTarget: ...


async def run_shard(
    shard: str,
    target: Target,
    session: FleetSession,
    *,
    pull: str,
    owner: str,
    reading: ReadOptions | None = None,
    alive: Callable[[str], Awaitable[bool]] | None = None,
    on_event: OnEvent | None = None,
) -> ShardOutcome:
    """Read one shard of a pull into the target, from its last state.

    It is idempotent and may run again at any time, in any process. Afterwards queue the messages
    that `ShardTask.following` returns. Retry an outcome that is failed, busy or overtaken later.

    Args:
        shard: Name of the shard, as in `ShardTask.shard`. The target has its description.
        target: Target with the plan.
        session: Session that reads the shard.
        pull: Id of the pull.
        owner: Name of this worker.
        reading: Read options instead of the planned ones; they must not come from the queue.
        alive: Returns whether the worker of a name is alive. It is called if another worker claimed
            the shard; without it the shard is taken over.
        on_event: Called with each event.

    Raises:
        UsageError: Processes cannot share the target.
        NexHealthError: An error that every other shard would meet as well: an invalid key, or a
            target that cannot be reached.
    """
    return await session.bulk.read_shard(
        shard,
        to=shared_target(target),
        pull=pull,
        owner=owner,
        reading=reading,
        on_event=on_event,
        alive=alive,
    )


def shared_target(target: object) -> SharedTarget:
    """Return the shared interface of a target; `UsageError` if processes cannot share it."""
    if isinstance(target, _Shareable):
        return target.shared()
    raise UsageError(
        f"{type(target).__name__} can be used by one process only; copy to PostgreSQL, or use "
        "nex.bulk.copy in one process"
    )
