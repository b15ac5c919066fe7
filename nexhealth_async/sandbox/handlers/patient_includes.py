"""What comes along with a record when ``include[]`` asks for it."""

from __future__ import annotations

from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp, row, rows, text
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import Version
from nexhealth_async.sandbox.v3_fields import patient_v3, procedure_v3, without_fields

__all__ = ["coverage_row", "patient_row", "plain_coverage", "subscriber"]

_BRIEF = (
    "id",
    "provider_id",
    "provider_name",
    "start_time",
    "end_time",
    "location_id",
    "confirmed",
)


def patient_row(
    practice: Practice,
    id: int,
    include: list[str],
    now: float,
    version: Version = "v2",
    *,
    listed: bool = False,
) -> JsonRow:
    """A patient; keys of includes are there only when asked for."""
    shown = practice.patients.row(id)
    related: JsonRow = {}
    for wanted in include:
        related |= _included(practice, shown, id, wanted, now)
    if version == "v2":
        return shown | related
    works = rows(related.get("procedures"))
    if works:
        plans = practice.plans_by_procedure()
        related["procedures"] = [procedure_v3(one, plans) for one in works]
    return patient_v3(shown, listed=listed) | related


def _included(practice: Practice, shown: JsonRow, id: int, wanted: str, now: float) -> JsonRow:
    match wanted:
        case "upcoming_appts":
            return {
                wanted: [
                    v
                    for v in _appointments_of(practice, id)
                    if text(v, "start_time") > format_timestamp(now)
                ]
            }
        case "last_visited_appointment":
            past = [
                v
                for v in _appointments_of(practice, id)
                if text(v, "start_time") <= format_timestamp(now)
            ]
            return {wanted: past[-1] if past else None}
        case "procedures":
            found = practice.procedures.where("patient_id", id)
            return {wanted: [practice.procedures.row(one) for one in found]}
        case "insurance_coverages":
            found = practice.insurance_coverages.where("patient_id", id)
            return {wanted: [coverage_row(practice, one) for one in found]}
        case "patient_alerts":
            found = practice.patient_alerts.where("patient_id", id)
            return {wanted: [practice.patient_alerts.row(one) for one in found]}
        case "children":
            found = practice.patients.where("guarantor_id", id) if len(practice.patients) else []
            return {wanted: [practice.patients.row(one) for one in found if one != id]}
        case "guarantor" | "provider":
            table = practice.patients if wanted == "guarantor" else practice.providers
            known = shown.get(f"{wanted}_id")
            return {wanted: table.get(known) if isinstance(known, int) else None}
        case "address":
            bio = row(shown.get("bio"))
            return {
                wanted: {
                    "line_1": text(bio, "address_line_1"),
                    "line_2": text(bio, "address_line_2"),
                    "postal_code": text(bio, "zip_code"),
                    "city": text(bio, "city"),
                    "region": text(bio, "state"),
                }
            }
        case _:
            return _ledger(practice, id, wanted)


def _ledger(practice: Practice, id: int, wanted: str) -> JsonRow:
    tables = {
        "charges": practice.charges,
        "payments": practice.payments,
        "adjustments": practice.adjustments,
    }
    table = tables.get(wanted)
    if table is None:
        return {}
    found = table.where("patient_id", id)
    return {wanted: [without_fields(table.row(one), "foreign_id_type") for one in found]}


def _appointments_of(practice: Practice, patient_id: int) -> list[JsonRow]:
    """The patient's visits in their short form, earliest first, cancelled ones left out."""
    found = [
        practice.appointments.row(id)
        for id in practice.appointments.where("patient_id", patient_id)
    ]
    for one in found:
        one["provider_name"] = text(_provider(practice, one), "name")
    found.sort(key=lambda one: text(one, "start_time"))
    return [{key: one.get(key) for key in _BRIEF} for one in found if not one.get("cancelled")]


def _provider(practice: Practice, appointment: JsonRow) -> JsonRow | None:
    provider_id = appointment.get("provider_id")
    return practice.providers.get(provider_id) if isinstance(provider_id, int) else None


def coverage_row(practice: Practice, id: int) -> JsonRow:
    """A coverage with its plan and subscriber."""
    shown = plain_coverage(practice, id, "v2")
    plan = shown.get("plan_id")
    found = practice.insurance_plans.get(plan) if isinstance(plan, int) else None
    shown["plan"] = found and without_fields(found, "deleted_at")
    shown["subscriber"] = subscriber(practice, id)
    return shown


def plain_coverage(practice: Practice, id: int, version: Version) -> JsonRow:
    """A coverage by itself; what v3 added is left out in v2."""
    shown = practice.insurance_coverages.row(id)
    if version == "v3":
        return shown
    return without_fields(shown, "insurance_type", "updated_at", "active")


def subscriber(practice: Practice, id: int) -> JsonRow | None:
    """Whose coverage it is."""
    patient = practice.insurance_coverages.row(id).get("patient_id")
    person = practice.patients.get(patient) if isinstance(patient, int) else None
    return person and {
        "id": person["id"],
        "name": person["name"],
        "date_of_birth": text(row(person.get("bio")), "date_of_birth") or None,
    }
