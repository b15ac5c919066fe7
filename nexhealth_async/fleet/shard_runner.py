"""The function that every queue runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk import Bulk, OnEvent, ReadOptions, ShardOutcome, SharedTarget, Target

__all__ = ["FleetSession", "run_shard", "shared_target"]


class FleetSession(Protocol):
    """What is asked of a session: a `nexhealth_async.NexHealth` is one."""

    @property
    def bulk(self) -> Bulk:
        """Many lists at once."""
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
    """Read one shard of a pull into the target, from where it was left, and tell what follows.

    ``shard`` is its name, as `ShardTask.shard`. What it is, and how it is read, the target knows
    from when the pull was planned; ``reading`` says otherwise, and must not come from the queue.

    It may be run again at any time, here or elsewhere: what is done stays done. ``owner`` is this
    worker's name; where another one has the shard, ``alive`` is asked whether that one is still at
    it, and without ``alive`` the shard is taken from it. Afterwards the queue has to be given what
    `ShardTask.following` says. An outcome that is failed, busy or overtaken is to be tried again
    later.

    Raises `UsageError` for a target that processes cannot share, and whatever no other shard would
    survive either: a refused key, a target that cannot be reached.
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
    """Return a target as many processes write to it; `UsageError` if they cannot."""
    if isinstance(target, _Shareable):
        return target.shared()
    raise UsageError(
        f"{type(target).__name__} belongs to one process at a time, and a fleet is many: copy to "
        "PostgreSQL, or use nex.bulk.copy in one process"
    )
