"""What is queued: the names of a pull and of one of its shards, as JSON."""

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
    """One message of a queue. It holds neither keys nor addresses nor personal data.

    It names a shard and does not say what to read: that is kept with the pull in the target, so
    that whoever can write to the queue cannot change it.
    """

    pull: str
    shard: str
    """Name of the shard."""

    @property
    def id(self) -> str:
        """The same for the same shard of the same pull, so that it is queued once."""
        return f"{self.pull}-{blake2b(self.shard.encode(), digest_size=8).hexdigest()}"

    def to_json(self) -> str:
        """Write it for a queue."""
        return msgspec.json.encode(self).decode()

    def following(self, outcome: ShardOutcome) -> tuple[ShardTask, ...]:
        """Return what has to be queued now that this one came out like that."""
        return tuple(evolve(self, shard=shard.name) for shard in outcome.follow_up)


class _ShardTaskDocument(msgspec.Struct):
    pull: Annotated[str, Meta(pattern="^[^\\x00]+$", max_length=200)]
    shard: Annotated[str, Meta(pattern="^[^\\x00]+$", max_length=1000)]


def task_from_json(text: str | bytes) -> ShardTask:
    """Read what `ShardTask.to_json` wrote; `UsageError` for anything else."""
    try:
        found = msgspec.json.decode(text, type=_ShardTaskDocument)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError("this is no order of a fleet; was it queued by another release?") from None
    return ShardTask(pull=found.pull, shard=found.shard)


def shard_tasks(progress: Progress) -> tuple[ShardTask, ...]:
    """Return what has to be queued of a pull: the shards that are not done and need not wait.

    Sweeps wait for the other shards of their group; see `ShardTask.following`.
    """
    if progress.finished:
        return ()
    due = [
        one
        for group in PullPlan.of(progress.shards).groups
        for one in _due_shards(group, progress.states)
    ]
    return tuple(ShardTask(pull=progress.id, shard=one.name) for one in interleave(due))


def _due_shards(group: GroupPlan, states: Mapping[str, ShardState]) -> Sequence[Shard]:
    """Return what to begin of a group; if all is done, one shard, whose reader will complete it."""
    for shards in (group.shards, group.sweep):
        undone = [one for one in shards if not _is_done(states, one)]
        if undone:
            return undone
    return group.everything[-1:]


def _is_done(states: Mapping[str, ShardState], shard: Shard) -> bool:
    return shard.name in states and states[shard.name].status == "done"
