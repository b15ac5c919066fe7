"""Which rejected records a run reads again, and where what is read belongs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import field, frozen

from nexhealth_async.bulk.rejected_records import (
    FetchedRecord,
    RejectedEntry,
    is_fetchable,
    is_reread_by_plan,
    refetch_rejected,
    rejected_keys,
)

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.batch import Batch
    from nexhealth_async.bulk.pull_state import ShardState
    from nexhealth_async.bulk.shard_planning import GroupPlan
    from nexhealth_async.bulk.shards import Group, Shard

__all__ = ["RejectedRetrier", "RetryPlan"]


@frozen(kw_only=True)
class RetryPlan:
    """What to do about the rejected records of a group that the run has not come upon."""

    deleted: Sequence[RejectedEntry] = field(factory=list[RejectedEntry])
    """Their whole list was read without them."""
    fetched: Sequence[RejectedEntry] = field(factory=list[RejectedEntry])
    """To be asked for by their ids."""


class RejectedRetrier:
    """The rejected records that a target had when a run began."""

    def __init__(self, pull: str, version: str, entries: Iterable[RejectedEntry]) -> None:
        self._pull = pull
        self._version = version
        self._pending: dict[Group, dict[str, RejectedEntry]] = defaultdict(dict)
        for one in entries:
            self._pending[one.group][one.key] = one

    def record_batch(self, batch: Batch) -> None:
        """Leave out what a batch brings: it has been read again with its list."""
        pending = self._pending.get(batch.shard.group)
        if pending:
            for key in rejected_keys(batch):
                pending.pop(key, None)

    def plan_retry(
        self, plan: GroupPlan, states: Mapping[str, ShardState], restarted: Collection[str]
    ) -> RetryPlan:
        """Take the records of a group whose shards are over, each once."""
        vanished: list[RejectedEntry] = []
        fetched: list[RejectedEntry] = []
        for one in self._pending.pop(plan.group, {}).values():
            if is_reread_by_plan(one, plan, states, pull=self._pull, restarted=restarted):
                vanished.append(one)
            elif is_fetchable(one, self._version) and self._has_group(one, plan, states):
                fetched.append(one)
        return RetryPlan(deleted=vanished, fetched=fetched)

    def read(
        self, caller: Client, entries: Sequence[RejectedEntry], concurrency: int
    ) -> AsyncGenerator[FetchedRecord]:
        """Ask for records by their ids."""
        return refetch_rejected(caller, entries, version=self._version, concurrency=concurrency)

    def group_of(self, entry: RejectedEntry, plan: GroupPlan) -> Shard:
        """Return the shard with which a record is written that was read by its id."""
        same = [one for one in plan.shards if one.name == entry.shard]
        near = [one for one in plan.shards if one.location_id == entry.location_id]
        return (same or near or [*plan.shards])[0]

    def _has_group(
        self, entry: RejectedEntry, plan: GroupPlan, states: Mapping[str, ShardState]
    ) -> bool:
        """Whether a row can be written that no later comparison would take for one not seen.

        A shard that failed is read again when the pull is resumed, and its rows count as not seen
        until then: it must not have rows of another shard.
        """
        home = self.group_of(entry, plan)
        done = home.name in states and states[home.name].status == "done"
        return done or home.name == entry.shard or not plan.compares
