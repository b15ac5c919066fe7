"""Appointments, the free times they can be made in, and the hours behind those."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from attrs import field, frozen

from nexhealth_async.models._base import Record, Timestamp, optional_fields

if TYPE_CHECKING:
    from nexhealth_async.models.clinical import Procedure
    from nexhealth_async.models.people import Patient
    from nexhealth_async.models.practice import Operatory

__all__ = [
    "Appointment",
    "AppointmentDescriptor",
    "AppointmentType",
    "BookingDetails",
    "CustomRecurrence",
    "Slot",
    "SlotGroup",
    "UpcomingAppointment",
    "WorkingHours",
    "WorkingHoursLabel",
]


@frozen(kw_only=True, repr=False)
class AppointmentDescriptor(Record):
    """What the practice's own system calls a kind of appointment.

    Reference: ``GET /appointment_descriptors``, and ``descriptors`` of appointments and types.
    """

    id: int | str
    """A number for most practice systems, text for some."""
    descriptor_type: str | None = None
    """``Procedure Codes``, or a kind that only one system has, such as
    ``Opendental Appointment Types``."""
    name: str | None = None
    code: str | None = None
    """Not always a dental code: ``D7140.1`` and ``~BAD~`` occur."""
    location_id: int | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    data: dict[str, object] | None = field(default=None, hash=False)
    """Free form; differs from system to system. Open Dental: ``ProcCat``, ``IsHygiene``,
    ``IsHidden``."""
    active: bool | None = None
    last_sync_time: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class AppointmentType(Record):
    """A kind of appointment patients can book, with its length.

    Reference: ``GET /appointment_types``.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    """Unique within its parent."""
    parent_type: str | None = None
    """``Institution`` or ``Location``."""
    parent_id: int | None = None
    minutes: int | None = None
    """How long such an appointment takes, unless said otherwise."""
    bookable_online: bool | None = None
    descriptors: tuple[AppointmentDescriptor, ...] | None = None
    """Only when included."""


@frozen(kw_only=True, repr=False)
class UpcomingAppointment(Record):
    """The short form of an appointment inside a patient.

    Reference: ``upcoming_appts``, ``last_visited_appointment`` and ``appointments`` of a patient.
    """

    id: int
    provider_id: int | None = None
    provider_name: str | None = None
    start_time: Timestamp | None = None
    """UTC."""
    end_time: Timestamp | None = None
    """UTC."""
    location_id: int | None = None
    confirmed: bool | None = None


@frozen(kw_only=True, repr=False)
class BookingDetails(Record):
    """How an appointment came to be booked online.

    Reference: ``booking_details`` of an appointment.
    """

    _repr_fields = ()

    booked_via_nexhealth_generated_link: bool | None = None
    campaign_type: str | None = None
    """``cancelled_recall``, ``continuing_care_recall``, ``manual``, ``missed_recall``, ``recall``,
    ``google_booking``."""
    campaign_id: str | None = None
    """Text, unlike other ids."""
    campaign_medium: str | None = None
    """``email`` or ``sms``."""
    booked_via_one_click: bool | None = None


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _AppointmentExtras(Record):
    """What an appointment says when asked, and the other spelling of its flag."""

    canceled: bool | None = None
    """The spelling some replies are reported to use; read ``cancelled``, which follows it."""
    patient: Patient | None = None
    """Included on request, as all fields below."""
    guarantor: Patient | None = None
    descriptors: tuple[AppointmentDescriptor, ...] | None = None
    booking_details: BookingDetails | None = None
    procedures: tuple[Procedure, ...] | None = None
    operatory: Operatory | None = None
    appointment_type: AppointmentType | None = None


@frozen(kw_only=True, repr=False)
class Appointment(_AppointmentExtras):
    """An appointment, or a time that is blocked (``unavailable``, without a patient).

    Times are UTC whatever the practice's zone; ``timezone`` says which that is. Any flag may be
    None. Included parts are None unless they were asked for.
    Reference: ``GET /appointments``; ``data.appt`` after a write.
    """

    id: int
    patient_id: int | None = None
    """None on blocked time."""
    provider_id: int | None = None
    provider_name: str | None = None
    start_time: Timestamp | None = None
    """UTC."""
    end_time: Timestamp | None = None
    """UTC."""
    confirmed: bool | None = None
    """Confirmed by patient or practice."""
    patient_missed: bool | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    note: str | None = None
    unavailable: bool | None = None
    """True for time that is blocked rather than booked."""
    cancelled: bool | None = None
    """True if the server said so under either spelling."""
    timezone: str | None = None
    """IANA name of the practice's zone."""
    institution_id: int | None = None
    appointment_type_id: int | None = None
    """None, or 0 in places, where no type is set."""
    checkin_at: Timestamp | None = None
    location_id: int | None = None
    foreign_id: str | None = None
    """The id in the practice's system; None until it is written there."""
    foreign_id_type: str | None = None
    misc: dict[str, object] | None = field(default=None, hash=False)
    """Seen: ``is_booked_on_nexhealth``, ``booked_by_api_user_id``."""
    last_sync_time: Timestamp | None = None
    patient_confirmed: bool | None = None
    created_by_user_id: int | None = None
    is_guardian: bool | None = None
    """Was it booked by a guardian?"""
    patient_confirmed_at: Timestamp | None = None
    cancelled_at: Timestamp | None = None
    """The latest cancellation; stays set if the appointment is restored."""
    is_new_clients_patient: bool | None = None
    confirmed_at: Timestamp | None = None
    sooner_if_possible: bool | None = None
    """Would the patient take an earlier time?"""
    operatory_id: int | None = None
    deleted: bool | None = None
    """v2 only."""
    checked_out: bool | None = None
    checked_out_at: Timestamp | None = None
    referrer: str | None = None
    is_past_patient: bool | None = None
    timezone_offset: str | None = None
    """The practice's offset as text: ``-05:00``, and ``-4:00`` in places.

    Do not rely on it: it may contradict ``timezone``. ``America/Chicago`` beside ``-04:00`` was
    recorded. Convert ``start_time`` with ``timezone`` instead.
    """

    def __attrs_post_init__(self) -> None:
        """Let ``cancelled`` follow the other spelling: nobody should look in two places."""
        if self.canceled is not None and not self.cancelled:
            object.__setattr__(self, "cancelled", self.canceled)


@frozen(kw_only=True, repr=False)
class Slot(Record):
    """A time that is free.

    To book it, pass ``time`` back as ``start_time``, and ``operatory_id`` where the location maps
    by operatory.
    Reference: ``slots`` of ``GET /appointment_slots`` (v3: ``GET /available_slots``).
    """

    _repr_fields = ("time", "provider_id", "operatory_id")

    time: Timestamp | None = None
    """In the practice's own offset, as the server gave it, not UTC."""
    end_time: Timestamp | None = None
    """In the practice's own offset."""
    operatory_id: int | None = None
    provider_id: int | None = None
    """Only where slots are not grouped by provider."""
    working_hour_label_id: int | None = None
    """The label of the working hours this slot lies in; v3 only."""


@frozen(kw_only=True, repr=False)
class SlotGroup(Record):
    """The free times of one location, provider or operatory.

    Reference: ``GET /appointment_slots`` (v3: ``GET /available_slots``).
    """

    _repr_fields = ("lid", "pid", "operatory_id")

    lid: int | None = None
    """The location's id."""
    pid: int | None = None
    """The provider's id; None where slots are not grouped by provider."""
    operatory_id: int | None = None
    """None where slots are not grouped by operatory."""
    slots: tuple[Slot, ...] = ()
    next_available_date: date | None = None
    """Sent with an empty group only: the next day that has a slot, None if none within 180 days."""


@frozen(kw_only=True, repr=False)
class CustomRecurrence(Record):
    """A rhythm that weekdays cannot express: every ``num`` ``unit`` since ``ref``.

    Reference: ``custom_recurrence`` of working hours.
    """

    _repr_fields = ("num", "unit", "ref")

    num: int | None = None
    unit: str | None = None
    """``day``, ``week`` or ``month``."""
    ref: date | None = None
    """The day it is counted from."""


@frozen(kw_only=True, repr=False)
class WorkingHoursLabel(Record):
    """A name practices give to some of their working hours (v3).

    Reference: ``GET /working_hour_labels``, and ``label`` of working hours.
    """

    _repr_fields = ("id", "name")

    id: int
    location_id: int | None = None
    name: str | None = None


@frozen(kw_only=True, repr=False)
class WorkingHours(Record):
    """A window in which somebody works or a room is used; not free time, for which ask for slots.

    v2 calls this an availability. One of ``days``, ``specific_date`` and ``custom_recurrence`` is
    set. ``begin_time`` and ``end_time`` are text, because a time of day without its date and zone
    cannot be turned into a moment.
    Reference: ``GET /availabilities`` (v3: ``GET /working_hours``).
    """

    _repr_fields = ("id", "provider_id", "operatory_id")

    id: int
    provider_id: int | None = None
    location_id: int | None = None
    operatory_id: int | None = None
    begin_time: str | None = None
    """``HH:MM`` on the practice's clock."""
    end_time: str | None = None
    """``HH:MM`` on the practice's clock."""
    days: tuple[str, ...] | None = None
    """English names of weekdays; None or empty beside a date or recurrence."""
    specific_date: date | None = None
    custom_recurrence: CustomRecurrence | None = None
    tz_offset: str | None = None
    """The practice's offset as text without a colon: ``-0700``."""
    active: bool | None = None
    synced: bool | None = None
    """v2: did it come from the practice's system? v3 says ``source`` instead."""
    source: str | None = None
    """v3: ``manual`` or ``synced``."""
    label: WorkingHoursLabel | None = None
    """v3 only."""
    appointment_types: tuple[AppointmentType, ...] | None = None
    """What may be booked in this window; only when included."""
