"""Appointments: list, get, create, update, book, reschedule and confirm."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal, Required, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    CREATED,
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources import available_slots
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_note, check_order
from nexhealth_async.resources._confirmation import confirmation_calls
from nexhealth_async.resources.appointment_descriptors import AppointmentDescriptors
from nexhealth_async.resources.options import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    filter_names,
)
from nexhealth_async.resources.patients import Gender
from nexhealth_async.resources.working_hours import WorkingHourSource
from nexhealth_async.workflows.booking import BookingCalls, RescheduleResult, book, reschedule
from nexhealth_async.workflows.confirmation import WriteResult
from nexhealth_async.workflows.confirmation_rules import confirm_appointment
from nexhealth_async.workflows.event_bus import EventSource
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
    """Filters for listing appointments. In v3 ``foreign_id`` will do instead of a location."""

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
    """Related data to include in each record; on this list in v2 only."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest first; v3 only."""


class AppointmentOptions(PracticeScoped, total=False):
    """Options for getting one appointment."""

    include: Sequence[AppointmentInclude] | None
    """Related data to include."""


class DependantBio(TypedDict, total=False):
    """Personal details of a patient that a guardian books for."""

    date_of_birth: Required[date]
    """Birth date."""
    gender: Gender
    """Give it: where it is missing the API stores ``"Female"``."""


class DependantPatient(TypedDict):
    """A patient that a guardian books for."""

    first_name: str
    """First name."""
    last_name: str
    """Last name."""
    bio: DependantBio
    """Personal details."""


class NewAppointment(LocationScoped, total=False):
    """A new appointment, or a block in the schedule."""

    patient_id: Required[int | None]
    """The patient; with ``is_guardian`` the guardian. None only with ``unavailable=True``."""
    provider_id: Required[int]
    """The provider."""
    start_time: Required[datetime | str]
    """A slot's time passed back unchanged, or any time with a zone; in the future."""
    end_time: datetime | str
    """End, with a time zone; give this or ``appointment_type_id``, whose duration is used."""
    operatory_id: int
    """The slot's operatory; required where the location has ``map_by_operatory``."""
    appointment_type_id: int
    """Its type."""
    note: str
    """Written to the practice's system; at most 128 characters."""
    unavailable: bool
    """True blocks the time; such an appointment has no patient."""
    is_guardian: bool
    """True: ``patient_id`` is the guardian, and ``patient`` the person to be treated."""
    is_new_clients_patient: bool
    """True: the booking is for a new patient."""
    referrer: str
    """The address of the page the booking was made on."""
    patient: DependantPatient
    """The patient of the appointment; required with ``is_guardian``."""
    descriptor_ids: Sequence[int | str]
    """Ids of appointment descriptors, which reach the practice's system too."""
    appointments_per_timeslot: int
    """Number of appointments that may be booked at this time: 1 (default) to 5.

    eClinicalWorks and NextGen only.
    """
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
    """Number of appointments that may be booked at this time: 1 (default) to 5.

    eClinicalWorks and NextGen only.
    """
    notify_patient: bool
    """True: NexHealth tells the patient; False by default."""


class RescheduleOptions(_SlotOptions, PracticeScoped, total=False):
    """Options for rescheduling; type and note are those of the old appointment by default."""


class BookingOptions(_SlotOptions, PracticeScoped, total=False):
    """Options for booking a slot."""

    patient_id: Required[int]
    """The patient; with ``is_guardian`` the guardian."""
    is_guardian: bool
    """True: ``patient_id`` is the guardian, and ``patient`` the person to be treated."""
    is_new_clients_patient: bool
    """True: the booking is for a new patient."""
    referrer: str
    """The address of the page the booking was made on."""
    patient: DependantPatient
    """The patient of the appointment; required with ``is_guardian``."""


class AppointmentChanges(PracticeScoped, total=False):
    """Changes to an appointment. To move it in v2, cancel it and make another."""

    confirmed: bool
    """True once the office has confirmed it; cannot be taken back."""
    cancelled: bool
    """Whether it is cancelled."""
    checkin_at: datetime
    """Time of the patient's check-in; can be set once."""
    start_time: datetime | str
    """Start, with a time zone, for systems that can move appointments; v3 only."""
    end_time: datetime | str
    """End, with a time zone; v3 only."""
    operatory_id: int
    """The operatory; v3 only."""
    note: str
    """Written to the practice's system; at most 128 characters; v3 only."""


LIST: "Endpoint[m.Appointment]" = Endpoint(
    resource="appointments",
    verb="walk",
    model="Appointment",
    v2=OperationSpec(
        method="GET",
        path="/appointments",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.SLOW,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(AppointmentFilters, without=("sort",)),
        required=("start", "end"),
        wire={"patient_ids[]": "patient_id"},
    ),
    v3=OperationSpec(
        method="GET",
        path="/appointments",
        paging=Paging.CURSOR,
        max_per_page=1000,
        rate=RateClass.SLOW,
        location=ScopeNeed.OPTIONAL,
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
    both=OperationSpec(
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
    both=OperationSpec(
        method="POST",
        path="/appointments",
        payload=("appt", "appointment"),
        success=CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=ScopeNeed.REQUIRED,
        filters=("notify_patient",),
        wrap="appt",
        sibling_fields={"appointments_per_timeslot": ("appointments_per_timeslot",)},
        lookup_hint=(
            "Walk appointments around the start time with nex_only=True and the patient's id "
            "to see whether it was booked."
        ),
    ),
)

UPDATE: "Endpoint[m.Appointment]" = Endpoint(
    resource="appointments",
    verb="update",
    model="Appointment",
    v2=OperationSpec(
        method="PATCH",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.PEOPLE,
        wrap="appt",
        unsupported=("start_time", "end_time", "operatory_id", "note"),
    ),
    v3=OperationSpec(
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
        """Kinds of an appointment in the practice's own system."""
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
        """Iterate over the appointments of one location between two times.

        ``GET /appointments``

        Whether cancelled appointments are listed when ``cancelled`` is left out is not documented:
        integrations have seen only active ones in v2 and both in v3. Walk ``cancelled=False`` and
        ``cancelled=True`` to have both for sure. ``start`` and ``end`` are required, also beside
        ``updated_since``. Times in the answer are UTC.

        In v3 a ``foreign_id`` will do instead of a location.

        Raises:
            InvalidArgumentError: A time has no time zone, ``end`` is before ``start``, or there are
                more than 25 ``patient_ids``.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: Several ``patient_ids`` or ``sort`` are given in v2, or ``include``
                in v3.
        """
        check_order(("start", "end"), filters.get("start"), filters.get("end"))
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[AppointmentOptions]) -> "m.Appointment":
        """Get one appointment.

        ``GET /appointments/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
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

        Raises:
            InvalidArgumentError: The note has more than 128 characters, a time has no time zone,
                the end is before the start, or there is no patient.
            SlotTakenError: The time is no longer free.
            InvalidRequestError: The API refuses the request for another reason.
            MissingScopeError: No practice or no location is given or bound.
            OutcomeUnknownError: The response was lost. Booking is never retried automatically.
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

        Raises:
            NotInVersionError: ``start_time``, ``end_time``, ``operatory_id`` or ``note`` is given
                in v2.
            InvalidArgumentError: The note has more than 128 characters, a time has no time zone, or
                the end is before the start.
            AlreadyCancelledError: The appointment is already cancelled.
            NotYetSyncedError: The appointment has not reached the practice's system yet.
            UnsupportedBySystemError: The practice's system does not support the change.
            NotFoundError: The practice has no record with this id.
        """
        check_note(fields.get("note"))
        check_order(("start_time", "end_time"), fields.get("start_time"), fields.get("end_time"))
        return await self._client.call(UPDATE, fields, id)

    async def confirm(
        self,
        appointment: "m.Appointment | int",
        /,
        *,
        timeout: float | None = 600.0,  # noqa: ASYNC109 - its end is a result, not an error
        events: EventSource | None = None,
        **options: Unpack[PracticeScoped],
    ) -> "WriteResult[m.Appointment]":
        """Wait until a booking is in the practice's own system, or is known not to get there.

        That usually takes minutes, but hours if the office's computer is off. The appointment is
        polled with growing pauses. With ``events`` webhooks report the outcome, and polls are rare.
        Only webhooks report a failure: by polling alone, a booking that failed stays ``waiting``.

        Polls that fail temporarily are repeated; other errors of a call are raised.

        Args:
            appointment: The appointment, or its id.
            timeout: Seconds to wait; None for no limit. A poll that takes longer is cancelled, so
                allow time for one at least.
            events: Source of webhook events, such as an `EventBus`.
            **options: The practice, where no scope binds it.

        Returns:
            The last known state. After the timeout its status is ``waiting``, with what is known of
            the reason; the booking may still get there.
        """
        return await confirm_appointment(
            confirmation_calls(self._client, GET),
            appointment,
            options,
            timeout=timeout,
            events=events,
        )

    async def book(self, slot: FreeSlot, /, **options: Unpack[BookingOptions]) -> "m.Appointment":
        """Book a slot that `AvailableSlots.flat` found, once.

        If the patient already has an appointment with that provider at that time, it is returned.
        Otherwise the slot is searched again before it is booked; location, provider and operatory
        are those of the slot. Pass its start unchanged or in UTC: in another time zone it may fall
        on another day, and is not found. If the response is lost, the appointment is polled for a
        few seconds.

        Repeating the call after an error books nothing twice: while a lost booking may still be
        carried out (``OutcomeUnknownError.unsettled_until``), this session polls for it and does
        not send it again. Other processes only poll.

        The practice's own system may still refuse the booking later: see `confirm`. Other errors
        are those of `create`.

        Raises:
            SlotTakenError: The time is no longer offered.
            OutcomeUnknownError: It is not known whether the appointment was booked. Book no other
                time before checking after ``unsettled_until``.
        """
        check_note(options.get("note"))
        return await book(self._booking, slot, options)

    async def reschedule(
        self, appointment: "m.Appointment", slot: FreeSlot, /, **options: Unpack[RescheduleOptions]
    ) -> RescheduleResult:
        """Move an appointment to a slot that `AvailableSlots.flat` found.

        If the API version and the practice's system can move it, and provider, location and type
        stay the same, the appointment itself is changed. Otherwise the new time is booked first,
        and then the old appointment is cancelled: the patient is never without an appointment. A
        slot that overlaps the old time is only possible in place. Descriptors are not carried over.
        Repeating the call after an error or a cancellation continues where it stopped.

        The practice's own system may still refuse a move in place later; webhooks report it as
        outcomes of ``appointment_updated``. Other errors are those of `book`, and leave the old
        appointment untouched.

        Returns:
            The appointment at its new time, and the id of the one that it replaced.

        Raises:
            DoubleBookedError: The new time was booked, but the old appointment could not be
                cancelled.
            AlreadyCancelledError: The appointment was cancelled before.
            NotYetSyncedError: The appointment has not reached the practice's system yet.
            OutcomeUnknownError: The appointment may have been moved, or may be by
                ``unsettled_until``. Ask for the same slot again, and for no other before that time.
        """
        check_note(options.get("note"))
        return await reschedule(self._booking, appointment, slot, options)


def _booking(fields: NewAppointment) -> Mapping[str, object]:
    """Leave out the patient of a block: the API wants none named, not a null."""
    if fields.get("patient_id") is not None:
        return fields
    if not fields.get("unavailable"):
        raise InvalidArgumentError(
            "patient_id is required, unless unavailable=True blocks the time"
        )
    return {name: value for name, value in fields.items() if name != "patient_id"}
