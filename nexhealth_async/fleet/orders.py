"""What is queued: a shard, the pull it is of, and how to read it, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import msgspec
from attrs import evolve, frozen

from nexhealth_async.bulk.lanes import in_turns
from nexhealth_async.bulk.planning import GroupPlan, Plan
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk.progress import Progress, ShardState
    from nexhealth_async.bulk.working import Outcome

__all__ = ["Order", "Reading", "order_from_json", "orders"]


@frozen(kw_only=True)
class Reading:
    """How the shards of a pull are read."""

    drift: Literal["watch", "verify", "ignore"] = "verify"
    """How numbered lists are shown to be complete, see `nexhealth_async.core.paging.Drift`."""
    per_page: int | None = None
    """Records of one page; None means the most a list gives."""
    concurrency: int = 8
    """Requests in flight for one shard, where its list can be asked for several pages at once."""


@frozen(kw_only=True)
class Order:
    """One message of a queue. It holds neither keys nor addresses nor personal data."""

    pull: str
    shard: Shard
    reading: Reading = Reading()

    @property
    def id(self) -> str:
        """The same for the same shard of the same pull, so that it is queued once."""
        return f"{self.pull}-{blake2b(self.shard.name.encode(), digest_size=8).hexdigest()}"

    def to_json(self) -> str:
        """Write it for a queue."""
        return msgspec.json.encode(self).decode()

    def following(self, outcome: Outcome) -> tuple[Order, ...]:
        """Return what has to be queued now that this one came out like that."""
        return tuple(evolve(self, shard=shard) for shard in outcome.then)


def order_from_json(text: str | bytes) -> Order:
    """Read what `Order.to_json` wrote; `UsageError` for anything else."""
    try:
        return msgspec.json.decode(text, type=Order)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError("this is no order of a fleet; was it queued by another release?") from None


def orders(progress: Progress, reading: Reading | None = None) -> tuple[Order, ...]:
    """Return what has to be queued of a pull: the shards that are not done and need not wait.

    Sweeps wait for the other shards of their group; see `Order.following`.
    """
    if progress.finished:
        return ()
    due = [one for group in Plan.of(progress.shards).groups for one in _due(group, progress.states)]
    how = reading or Reading()
    return tuple(Order(pull=progress.id, shard=one, reading=how) for one in in_turns(due))


def _due(group: GroupPlan, states: Mapping[str, ShardState]) -> Sequence[Shard]:
    """Return what to begin of a group; if all is done, one shard, whose reader will complete it."""
    for shards in (group.shards, group.sweep):
        undone = [one for one in shards if not _is_done(states, one)]
        if undone:
            return undone
    return group.everything[-1:]


def _is_done(states: Mapping[str, ShardState], shard: Shard) -> bool:
    return shard.name in states and states[shard.name].status == "done"
