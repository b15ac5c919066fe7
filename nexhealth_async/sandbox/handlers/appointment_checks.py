"""Booking and rescheduling: required fields and conflicts with other appointments."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    ints,
    number,
    parse_timestamp,
    reject_missing,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import SandboxCall
from nexhealth_async.sandbox.v3_fields import descriptor_ids

__all__ = ["BusyTime", "busy_times", "create", "reschedule"]

_NOTE_LENGTH = 128
_DEFAULT_MINUTES = 15
"""Duration of an appointment without end and type, as observed live."""


@frozen
class BusyTime:
    """A period in which a provider or an operatory is busy, in seconds since 1970."""

    start: float
    end: float
    provider_id: object
    operatory_id: object
    location_id: object


def busy_times(practice: Practice) -> list[BusyTime]:
    """Return the times of all appointments and blocks that are not cancelled, unordered."""
    return practice.appointments.cached("busy", lambda: _find_busy_times(practice))


def _find_busy_times(practice: Practice) -> list[BusyTime]:
    times: list[BusyTime] = []
    for record in practice.appointments:
        start = parse_timestamp(record.get("start_time"))
        end = parse_timestamp(record.get("end_time"))
        if record.get("cancelled") or record.get("deleted") or start is None or end is None:
            continue
        times.append(
            BusyTime(
                start.timestamp(),
                end.timestamp(),
                record.get("provider_id"),
                record.get("operatory_id"),
                record.get("location_id"),
            )
        )
    return times


def create(call: SandboxCall) -> int:
    """Create an appointment and return its id."""
    body = call.wrapped("appt")
    practice = call.practice
    location_id = call.params.number("location_id") or 0
    location = practice.locations.row(location_id)
    is_block = body.get("unavailable") is True
    needs_operatory = location.get("map_by_operatory") is True
    reject_missing(
        call.body,
        *(() if is_block else ("appt.patient_id",)),
        "appt.provider_id",
        "appt.start_time",
        *(("appt.operatory_id",) if needs_operatory else ()),
    )
    patient_id = _check_exists(practice, body, "patient")
    provider_id = _check_exists(practice, body, "provider")
    operatory_id = _check_exists(practice, body, "operatory")
    if operatory_id is not None:
        operatory = practice.operatories.row(operatory_id)
        if operatory.get("location_id") != location_id:
            raise RequestRejectedError(404, f"Operatory with id {operatory_id} not found")
    start = _parse_time(body, "start_time")
    if start.timestamp() <= call.now:
        raise RequestRejectedError(400, "Appointment start time cannot be in the past")
    type_id = _check_exists(practice, body, "appointment_type")
    end = _find_end(call, body, start, type_id, (provider_id or 0, location_id))
    note = body.get("note")
    if isinstance(note, str) and len(note) > _NOTE_LENGTH:
        raise RequestRejectedError(400, f"note is too long (maximum is {_NOTE_LENGTH} characters)")
    _check_conflicts(call, start.timestamp(), end, provider_id, operatory_id)
    now = format_timestamp(call.now)
    id = practice.appointments.add(
        {
            "patient_id": patient_id,
            "provider_id": provider_id,
            "provider_name": None,
            "start_time": format_timestamp(start.timestamp()),
            "confirmed": False,
            "patient_missed": False,
            "created_at": now,
            "updated_at": now,
            "note": note,
            "end_time": format_timestamp(end),
            "unavailable": is_block,
            "cancelled": False,
            "timezone": location["tz"],
            "institution_id": practice.institution_id,
            "appointment_type_id": type_id,
            "checkin_at": None,
            "location_id": location_id,
            "foreign_id": None,
            "foreign_id_type": "nex",
            "misc": {"is_booked_on_nexhealth": True, "booked_by_api_user_id": 1},
            "last_sync_time": None,
            "patient_confirmed": False,
            "created_by_user_id": patient_id,
            "is_guardian": body.get("is_guardian") is True,
            "patient_confirmed_at": None,
            "cancelled_at": None,
            "is_new_clients_patient": body.get("is_new_clients_patient"),
            "confirmed_at": None,
            "sooner_if_possible": False,
            "operatory_id": operatory_id,
            "deleted": False,
            "checked_out": False,
            "checked_out_at": None,
            "referrer": body.get("referrer"),
            "is_past_patient": False,
            "timezone_offset": practice.offset(start.timestamp()),
        }
    )
    practice.appointment_descriptors[id] = descriptor_ids(body.get("descriptor_ids"))
    return id


def _check_exists(practice: Practice, body: JsonRow, resource: str) -> int | None:
    name = f"{resource}_id"
    id = body.get(name)
    if id is None:
        return None
    if not isinstance(id, int):
        raise RequestRejectedError(400, f"{name} is invalid")
    table = {
        "patient": practice.patients,
        "provider": practice.providers,
        "operatory": practice.operatories,
        "appointment_type": practice.appointment_types,
    }[resource]
    if id not in table:
        title = resource.replace("_", " ").capitalize()
        raise RequestRejectedError(404, f"{title} with id {id} not found")
    return id


def _parse_time(body: JsonRow, name: str) -> datetime:
    timestamp = parse_timestamp(body[name])
    if timestamp is None:
        raise RequestRejectedError(400, f"{name} is invalid")
    return timestamp


def _find_end(
    call: SandboxCall,
    body: JsonRow,
    start: datetime,
    type_id: int | None,
    provider_and_location: tuple[int, int],
) -> float:
    practice = call.practice
    if type_id is not None and not any(
        type_id in ints(hours.get("appointment_type_ids"))
        for hours in practice.availabilities
        if (hours.get("provider_id"), hours.get("location_id")) == provider_and_location
    ):
        raise RequestRejectedError(
            400, "appointment_type_id was not found to be configured for the requested slot"
        )
    if body.get("end_time") is None:
        kind = {} if type_id is None else practice.appointment_types.row(type_id)
        minutes = number(kind, "minutes") or _DEFAULT_MINUTES
        return start.timestamp() + minutes * 60
    end = _parse_time(body, "end_time").timestamp()
    if end <= start.timestamp():
        raise RequestRejectedError(400, "end_time must be after start_time")
    return end


def reschedule(call: SandboxCall, appointment: JsonRow, body: JsonRow) -> JsonRow:
    """Return the changed fields of a moved appointment (v3): time, operatory and note."""
    changes: JsonRow = {}
    note = body.get("note")
    if isinstance(note, str):
        if len(note) > _NOTE_LENGTH:
            raise RequestRejectedError(
                400, f"note is too long (maximum is {_NOTE_LENGTH} characters)"
            )
        changes["note"] = note
    placement = {
        name: body[name]
        for name in ("start_time", "end_time", "operatory_id")
        if body.get(name) is not None
    }
    if not placement:
        return changes
    if not call.world.assumptions.system_reschedules:
        raise RequestRejectedError(400, "The practice's system does not support this update")
    moved = {**appointment, **placement}
    start, end = _parse_time(moved, "start_time"), _parse_time(moved, "end_time")
    old_start = parse_timestamp(appointment.get("start_time"))
    old_end = parse_timestamp(appointment.get("end_time"))
    if "start_time" in placement and "end_time" not in placement and old_start and old_end:
        end = start + (old_end - old_start)
    if "start_time" in placement and start.timestamp() <= call.now:
        raise RequestRejectedError(400, "Appointment start time cannot be in the past")
    if end <= start:
        raise RequestRejectedError(400, "end_time must be after start_time")
    operatory_id = _check_exists(call.practice, moved, "operatory")
    if operatory_id is not None and "operatory_id" in placement:
        location_id = call.practice.operatories.row(operatory_id).get("location_id")
        if location_id != appointment.get("location_id"):
            raise RequestRejectedError(404, f"Operatory with id {operatory_id} not found")
    old_time = BusyTime(
        old_start.timestamp() if old_start else 0.0,
        old_end.timestamp() if old_end else 0.0,
        appointment.get("provider_id"),
        appointment.get("operatory_id"),
        appointment.get("location_id"),
    )
    provider_id = appointment.get("provider_id")
    _check_conflicts(
        call,
        start.timestamp(),
        end.timestamp(),
        provider_id if isinstance(provider_id, int) else None,
        operatory_id,
        old_time,
    )
    return {
        **changes,
        "start_time": format_timestamp(start.timestamp()),
        "end_time": format_timestamp(end.timestamp()),
        "operatory_id": operatory_id,
        "timezone_offset": call.practice.offset(start.timestamp()),
    }


def _check_conflicts(
    call: SandboxCall,
    start: float,
    end: float,
    provider_id: int | None,
    operatory_id: int | None,
    old_time: BusyTime | None = None,
) -> None:
    capacity = call.body.get("appointments_per_timeslot", 1)
    if not isinstance(capacity, int) or not 1 <= capacity <= 5:
        raise RequestRejectedError(400, "appointments_per_timeslot is invalid")
    conflicts = [
        busy
        for busy in busy_times(call.practice)
        if busy != old_time
        and busy.start < end
        and start < busy.end
        and (
            busy.provider_id == provider_id
            or (operatory_id is not None and busy.operatory_id == operatory_id)
        )
    ]
    if len(conflicts) >= capacity:
        raise RequestRejectedError(
            call.world.assumptions.slot_taken_status, "this time is no longer available"
        )
