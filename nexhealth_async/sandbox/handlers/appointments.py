"""Appointments: listings of a time window, single records, and writes."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from nexhealth_async.sandbox.handlers.appointment_checks import create, reschedule
from nexhealth_async.sandbox.handlers.list_filters import in_order, order
from nexhealth_async.sandbox.handlers.patient_includes import patient_row
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    parse_timestamp,
    row,
    text,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import (
    BOTH,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    paged_in_both,
)
from nexhealth_async.sandbox.v3_fields import descriptor, procedure_v3

__all__ = ["ROUTES"]

_UPDATABLE: Final = ("confirmed", "cancelled", "checkin_at")
_MOVABLE: Final = ("start_time", "end_time", "operatory_id", "note")
_MAX_PATIENTS: Final = 25


def _appointment_row(call: SandboxCall, id: int, include: list[str]) -> JsonRow:
    """Return an appointment with the requested includes."""
    practice, version, now = call.practice, call.version, call.now
    assumptions = call.world.assumptions
    shown = practice.appointments.row(id)
    if assumptions.contradictory_offset:
        shown["timezone_offset"] = _shifted_offset(shown)
    provider_id = shown.get("provider_id")
    if shown.get("provider_name") is None and isinstance(provider_id, int):
        provider = practice.providers.get(provider_id)
        shown["provider_name"] = provider and provider["name"]
    patient_id = shown.get("patient_id")
    if "patient" in include or "guarantor" in include:
        patient_include = ["guarantor"] if "guarantor" in include else []
        shown["patient"] = (
            patient_row(practice, patient_id, patient_include, now, version)
            if isinstance(patient_id, int) and patient_id in practice.patients
            else None
        )
    if "descriptors" in include:
        shown["descriptors"] = [
            descriptor(
                practice.descriptors.row(descriptor_id), as_text=assumptions.text_descriptor_ids
            )
            for descriptor_id in _descriptors(practice, id)
        ]
    if "booking_details" in include:
        shown["booking_details"] = {
            "booked_via_nexhealth_generated_link": False,
            "campaign_type": None,
            "campaign_id": None,
            "campaign_medium": None,
            "booked_via_one_click": False,
        }
    if "procedures" in include:
        ids = practice.procedures.where("appointment_id", id)
        procedures = [practice.procedures.row(procedure_id) for procedure_id in ids]
        if version == "v3":
            procedures = [procedure_v3(procedure) for procedure in procedures]
        shown["procedures"] = procedures
    for name, table in (
        ("operatory", practice.operatories),
        ("appointment_type", practice.appointment_types),
    ):
        if name in include:
            related = shown.get(f"{name}_id")
            shown[name] = table.get(related) if isinstance(related, int) else None
    return shown


def _shifted_offset(appointment: JsonRow) -> object:
    """Return the UTC offset of the zone an hour to the east of the appointment's."""
    start = parse_timestamp(appointment.get("start_time"))
    zone = ZoneInfo(text(appointment, "timezone")) if start else None
    offset = start.astimezone(zone).utcoffset() if start else None
    if offset is None:
        return appointment.get("timezone_offset")
    minutes = round(offset.total_seconds() / 60) + 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _descriptors(practice: Practice, id: int) -> list[int]:
    descriptor_ids = practice.appointment_descriptors.get(id, [])
    return [id for id in descriptor_ids if id in practice.descriptors]


def _bound(call: SandboxCall, name: str) -> datetime:
    """Return one end of the time window; without a zone it is in ``timezone``, or else in UTC."""
    value = call.params.text(name) or ""
    zone_name = call.params.text("timezone")
    try:
        zone: tzinfo = ZoneInfo(zone_name) if zone_name else UTC
        timestamp = datetime.fromisoformat(value)
    except (ValueError, KeyError, OSError):
        raise RequestRejectedError(400, f"{name} is invalid") from None
    return timestamp.replace(tzinfo=zone) if timestamp.tzinfo is None else timestamp


def _appointments(call: SandboxCall) -> ListResult:
    practice, params = call.practice, call.params
    if call.version == "v3" and not {"location_id", "foreign_id"} & {
        name for name, _ in params.key
    }:
        raise RequestRejectedError(400, "Missing parameter location_id")
    if len(params.ints("patient_ids")) > _MAX_PATIENTS:
        raise RequestRejectedError(400, f"patient_ids[] is limited to {_MAX_PATIENTS} ids")
    first = format_timestamp(_bound(call, "start").timestamp())
    last = format_timestamp(_bound(call, "end").timestamp())
    cancelled = params.flag("cancelled")
    if "cancelled" not in params and call.version == "v2":
        cancelled = call.world.assumptions.cancelled_when_unset
    since = params.time("updated_since")
    earliest_update = format_timestamp(since.timestamp()) if since else ""
    exact: JsonRow = {
        name: params.number(name)
        for name in ("location_id", "appointment_type_id", "patient_id")
        if name in params
    }
    if "foreign_id" in params:
        exact["foreign_id"] = params.text("foreign_id")
    if "created_by" in params:
        exact["created_by_user_id"] = params.number("created_by")
    if "unavailable" in params:
        exact["unavailable"] = params.flag("unavailable")
    if cancelled is not None:
        exact["cancelled"] = cancelled
    among = {
        name: params.ints(f"{name}s") for name in ("provider_id", "operatory_id", "patient_id")
    }

    def keep(record: JsonRow) -> bool:
        return (
            first <= text(record, "start_time") <= last
            and all(record.get(name) == value for name, value in exact.items())
            and all(not ids or record.get(name) in ids for name, ids in among.items())
            and text(record, "updated_at") >= earliest_update
            and (
                not params.flag("nex_only")
                or bool((row(record.get("misc")) or {}).get("is_booked_on_nexhealth"))
            )
        )

    include = params.texts("include")
    table = practice.appointments
    by = order(call, table, ("updated_at",)) if call.version == "v3" else None
    return ListResult(
        ids=in_order(table, table.select((params.key, cancelled), keep), by),
        show=lambda id: _appointment_row(call, id, include),
        order=by,
    )


def _find(call: SandboxCall) -> JsonRow:
    record = call.practice.appointments.get(call.ids[0])
    if record is None:
        raise RequestRejectedError(404, "Resource not found")
    return record


def _appointment(call: SandboxCall) -> HandlerResult:
    _find(call)
    include = call.params.texts("include")
    if call.version == "v3" and not (include and call.world.assumptions.include_replaces_default):
        include = ["patient", *include]
    return HandlerResult(data=_appointment_row(call, call.ids[0], include))


def _appointment_descriptors(call: SandboxCall) -> ListResult:
    _find(call)
    kind = call.params.text("descriptor_type")
    table = call.practice.descriptors
    ids = [
        id
        for id in _descriptors(call.practice, call.ids[0])
        if kind is None or table.row(id).get("descriptor_type") == kind
    ]
    as_text = call.world.assumptions.text_descriptor_ids
    return ListResult(ids=ids, show=lambda id: descriptor(table.row(id), as_text=as_text))


def _update_result(
    call: SandboxCall, id: int, description: str, status: int, ignored: str | None
) -> HandlerResult:
    """Return the response to a written appointment."""
    record = _appointment_row(call, id, [])
    is_bare = call.world.assumptions.appointment_record_at == "bare"
    data: JsonRow = record if is_bare else {"appt": record, "stripe_client_secret": None}
    return HandlerResult(data=data, status=status, description=ignored or description)


def _create(call: SandboxCall) -> HandlerResult:
    return _update_result(call, create(call), "Appointment created", 201, None)


def _update(call: SandboxCall) -> HandlerResult:
    body = call.wrapped("appt")
    appointment = _find(call)
    if appointment.get("cancelled"):
        raise RequestRejectedError(400, "Cannot update already cancelled appointment")
    assumptions = call.world.assumptions
    now = format_timestamp(call.now)
    changes: JsonRow = {}
    updatable: tuple[str, ...] = _UPDATABLE if assumptions.v2_checkin else _UPDATABLE[:2]
    if call.version == "v3":
        updatable = (*_UPDATABLE, *_MOVABLE)
        changes |= reschedule(call, appointment, body)
    if body.get("confirmed") is not None and body["confirmed"] != appointment.get("confirmed"):
        if body["confirmed"] is not True:
            raise RequestRejectedError(400, "A confirmed appointment cannot be unconfirmed")
        if assumptions.confirm_needs_sync and appointment.get("foreign_id") is None:
            raise RequestRejectedError(
                400, "Appointment is not synced with the PMS and/or a live client"
            )
        changes |= {"confirmed": True, "confirmed_at": now}
    if body.get("cancelled") is True:
        changes |= {"cancelled": True, "cancelled_at": now}
    if body.get("checkin_at") is not None and "checkin_at" in updatable:
        checkin_at = parse_timestamp(body["checkin_at"])
        if checkin_at is None:
            raise RequestRejectedError(400, "checkin_at is invalid")
        if appointment.get("checkin_at") is not None:
            raise RequestRejectedError(400, "checkin_at is set already")
        changes["checkin_at"] = format_timestamp(checkin_at.timestamp())
    call.practice.appointments.update(call.ids[0], **changes, updated_at=now)
    names = ", ".join(name for name in body if name not in updatable)
    ignored = f"Note that following parameters are ignored: {names}." if names else None
    return _update_result(call, call.ids[0], "Resource updated successfully.", 200, ignored)


_FILTERS: Final = (
    "start! end! timezone cancelled:bool unavailable:bool nex_only:bool updated_since:time "
    "appointment_type_id:int foreign_id provider_ids:ints operatory_ids:ints created_by:int"
)

ROUTES: Final = (
    *paged_in_both(
        "/appointments",
        _appointments,
        v2=f"subdomain! location_id:int! {_FILTERS} patient_id:int include:texts",
        v3=f"subdomain! location_id:int {_FILTERS} patient_ids:ints sort",
        rate="slow",
    ),
    Route(
        method="POST",
        path="/appointments",
        handler=_create,
        filters="subdomain! location_id:int! notify_patient:bool",
        versions=BOTH,
        media="json",
        rate="people",
    ),
    Route(
        method="GET",
        path="/appointments/{id}",
        handler=_appointment,
        filters="subdomain! include:texts",
        versions=BOTH,
        rate="slow",
    ),
    Route(
        method="PATCH",
        path="/appointments/{id}",
        handler=_update,
        filters="subdomain!",
        versions=BOTH,
        media="json",
        rate="people",
    ),
    Route(
        method="GET",
        path="/appointments/{id}/appointment_descriptors",
        handler=_appointment_descriptors,
        filters="subdomain! descriptor_type",
        versions=BOTH,
        rate="slow",
    ),
)
