"""The practice's own system takes up what was written, or does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal, TypeAlias

from attrs import frozen

from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp, row
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.tables import RecordTable

__all__ = ["Insertion", "InsertionOutcome", "insert_pending"]

InsertionOutcome: TypeAlias = Literal["complete", "failed", "timed_out", "incomplete"]
"""How the writing of a record into the practice's system ended, as webhooks spell it."""

_SYSTEM: Final = "remote_db-sandbox-DataSource-1"


@frozen(kw_only=True)
class Insertion:
    """One record that the practice's system took, or did not take."""

    practice: Practice
    table: RecordTable
    resource_type: str
    """``Appointment``, ``Patient``, ``Payment`` or ``Adjustment``."""
    record: JsonRow
    """The record as it is now; of an entry that was refused, what it would have been."""
    outcome: InsertionOutcome

    @property
    def refusal(self) -> str | None:
        """The event that tells of it, if it was refused; successes are told by the change."""
        if self.outcome == "complete" or self.resource_type == "Patient":
            return None
        return f"{self.resource_type.lower()}_insertion.{self.outcome}"


def insert_pending(
    practice: Practice, now: float, refused: Collection[int | str], outcome: InsertionOutcome
) -> Iterator[Insertion]:
    """Write what waits into the practice's system, but for the records whose id is refused.

    What was refused once stays as it is: unwritten appointments and patients for ever, payments
    and adjustments (named by their ``transaction_id``) nowhere. Where no system is connected,
    everything goes on waiting.
    """
    if not practice.connected:
        return
    for table, kind in ((practice.appointments, "Appointment"), (practice.patients, "Patient")):
        for id in table.where("foreign_id_type", "nex").copy():
            if id in practice.refused:
                continue
            if id in refused:
                practice.refused.add(id)
                yield _insertion(practice, table, kind, table.row(id), outcome)
                continue
            table.update(id, **_write_record(practice, table, id, format_timestamp(now)))
            yield _insertion(practice, table, kind, table.row(id), "complete")
    yield from _entries(practice, format_timestamp(now), refused, outcome)


def _write_record(practice: Practice, table: RecordTable, id: int, now: str) -> JsonRow:
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


def _entries(
    practice: Practice, now: str, refused: Collection[int | str], outcome: InsertionOutcome
) -> Iterator[Insertion]:
    waiting = practice.pending.copy()
    practice.pending.clear()
    for table, record in waiting:
        kind = "Payment" if table is practice.payments else "Adjustment"
        if record["transaction_id"] in refused:
            yield _insertion(practice, table, kind, {"id": None, **record}, outcome)
            continue
        id = table.add({**record, "updated_at": now})
        table.update(id, **practice.bookkeeper.is_paid(id))
        yield _insertion(practice, table, kind, table.row(id), "complete")


def _insertion(
    practice: Practice, table: RecordTable, kind: str, record: JsonRow, outcome: InsertionOutcome
) -> Insertion:
    return Insertion(
        practice=practice, table=table, resource_type=kind, record=record, outcome=outcome
    )
