"""Booking: what an appointment needs, and what it may clash with."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from nexhealth_async.sandbox.json_format import (
    Refusal,
    Row,
    ints,
    moment,
    number,
    refuse_missing,
    stamp,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import Call
from nexhealth_async.sandbox.v3_fields import descriptor_ids

__all__ = ["Busy", "busy_times", "create", "moved"]

_NOTE_LENGTH = 128
_USUAL_MINUTES = 15
"""How long an appointment takes that names neither its end nor its type, as seen live."""


@frozen
class Busy:
    """A stretch of time somebody or some room is taken, in seconds since 1970."""

    start: float
    end: float
    provider_id: object
    operatory_id: object
    location_id: object


def busy_times(practice: Practice) -> list[Busy]:
    """All bookings and blocks that hold, in no order."""
    return practice.appointments.remembered("busy", lambda: _busy(practice))


def _busy(practice: Practice) -> list[Busy]:
    found: list[Busy] = []
    for one in practice.appointments:
        start, end = moment(one.get("start_time")), moment(one.get("end_time"))
        if one.get("cancelled") or one.get("deleted") or start is None or end is None:
            continue
        found.append(
            Busy(
                start.timestamp(),
                end.timestamp(),
                one.get("provider_id"),
                one.get("operatory_id"),
                one.get("location_id"),
            )
        )
    return found


def create(call: Call) -> int:
    """Book, and return the new appointment's id."""
    wanted = call.wrapped("appt")
    practice = call.practice
    location_id = call.params.number("location_id") or 0
    office = practice.locations.row(location_id)
    block = wanted.get("unavailable") is True
    needs_room = office.get("map_by_operatory") is True
    refuse_missing(
        call.body,
        *(() if block else ("appt.patient_id",)),
        "appt.provider_id",
        "appt.start_time",
        *(("appt.operatory_id",) if needs_room else ()),
    )
    patient_id = _known(practice, wanted, "patient")
    provider_id = _known(practice, wanted, "provider")
    operatory_id = _known(practice, wanted, "operatory")
    if operatory_id is not None:
        room = practice.operatories.row(operatory_id)
        if room.get("location_id") != location_id:
            raise Refusal(404, f"Operatory with id {operatory_id} not found")
    start = _time(wanted, "start_time")
    if start.timestamp() <= call.now:
        raise Refusal(400, "Appointment start time cannot be in the past")
    type_id = _known(practice, wanted, "appointment_type")
    end = _end(call, wanted, start, type_id, (provider_id or 0, location_id))
    note = wanted.get("note")
    if isinstance(note, str) and len(note) > _NOTE_LENGTH:
        raise Refusal(400, f"note is too long (maximum is {_NOTE_LENGTH} characters)")
    _refuse_clash(call, start.timestamp(), end, provider_id, operatory_id)
    now = stamp(call.now)
    id = practice.appointments.add(
        {
            "patient_id": patient_id,
            "provider_id": provider_id,
            "provider_name": None,
            "start_time": stamp(start.timestamp()),
            "confirmed": False,
            "patient_missed": False,
            "created_at": now,
            "updated_at": now,
            "note": note,
            "end_time": stamp(end),
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


def _known(practice: Practice, wanted: Row, noun: str) -> int | None:
    name = f"{noun}_id"
    id = wanted.get(name)
    if id is None:
        return None
    if not isinstance(id, int):
        raise Refusal(400, f"{name} is invalid")
    table = {
        "patient": practice.patients,
        "provider": practice.providers,
        "operatory": practice.operatories,
        "appointment_type": practice.appointment_types,
    }[noun]
    if id not in table:
        title = noun.replace("_", " ").capitalize()
        raise Refusal(404, f"{title} with id {id} not found")
    return id


def _time(wanted: Row, name: str) -> datetime:
    found = moment(wanted[name])
    if found is None:
        raise Refusal(400, f"{name} is invalid")
    return found


def _end(
    call: Call, wanted: Row, start: datetime, type_id: int | None, at: tuple[int, int]
) -> float:
    practice = call.practice
    if type_id is not None and not any(
        type_id in ints(hours.get("appointment_type_ids"))
        for hours in practice.availabilities
        if (hours.get("provider_id"), hours.get("location_id")) == at
    ):
        raise Refusal(
            400, "appointment_type_id was not found to be configured for the requested slot"
        )
    if wanted.get("end_time") is None:
        found = {} if type_id is None else practice.appointment_types.row(type_id)
        minutes = number(found, "minutes") or _USUAL_MINUTES
        return start.timestamp() + minutes * 60
    end = _time(wanted, "end_time").timestamp()
    if end <= start.timestamp():
        raise Refusal(400, "end_time must be after start_time")
    return end


def moved(call: Call, found: Row, wanted: Row) -> Row:
    """What changes when an appointment is put elsewhere (v3): the time, the room, the note."""
    changes: Row = {}
    note = wanted.get("note")
    if isinstance(note, str):
        if len(note) > _NOTE_LENGTH:
            raise Refusal(400, f"note is too long (maximum is {_NOTE_LENGTH} characters)")
        changes["note"] = note
    placing = {
        name: wanted[name]
        for name in ("start_time", "end_time", "operatory_id")
        if wanted.get(name) is not None
    }
    if not placing:
        return changes
    if not call.world.guesses.system_reschedules:
        raise Refusal(400, "The practice's system does not support this update")
    now_at = {**found, **placing}
    start, end = _time(now_at, "start_time"), _time(now_at, "end_time")
    was = moment(found.get("end_time")), moment(found.get("start_time"))
    if "start_time" in placing and "end_time" not in placing and was[0] and was[1]:
        end = start + (was[0] - was[1])
    if "start_time" in placing and start.timestamp() <= call.now:
        raise Refusal(400, "Appointment start time cannot be in the past")
    if end <= start:
        raise Refusal(400, "end_time must be after start_time")
    room = _known(call.practice, now_at, "operatory")
    if room is not None and "operatory_id" in placing:
        office = call.practice.operatories.row(room).get("location_id")
        if office != found.get("location_id"):
            raise Refusal(404, f"Operatory with id {room} not found")
    own = Busy(
        was[1].timestamp() if was[1] else 0.0,
        was[0].timestamp() if was[0] else 0.0,
        found.get("provider_id"),
        found.get("operatory_id"),
        found.get("location_id"),
    )
    provider = found.get("provider_id")
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
        "start_time": stamp(start.timestamp()),
        "end_time": stamp(end.timestamp()),
        "operatory_id": room,
        "timezone_offset": call.practice.offset(start.timestamp()),
    }


def _refuse_clash(
    call: Call,
    start: float,
    end: float,
    provider_id: int | None,
    operatory_id: int | None,
    own: Busy | None = None,
) -> None:
    room_for = call.body.get("appointments_per_timeslot", 1)
    if not isinstance(room_for, int) or not 1 <= room_for <= 5:
        raise Refusal(400, "appointments_per_timeslot is invalid")
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
        raise Refusal(call.world.guesses.slot_taken_status, "this time is no longer available")
