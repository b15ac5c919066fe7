"""Messages of the queue: the ids of a pull and of one of its shards, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated

import msgspec
from attrs import evolve, frozen
from msgspec import Meta

from nexhealth_async.bulk.target_support import GroupPlan, PullPlan, interleave
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk import Progress, Shard, ShardOutcome, ShardState

__all__ = ["ShardTask", "shard_tasks", "task_from_json"]


@frozen(kw_only=True)
class ShardTask:
    """Message of the queue. It holds no keys, no addresses and no personal data.

    It names a shard without describing it: the description is stored with the pull in the target,
    so that write access to the queue is not enough to change it.
    """

    pull: str
    shard: str
    """Name of the shard."""

    @property
    def id(self) -> str:
        """Id, the same for the same shard of the same pull, so that it is queued once."""
        return f"{self.pull}-{blake2b(self.shard.encode(), digest_size=8).hexdigest()}"

    def to_json(self) -> str:
        """Encode it for a queue."""
        return msgspec.json.encode(self).decode()

    def following(self, outcome: ShardOutcome) -> tuple[ShardTask, ...]:
        """Return the messages to queue after this outcome."""
        return tuple(evolve(self, shard=shard.name) for shard in outcome.follow_up)


class _ShardTaskDocument(msgspec.Struct):
    pull: Annotated[str, Meta(pattern="^[^\\x00]+$", max_length=200)]
    shard: Annotated[str, Meta(pattern="^[^\\x00]+$", max_length=1000)]


def task_from_json(text: str | bytes) -> ShardTask:
    """Decode the result of `ShardTask.to_json`; `UsageError` for anything else."""
    try:
        message = msgspec.json.decode(text, type=_ShardTaskDocument)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError(
            "invalid fleet message; it may have been queued by another release"
        ) from None
    return ShardTask(pull=message.pull, shard=message.shard)


def shard_tasks(progress: Progress) -> tuple[ShardTask, ...]:
    """Return the messages to queue for a pull: shards that are not done and need not wait.

    Sweeps wait for the other shards of their group; see `ShardTask.following`.
    """
    if progress.finished:
        return ()
    shards = [
        shard
        for group in PullPlan.of(progress.shards).groups
        for shard in _startable_shards(group, progress.states)
    ]
    return tuple(ShardTask(pull=progress.id, shard=shard.name) for shard in interleave(shards))


def _startable_shards(group: GroupPlan, states: Mapping[str, ShardState]) -> Sequence[Shard]:
    """Return the shards of a group to start; one shard if all are done, to complete it."""
    for shards in (group.shards, group.sweep):
        unfinished = [shard for shard in shards if not _is_done(states, shard)]
        if unfinished:
            return unfinished
    return group.everything[-1:]


def _is_done(states: Mapping[str, ShardState], shard: Shard) -> bool:
    return shard.name in states and states[shard.name].status == "done"
