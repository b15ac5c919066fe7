"""Booking a free time once, and moving an appointment without ever leaving a patient without one.

Reference: v3 1.7: ``POST /appointments`` has no idempotency key, nothing but the server's own check
of the slot. So an answer that was lost is settled by looking, never by booking again.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from nexhealth_async._client.backoff_switch import backoff_delay
from nexhealth_async._protocol.timestamps import check_aware
from nexhealth_async.errors import (
    AlreadyCancelledError,
    APITimeoutError,
    ConnectionLostError,
    DoubleBookedError,
    InvalidArgumentError,
    InvalidRequestError,
    InvalidResponseError,
    NexHealthError,
    NotInVersionError,
    NotYetSyncedError,
    OutcomeUnknownError,
    ServerError,
    SlotTakenError,
    UsageError,
)
from nexhealth_async.workflows.slots import FreeSlot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexhealth_async._client.client import Client
    from nexhealth_async._client.unknown_outcomes import PendingWrite
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.models import Appointment, SlotGroup

__all__ = ["BookingCalls", "RescheduleResult", "book", "reschedule"]

_BOOK, _MOVE = "POST /appointments", "PATCH /appointments/{id}"
_SEARCH_FIELDS = ("slot_interval", "working_hour_label_id", "working_hour_source")
"""What only the search takes."""
_COMMON_FIELDS = ("appointment_type_id", "appointments_per_timeslot", "subdomain")
_CHECK_DELAYS = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each look for a booking whose answer was lost: it may still be under way."""
_RETRY_ADVICE = (
    "Ask for the same booking again after unsettled_until; book no other time before looking."
)


@frozen(kw_only=True)
class BookingCalls:
    """A client, and the operations that booking performs with it."""

    client: Client
    slots: Endpoint[SlotGroup]
    appointments: Endpoint[Appointment]
    get: Endpoint[Appointment]
    create: Endpoint[Appointment]
    update: Endpoint[Appointment]


@frozen(kw_only=True)
class RescheduleResult:
    """What became of an appointment that was to be moved."""

    appointment: Appointment
    """The appointment at its new time."""
    replaced: int | None = None
    """Id of the one that was cancelled in exchange; None if the appointment itself was moved."""


async def book(
    calls: BookingCalls,
    slot: FreeSlot,
    fields: Mapping[str, object],
    *,
    exclude_id: int | None = None,
) -> Appointment:
    """Book a free time once; ``exclude_id`` is an appointment that is about to be given up."""
    booking = _prepare_booking(calls, slot, fields, exclude_id)
    async with booking.write() as write:
        if (found := await booking.find_ours()) is not None:
            write.resolve()
            return found
        if write.pending_until is not None:
            raise _unsettled_error(write.pending_until)
        if not await booking.is_offered():
            raise _slot_taken_error()
        try:
            with write.mark_sent():
                return await calls.client.call(calls.create, booking.arguments())
        except SlotTakenError:
            if (found := await booking.find_after_failure()) is not None:
                return found
            raise
        except OutcomeUnknownError as lost:
            found = await booking.wait_until_found()
            if found is None:
                raise lost from None
            write.resolve()
            return found


def _prepare_booking(
    calls: BookingCalls, slot: FreeSlot, fields: Mapping[str, object], exclude_id: int | None
) -> _Booking:
    if not isinstance(slot, FreeSlot):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            f"a slot is what available_slots.flat() finds, not a {type(slot).__name__}"
        )
    if slot.provider_id is None:
        raise InvalidArgumentError("the slot names no provider; pass one with provider_id")
    check_aware("the slot's start", slot.start)
    if slot.end is None and fields.get("appointment_type_id") is None:
        raise InvalidArgumentError(
            "the slot has no end; give an appointment_type_id, which has minutes"
        )
    return _Booking(
        calls=calls,
        slot=slot,
        fields=fields,
        scope={name: fields[name] for name in ("subdomain", "location_id") if name in fields},
        exclude_id=exclude_id,
    )


def _unsettled_error(until: datetime) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "an earlier request for this booking may still be carried out, so it was not sent again.",
        lookup=_RETRY_ADVICE,
        operation=_BOOK,
        unsettled_until=until,
    )


def _slot_taken_error() -> SlotTakenError:
    return SlotTakenError("the time is not offered any more", status=200)


@frozen(kw_only=True)
class _Booking:
    """One booking under way."""

    calls: BookingCalls
    slot: FreeSlot
    fields: Mapping[str, object] = field(repr=False)
    scope: Mapping[str, object]
    exclude_id: int | None

    def arguments(self) -> dict[str, object]:
        """The booking as the API wants it."""
        slot = self.slot
        named = {name: value for name, value in self.fields.items() if name not in _SEARCH_FIELDS}
        wanted: dict[str, object] = {"provider_id": slot.provider_id, "start_time": slot.start}
        if self.fields.get("appointment_type_id") is None:
            wanted["end_time"] = slot.end
        if slot.operatory_id is not None:
            wanted["operatory_id"] = slot.operatory_id
        return {**self._location(), **wanted, **named}

    def write(self) -> PendingWrite:
        """Return the booking as a write that must not happen twice."""
        fields, slot = self.fields, self.slot
        identity = (_BOOK, fields.get("patient_id"), slot.provider_id, slot.start.timestamp())
        return self.calls.client.track_write(*identity, subdomain=fields.get("subdomain"))

    def _location(self) -> dict[str, object]:
        return {} if self.slot.location_id is None else {"location_id": self.slot.location_id}

    async def is_offered(self) -> bool:
        """Ask again for the slots of that day, provider and room."""
        slot, fields = self.slot, self.fields
        asked = {
            name: fields[name] for name in (*_COMMON_FIELDS, *_SEARCH_FIELDS) if name in fields
        }
        search = {**self._location(), **self.scope, **asked}
        search |= {**_days(slot.start), "pids": [slot.provider_id]}
        if slot.operatory_id is not None:
            search |= {"operatory_ids": [slot.operatory_id], "overlapping_operatory_slots": True}
        if fields.get("appointment_type_id") is None and slot.end is not None:
            search["slot_length"] = round((slot.end - slot.start) / timedelta(minutes=1))
        async with aclosing(self.calls.client.walk(self.calls.slots, search)) as walk:
            groups = [group async for group in walk]
        return any(one.time == slot.start for group in groups for one in group.slots)

    async def find_ours(self) -> Appointment | None:
        """Find an appointment of this patient, with this provider, at this very time."""
        start = self.slot.start
        around: dict[str, object] = {
            **self._location(),
            **self.scope,
            "start": start,
            "end": start + timedelta(minutes=1),
            "provider_ids": [self.slot.provider_id],
            "cancelled": False,
            "prefetch": 0,
        }
        async with aclosing(self.calls.client.walk(self.calls.appointments, around)) as walk:
            found = [one async for one in walk if self._is_ours(one)]
        return found[0] if found else None

    def _is_ours(self, appointment: Appointment) -> bool:
        guardian = bool(self.fields.get("is_guardian"))
        people = (
            {appointment.patient_id, appointment.created_by_user_id}
            if guardian
            else {appointment.patient_id}
        )
        return (
            appointment.id != self.exclude_id
            and not appointment.cancelled
            and not appointment.deleted
            and appointment.start_time == self.slot.start
            and appointment.provider_id == self.slot.provider_id
            and self.fields["patient_id"] in people
        )

    async def find_after_failure(self) -> Appointment | None:
        try:
            return await self.find_ours()
        except NexHealthError:
            return None

    async def wait_until_found(self) -> Appointment | None:
        """Look some times for a booking whose answer was lost; None says nothing about later."""
        for pause in _CHECK_DELAYS:
            await asyncio.sleep(backoff_delay(pause))
            if (found := await self.find_after_failure()) is not None:
                return found
        return None


def _days(start: datetime) -> dict[str, object]:
    """The day of a slot; of a time in UTC it is not known which day the practice calls it."""
    if start.utcoffset():
        return {"start_date": start.date(), "days": 1}
    return {"start_date": start.date() - timedelta(days=1), "days": 3}


async def reschedule(
    calls: BookingCalls, appointment: Appointment, slot: FreeSlot, fields: Mapping[str, object]
) -> RescheduleResult:
    """Move an appointment in place, or else book the new time and then cancel the old one."""
    scope = {name: fields[name] for name in ("subdomain",) if name in fields}
    now = await calls.client.call(calls.get, scope, appointment.id)
    if now.cancelled:
        raise AlreadyCancelledError("the appointment is cancelled", status=200, operation=_MOVE)
    slot = _with_end(now, slot)
    carried = _carried_fields(now, fields)
    made = await _find_earlier_booking(calls, now, slot, carried)
    if made is None and not _is_pending(calls, now, slot, carried):
        moved = await _move(calls, now, slot, fields, scope)
        if moved is not None:
            return RescheduleResult(appointment=moved)
    if now.patient_id is None:
        raise InvalidArgumentError("blocked time has no patient; cancel it and block another")
    made = made or await book(calls, slot, carried, exclude_id=now.id)
    await _cancel_old(calls, now.id, made.id, scope)
    return RescheduleResult(appointment=made, replaced=now.id)


async def _find_earlier_booking(
    calls: BookingCalls, now: Appointment, slot: FreeSlot, fields: Mapping[str, object]
) -> Appointment | None:
    """Find what an interrupted attempt booked; `SlotTakenError` if it is another's."""
    if not _is_different_time(now, slot):
        return None
    booking = _prepare_booking(calls, slot, fields, now.id)
    if await booking.is_offered():
        return None
    found = None if now.patient_id is None else await booking.find_ours()
    if found is None:
        raise _slot_taken_error()
    return found


def _is_pending(
    calls: BookingCalls, now: Appointment, slot: FreeSlot, fields: Mapping[str, object]
) -> bool:
    """Tell whether an earlier try may still book the new time: moving the old one doubles it."""
    if now.patient_id is None:
        return False
    return _prepare_booking(calls, slot, fields, now.id).write().pending_until is not None


def _with_end(now: Appointment, slot: FreeSlot) -> FreeSlot:
    """A slot that has no end of its own is as long as the appointment was."""
    if slot.end is not None or now.start_time is None or now.end_time is None:
        return slot
    return evolve(slot, end=slot.start + (now.end_time - now.start_time))


def _is_different_time(now: Appointment, slot: FreeSlot) -> bool:
    """Tell whether the old time and the new one do not touch: else the old one hides the slot."""
    if now.start_time is None or now.end_time is None:
        return False
    return slot.start >= now.end_time or (slot.end is not None and slot.end <= now.start_time)


async def _move(
    calls: BookingCalls,
    now: Appointment,
    slot: FreeSlot,
    fields: Mapping[str, object],
    scope: Mapping[str, object],
) -> Appointment | None:
    """Move it where version and practice's system can; None if it has to be made anew."""
    elsewhere = slot.provider_id not in {None, now.provider_id} or (
        slot.location_id is not None and slot.location_id != now.location_id
    )
    other_kind = fields.get("appointment_type_id") not in {None, now.appointment_type_id}
    if elsewhere or other_kind:
        return None
    if slot.end is None:
        return None
    changes: dict[str, object] = {**scope, "start_time": slot.start, "end_time": slot.end}
    if slot.operatory_id is not None:
        changes["operatory_id"] = slot.operatory_id
    if fields.get("note") is not None:
        changes["note"] = fields["note"]
    try:
        moved = await calls.client.call(calls.update, changes, now.id)
    except (SlotTakenError, AlreadyCancelledError, NotYetSyncedError):
        raise
    except (NotInVersionError, InvalidRequestError):
        # Which words systems refuse with that cannot do this is not documented.
        return None
    except NexHealthError as error:
        if not _may_have_arrived(error):
            raise
        found = await _was_moved(calls, now.id, slot, scope)
        if found is None:
            late = calls.client.options.retry.late_commit_window
            raise OutcomeUnknownError(
                f"the appointment may have been moved, or may still be within {late:g} seconds, or "
                f"not: {error.message}.",
                lookup="Ask for the same slot again; ask for no other before unsettled_until.",
                operation=_MOVE,
                attempts=error.attempts,
                unsettled_until=datetime.now(UTC) + timedelta(seconds=late),
            ) from None
        return found
    # A server that ignores what it cannot change answers as if all were well.
    return moved if moved.start_time == slot.start else None


def _may_have_arrived(error: NexHealthError) -> bool:
    """Tell whether a request that failed, or one before it, may have reached the server."""
    if isinstance(error, UsageError) or error.attempts == 0:
        return False
    if isinstance(error, (ConnectionLostError, APITimeoutError, ServerError, InvalidResponseError)):
        return True
    return (error.attempts or 0) > 1


async def _was_moved(
    calls: BookingCalls, id: int, slot: FreeSlot, scope: Mapping[str, object]
) -> Appointment | None:
    try:
        seen = await calls.client.call(calls.get, scope, id)
    except NexHealthError:
        return None
    return seen if seen.start_time == slot.start and not seen.cancelled else None


def _carried_fields(now: Appointment, fields: Mapping[str, object]) -> dict[str, object]:
    """What the new appointment has from the old one, unless told otherwise."""
    kept = {
        "appointment_type_id": now.appointment_type_id or None,
        "note": now.note or None,
    }
    carried = {name: value for name, value in kept.items() if value is not None}
    return {**carried, **fields, "patient_id": now.patient_id}


async def _cancel_old(calls: BookingCalls, old: int, new: int, scope: Mapping[str, object]) -> None:
    """Cancel the old appointment, now that the new one is there."""
    try:
        await calls.client.call(calls.update, {**scope, "cancelled": True}, old)
    except AlreadyCancelledError:
        return
    except NexHealthError as error:
        if not await _is_cancelled(calls, old, scope):
            lost = _may_have_arrived(error)
            raise DoubleBookedError(
                f"appointment {new} was booked, but appointment {old}, which it was to replace, "
                f"{'may not have been' if lost else 'could not be'} cancelled: {error.message}",
                new_id=new,
                old_id=old,
                operation=_MOVE,
            ) from error
        return


async def _is_cancelled(calls: BookingCalls, id: int, scope: Mapping[str, object]) -> bool:
    try:
        return bool((await calls.client.call(calls.get, scope, id)).cancelled)
    except NexHealthError:
        return False
