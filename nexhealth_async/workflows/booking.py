"""Booking of a slot exactly once, and rescheduling that never leaves a patient without appointment.

Reference: v3 1.7: ``POST /appointments`` has no idempotency key, only the server's check of the
slot. After a lost response the appointment is therefore looked up, never booked again.
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
"""Arguments of the slot search only."""
_COMMON_FIELDS = ("appointment_type_id", "appointments_per_timeslot", "subdomain")
_CHECK_DELAYS = (0.0, 1.0, 2.0, 4.0)
"""Seconds before each lookup of a booking whose response was lost, since it may come late."""
_RETRY_ADVICE = (
    "Call book() again with the same slot after unsettled_until; do not book another one before."
)


@frozen(kw_only=True)
class BookingCalls:
    """A client and the operations that booking uses."""

    client: Client
    slots: Endpoint[SlotGroup]
    appointments: Endpoint[Appointment]
    get: Endpoint[Appointment]
    create: Endpoint[Appointment]
    update: Endpoint[Appointment]


@frozen(kw_only=True)
class RescheduleResult:
    """Result of rescheduling an appointment."""

    appointment: Appointment
    """The appointment at its new time."""
    replaced: int | None = None
    """Id of the cancelled appointment; None if the appointment itself was moved."""


async def book(
    calls: BookingCalls,
    slot: FreeSlot,
    fields: Mapping[str, object],
    *,
    exclude_id: int | None = None,
) -> Appointment:
    """Book a slot exactly once.

    Args:
        calls: Client and operations.
        slot: The slot to book.
        fields: Fields of the appointment.
        exclude_id: Id of an appointment that the new one replaces.

    Raises:
        SlotTakenError: The slot is no longer available.
        OutcomeUnknownError: The appointment may have been booked.
    """
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
        except OutcomeUnknownError as error:
            found = await booking.wait_until_found()
            if found is None:
                raise error from None
            write.resolve()
            return found


def _prepare_booking(
    calls: BookingCalls, slot: FreeSlot, fields: Mapping[str, object], exclude_id: int | None
) -> _Booking:
    if not isinstance(slot, FreeSlot):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            f"slot must be a FreeSlot of available_slots.flat(), not {type(slot).__name__}"
        )
    if slot.provider_id is None:
        raise InvalidArgumentError("the slot has no provider_id; pass a slot with one")
    check_aware("the slot's start", slot.start)
    if slot.end is None and fields.get("appointment_type_id") is None:
        raise InvalidArgumentError(
            "the slot has no end; pass appointment_type_id, which determines the duration"
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
        "the server may still execute an earlier request for this booking, so it was not repeated.",
        lookup=_RETRY_ADVICE,
        operation=_BOOK,
        unsettled_until=until,
    )


def _slot_taken_error() -> SlotTakenError:
    return SlotTakenError("the slot is no longer available", status=200)


@frozen(kw_only=True)
class _Booking:
    """One booking."""

    calls: BookingCalls
    slot: FreeSlot
    fields: Mapping[str, object] = field(repr=False)
    scope: Mapping[str, object]
    exclude_id: int | None

    def arguments(self) -> dict[str, object]:
        """Return the arguments of the create operation."""
        slot = self.slot
        fields = {name: value for name, value in self.fields.items() if name not in _SEARCH_FIELDS}
        slot_fields: dict[str, object] = {"provider_id": slot.provider_id, "start_time": slot.start}
        if self.fields.get("appointment_type_id") is None:
            slot_fields["end_time"] = slot.end
        if slot.operatory_id is not None:
            slot_fields["operatory_id"] = slot.operatory_id
        return {**self._location(), **slot_fields, **fields}

    def write(self) -> PendingWrite:
        """Return the pending write of this booking, which must not happen twice."""
        fields, slot = self.fields, self.slot
        identity = (_BOOK, fields.get("patient_id"), slot.provider_id, slot.start.timestamp())
        return self.calls.client.pending_write(*identity, subdomain=fields.get("subdomain"))

    def _location(self) -> dict[str, object]:
        return {} if self.slot.location_id is None else {"location_id": self.slot.location_id}

    async def is_offered(self) -> bool:
        """Search the slots of the day, provider and operatory again for this slot."""
        slot, fields = self.slot, self.fields
        filters = {
            name: fields[name] for name in (*_COMMON_FIELDS, *_SEARCH_FIELDS) if name in fields
        }
        search = {**self._location(), **self.scope, **filters}
        search |= {**_days(slot.start), "pids": [slot.provider_id]}
        if slot.operatory_id is not None:
            search |= {"operatory_ids": [slot.operatory_id], "overlapping_operatory_slots": True}
        if fields.get("appointment_type_id") is None and slot.end is not None:
            search["slot_length"] = round((slot.end - slot.start) / timedelta(minutes=1))
        async with aclosing(self.calls.client.walk(self.calls.slots, search)) as walk:
            groups = [group async for group in walk]
        return any(offered.time == slot.start for group in groups for offered in group.slots)

    async def find_ours(self) -> Appointment | None:
        """Find an appointment of this patient with this provider at exactly this time."""
        start = self.slot.start
        filters: dict[str, object] = {
            **self._location(),
            **self.scope,
            "start": start,
            "end": start + timedelta(minutes=1),
            "provider_ids": [self.slot.provider_id],
            "cancelled": False,
            "prefetch": 0,
        }
        async with aclosing(self.calls.client.walk(self.calls.appointments, filters)) as walk:
            matches = [appointment async for appointment in walk if self._is_ours(appointment)]
        return matches[0] if matches else None

    def _is_ours(self, appointment: Appointment) -> bool:
        is_guardian = bool(self.fields.get("is_guardian"))
        patient_ids = (
            {appointment.patient_id, appointment.created_by_user_id}
            if is_guardian
            else {appointment.patient_id}
        )
        return (
            appointment.id != self.exclude_id
            and not appointment.cancelled
            and not appointment.deleted
            and appointment.start_time == self.slot.start
            and appointment.provider_id == self.slot.provider_id
            and self.fields["patient_id"] in patient_ids
        )

    async def find_after_failure(self) -> Appointment | None:
        try:
            return await self.find_ours()
        except NexHealthError:
            return None

    async def wait_until_found(self) -> Appointment | None:
        """Look up a booking whose response was lost a few times; it may appear even later."""
        for delay in _CHECK_DELAYS:
            await asyncio.sleep(backoff_delay(delay))
            if (found := await self.find_after_failure()) is not None:
                return found
        return None


def _days(start: datetime) -> dict[str, object]:
    """Return the search range of a slot: its day, or 3 days if its local day is unknown (UTC)."""
    if start.utcoffset():
        return {"start_date": start.date(), "days": 1}
    return {"start_date": start.date() - timedelta(days=1), "days": 3}


async def reschedule(
    calls: BookingCalls, appointment: Appointment, slot: FreeSlot, fields: Mapping[str, object]
) -> RescheduleResult:
    """Move an appointment in place, or book the new slot and cancel the old appointment.

    Raises:
        AlreadyCancelledError: The appointment is cancelled.
        SlotTakenError: The slot is no longer available.
        OutcomeUnknownError: The appointment may have been moved or booked.
        DoubleBookedError: The new appointment was booked, but the old one not cancelled.
    """
    scope = {name: fields[name] for name in ("subdomain",) if name in fields}
    old = await calls.client.call(calls.get, scope, appointment.id)
    if old.cancelled:
        raise AlreadyCancelledError("the appointment is cancelled", status=200, operation=_MOVE)
    slot = _with_end(old, slot)
    new_fields = _merge_fields(old, fields)
    new = await _find_earlier_booking(calls, old, slot, new_fields)
    if new is None and not _is_pending(calls, old, slot, new_fields):
        moved = await _move(calls, old, slot, fields, scope)
        if moved is not None:
            return RescheduleResult(appointment=moved)
    if old.patient_id is None:
        raise InvalidArgumentError(
            "blocked time has no patient; cancel it and block another time instead"
        )
    new = new or await book(calls, slot, new_fields, exclude_id=old.id)
    await _cancel_old(calls, old.id, new.id, scope)
    return RescheduleResult(appointment=new, replaced=old.id)


async def _find_earlier_booking(
    calls: BookingCalls, old: Appointment, slot: FreeSlot, fields: Mapping[str, object]
) -> Appointment | None:
    """Find the booking of an interrupted attempt; raises `SlotTakenError` if another has it."""
    if not _is_different_time(old, slot):
        return None
    booking = _prepare_booking(calls, slot, fields, old.id)
    if await booking.is_offered():
        return None
    found = None if old.patient_id is None else await booking.find_ours()
    if found is None:
        raise _slot_taken_error()
    return found


def _is_pending(
    calls: BookingCalls, old: Appointment, slot: FreeSlot, fields: Mapping[str, object]
) -> bool:
    """Return whether an earlier attempt may still book the slot; a move would then duplicate it."""
    if old.patient_id is None:
        return False
    return _prepare_booking(calls, slot, fields, old.id).write().pending_until is not None


def _with_end(old: Appointment, slot: FreeSlot) -> FreeSlot:
    """Give a slot without an end the duration of the old appointment."""
    if slot.end is not None or old.start_time is None or old.end_time is None:
        return slot
    return evolve(slot, end=slot.start + (old.end_time - old.start_time))


def _is_different_time(old: Appointment, slot: FreeSlot) -> bool:
    """Return whether the slot does not overlap the old appointment, which would hide it."""
    if old.start_time is None or old.end_time is None:
        return False
    return slot.start >= old.end_time or (slot.end is not None and slot.end <= old.start_time)


async def _move(
    calls: BookingCalls,
    old: Appointment,
    slot: FreeSlot,
    fields: Mapping[str, object],
    scope: Mapping[str, object],
) -> Appointment | None:
    """Move the appointment in place; None if that is not possible."""
    changes_place = slot.provider_id not in {None, old.provider_id} or (
        slot.location_id is not None and slot.location_id != old.location_id
    )
    changes_type = fields.get("appointment_type_id") not in {None, old.appointment_type_id}
    if changes_place or changes_type:
        return None
    if slot.end is None:
        return None
    changes: dict[str, object] = {**scope, "start_time": slot.start, "end_time": slot.end}
    if slot.operatory_id is not None:
        changes["operatory_id"] = slot.operatory_id
    if fields.get("note") is not None:
        changes["note"] = fields["note"]
    try:
        moved = await calls.client.call(calls.update, changes, old.id)
    except (SlotTakenError, AlreadyCancelledError, NotYetSyncedError):
        raise
    except (NotInVersionError, InvalidRequestError):
        # It is undocumented how systems that cannot do this refuse it.
        return None
    except NexHealthError as error:
        if not _may_have_arrived(error):
            raise
        found = await _find_moved(calls, old.id, slot, scope)
        if found is None:
            window = calls.client.options.retry.late_commit_window
            raise OutcomeUnknownError(
                f"the appointment may have been moved, or may still be moved within {window:g} "
                f"seconds: {error.message}.",
                lookup="Call reschedule() again with the same slot; use no other one before "
                "unsettled_until.",
                operation=_MOVE,
                attempts=error.attempts,
                unsettled_until=datetime.now(UTC) + timedelta(seconds=window),
            ) from None
        return found
    # A server that ignores a change it cannot make answers with success.
    return moved if moved.start_time == slot.start else None


def _may_have_arrived(error: NexHealthError) -> bool:
    """Return whether any attempt of a failed call may have reached the server."""
    if isinstance(error, UsageError) or error.attempts == 0:
        return False
    if isinstance(error, (ConnectionLostError, APITimeoutError, ServerError, InvalidResponseError)):
        return True
    return (error.attempts or 0) > 1


async def _find_moved(
    calls: BookingCalls, id: int, slot: FreeSlot, scope: Mapping[str, object]
) -> Appointment | None:
    try:
        appointment = await calls.client.call(calls.get, scope, id)
    except NexHealthError:
        return None
    is_moved = appointment.start_time == slot.start and not appointment.cancelled
    return appointment if is_moved else None


def _merge_fields(old: Appointment, fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of the new appointment: the given ones, then those of the old one."""
    old_fields = {
        "appointment_type_id": old.appointment_type_id or None,
        "note": old.note or None,
    }
    defaults = {name: value for name, value in old_fields.items() if value is not None}
    return {**defaults, **fields, "patient_id": old.patient_id}


async def _cancel_old(
    calls: BookingCalls, old_id: int, new_id: int, scope: Mapping[str, object]
) -> None:
    """Cancel the old appointment after the new one was booked."""
    try:
        await calls.client.call(calls.update, {**scope, "cancelled": True}, old_id)
    except AlreadyCancelledError:
        return
    except NexHealthError as error:
        if not await _is_cancelled(calls, old_id, scope):
            is_uncertain = _may_have_arrived(error)
            raise DoubleBookedError(
                f"appointment {new_id} was booked, but appointment {old_id}, which it replaces, "
                f"{'may not have been' if is_uncertain else 'could not be'} cancelled: "
                f"{error.message}",
                new_id=new_id,
                old_id=old_id,
                operation=_MOVE,
            ) from error
        return


async def _is_cancelled(calls: BookingCalls, id: int, scope: Mapping[str, object]) -> bool:
    try:
        return bool((await calls.client.call(calls.get, scope, id)).cancelled)
    except NexHealthError:
        return False
