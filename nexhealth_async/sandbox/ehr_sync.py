"""Syncs of written records into the practice's own system."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal, TypeAlias

from attrs import frozen

from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp, row
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.tables import RecordTable

__all__ = ["Insertion", "InsertionOutcome", "insert_pending"]

InsertionOutcome: TypeAlias = Literal["complete", "failed", "timed_out", "incomplete"]
"""Outcome of writing a record into the practice's system, as webhooks spell it."""

_SYSTEM: Final = "remote_db-sandbox-DataSource-1"


@frozen(kw_only=True)
class Insertion:
    """One attempt to write a record into the practice's system."""

    practice: Practice
    table: RecordTable
    resource_type: str
    """``Appointment``, ``Patient``, ``Payment`` or ``Adjustment``."""
    record: JsonRow
    """The record as it is now; of a rejected payment or adjustment, the record as requested."""
    outcome: InsertionOutcome

    @property
    def failure_event(self) -> str | None:
        """Event of a rejected insertion; None for a success, whose event comes from the change."""
        if self.outcome == "complete" or self.resource_type == "Patient":
            return None
        return f"{self.resource_type.lower()}_insertion.{self.outcome}"


def insert_pending(
    practice: Practice, now: float, rejected: Collection[int | str], outcome: InsertionOutcome
) -> Iterator[Insertion]:
    """Write pending records into the practice's system, except rejected ones.

    Rejected appointments and patients stay unwritten permanently. Rejected payments and adjustments
    are discarded. Without a connected system, all records stay pending.

    Args:
        practice: The practice.
        now: The time in seconds since 1970.
        rejected: Ids of appointments and patients, ``transaction_id`` of payments and adjustments.
        outcome: The outcome of the rejected records.
    """
    if not practice.connected:
        return
    for table, kind in ((practice.appointments, "Appointment"), (practice.patients, "Patient")):
        for id in table.where("foreign_id_type", "nex").copy():
            if id in practice.rejected:
                continue
            if id in rejected:
                practice.rejected.add(id)
                yield _insertion(practice, table, kind, table.row(id), outcome)
                continue
            table.update(id, **_synced_fields(practice, table, id, format_timestamp(now)))
            yield _insertion(practice, table, kind, table.row(id), "complete")
    yield from _insert_ledger_entries(practice, format_timestamp(now), rejected, outcome)


def _synced_fields(practice: Practice, table: RecordTable, id: int, now: str) -> JsonRow:
    fields: JsonRow = {
        "foreign_id": str(id % 1_000_000),
        "foreign_id_type": _SYSTEM,
        "last_sync_time": now,
        "updated_at": now,
    }
    if table is practice.patients:
        bio = row(table.row(id).get("bio")) or {}
        fields["bio"] = {**bio, "new_patient": False}
    return fields


def _insert_ledger_entries(
    practice: Practice, now: str, rejected: Collection[int | str], outcome: InsertionOutcome
) -> Iterator[Insertion]:
    pending = practice.pending.copy()
    practice.pending.clear()
    for table, record in pending:
        kind = "Payment" if table is practice.payments else "Adjustment"
        if record["transaction_id"] in rejected:
            yield _insertion(practice, table, kind, {"id": None, **record}, outcome)
            continue
        id = table.add({**record, "updated_at": now})
        table.update(id, **practice.ledger_data.foreign_id_fields(id))
        yield _insertion(practice, table, kind, table.row(id), "complete")


def _insertion(
    practice: Practice, table: RecordTable, kind: str, record: JsonRow, outcome: InsertionOutcome
) -> Insertion:
    return Insertion(
        practice=practice, table=table, resource_type=kind, record=record, outcome=outcome
    )
