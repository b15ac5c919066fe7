"""Patients: the listing with its filters, single records, new ones; alerts and coverages."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import in_order, order
from nexhealth_async.sandbox.handlers.patient_create import create
from nexhealth_async.sandbox.handlers.patient_includes import coverage_row, patient_row
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    ints,
    row,
    text,
)
from nexhealth_async.sandbox.routes import (
    BOTH,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    Version,
    paged_in_both,
)

__all__ = ["ROUTES"]

_SORTS: Final[dict[Version, tuple[str, ...]]] = {
    "v2": ("id", "updated_at", "created_at"),
    "v3": ("id", "updated_at"),
}


def _patients(call: SandboxCall) -> ListResult:
    practice, asked = call.practice, call.params
    include = asked.texts("include")
    if asked.flag("include_upcoming_appts"):
        include = [*include, "upcoming_appts"]
    ids = practice.patients.ids
    strict = asked.flag("location_strict") is True and len(practice.locations) > 1
    unset = call.world.guesses.new_patient_when_unset
    new = asked.flag("new_patient") if "new_patient" in asked else unset
    plain = {"subdomain", "location_id", "location_strict", "sort", "include_upcoming_appts"}
    narrowing = {name for name, _ in asked.key} - plain
    inactive = asked.flag("inactive")
    if inactive is not None and narrowing == {"inactive"} and new is None and not strict:
        ids = practice.patients.by_index("inactive", inactive)
    elif strict or new is not None or narrowing:
        either = call.world.guesses.email_or_phone
        key = (asked.key, call.version, new, practice.appointments.version, either)
        ids = practice.patients.select(key, lambda one: _keep(call, one, strict=strict, new=new))
    by = order(call, practice.patients, _SORTS[call.version])
    return ListResult(
        ids=in_order(practice.patients, ids, by),
        show=lambda id: patient_row(practice, id, include, call.now, call.version, listed=True),
        under="patients" if call.version == "v2" else None,
        order=by,
    )


def _keep(call: SandboxCall, patient: JsonRow, *, strict: bool, new: bool | None) -> bool:
    # list of reasons to leave a patient out, cheapest first
    asked = call.params
    bio = row(patient.get("bio")) or {}
    inactive = asked.flag("inactive")
    if inactive is not None and patient.get("inactive") is not inactive:
        return False
    if new is not None and bool(bio.get("new_patient")) is not new:
        return False
    non_patient = asked.flag("non_patient")
    if non_patient is not None and bool(bio.get("non_patient")) is not non_patient:
        return False
    if strict and asked.number("location_id") not in ints(patient.get("location_ids")):
        return False
    since = asked.time("updated_since")
    if since is not None and text(patient, "updated_at") < format_timestamp(since.timestamp()):
        return False
    if "foreign_id" in asked and asked.text("foreign_id") != patient.get("foreign_id"):
        return False
    reached = [
        str(asked.text(name)).lower() == have.lower()
        for name, have in (
            ("email", text(patient, "email")),
            ("phone_number", text(bio, "phone_number")),
        )
        if name in asked
    ]
    either = call.world.guesses.email_or_phone
    if reached and not (any(reached) if either else all(reached)):
        return False
    born = asked.day("date_of_birth")
    if born is not None and bio.get("date_of_birth") != born.isoformat():
        return False
    name = text(patient, "name").lower()
    if not all(word in name for word in (asked.text("name") or "").lower().split()):
        return False
    return _visited_between(call, patient)


def _visited_between(call: SandboxCall, patient: JsonRow) -> bool:
    first, last = call.params.day("appointment_date_start"), call.params.day("appointment_date_end")
    if first is None and last is None:
        return True
    visits = call.practice.appointments
    days = [
        text(visits.row(id), "start_time")[:10] for id in visits.where("patient_id", patient["id"])
    ]
    return any(
        (first is None or day >= first.isoformat()) and (last is None or day <= last.isoformat())
        for day in days
    )


def _patient(call: SandboxCall) -> HandlerResult:
    if call.ids[0] not in call.practice.patients:
        raise RequestRejectedError(404, "Resource not found")
    include = call.params.texts("include")
    return HandlerResult(
        data=patient_row(call.practice, call.ids[0], include, call.now, call.version)
    )


def _coverages(call: SandboxCall) -> ListResult:
    practice = call.practice
    if call.ids[0] not in practice.patients:
        raise RequestRejectedError(404, "Resource not found")
    return ListResult(
        ids=practice.insurance_coverages.where("patient_id", call.ids[0]),
        show=lambda id: coverage_row(practice, id),
    )


_FILTERS: Final = (
    "subdomain! location_id:int! name email phone_number date_of_birth:date inactive:bool "
    "foreign_id updated_since:time new_patient:bool non_patient:bool forms_syncable:bool "
    "location_strict:bool sort"
)

ROUTES: Final = (
    *paged_in_both(
        "/patients",
        _patients,
        v2=(
            f"{_FILTERS} include:texts appointment_date_start:date appointment_date_end:date "
            "include_upcoming_appts:bool"
        ),
        v3=_FILTERS,
        rate="people",
    ),
    Route(
        method="POST",
        path="/patients",
        handler=create,
        filters="subdomain! location_id:int!",
        versions=BOTH,
        rate="people",
        media="json",
    ),
    Route(
        method="GET",
        path="/patients/{id}",
        handler=_patient,
        filters="subdomain! include:texts",
        versions=BOTH,
        rate="people",
        media="json",
    ),
    Route(
        method="GET",
        path="/patients/{id}/insurance_coverages",
        handler=_coverages,
        filters="subdomain!",
        paging="numbered",
        rate="people",
    ),
)
