"""Included records of patients (``include[]``), and insurance coverages."""

from __future__ import annotations

from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp, row, rows, text
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import Version
from nexhealth_async.sandbox.v3_fields import patient_v3, procedure_v3, without_fields

__all__ = ["coverage_row", "patient_row", "plain_coverage", "subscriber"]

_SHORT = (
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
    """Return a patient with the included records."""
    patient = practice.patients.row(id)
    included: JsonRow = {}
    for name in include:
        included |= _include(practice, patient, id, name, now)
    if version == "v2":
        return patient | included
    procedures = rows(included.get("procedures"))
    if procedures:
        plans = practice.plans_by_procedure()
        included["procedures"] = [procedure_v3(procedure, plans) for procedure in procedures]
    return patient_v3(patient, listed=listed) | included


def _include(practice: Practice, patient: JsonRow, id: int, name: str, now: float) -> JsonRow:
    match name:
        case "upcoming_appts":
            return {
                name: [
                    appointment
                    for appointment in _appointments_of(practice, id)
                    if text(appointment, "start_time") > format_timestamp(now)
                ]
            }
        case "last_visited_appointment":
            past = [
                appointment
                for appointment in _appointments_of(practice, id)
                if text(appointment, "start_time") <= format_timestamp(now)
            ]
            return {name: past[-1] if past else None}
        case "procedures":
            ids = practice.procedures.where("patient_id", id)
            return {name: [practice.procedures.row(procedure_id) for procedure_id in ids]}
        case "insurance_coverages":
            ids = practice.insurance_coverages.where("patient_id", id)
            return {name: [coverage_row(practice, coverage_id) for coverage_id in ids]}
        case "patient_alerts":
            ids = practice.patient_alerts.where("patient_id", id)
            return {name: [practice.patient_alerts.row(alert_id) for alert_id in ids]}
        case "children":
            ids = practice.patients.where("guarantor_id", id) if len(practice.patients) else []
            return {name: [practice.patients.row(child_id) for child_id in ids if child_id != id]}
        case "guarantor" | "provider":
            table = practice.patients if name == "guarantor" else practice.providers
            person_id = patient.get(f"{name}_id")
            return {name: table.get(person_id) if isinstance(person_id, int) else None}
        case "address":
            bio = row(patient.get("bio"))
            return {
                name: {
                    "line_1": text(bio, "address_line_1"),
                    "line_2": text(bio, "address_line_2"),
                    "postal_code": text(bio, "zip_code"),
                    "city": text(bio, "city"),
                    "region": text(bio, "state"),
                }
            }
        case _:
            return _include_ledger(practice, id, name)


def _include_ledger(practice: Practice, id: int, name: str) -> JsonRow:
    tables = {
        "charges": practice.charges,
        "payments": practice.payments,
        "adjustments": practice.adjustments,
    }
    table = tables.get(name)
    if table is None:
        return {}
    entries = [table.row(entry_id) for entry_id in table.where("patient_id", id)]
    return {name: [without_fields(entry, "foreign_id_type") for entry in entries]}


def _appointments_of(practice: Practice, patient_id: int) -> list[JsonRow]:
    """Return the patient's appointments in short form, earliest first, without cancelled ones."""
    appointments = [
        practice.appointments.row(id)
        for id in practice.appointments.where("patient_id", patient_id)
    ]
    for appointment in appointments:
        appointment["provider_name"] = text(_provider(practice, appointment), "name")
    appointments.sort(key=lambda appointment: text(appointment, "start_time"))
    return [
        {key: appointment.get(key) for key in _SHORT}
        for appointment in appointments
        if not appointment.get("cancelled")
    ]


def _provider(practice: Practice, appointment: JsonRow) -> JsonRow | None:
    provider_id = appointment.get("provider_id")
    return practice.providers.get(provider_id) if isinstance(provider_id, int) else None


def coverage_row(practice: Practice, id: int) -> JsonRow:
    """Return a coverage with its plan and subscriber."""
    coverage = plain_coverage(practice, id, "v2")
    plan_id = coverage.get("plan_id")
    plan = practice.insurance_plans.get(plan_id) if isinstance(plan_id, int) else None
    coverage["plan"] = plan and without_fields(plan, "deleted_at")
    coverage["subscriber"] = subscriber(practice, id)
    return coverage


def plain_coverage(practice: Practice, id: int, version: Version) -> JsonRow:
    """Return a coverage without included records; v2 lacks the fields that v3 added."""
    coverage = practice.insurance_coverages.row(id)
    if version == "v3":
        return coverage
    return without_fields(coverage, "insurance_type", "updated_at", "active")


def subscriber(practice: Practice, id: int) -> JsonRow | None:
    """Return the subscriber of a coverage."""
    patient_id = practice.insurance_coverages.row(id).get("patient_id")
    person = practice.patients.get(patient_id) if isinstance(patient_id, int) else None
    return person and {
        "id": person["id"],
        "name": person["name"],
        "date_of_birth": text(row(person.get("bio")), "date_of_birth") or None,
    }
