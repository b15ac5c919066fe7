"""What comes along with a record when ``include[]`` asks for it."""

from __future__ import annotations

from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.wire import Row, row, stamp, text

__all__ = ["coverage_row", "patient_row"]

_BRIEF = (
    "id",
    "provider_id",
    "provider_name",
    "start_time",
    "end_time",
    "location_id",
    "confirmed",
)
_LEDGER = frozenset({"charges", "payments", "adjustments"})


def patient_row(practice: Practice, id: int, include: list[str], now: float) -> Row:
    """A patient; keys of includes are there only when asked for."""
    shown = practice.patients.row(id)
    for wanted in include:
        shown |= _included(practice, shown, id, wanted, now)
    return shown


def _included(practice: Practice, shown: Row, id: int, wanted: str, now: float) -> Row:
    match wanted:
        case "upcoming_appts":
            return {
                wanted: [v for v in _visits(practice, id) if text(v, "start_time") > stamp(now)]
            }
        case "last_visited_appointment":
            past = [v for v in _visits(practice, id) if text(v, "start_time") <= stamp(now)]
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
        case "guarantor":
            guarantor = shown.get("guarantor_id")
            known = isinstance(guarantor, int) and guarantor in practice.patients
            return {wanted: practice.patients.row(guarantor) if known else None}  # type: ignore[arg-type]
        case "provider":
            provider = shown.get("provider_id")
            return {wanted: practice.providers.get(provider) if isinstance(provider, int) else None}
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
            return {wanted: []} if wanted in _LEDGER else {}


def _visits(practice: Practice, patient_id: int) -> list[Row]:
    """The patient's visits in their short form, earliest first, cancelled ones left out."""
    found = [
        practice.appointments.row(id)
        for id in practice.appointments.where("patient_id", patient_id)
    ]
    for one in found:
        one["provider_name"] = text(_provider(practice, one), "name")
    found.sort(key=lambda one: text(one, "start_time"))
    return [{key: one.get(key) for key in _BRIEF} for one in found if not one.get("cancelled")]


def _provider(practice: Practice, visit: Row) -> Row | None:
    provider_id = visit.get("provider_id")
    return practice.providers.get(provider_id) if isinstance(provider_id, int) else None


def coverage_row(practice: Practice, id: int) -> Row:
    """A coverage with its plan and subscriber."""
    shown = practice.insurance_coverages.row(id)
    plan, patient = shown.get("plan_id"), shown.get("patient_id")
    person = practice.patients.get(patient) if isinstance(patient, int) else None
    shown["plan"] = practice.insurance_plans.get(plan) if isinstance(plan, int) else None
    shown["subscriber"] = person and {
        "id": person["id"],
        "name": person["name"],
        "date_of_birth": text(row(person.get("bio")), "date_of_birth") or None,
    }
    return shown
