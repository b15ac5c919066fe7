"""Rejected records for dlt: the table ``_rejected``, and rows marked for deletion.

dlt deletes a row if a record comes with its key and the flag ``_deleted``. Its state holds the keys
of rejected records, never their JSON, so that each run reads them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from nexhealth_async import models
from nexhealth_async.bulk import Batch, RejectedEntry, Shard, ShardState
from nexhealth_async.bulk.target_support import (
    FetchedRecord,
    PullPlan,
    RejectedRetrier,
    RetryPlan,
    entry_of,
    is_fetchable,
    key_of,
    parse_id,
    rejected_keys,
)
from nexhealth_async.export.arrow import table_of, table_of_batch
from nexhealth_async.export.pyarrow_types import arrow
from nexhealth_async.export.rejected_table import NAMES, RejectedRows

if TYPE_CHECKING:
    from nexhealth_async.bulk import ResourceFacts
    from nexhealth_async.export.pyarrow_types import ArrowTable

__all__ = ["FLAG", "FLAG_HINT", "Mark", "RejectedTables", "SavedRejected", "flag_rejected"]

FLAG: Final = "_deleted"
FLAG_HINT: Final[Mapping[str, object]] = {FLAG: {"data_type": "bool", "hard_delete": True}}
_HINTS: Final[Mapping[str, object]] = {
    "table_name": "_rejected",
    "write_disposition": {"disposition": "merge", "strategy": "delete-insert"},
    "primary_key": ["resource", "_practice", "key"],
    "merge_key": "",
    "columns": {"id": {"data_type": "text"}, **FLAG_HINT},
}

SavedRejected: TypeAlias = "dict[str, list[str | None]]"
"""dlt's state of rejected records, by practice and key: record id, shard and first run."""


class Mark(Protocol):
    """The used part of ``dlt.mark``."""

    def make_hints(self, **hints: object) -> object:
        """Return the hints of a table."""
        ...

    def with_hints(
        self,
        item: object,
        hints: object,
        create_table_variant: bool,  # noqa: FBT001 - dlt's signature
    ) -> object:
        """Return an item for another table."""
        ...


def flag_rejected(table: ArrowTable, *, rejected: bool = False) -> ArrowTable:
    """Add the flag column to a table: true deletes the rows, null loads them."""
    flags = arrow().array([rejected or None] * table.num_rows, arrow().bool_())
    return table.append_column(FLAG, flags)


class RejectedTables:
    """Rejected records of one resource during a run."""

    def __init__(self, about: ResourceFacts, saved: SavedRejected, *, run: str, mark: Mark) -> None:
        self._about = about
        self._run = run
        self._mark = mark
        self._entries = {key: self._entry(key, value) for key, value in saved.items()}
        self._pending = dict(self._entries)

    @property
    def needs_whole_lists(self) -> bool:
        """True if a rejected record can only be read again with its whole list."""
        return not all(is_fetchable(entry, self._about.version) for entry in self._entries.values())

    def rejected_due(self, shards: Iterable[Shard]) -> RetryPlan:
        """Plan what to do about earlier rejected records that this run has not read.

        ``shards`` are all shards that the run has read.
        """
        done = list(shards)
        states = {shard.name: ShardState(status="done") for shard in done}
        retrier = RejectedRetrier(self._run, self._about.version, self._pending.values())
        parts = [retrier.plan_retry(plan, states, ()) for plan in PullPlan.of(done).groups]
        return RetryPlan(
            deleted=[entry for part in parts for entry in part.deleted],
            fetched=[entry for part in parts for entry in part.fetched],
        )

    def state(self) -> SavedRejected:
        """Return the state for the next run."""
        return {
            key: [
                None if entry.record_id is None else str(entry.record_id),
                entry.shard,
                entry.first_pull,
            ]
            for key, entry in self._entries.items()
        }

    def items(self, batch: Batch) -> Iterator[object]:
        """Yield the tables to load beside a batch's rows."""
        practice = batch.shard.subdomain or ""
        if self._pending:
            keys = rejected_keys(batch) - {key_of(record) for record in batch.refused}
            readable = [
                entry
                for key in keys
                if (entry := self._pending.pop(_state_key(practice, key), None)) is not None
            ]
            yield from self.readable_entries(readable)
        if batch.refused:
            yield from self._rejected(batch)

    def refetched(self, records: Iterable[FetchedRecord]) -> Iterator[object]:
        """Yield the tables to load for records that were fetched by id."""
        for record in records:
            entry = record.entry
            self._pending.pop(_state_key(entry.subdomain or "", entry.key), None)
            batch = record.batch(
                Shard(
                    resource=entry.resource,
                    version=self._about.version,
                    subdomain=entry.subdomain,
                    location_id=entry.location_id,
                )
            )
            if batch is not None and batch.size:
                yield flag_rejected(table_of_batch(batch, pull=self._run))
            if batch is not None and batch.refused:
                yield from self._rejected(batch)
            else:
                yield from self.readable_entries([entry])

    def readable_entries(self, entries: Sequence[RejectedEntry]) -> Iterator[object]:
        """Yield the table that removes records from ``_rejected``."""
        if not entries:
            return
        rows: list[tuple[object, ...]] = []
        for entry in entries:
            practice = entry.subdomain or ""
            self._entries.pop(_state_key(practice, entry.key), None)
            rows.append(
                (
                    entry.resource,
                    practice,
                    entry.key,
                    None,
                    entry.path,
                    entry.expected,
                    None,
                    entry.shard,
                    entry.first_pull,
                    self._run,
                )
            )
        yield self._table(rows, readable=True)

    def _rejected(self, batch: Batch) -> Iterator[object]:
        practice = batch.shard.subdomain or ""
        rejected = RejectedRows.of(batch, self._run)
        rows: list[tuple[object, ...]] = []
        by_key = {key_of(record): record for record in batch.refused}
        for key, row in zip(rejected.keys, rejected.rows, strict=True):
            state_key = _state_key(practice, key)
            self._pending.pop(state_key, None)
            earlier = self._entries.get(state_key)
            first = self._run if earlier is None else earlier.first_pull
            self._entries[state_key] = entry_of(
                batch.shard, by_key[key], pull=self._run, first_pull=first
            )
            rows.append((*row[:-2], first, self._run))
        yield self._table(rows, readable=False)
        if rejected.ids:
            model = cast("Callable[..., object]", getattr(models, batch.model))
            stale = table_of(
                cast("type", model),
                [model(id=id) for id in rejected.ids],
                practice=practice,
                pull=self._run,
            )
            yield flag_rejected(stale, rejected=True)

    def _table(self, rows: Sequence[tuple[object, ...]], *, readable: bool) -> object:
        pa = arrow()
        fields = [pa.field(name, pa.string(), True) for name in NAMES]
        columns = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
        fields.append(pa.field(FLAG, pa.bool_(), True))
        columns.append(pa.array([readable or None] * len(rows), pa.bool_()))
        table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
        return self._mark.with_hints(table, self._mark.make_hints(**_HINTS), True)

    def _entry(self, state_key: str, value: list[str | None]) -> RejectedEntry:
        practice, _, key = state_key.partition("/")
        id, shard, first = value
        resource = self._about.resource
        return RejectedEntry(
            resource=resource,
            subdomain=practice or None,
            key=key,
            record_id=parse_id(resource, id),
            shard=shard or "",
            path="",
            expected="",
            first_pull=first or "",
            pull="",
        )


def _state_key(practice: str, key: str) -> str:
    return f"{practice}/{key}"
