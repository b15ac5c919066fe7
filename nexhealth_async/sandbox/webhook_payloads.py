"""Webhook events of a change in a practice, and their bodies.

The form of ``data`` rests on assumptions; see `Assumptions`.
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
"""Tables of a practice whose changes cause events, with the prefix of the events' names."""

_TYPES: Final = {event: kind for kind, events in EVENTS.items() for event in events} | {
    "form_request_completed": "FormRequest",
    "provider_created": "Provider",
    "provider_updated": "Provider",
    "working_hour_created": "WorkingHour",
    "working_hour_updated": "WorkingHour",
}
_MANY: Final = frozenset({"appointment_created", "patient_created", "patient_updated"})
"""Events whose ``data`` has a list, as observed."""


def resource_type_of(event: str) -> str | None:
    """Return the resource type of an event, given by its name without outcome."""
    return _TYPES.get(event)


def event_names(stem: str, before: JsonRow | None, after: JsonRow | None) -> list[str]:
    """Return the events of a change of a row.

    A record that is not in the practice's system yet has no events. When it is synced, the outcome
    of the write comes first, then the creation.
    """
    if after is None:
        events = [f"{stem}_deleted"]
    elif _is_unsynced(after):
        events = []
    elif before is None:
        events = [f"{stem}_created"]
    elif _is_unsynced(before):
        events = [f"{stem}_insertion.complete", f"{stem}_created"]
    elif after.get("deleted_at") and not before.get("deleted_at"):
        events = [f"{stem}_deleted"]
    else:
        events = [f"{stem}_updated"]
    return [name for name in events if name.partition(".")[0] in _TYPES]


def _is_unsynced(record: JsonRow) -> bool:
    return record.get("foreign_id_type") == "nex"


def record_as_shown(
    practice: Practice, table: RecordTable, record: JsonRow, version: Version, now: float
) -> JsonRow:
    """Return a record in the form of a subscription's version."""
    id = record["id"]
    exists = isinstance(id, int) and id in table
    if table is practice.appointments:
        provider_id = record.get("provider_id")
        provider = practice.providers.get(provider_id) if isinstance(provider_id, int) else None
        name = record.get("provider_name") or (provider and provider["name"])
        return {**record, "provider_name": name}
    if table is practice.patients and isinstance(id, int) and exists:
        return patient_row(practice, id, [], now, version)
    if table is practice.insurance_coverages and isinstance(id, int) and exists:
        return plain_coverage(practice, id, version)
    if version == "v3" and table is practice.procedures:
        return procedure_v3(record)
    if version == "v3" and table is practice.availabilities:
        return hours_v3(record, None)
    if table in (practice.payments, practice.adjustments, practice.charges, practice.claims):
        return without_fields(record, "foreign_id_type", "charge_ids")
    return record


def sync_status(practice: Practice, now: float) -> JsonRow:
    """Return the sync status of a practice, as in events."""
    return {
        "institution_id": practice.institution_id,
        "sync_source_type": "DataSource",
        "sync_source_name": "sandbox-1",
        "emr": {"id": 1, "name": "sandbox", "display_name": "Sandbox", "type": "onprem"},
        "read_status": practice.read_status,
        "read_status_at": format_timestamp(now),
        "write_status": practice.write_status,
        "write_status_at": format_timestamp(now),
        "locations": [
            {name: location[name] for name in ("id", "name")} for location in practice.locations
        ],
    }


def event_data(event: str, record: JsonRow) -> object:
    """Return the ``data`` of an event about a record."""
    kind = _TYPES.get(event, "")
    if kind == "SyncStatus":
        return record
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower() or "record"
    return {f"{name}s": [record]} if event in _MANY else {name: record}


def event_body(name: str, practice: Practice, data: object, now: float, extra: JsonRow) -> bytes:
    """Return the body of a delivery."""
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
