"""Booking: what an appointment needs, and what it may clash with."""

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
_USUAL_MINUTES = 15
"""How long an appointment takes that names neither its end nor its type, as seen live."""


@frozen
class BusyTime:
    """A stretch of time somebody or some room is taken, in seconds since 1970."""

    start: float
    end: float
    provider_id: object
    operatory_id: object
    location_id: object


def busy_times(practice: Practice) -> list[BusyTime]:
    """All bookings and blocks that hold, in no order."""
    return practice.appointments.cached("busy", lambda: _busy(practice))


def _busy(practice: Practice) -> list[BusyTime]:
    found: list[BusyTime] = []
    for one in practice.appointments:
        start, end = parse_timestamp(one.get("start_time")), parse_timestamp(one.get("end_time"))
        if one.get("cancelled") or one.get("deleted") or start is None or end is None:
            continue
        found.append(
            BusyTime(
                start.timestamp(),
                end.timestamp(),
                one.get("provider_id"),
                one.get("operatory_id"),
                one.get("location_id"),
            )
        )
    return found


def create(call: SandboxCall) -> int:
    """Book, and return the new appointment's id."""
    wanted = call.wrapped("appt")
    practice = call.practice
    location_id = call.params.number("location_id") or 0
    office = practice.locations.row(location_id)
    block = wanted.get("unavailable") is True
    needs_room = office.get("map_by_operatory") is True
    reject_missing(
        call.body,
        *(() if block else ("appt.patient_id",)),
        "appt.provider_id",
        "appt.start_time",
        *(("appt.operatory_id",) if needs_room else ()),
    )
    patient_id = _check_exists(practice, wanted, "patient")
    provider_id = _check_exists(practice, wanted, "provider")
    operatory_id = _check_exists(practice, wanted, "operatory")
    if operatory_id is not None:
        room = practice.operatories.row(operatory_id)
        if room.get("location_id") != location_id:
            raise RequestRejectedError(404, f"Operatory with id {operatory_id} not found")
    start = _time(wanted, "start_time")
    if start.timestamp() <= call.now:
        raise RequestRejectedError(400, "Appointment start time cannot be in the past")
    type_id = _check_exists(practice, wanted, "appointment_type")
    end = _end(call, wanted, start, type_id, (provider_id or 0, location_id))
    note = wanted.get("note")
    if isinstance(note, str) and len(note) > _NOTE_LENGTH:
        raise RequestRejectedError(400, f"note is too long (maximum is {_NOTE_LENGTH} characters)")
    _refuse_clash(call, start.timestamp(), end, provider_id, operatory_id)
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
            "unavailable": block,
            "cancelled": False,
            "timezone": office["tz"],
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
            "is_guardian": wanted.get("is_guardian") is True,
            "patient_confirmed_at": None,
            "cancelled_at": None,
            "is_new_clients_patient": wanted.get("is_new_clients_patient"),
            "confirmed_at": None,
            "sooner_if_possible": False,
            "operatory_id": operatory_id,
            "deleted": False,
            "checked_out": False,
            "checked_out_at": None,
            "referrer": wanted.get("referrer"),
            "is_past_patient": False,
            "timezone_offset": practice.offset(start.timestamp()),
        }
    )
    practice.appointment_descriptors[id] = descriptor_ids(wanted.get("descriptor_ids"))
    return id


def _check_exists(practice: Practice, wanted: JsonRow, resource: str) -> int | None:
    name = f"{resource}_id"
    id = wanted.get(name)
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


def _time(wanted: JsonRow, name: str) -> datetime:
    found = parse_timestamp(wanted[name])
    if found is None:
        raise RequestRejectedError(400, f"{name} is invalid")
    return found


def _end(
    call: SandboxCall, wanted: JsonRow, start: datetime, type_id: int | None, at: tuple[int, int]
) -> float:
    practice = call.practice
    if type_id is not None and not any(
        type_id in ints(hours.get("appointment_type_ids"))
        for hours in practice.availabilities
        if (hours.get("provider_id"), hours.get("location_id")) == at
    ):
        raise RequestRejectedError(
            400, "appointment_type_id was not found to be configured for the requested slot"
        )
    if wanted.get("end_time") is None:
        found = {} if type_id is None else practice.appointment_types.row(type_id)
        minutes = number(found, "minutes") or _USUAL_MINUTES
        return start.timestamp() + minutes * 60
    end = _time(wanted, "end_time").timestamp()
    if end <= start.timestamp():
        raise RequestRejectedError(400, "end_time must be after start_time")
    return end


def reschedule(call: SandboxCall, appointment: JsonRow, wanted: JsonRow) -> JsonRow:
    """What changes when an appointment is put elsewhere (v3): the time, the room, the note."""
    changes: JsonRow = {}
    note = wanted.get("note")
    if isinstance(note, str):
        if len(note) > _NOTE_LENGTH:
            raise RequestRejectedError(
                400, f"note is too long (maximum is {_NOTE_LENGTH} characters)"
            )
        changes["note"] = note
    placing = {
        name: wanted[name]
        for name in ("start_time", "end_time", "operatory_id")
        if wanted.get(name) is not None
    }
    if not placing:
        return changes
    if not call.world.guesses.system_reschedules:
        raise RequestRejectedError(400, "The practice's system does not support this update")
    now_at = {**appointment, **placing}
    start, end = _time(now_at, "start_time"), _time(now_at, "end_time")
    was = (
        parse_timestamp(appointment.get("end_time")),
        parse_timestamp(appointment.get("start_time")),
    )
    if "start_time" in placing and "end_time" not in placing and was[0] and was[1]:
        end = start + (was[0] - was[1])
    if "start_time" in placing and start.timestamp() <= call.now:
        raise RequestRejectedError(400, "Appointment start time cannot be in the past")
    if end <= start:
        raise RequestRejectedError(400, "end_time must be after start_time")
    room = _check_exists(call.practice, now_at, "operatory")
    if room is not None and "operatory_id" in placing:
        office = call.practice.operatories.row(room).get("location_id")
        if office != appointment.get("location_id"):
            raise RequestRejectedError(404, f"Operatory with id {room} not found")
    own = BusyTime(
        was[1].timestamp() if was[1] else 0.0,
        was[0].timestamp() if was[0] else 0.0,
        appointment.get("provider_id"),
        appointment.get("operatory_id"),
        appointment.get("location_id"),
    )
    provider = appointment.get("provider_id")
    _refuse_clash(
        call,
        start.timestamp(),
        end.timestamp(),
        provider if isinstance(provider, int) else None,
        room,
        own,
    )
    return {
        **changes,
        "start_time": format_timestamp(start.timestamp()),
        "end_time": format_timestamp(end.timestamp()),
        "operatory_id": room,
        "timezone_offset": call.practice.offset(start.timestamp()),
    }


def _refuse_clash(
    call: SandboxCall,
    start: float,
    end: float,
    provider_id: int | None,
    operatory_id: int | None,
    own: BusyTime | None = None,
) -> None:
    room_for = call.body.get("appointments_per_timeslot", 1)
    if not isinstance(room_for, int) or not 1 <= room_for <= 5:
        raise RequestRejectedError(400, "appointments_per_timeslot is invalid")
    taken = [
        one
        for one in busy_times(call.practice)
        if one != own
        and one.start < end
        and start < one.end
        and (
            one.provider_id == provider_id
            or (operatory_id is not None and one.operatory_id == operatory_id)
        )
    ]
    if len(taken) >= room_for:
        raise RequestRejectedError(
            call.world.guesses.slot_taken_status, "this time is no longer available"
        )
