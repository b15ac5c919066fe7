"""Retries of rejected records within a run."""

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
    """Decision on a group's rejected records that the run has not seen."""

    deleted: Sequence[RejectedEntry] = field(factory=list[RejectedEntry])
    """Records to delete: their whole list was read without them."""
    fetched: Sequence[RejectedEntry] = field(factory=list[RejectedEntry])
    """Records to fetch by id."""


class RejectedRetrier:
    """Rejected records of a target at the start of a run, and their retries."""

    def __init__(self, pull: str, version: str, entries: Iterable[RejectedEntry]) -> None:
        self._pull = pull
        self._version = version
        self._pending: dict[Group, dict[str, RejectedEntry]] = defaultdict(dict)
        for entry in entries:
            self._pending[entry.group][entry.key] = entry

    def record_batch(self, batch: Batch) -> None:
        """Drop the records of a batch: they were read again with their list."""
        pending = self._pending.get(batch.shard.group)
        if pending:
            for key in rejected_keys(batch):
                pending.pop(key, None)

    def plan_retry(
        self, plan: GroupPlan, states: Mapping[str, ShardState], restarted: Collection[str]
    ) -> RetryPlan:
        """Decide on the records of a group whose shards are over, and drop them."""
        deleted: list[RejectedEntry] = []
        fetched: list[RejectedEntry] = []
        for entry in self._pending.pop(plan.group, {}).values():
            if is_reread_by_plan(entry, plan, states, pull=self._pull, restarted=restarted):
                deleted.append(entry)
            elif is_fetchable(entry, self._version) and self._can_write(entry, plan, states):
                fetched.append(entry)
        return RetryPlan(deleted=deleted, fetched=fetched)

    def read(
        self, client: Client, entries: Sequence[RejectedEntry], concurrency: int
    ) -> AsyncGenerator[FetchedRecord]:
        """Fetch records by their ids."""
        return refetch_rejected(client, entries, version=self._version, concurrency=concurrency)

    def shard_for(self, entry: RejectedEntry, plan: GroupPlan) -> Shard:
        """Return the shard to write a fetched record with."""
        same_shard = [shard for shard in plan.shards if shard.name == entry.shard]
        same_location = [shard for shard in plan.shards if shard.location_id == entry.location_id]
        return (same_shard or same_location or [*plan.shards])[0]

    def _can_write(
        self, entry: RejectedEntry, plan: GroupPlan, states: Mapping[str, ShardState]
    ) -> bool:
        """Return whether a later comparison would keep a row written for this record.

        A failed shard is read again when the pull is resumed, and its rows count as unseen until
        then: it must not have rows of another shard.
        """
        shard = self.shard_for(entry, plan)
        done = shard.name in states and states[shard.name].status == "done"
        return done or shard.name == entry.shard or not plan.compares
