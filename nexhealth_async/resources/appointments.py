"""Appointments: list, get, create, update, book, reschedule and confirm."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, Required, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import CREATED, Endpoint, Need, Paging, RateClass, Row
from nexhealth_async.errors import InvalidArgument
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources import available_slots, locations, sync_status
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_note, check_order
from nexhealth_async.resources.appointment_descriptors import AppointmentDescriptors
from nexhealth_async.resources.options import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    filter_names,
)
from nexhealth_async.resources.patients import Gender
from nexhealth_async.resources.working_hours import WorkingHourSource
from nexhealth_async.workflows.booking import BookingCalls, Rescheduled, book, reschedule
from nexhealth_async.workflows.confirmation import Written
from nexhealth_async.workflows.confirmation_rules import ConfirmationCalls, appointment_written
from nexhealth_async.workflows.event_bus import Events
from nexhealth_async.workflows.slots import FreeSlot

__all__ = [
    "AppointmentChanges",
    "AppointmentFilters",
    "AppointmentInclude",
    "AppointmentOptions",
    "Appointments",
    "BookingOptions",
    "DependantBio",
    "DependantPatient",
    "NewAppointment",
    "RescheduleOptions",
]

AppointmentInclude: TypeAlias = Literal[
    "patient",
    "guarantor",
    "descriptors",
    "booking_details",
    "procedures",
    "operatory",
    "appointment_type",
]
"""Parts of an appointment that are sent on request."""


class AppointmentFilters(LocationScoped, NumberedOptions, total=False):
    """Which appointments are wanted. In v3 ``foreign_id`` will do instead of a location."""

    start: Required[datetime]
    """The earliest start."""
    end: Required[datetime]
    """The latest start."""
    timezone: str | None
    """The practice's zone, as ``"America/New_York"``."""
    cancelled: bool | None
    """Only cancelled ones (True), or none of them (False).

    Left out, the server decides: integrations have seen only active ones in v2 and both in v3.
    """
    unavailable: bool | None
    """Only blocks (True) or only true appointments (False); both when left out."""
    nex_only: bool | None
    """True: only those booked through NexHealth."""
    updated_since: datetime | None
    """Only those changed at or after this time; ``start`` and ``end`` still hold."""
    appointment_type_id: int | None
    """Only those of this type."""
    foreign_id: str | None
    """The appointment's id in the practice's own system."""
    patient_ids: Sequence[int] | None
    """Only those of these patients: exactly one in v2, at most 25 in v3."""
    provider_ids: Sequence[int] | None
    """Only those with these providers."""
    operatory_ids: Sequence[int] | None
    """Only those in these operatories."""
    created_by: int | None
    """Only those this user made."""
    include: Sequence[AppointmentInclude] | None
    """Parts to send along; on this list in v2 only."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest first; v3 only."""


class AppointmentOptions(PracticeScoped, total=False):
    """How one appointment is wanted."""

    include: Sequence[AppointmentInclude] | None
    """Parts to send along."""


class DependantBio(TypedDict, total=False):
    """Particulars of somebody a guardian books for."""

    date_of_birth: Required[date]
    """Birth date."""
    gender: Gender
    """Give it: where it is missing the API stores ``"Female"``."""


class DependantPatient(TypedDict):
    """Somebody a guardian books for."""

    first_name: str
    """First name."""
    last_name: str
    """Last name."""
    bio: DependantBio
    """Particulars."""


class NewAppointment(LocationScoped, total=False):
    """A new appointment, or a block in the schedule."""

    patient_id: Required[int | None]
    """The patient; with ``is_guardian`` the guardian. None only with ``unavailable=True``."""
    provider_id: Required[int]
    """The provider."""
    start_time: Required[datetime | str]
    """A slot's time passed back unchanged, or any time with a zone; in the future."""
    end_time: datetime | str
    """When it ends, with a zone; give this or ``appointment_type_id``, whose minutes count else."""
    operatory_id: int
    """The slot's operatory; required where the location has ``map_by_operatory``."""
    appointment_type_id: int
    """Its type."""
    note: str
    """Written to the practice's system; at most 128 characters."""
    unavailable: bool
    """True blocks the time; such an appointment has no patient."""
    is_guardian: bool
    """True: ``patient_id`` is the guardian, and ``patient`` the one who comes."""
    is_new_clients_patient: bool
    """True: the booking is for a new patient."""
    referrer: str
    """The address of the page the booking was made on."""
    patient: DependantPatient
    """Who comes; required with ``is_guardian``."""
    descriptor_ids: Sequence[int | str]
    """Ids of appointment descriptors, which reach the practice's system too."""
    appointments_per_timeslot: int
    """How many may be booked at this time: 1 (default) to 5; eClinicalWorks and NextGen only."""
    notify_patient: bool
    """True: NexHealth tells the patient; False by default."""


class _SlotOptions(TypedDict, total=False):
    slot_interval: int
    """As in the search that found the slot: it is asked for again."""
    working_hour_label_id: int
    """As in the search that found the slot; v3 only."""
    working_hour_source: WorkingHourSource
    """As in the search that found the slot; v3 only."""
    appointment_type_id: int
    """The appointment's type; without one the slot's own end counts."""
    note: str
    """Written to the practice's system; at most 128 characters."""
    descriptor_ids: Sequence[int | str]
    """Ids of appointment descriptors, which reach the practice's system too."""
    appointments_per_timeslot: int
    """How many may be booked at this time: 1 (default) to 5; eClinicalWorks and NextGen only."""
    notify_patient: bool
    """True: NexHealth tells the patient; False by default."""


class RescheduleOptions(_SlotOptions, PracticeScoped, total=False):
    """How an appointment is moved; type and note are the old one's unless given."""


class BookingOptions(_SlotOptions, PracticeScoped, total=False):
    """How a free time is booked."""

    patient_id: Required[int]
    """The patient; with ``is_guardian`` the guardian."""
    is_guardian: bool
    """True: ``patient_id`` is the guardian, and ``patient`` the one who comes."""
    is_new_clients_patient: bool
    """True: the booking is for a new patient."""
    referrer: str
    """The address of the page the booking was made on."""
    patient: DependantPatient
    """Who comes; required with ``is_guardian``."""


class AppointmentChanges(PracticeScoped, total=False):
    """What may be changed in an appointment. To move it in v2, cancel it and make another."""

    confirmed: bool
    """True once the office has confirmed it; cannot be taken back."""
    cancelled: bool
    """Whether it is cancelled."""
    checkin_at: datetime
    """When the patient checked in; can be set once."""
    start_time: datetime | str
    """When it starts, with a zone, in a system that can move appointments; v3 only."""
    end_time: datetime | str
    """When it ends, with a zone; v3 only."""
    operatory_id: int
    """The operatory; v3 only."""
    note: str
    """Written to the practice's system; at most 128 characters; v3 only."""


LIST: "Endpoint[m.Appointment]" = Endpoint(
    resource="appointments",
    verb="walk",
    model="Appointment",
    v2=Row(
        method="GET",
        path="/appointments",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.SLOW,
        location=Need.REQUIRED,
        filters=filter_names(AppointmentFilters, without=("sort",)),
        required=("start", "end"),
        wire={"patient_ids[]": "patient_id"},
    ),
    v3=Row(
        method="GET",
        path="/appointments",
        paging=Paging.CURSOR,
        max_per_page=1000,
        rate=RateClass.SLOW,
        location=Need.OPTIONAL,
        filters=filter_names(AppointmentFilters, without=("include",)),
        required=("start", "end"),
        one_of=("location_id", "foreign_id"),
        at_most={"patient_ids": 25},
    ),
)

GET: "Endpoint[m.Appointment]" = Endpoint(
    resource="appointments",
    verb="get",
    model="Appointment",
    both=Row(
        method="GET",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.SLOW,
        filters=filter_names(AppointmentOptions),
    ),
)

CREATE: "Endpoint[m.Appointment]" = Endpoint(
    resource="appointments",
    verb="create",
    model="Appointment",
    both=Row(
        method="POST",
        path="/appointments",
        payload=("appt", "appointment"),
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=Need.REQUIRED,
        filters=("notify_patient",),
        wrap="appt",
        beside={"appointments_per_timeslot": ("appointments_per_timeslot",)},
        lookup=(
            "Walk appointments around the start time with nex_only=True and the patient's id "
            "to see whether it was booked."
        ),
    ),
)

UPDATE: "Endpoint[m.Appointment]" = Endpoint(
    resource="appointments",
    verb="update",
    model="Appointment",
    v2=Row(
        method="PATCH",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.PEOPLE,
        wrap="appt",
        lacks=("start_time", "end_time", "operatory_id", "note"),
    ),
    v3=Row(
        method="PATCH",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.PEOPLE,
        wrap="appt",
    ),
)


class Appointments(Resource):
    """The appointments of a practice."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> AppointmentDescriptors:
        """What the practice's own system calls an appointment."""
        return AppointmentDescriptors(self._client)

    @property
    def _booking(self) -> BookingCalls:
        return BookingCalls(
            client=self._client,
            slots=available_slots.LIST,
            appointments=LIST,
            get=GET,
            create=CREATE,
            update=UPDATE,
        )

    def walk(self, **filters: Unpack[AppointmentFilters]) -> "Walk[m.Appointment]":
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
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[AppointmentOptions]) -> "m.Appointment":
        """Get one appointment.

        ``GET /appointments/{id}``

        Raises `NotFound` for an id this practice does not have.
        """
        return await self._client.call(GET, options, id)

    async def create(self, **fields: Unpack[NewAppointment]) -> "m.Appointment":
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
        return await self._client.call(CREATE, _booking(fields))

    async def update(self, id: int, /, **fields: Unpack[AppointmentChanges]) -> "m.Appointment":
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
        return await self._client.call(UPDATE, fields, id)

    async def confirm(
        self,
        appointment: "m.Appointment | int",
        /,
        *,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is an answer, not an error
        events: Events | None = None,
        **options: Unpack[PracticeScoped],
    ) -> "Written[m.Appointment]":
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
                client=self._client,
                record=GET,
                location=locations.GET,
                sync_status=sync_status.LIST,
            ),
            appointment,
            options,
            timeout=timeout,
            events=events,
        )

    async def book(self, slot: FreeSlot, /, **options: Unpack[BookingOptions]) -> "m.Appointment":
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
        self, appointment: "m.Appointment", slot: FreeSlot, /, **options: Unpack[RescheduleOptions]
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
