"""Appointments: the listing of a time window, single ones, and changes to them."""

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
    """An appointment; keys of includes are there only when asked for."""
    practice, version, now = call.practice, call.version, call.now
    guesses = call.world.guesses
    shown = practice.appointments.row(id)
    if guesses.contradictory_offset:
        shown["timezone_offset"] = _shifted_offset(shown)
    provider_id = shown.get("provider_id")
    if shown.get("provider_name") is None and isinstance(provider_id, int):
        provider = practice.providers.get(provider_id)
        shown["provider_name"] = provider and provider["name"]
    patient_id = shown.get("patient_id")
    known = isinstance(patient_id, int) and patient_id in practice.patients
    if "patient" in include or "guarantor" in include:
        also = ["guarantor"] if "guarantor" in include else []
        shown["patient"] = (
            patient_row(practice, patient_id, also, now, version)
            if known and isinstance(patient_id, int)
            else None
        )
    if "descriptors" in include:
        shown["descriptors"] = [
            descriptor(practice.descriptors.row(one), as_text=guesses.text_descriptor_ids)
            for one in _descriptors(practice, id)
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
        found = practice.procedures.where("appointment_id", id)
        works = [practice.procedures.row(one) for one in found]
        shown["procedures"] = works if version == "v2" else [procedure_v3(one) for one in works]
    for name, table in (
        ("operatory", practice.operatories),
        ("appointment_type", practice.appointment_types),
    ):
        if name in include:
            related = shown.get(f"{name}_id")
            shown[name] = table.get(related) if isinstance(related, int) else None
    return shown


def _shifted_offset(appointment: JsonRow) -> object:
    """The offset of an hour to the east of the visit's zone."""
    start = parse_timestamp(appointment.get("start_time"))
    here = start.astimezone(ZoneInfo(text(appointment, "timezone"))).utcoffset() if start else None
    if here is None:
        return appointment.get("timezone_offset")
    minutes = round(here.total_seconds() / 60) + 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _descriptors(practice: Practice, id: int) -> list[int]:
    return [
        one for one in practice.appointment_descriptors.get(id, []) if one in practice.descriptors
    ]


def _bound(call: SandboxCall, name: str) -> datetime:
    """One end of the window; without a zone of its own it is read in ``timezone=``, or as UTC."""
    spelled = call.params.text(name) or ""
    zone_name = call.params.text("timezone")
    try:
        zone: tzinfo = ZoneInfo(zone_name) if zone_name else UTC
        read = datetime.fromisoformat(spelled)
    except (ValueError, KeyError, OSError):
        raise RequestRejectedError(400, f"{name} is invalid") from None
    return read.replace(tzinfo=zone) if read.tzinfo is None else read


def _appointments(call: SandboxCall) -> ListResult:
    practice, asked = call.practice, call.params
    if call.version == "v3" and not {"location_id", "foreign_id"} & {name for name, _ in asked.key}:
        raise RequestRejectedError(400, "Missing parameter location_id")
    people = asked.ints("patient_ids")
    if len(people) > _MAX_PATIENTS:
        raise RequestRejectedError(400, f"patient_ids[] is limited to {_MAX_PATIENTS} ids")
    first = format_timestamp(_bound(call, "start").timestamp())
    last = format_timestamp(_bound(call, "end").timestamp())
    cancelled = asked.flag("cancelled")
    if "cancelled" not in asked and call.version == "v2":
        cancelled = call.world.guesses.cancelled_when_unset
    since = asked.time("updated_since")
    floor = format_timestamp(since.timestamp()) if since else ""
    exact: JsonRow = {
        name: asked.number(name)
        for name in ("location_id", "appointment_type_id", "patient_id")
        if name in asked
    }
    if "foreign_id" in asked:
        exact["foreign_id"] = asked.text("foreign_id")
    if "created_by" in asked:
        exact["created_by_user_id"] = asked.number("created_by")
    if "unavailable" in asked:
        exact["unavailable"] = asked.flag("unavailable")
    if cancelled is not None:
        exact["cancelled"] = cancelled
    among = {name: asked.ints(f"{name}s") for name in ("provider_id", "operatory_id", "patient_id")}

    def keep(one: JsonRow) -> bool:
        return (
            first <= text(one, "start_time") <= last
            and all(one.get(name) == value for name, value in exact.items())
            and all(not ids or one.get(name) in ids for name, ids in among.items())
            and text(one, "updated_at") >= floor
            and (
                not asked.flag("nex_only")
                or bool((row(one.get("misc")) or {}).get("is_booked_on_nexhealth"))
            )
        )

    include = asked.texts("include")
    table = practice.appointments
    by = order(call, table, ("updated_at",)) if call.version == "v3" else None
    return ListResult(
        ids=in_order(table, table.select((asked.key, cancelled), keep), by),
        show=lambda id: _appointment_row(call, id, include),
        order=by,
    )


def _found(call: SandboxCall) -> JsonRow:
    found = call.practice.appointments.get(call.ids[0])
    if found is None:
        raise RequestRejectedError(404, "Resource not found")
    return found


def _appointment(call: SandboxCall) -> HandlerResult:
    _found(call)
    include = call.params.texts("include")
    if call.version == "v3" and not (include and call.world.guesses.include_replaces_default):
        include = ["patient", *include]
    return HandlerResult(data=_appointment_row(call, call.ids[0], include))


def _appointment_descriptors(call: SandboxCall) -> ListResult:
    _found(call)
    kind = call.params.text("descriptor_type")
    table = call.practice.descriptors
    ids = [
        id
        for id in _descriptors(call.practice, call.ids[0])
        if kind is None or table.row(id).get("descriptor_type") == kind
    ]
    as_text = call.world.guesses.text_descriptor_ids
    return ListResult(ids=ids, show=lambda id: descriptor(table.row(id), as_text=as_text))


def _update_result(
    call: SandboxCall, id: int, description: str, status: int, ignored: str | None
) -> HandlerResult:
    """The reply to a written appointment."""
    record = _appointment_row(call, id, [])
    bare = call.world.guesses.appointment_record_at == "bare"
    data: JsonRow = record if bare else {"appt": record, "stripe_client_secret": None}
    return HandlerResult(data=data, status=status, description=ignored or description)


def _create(call: SandboxCall) -> HandlerResult:
    return _update_result(call, create(call), "Appointment created", 201, None)


def _update(call: SandboxCall) -> HandlerResult:
    wanted = call.wrapped("appt")
    found = _found(call)
    if found.get("cancelled"):
        raise RequestRejectedError(400, "Cannot update already cancelled appointment")
    guesses = call.world.guesses
    now = format_timestamp(call.now)
    changes: JsonRow = {}
    takes: tuple[str, ...] = _UPDATABLE if guesses.v2_checkin else _UPDATABLE[:2]
    if call.version == "v3":
        takes = (*_UPDATABLE, *_MOVABLE)
        changes |= reschedule(call, found, wanted)
    if wanted.get("confirmed") is not None and wanted["confirmed"] != found.get("confirmed"):
        if wanted["confirmed"] is not True:
            raise RequestRejectedError(400, "A confirmed appointment cannot be unconfirmed")
        if guesses.confirm_needs_sync and found.get("foreign_id") is None:
            raise RequestRejectedError(
                400, "Appointment is not synced with the PMS and/or a live client"
            )
        changes |= {"confirmed": True, "confirmed_at": now}
    if wanted.get("cancelled") is True:
        changes |= {"cancelled": True, "cancelled_at": now}
    if wanted.get("checkin_at") is not None and "checkin_at" in takes:
        arrived = parse_timestamp(wanted["checkin_at"])
        if arrived is None:
            raise RequestRejectedError(400, "checkin_at is invalid")
        if found.get("checkin_at") is not None:
            raise RequestRejectedError(400, "checkin_at is set already")
        changes["checkin_at"] = format_timestamp(arrived.timestamp())
    call.practice.appointments.update(call.ids[0], **changes, updated_at=now)
    unknown = [name for name in wanted if name not in takes]
    names = ", ".join(unknown)
    ignored = f"Note that following parameters are ignored: {names}." if unknown else None
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
