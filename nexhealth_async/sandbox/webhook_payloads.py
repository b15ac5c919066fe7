"""From a change in a practice to the events it is told by, and what their bodies say.

What is not documented, and guessed here: under which name ``data`` holds records of other types
than appointments and patients (the singular of the resource type), and that a status of a sync
stands there bare.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from nexhealth_async.sandbox.handlers.patient_includes import patient_row, plain_coverage
from nexhealth_async.sandbox.handlers.webhooks import EVENTS
from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp
from nexhealth_async.sandbox.v3_fields import hours_v3, procedure_v3, without_fields

if TYPE_CHECKING:
    from nexhealth_async.sandbox.practice import Practice
    from nexhealth_async.sandbox.routes import Version
    from nexhealth_async.sandbox.tables import RecordTable

__all__ = [
    "TABLES",
    "event_body",
    "event_data",
    "event_names",
    "record_as_shown",
    "resource_type_of",
    "sync_status",
]

TABLES: Final[Mapping[str, str]] = {
    "appointments": "appointment",
    "patients": "patient",
    "payments": "payment",
    "adjustments": "adjustment",
    "charges": "charge",
    "claims": "claim",
    "procedures": "procedure",
    "treatment_plans": "treatment_plan",
    "fee_schedules": "fee_schedule",
    "payment_types": "payment_type",
    "adjustment_types": "adjustment_type",
    "insurance_coverages": "patient_insurance",
}
"""A practice's tables whose changes are told, with what the names of their events begin with."""

_TYPES: Final = {event: kind for kind, events in EVENTS.items() for event in events} | {
    "form_request_completed": "FormRequest",
    "provider_created": "Provider",
    "provider_updated": "Provider",
    "working_hour_created": "WorkingHour",
    "working_hour_updated": "WorkingHour",
}
_MANY: Final = frozenset({"appointment_created", "patient_created", "patient_updated"})
"""Events whose ``data`` holds a list, as seen."""


def resource_type_of(event: str) -> str | None:
    """What an event is about, by its name without outcome."""
    return _TYPES.get(event)


def event_names(stem: str, before: JsonRow | None, after: JsonRow | None) -> list[str]:
    """The events that tell of a row's change from one state to another.

    A record that only NexHealth has is told of when the practice's system has taken it up: first
    the outcome of the write, then the record as newly read.
    """
    if after is None:
        told = [f"{stem}_deleted"]
    elif _is_unwritten(after):
        told = []
    elif before is None:
        told = [f"{stem}_created"]
    elif _is_unwritten(before):
        told = [f"{stem}_insertion.complete", f"{stem}_created"]
    elif after.get("deleted_at") and not before.get("deleted_at"):
        told = [f"{stem}_deleted"]
    else:
        told = [f"{stem}_updated"]
    return [name for name in told if name.partition(".")[0] in _TYPES]


def _is_unwritten(record: JsonRow) -> bool:
    return record.get("foreign_id_type") == "nex"


def record_as_shown(
    practice: Practice, table: RecordTable, record: JsonRow, version: Version, now: float
) -> JsonRow:
    """A record as the version of a subscription has it."""
    id = record["id"]
    there = isinstance(id, int) and id in table
    if table is practice.appointments:
        provider_id = record.get("provider_id")
        known = practice.providers.get(provider_id) if isinstance(provider_id, int) else None
        return {**record, "provider_name": record.get("provider_name") or (known and known["name"])}
    if table is practice.patients and isinstance(id, int) and there:
        return patient_row(practice, id, [], now, version)
    if table is practice.insurance_coverages and isinstance(id, int) and there:
        return plain_coverage(practice, id, version)
    if version == "v3" and table is practice.procedures:
        return procedure_v3(record)
    if version == "v3" and table is practice.availabilities:
        return hours_v3(record, None)
    if table in (practice.payments, practice.adjustments, practice.charges, practice.claims):
        return without_fields(record, "foreign_id_type", "charge_ids")
    return record


def sync_status(practice: Practice, now: float) -> JsonRow:
    """How the practice's system is, as an event shows it."""
    return {
        "institution_id": practice.institution_id,
        "sync_source_type": "DataSource",
        "sync_source_name": "sandbox-1",
        "emr": {"id": 1, "name": "sandbox", "display_name": "Sandbox", "type": "onprem"},
        "read_status": practice.read_status,
        "read_status_at": format_timestamp(now),
        "write_status": practice.write_status,
        "write_status_at": format_timestamp(now),
        "locations": [{name: one[name] for name in ("id", "name")} for one in practice.locations],
    }


def event_data(event: str, record: JsonRow) -> object:
    """A record as ``data`` holds it."""
    kind = _TYPES.get(event, "")
    if kind == "SyncStatus":
        return record
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower() or "record"
    return {f"{name}s": [record]} if event in _MANY else {name: record}


def event_body(name: str, practice: Practice, data: object, now: float, extra: JsonRow) -> bytes:
    """The body of a delivery."""
    event = name.partition(".")[0]
    return msgspec.json.encode(
        {
            "resource_type": _TYPES.get(event),
            "event_name": name,
            "event_time": format_timestamp(now),
            "subdomain": practice.subdomain,
            "institution_id": practice.institution_id,
            "data": data,
            "delivery_errors": [],
            **extra,
        }
    )
