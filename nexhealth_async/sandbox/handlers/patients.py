"""Patients: listing, single records, creation, and their coverages."""

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
    practice, params = call.practice, call.params
    include = params.texts("include")
    if params.flag("include_upcoming_appts"):
        include = [*include, "upcoming_appts"]
    ids = practice.patients.ids
    strict = params.flag("location_strict") is True and len(practice.locations) > 1
    default_new = call.world.assumptions.new_patient_when_unset
    new = params.flag("new_patient") if "new_patient" in params else default_new
    no_filters = {"subdomain", "location_id", "location_strict", "sort", "include_upcoming_appts"}
    filters = {name for name, _ in params.key} - no_filters
    inactive = params.flag("inactive")
    if inactive is not None and filters == {"inactive"} and new is None and not strict:
        ids = practice.patients.by_index("inactive", inactive)
    elif strict or new is not None or filters:
        either = call.world.assumptions.email_or_phone
        key = (params.key, call.version, new, practice.appointments.version, either)
        ids = practice.patients.select(
            key, lambda patient: _keep(call, patient, strict=strict, new=new)
        )
    by = order(call, practice.patients, _SORTS[call.version])
    return ListResult(
        ids=in_order(practice.patients, ids, by),
        show=lambda id: patient_row(practice, id, include, call.now, call.version, listed=True),
        under="patients" if call.version == "v2" else None,
        order=by,
    )


def _keep(call: SandboxCall, patient: JsonRow, *, strict: bool, new: bool | None) -> bool:
    # The cheapest checks come first.
    params = call.params
    bio = row(patient.get("bio")) or {}
    inactive = params.flag("inactive")
    if inactive is not None and patient.get("inactive") is not inactive:
        return False
    if new is not None and bool(bio.get("new_patient")) is not new:
        return False
    non_patient = params.flag("non_patient")
    if non_patient is not None and bool(bio.get("non_patient")) is not non_patient:
        return False
    if strict and params.number("location_id") not in ints(patient.get("location_ids")):
        return False
    since = params.time("updated_since")
    if since is not None and text(patient, "updated_at") < format_timestamp(since.timestamp()):
        return False
    if "foreign_id" in params and params.text("foreign_id") != patient.get("foreign_id"):
        return False
    contact_matches = [
        str(params.text(name)).lower() == value.lower()
        for name, value in (
            ("email", text(patient, "email")),
            ("phone_number", text(bio, "phone_number")),
        )
        if name in params
    ]
    either = call.world.assumptions.email_or_phone
    if contact_matches and not (any(contact_matches) if either else all(contact_matches)):
        return False
    date_of_birth = params.day("date_of_birth")
    if date_of_birth is not None and bio.get("date_of_birth") != date_of_birth.isoformat():
        return False
    name = text(patient, "name").lower()
    if not all(word in name for word in (params.text("name") or "").lower().split()):
        return False
    return _has_appointment(call, patient)


def _has_appointment(call: SandboxCall, patient: JsonRow) -> bool:
    first, last = call.params.day("appointment_date_start"), call.params.day("appointment_date_end")
    if first is None and last is None:
        return True
    table = call.practice.appointments
    days = [
        text(table.row(id), "start_time")[:10] for id in table.where("patient_id", patient["id"])
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
