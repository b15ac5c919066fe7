"""Appointments, their types, the hours providers work, and the times that are free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from nexhealth_async import endpoints as to
from nexhealth_async import models as m
from nexhealth_async.errors import InvalidArgument
from nexhealth_async.filters import (
    AppointmentCategoryFilters,
    AppointmentChanges,
    AppointmentDescriptorFilters,
    AppointmentFilters,
    AppointmentOptions,
    AppointmentTypeChanges,
    AppointmentTypeFilters,
    AppointmentTypeOptions,
    BookingOptions,
    LocationScoped,
    NewAppointment,
    NewAppointmentType,
    NewWorkingHours,
    PracticeScoped,
    RescheduleOptions,
    SlotFilters,
    TypeDescriptorFilters,
    WorkingHourLabelFilters,
    WorkingHoursChanges,
    WorkingHoursFilters,
    WorkingHoursOptions,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Noun
from nexhealth_async.resources._checks import (
    check_note,
    check_one_of,
    check_order,
    check_positive,
)
from nexhealth_async.workflows.booking import BookingCalls, book, reschedule
from nexhealth_async.workflows.confirmation_rules import ConfirmationCalls, appointment_written
from nexhealth_async.workflows.slots import free_slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from nexhealth_async.workflows.booking import Rescheduled
    from nexhealth_async.workflows.confirmation import Written
    from nexhealth_async.workflows.event_bus import Events
    from nexhealth_async.workflows.slots import FreeSlot

__all__ = [
    "AppointmentCategories",
    "AppointmentDescriptors",
    "AppointmentTypes",
    "Appointments",
    "AvailableSlots",
    "TypeDescriptors",
    "WorkingHourLabels",
    "WorkingHours",
]


class AppointmentCategories(Noun):
    """What appointment types were before they had that name; v2 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[AppointmentCategoryFilters]) -> Walk[m.AppointmentType]:
        """Walk the appointment categories of one location; v2 only.

        ``GET /appointment_categories``

        Prefer ``appointment_types``, which both versions have: the vendor no longer documents
        categories. The list comes whole. Raises `MissingScope` without a practice and a location.
        """
        return self._caller.walk(to.APPOINTMENT_CATEGORIES, filters)


class TypeDescriptors(Noun):
    """What the practice's own system calls an appointment type."""

    __slots__ = ()

    def walk(
        self, type_id: int, /, **filters: Unpack[TypeDescriptorFilters]
    ) -> Walk[m.AppointmentDescriptor]:
        """Walk the appointment descriptors of one appointment type.

        ``GET /appointment_types/{id}/appointment_descriptors``

        The list comes whole. Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.TYPE_DESCRIPTORS, filters, type_id)


class AppointmentTypes(Noun):
    """The kinds of appointments patients can book."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> TypeDescriptors:
        """What the practice's own system calls an appointment type."""
        return TypeDescriptors(self._caller)

    def walk(self, **filters: Unpack[AppointmentTypeFilters]) -> Walk[m.AppointmentType]:
        """Walk the appointment types of a practice.

        ``GET /appointment_types``

        The list comes whole. The API wants a location where the institution has
        ``appointment_types_location_scoped``. Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.APPOINTMENT_TYPES, filters)

    async def get(self, id: int, /, **options: Unpack[AppointmentTypeOptions]) -> m.AppointmentType:
        """Get one appointment type.

        ``GET /appointment_types/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.APPOINTMENT_TYPES_GET, options, id)

    async def create(self, **fields: Unpack[NewAppointmentType]) -> m.AppointmentType:
        """Create an appointment type.

        ``POST /appointment_types``

        Raises `Invalid` if the name is taken, and `OutcomeUnknown` if the answer was lost: creating
        is never repeated by itself.
        """
        check_positive("minutes", fields.get("minutes"))
        return await self._caller.call(to.APPOINTMENT_TYPES_CREATE, fields)

    async def update(
        self, id: int, /, **fields: Unpack[AppointmentTypeChanges]
    ) -> m.AppointmentType:
        """Change an appointment type; fields that are not given stay.

        ``PATCH /appointment_types/{id}``

        Raises `NotFound` for an id this practice does not have, `Invalid` if the name is taken.
        """
        check_positive("minutes", fields.get("minutes"))
        return await self._caller.call(to.APPOINTMENT_TYPES_UPDATE, fields, id)

    async def delete(self, id: int, /, **options: Unpack[LocationScoped]) -> None:
        """Delete an appointment type.

        ``DELETE /appointment_types/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        await self._caller.perform(to.APPOINTMENT_TYPES_DELETE, options, id)


class WorkingHourLabels(Noun):
    """What working hours are called, to tell kinds of them apart; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[WorkingHourLabelFilters]) -> Walk[m.WorkingHoursLabel]:
        """Walk the labels of working hours, of a practice or of one location; v3 only.

        ``GET /working_hour_labels``

        Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.WORKING_HOUR_LABELS, filters)


class WorkingHours(Noun):
    """The hours in which providers can be booked; not the times that are free."""

    __slots__ = ()

    def walk(self, **filters: Unpack[WorkingHoursFilters]) -> Walk[m.WorkingHours]:
        """Walk the working hours of one location.

        ``GET /availabilities`` (v2), ``GET /working_hours`` (v3)

        Switched-off hours are left out by the server; hours for a day that has passed are not,
        unless ``ignore_past_dates=True``. Hours that come from the practice's own system may be
        missing here although ``providers`` shows them.

        Raises `MissingScope` without a practice and a location.
        """
        return self._caller.walk(to.WORKING_HOURS, filters)

    async def get(self, id: int, /, **options: Unpack[WorkingHoursOptions]) -> m.WorkingHours:
        """Get one record of working hours.

        ``GET /availabilities/{id}`` (v2), ``GET /working_hours/{id}`` (v3)

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.WORKING_HOURS_GET, options, id)

    async def create(self, **fields: Unpack[NewWorkingHours]) -> m.WorkingHours:
        """Create working hours: weekly, on one day, or recurring.

        ``POST /availabilities`` (v2), ``POST /working_hours`` (v3)

        Times are ``"HH:MM"`` in the practice's zone.

        Raises `InvalidArgument` unless exactly one of ``days``, ``specific_date`` and
        ``custom_recurrence`` is given, `MissingScope` without a practice and a location, and
        `OutcomeUnknown` if the answer was lost: creating is never repeated by itself.
        """
        check_one_of(fields, ("days", "specific_date", "custom_recurrence"))
        return await self._caller.call(to.WORKING_HOURS_CREATE, fields)

    async def update(self, id: int, /, **fields: Unpack[WorkingHoursChanges]) -> m.WorkingHours:
        """Change working hours; fields that are not given stay.

        ``PATCH /availabilities/{id}`` (v2), ``PATCH /working_hours/{id}`` (v3)

        Raises `InvalidArgument` for more than one of ``days``, ``specific_date`` and
        ``custom_recurrence``, `NotInThisVersion` for ``provider_id`` and ``custom_recurrence`` in
        v2, and `NotFound` for an id this practice does not have.
        """
        check_one_of(fields, ("days", "specific_date", "custom_recurrence"), least=0)
        return await self._caller.call(to.WORKING_HOURS_UPDATE, fields, id)

    async def delete(self, id: int, /, **options: Unpack[PracticeScoped]) -> None:
        """Delete working hours.

        ``DELETE /availabilities/{id}`` (v2), ``DELETE /working_hours/{id}`` (v3)

        Raises `NotFound` for an id this practice does not have.
        """
        await self._caller.perform(to.WORKING_HOURS_DELETE, options, id)


class AvailableSlots(Noun):
    """The times at which an appointment can be made."""

    __slots__ = ()

    def walk(self, **filters: Unpack[SlotFilters]) -> Walk[m.SlotGroup]:
        """Walk the free times, in groups of one provider (``pid``) at one location (``lid``).

        ``GET /appointment_slots`` (v2), ``GET /available_slots`` (v3)

        Times are in the practice's zone; pass a slot's ``time`` back unchanged as ``start_time`` of
        the appointment, with the group's ``pid`` as ``provider_id``, and with the slot's
        ``operatory_id`` where the location has ``map_by_operatory``. A group without slots names
        the ``next_available_date``. No slots at all may also mean that no working hours are set, or
        that none are open to the appointment type. The list comes whole, and 10 such requests are
        allowed in a second.

        Raises `InvalidArgument` unless ``pids`` or ``appointment_type_id`` is given, for ``days``
        below 1, and for ``location_id`` beside ``lids``; `MissingScope` without a practice and a
        location; and `NotInThisVersion` for ``working_hour_label_id``, ``working_hour_source`` and
        ``appointments_per_timeslot`` in v2.
        """
        check_one_of(filters, ("location_id", "lids"), least=0)
        check_positive("days", filters.get("days"))
        return self._caller.walk(to.AVAILABLE_SLOTS, filters)

    def flat(self, **filters: Unpack[SlotFilters]) -> AsyncIterator[FreeSlot]:
        """Walk the free times one by one, each with its provider and location.

        More than 14 ``days`` are searched in windows of 14, as the vendor advises; ``limit`` counts
        times. What `walk` says of empty groups (``next_available_date``) is not told here.

        Raises what `walk` does.
        """
        return free_slots(self.walk, filters)


class AppointmentDescriptors(Noun):
    """What the practice's own system calls an appointment."""

    __slots__ = ()

    def walk(
        self, appointment_id: int, /, **filters: Unpack[AppointmentDescriptorFilters]
    ) -> Walk[m.AppointmentDescriptor]:
        """Walk the appointment descriptors of one appointment.

        ``GET /appointments/{id}/appointment_descriptors``

        The list comes whole. Raises `MissingScope` without a practice.
        """
        return self._caller.walk(to.APPOINTMENT_DESCRIPTORS, filters, appointment_id)


class Appointments(Noun):
    """The appointments of a practice."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> AppointmentDescriptors:
        """What the practice's own system calls an appointment."""
        return AppointmentDescriptors(self._caller)

    @property
    def _booking(self) -> BookingCalls:
        return BookingCalls(
            client=self._caller,
            slots=to.AVAILABLE_SLOTS,
            appointments=to.APPOINTMENTS,
            get=to.APPOINTMENTS_GET,
            create=to.APPOINTMENTS_CREATE,
            update=to.APPOINTMENTS_UPDATE,
        )

    def walk(self, **filters: Unpack[AppointmentFilters]) -> Walk[m.Appointment]:
        """Walk the appointments of one location between two times.

        ``GET /appointments``

        Whether cancelled appointments are listed when ``cancelled`` is left out is not documented:
        integrations have seen only active ones in v2 and both in v3. Walk ``cancelled=False`` and
        ``cancelled=True`` to have both for sure. ``start`` and ``end`` are required, also beside
        ``updated_since``. Times in the answer are UTC.

        In v3 a ``foreign_id`` will do instead of a location.

        Raises `InvalidArgument` for a time without a zone, an ``end`` before ``start``, or more
        than 25 ``patient_ids``; `MissingScope` without a practice and a location; and
        `NotInThisVersion` for several ``patient_ids`` or ``sort`` in v2, and ``include`` in v3.
        """
        check_order(("start", "end"), filters.get("start"), filters.get("end"))
        return self._caller.walk(to.APPOINTMENTS, filters)

    async def get(self, id: int, /, **options: Unpack[AppointmentOptions]) -> m.Appointment:
        """Get one appointment.

        ``GET /appointments/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._caller.call(to.APPOINTMENTS_GET, options, id)

    async def create(self, **fields: Unpack[NewAppointment]) -> m.Appointment:
        """Book an appointment, or block a time with ``patient_id=None, unavailable=True``.

        ``POST /appointments``

        Only the future can be booked. Pass a slot's ``time`` as ``start_time`` unchanged, its
        ``operatory_id`` where the location has ``map_by_operatory``, and either its ``end_time`` or
        an ``appointment_type_id``; the answer gives the same moments in UTC. The booking reaches
        the practice's own system later: ``foreign_id`` is None until it is written there, which
        may still fail.

        Raises `InvalidArgument` for a note of more than 128 characters, a time without a zone, an
        end before the start, or no patient; `SlotTaken` if the time is no longer free; `Invalid`
        for other refusals; `MissingScope` without a practice and a location; and `OutcomeUnknown`
        if the answer was lost: booking is never repeated by itself.
        """
        check_note(fields.get("note"))
        check_order(("start_time", "end_time"), fields.get("start_time"), fields.get("end_time"))
        return await self._caller.call(to.APPOINTMENTS_CREATE, _booking(fields))

    async def update(self, id: int, /, **fields: Unpack[AppointmentChanges]) -> m.Appointment:
        """Confirm, cancel or check in an appointment; in v3 also move it.

        ``PATCH /appointments/{id}``

        In v2 it cannot be moved: cancel it and create another. In v3 few systems take a new time
        or operatory. The practice's own system has the last word, and the next synchronisation may
        undo a change.

        Raises `NotInThisVersion` for ``start_time``, ``end_time``, ``operatory_id`` and ``note`` in
        v2, `InvalidArgument` for a note of more than 128 characters, a time without a zone or an
        end before the start, `AlreadyCancelled`, `NotYetSynced` while it has not reached the
        practice's system, `UnsupportedBySystem`, and `NotFound` for an id this practice does not
        have.
        """
        check_note(fields.get("note"))
        check_order(("start_time", "end_time"), fields.get("start_time"), fields.get("end_time"))
        return await self._caller.call(to.APPOINTMENTS_UPDATE, fields, id)

    async def confirm(
        self,
        appointment: m.Appointment | int,
        /,
        *,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is an answer, not an error
        events: Events | None = None,
        **options: Unpack[PracticeScoped],
    ) -> Written[m.Appointment]:
        """Wait until a booking is in the practice's own system, or is known not to get there.

        Usually that takes minutes, but hours where the office's computer is off. It is looked for
        with growing pauses, each look a request; with ``events=`` (see `EventBoard`) webhooks
        tell it, and looks are rare. Only webhooks tell of failure: by looking alone a booking that
        failed is ``waiting`` for ever. After ``timeout`` seconds (None: never) the answer's status
        is ``waiting``, with what is known of the reason; the booking may still get there. Give it
        time for one look at least: a look that takes longer is broken off.

        Raises what a call may raise, but not for looks that failed in passing.
        """
        return await appointment_written(
            ConfirmationCalls(
                client=self._caller,
                record=to.APPOINTMENTS_GET,
                location=to.LOCATIONS_GET,
                sync_status=to.SYNC_STATUS,
            ),
            appointment,
            options,
            timeout=timeout,
            events=events,
        )

    async def book(self, slot: FreeSlot, /, **options: Unpack[BookingOptions]) -> m.Appointment:
        """Book a slot that `AvailableSlots.flat` found, once.

        Where the patient already has an appointment with that provider at that time, it is
        returned. Otherwise the slot is asked for again; location, provider and operatory are the
        slot's own. Pass its start as it was found, or in UTC: in a third zone it may fall on
        another day, and is not found. An answer that was lost is settled by looking for the
        appointment for some seconds.

        Asking for the same again after an error books nothing twice: while a lost booking may still
        be carried out (``OutcomeUnknown.unsettled_until``), this session looks for it and does not
        send it again. Other processes only look.

        Raises `SlotTaken` if the time is no longer offered, `OutcomeUnknown` if it cannot be told
        whether it was booked (book no other time before looking after ``unsettled_until``), and
        what else `create` raises. As there, the practice's system has the last word later: see
        `confirm`.
        """
        check_note(options.get("note"))
        return await book(self._booking, slot, options)

    async def reschedule(
        self, appointment: m.Appointment, slot: FreeSlot, /, **options: Unpack[RescheduleOptions]
    ) -> Rescheduled:
        """Move an appointment to a slot that `AvailableSlots.flat` found.

        Where the API version and the practice's system can move it, and the provider, location and
        type stay, the appointment itself is changed. Otherwise the new time is booked first, and
        then the old one cancelled: the patient is never without an appointment. A slot that
        overlaps the old time can only be had in place. Descriptors are not carried over. Asked
        again after an error or a cancellation on its way, it goes on where it was broken off.

        Raises `BothBooked` if the new one was booked but the old one could not be cancelled,
        `AlreadyCancelled` if it was cancelled before, `NotYetSynced` while the practice's system
        does not have it yet, and what `book` raises, with the old appointment untouched: only for
        `OutcomeUnknown` it may have been moved already, or may be until ``unsettled_until``. Ask
        for the same slot again then, and for no other before. Of a move in place the practice's
        system too has the last word later; webhooks tell it, as outcomes of
        ``appointment_updated``.
        """
        check_note(options.get("note"))
        return await reschedule(self._booking, appointment, slot, options)


def _booking(fields: NewAppointment) -> Mapping[str, object]:
    """Leave out the patient of a block: the API wants none named, not a null."""
    if fields.get("patient_id") is not None:
        return fields
    if not fields.get("unavailable"):
        raise InvalidArgument("patient_id is required, unless unavailable=True blocks the time")
    return {name: value for name, value in fields.items() if name != "patient_id"}
