"""Appointments, appointment types, slots and working hours."""

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
    """A kind of appointment or procedure as defined in the practice's system.

    Reference: ``GET /appointment_descriptors``, and ``descriptors`` of appointments and types.
    """

    id: int | str
    """NexHealth's id: an integer for most practice systems, text for some."""
    descriptor_type: str | None = None
    """``Procedure Codes``, or a type of one system, such as ``Opendental Appointment Types``."""
    name: str | None = None
    """Name of the descriptor."""
    code: str | None = None
    """Code of the descriptor. Not always a dental code: ``D7140.1`` and ``~BAD~`` occur."""
    location_id: int | None = None
    """The location's id."""
    foreign_id: str | None = None
    """The id in the practice's system."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system."""
    data: dict[str, object] | None = field(default=None, hash=False)
    """Raw JSON whose keys depend on the practice's system. Open Dental: ``ProcCat``, ``IsHygiene``,
    ``IsHidden``."""
    active: bool | None = None
    """True if the descriptor is in use."""
    last_sync_time: Timestamp | None = None
    """Last sync with the practice's system, UTC."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class AppointmentType(Record):
    """A kind of appointment that patients can book, with its duration.

    Reference: ``GET /appointment_types``.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the type, unique within its parent."""
    parent_type: str | None = None
    """Type of the owner: ``Institution`` or ``Location``."""
    parent_id: int | None = None
    """Id of the owning institution or location."""
    minutes: int | None = None
    """Default duration in minutes."""
    bookable_online: bool | None = None
    """True if the type can be booked on NexHealth's booking page."""
    descriptors: tuple[AppointmentDescriptor, ...] | None = None
    """Descriptors in the practice's system; only when included."""


@frozen(kw_only=True, repr=False)
class UpcomingAppointment(Record):
    """The short form of an appointment inside a patient.

    Reference: ``upcoming_appts``, ``last_visited_appointment`` and ``appointments`` of a patient.
    """

    id: int
    """NexHealth's id."""
    provider_id: int | None = None
    """The provider's id."""
    provider_name: str | None = None
    """The provider's name."""
    start_time: Timestamp | None = None
    """Start, UTC."""
    end_time: Timestamp | None = None
    """End, UTC."""
    location_id: int | None = None
    """The location's id."""
    confirmed: bool | None = None
    """True if the appointment is confirmed."""


@frozen(kw_only=True, repr=False)
class BookingDetails(Record):
    """The origin of an appointment booked online.

    Reference: ``booking_details`` of an appointment.
    """

    _repr_fields = ()

    booked_via_nexhealth_generated_link: bool | None = None
    """True if a link from a NexHealth template or campaign was used."""
    campaign_type: str | None = None
    """Kind of template or campaign with the link: ``cancelled_recall``, ``continuing_care_recall``,
    ``manual``, ``missed_recall``, ``recall`` or ``google_booking``."""
    campaign_id: str | None = None
    """Id of the template or campaign with the link: text, unlike other ids."""
    campaign_medium: str | None = None
    """Medium of the link: ``email`` or ``sms``."""
    booked_via_one_click: bool | None = None
    """True if a one-click booking link was used."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _AppointmentExtras(Record):
    """Parts of an appointment that are sent on request, and the other spelling of ``cancelled``."""

    canceled: bool | None = None
    """Spelling that some responses are reported to use. Read ``cancelled``, which takes over its
    value."""
    patient: Patient | None = None
    """The patient; only when included."""
    guarantor: Patient | None = None
    """The person who pays; only when included."""
    descriptors: tuple[AppointmentDescriptor, ...] | None = None
    """Descriptors in the practice's system; only when included."""
    booking_details: BookingDetails | None = None
    """Origin of an online booking; only when included."""
    procedures: tuple[Procedure, ...] | None = None
    """Procedures of the appointment; only when included."""
    operatory: Operatory | None = None
    """The operatory; only when included."""
    appointment_type: AppointmentType | None = None
    """The appointment type; only when included."""


@frozen(kw_only=True, repr=False)
class Appointment(_AppointmentExtras):
    """An appointment, or blocked time (``unavailable``, without a patient).

    Times are UTC; ``timezone`` names the practice's zone. Any flag may be None. Included parts are
    None unless requested.
    Reference: ``GET /appointments``; ``data.appt`` after a write.
    """

    id: int
    """NexHealth's id."""
    patient_id: int | None = None
    """The patient's id; None for blocked time."""
    provider_id: int | None = None
    """The provider's id."""
    provider_name: str | None = None
    """The provider's name."""
    start_time: Timestamp | None = None
    """Scheduled start, UTC."""
    end_time: Timestamp | None = None
    """Scheduled end, UTC."""
    confirmed: bool | None = None
    """True if the patient or the practice confirmed the appointment."""
    patient_missed: bool | None = None
    """True if the patient did not appear. Not all systems support it."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    note: str | None = None
    """Note on the appointment."""
    unavailable: bool | None = None
    """True for blocked time."""
    cancelled: bool | None = None
    """True if the server sent true in ``cancelled`` or ``canceled``."""
    timezone: str | None = None
    """IANA name of the practice's time zone."""
    institution_id: int | None = None
    """The institution's id."""
    appointment_type_id: int | None = None
    """The appointment type's id; None, or sometimes 0, if no type is set."""
    checkin_at: Timestamp | None = None
    """Time the patient checked in, UTC. Not all systems support it."""
    location_id: int | None = None
    """The location's id."""
    foreign_id: str | None = None
    """The id in the practice's system; None until the appointment is written there."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system; starts with ``nex`` until the appointment is written
    there."""
    misc: dict[str, object] | None = field(default=None, hash=False)
    """Raw JSON. Seen: ``is_booked_on_nexhealth`` (booked through NexHealth),
    ``booked_by_api_user_id``."""
    last_sync_time: Timestamp | None = None
    """Last sync with the practice's system, UTC; None until the appointment is written there."""
    patient_confirmed: bool | None = None
    """True if the patient, not the practice, confirmed the appointment."""
    created_by_user_id: int | None = None
    """Id of the user who booked the appointment."""
    is_guardian: bool | None = None
    """True if a guardian booked the appointment."""
    patient_confirmed_at: Timestamp | None = None
    """Time the patient confirmed, UTC."""
    cancelled_at: Timestamp | None = None
    """Time of the last cancellation, UTC; stays set if the appointment is restored."""
    is_new_clients_patient: bool | None = None
    """True if the patient is new to the practice."""
    confirmed_at: Timestamp | None = None
    """Time the practice confirmed, UTC."""
    sooner_if_possible: bool | None = None
    """True if the patient wants an earlier time."""
    operatory_id: int | None = None
    """The operatory's id."""
    deleted: bool | None = None
    """v2 only."""
    checked_out: bool | None = None
    """True if the patient has checked out. Not all systems support it."""
    checked_out_at: Timestamp | None = None
    """Time of the check-out, UTC."""
    referrer: str | None = None
    """URL of the page where the appointment was booked."""
    is_past_patient: bool | None = None
    """True if the patient has earlier appointments."""
    timezone_offset: str | None = None
    """UTC offset of the practice as text: ``-05:00``, sometimes ``-4:00``.

    Do not rely on it: ``America/Chicago`` beside ``-04:00`` was recorded. Convert ``start_time``
    with ``timezone`` instead.
    """

    def __attrs_post_init__(self) -> None:
        """Copy ``canceled`` to ``cancelled``, so that users read one field."""
        if self.canceled is not None and not self.cancelled:
            object.__setattr__(self, "cancelled", self.canceled)


@frozen(kw_only=True, repr=False)
class Slot(Record):
    """A free time that can be booked.

    To book it, send ``time`` as ``start_time``, and ``operatory_id`` if the location maps by
    operatory.
    Reference: ``slots`` of ``GET /appointment_slots`` (v3: ``GET /available_slots``).
    """

    _repr_fields = ("time", "provider_id", "operatory_id")

    time: Timestamp | None = None
    """Start, with the practice's UTC offset as sent by the server."""
    end_time: Timestamp | None = None
    """End, with the practice's UTC offset."""
    operatory_id: int | None = None
    """The operatory's id; None if the slot has no operatory."""
    provider_id: int | None = None
    """The provider's id; only if slots are not grouped by provider."""
    working_hour_label_id: int | None = None
    """Id of the label of the working hours; v3 only."""


@frozen(kw_only=True, repr=False)
class SlotGroup(Record):
    """The free times of one location, provider or operatory.

    Reference: ``GET /appointment_slots`` (v3: ``GET /available_slots``).
    """

    _repr_fields = ("lid", "pid", "operatory_id")

    lid: int | None = None
    """The location's id."""
    pid: int | None = None
    """The provider's id; None if slots are not grouped by provider."""
    operatory_id: int | None = None
    """The operatory's id; None if slots are not grouped by operatory."""
    slots: tuple[Slot, ...] = ()
    """Free times of the group."""
    next_available_date: date | None = None
    """Next day with a slot; None if there is none within 180 days. Sent only with an empty group.
    """


@frozen(kw_only=True, repr=False)
class CustomRecurrence(Record):
    """A recurrence of every ``num`` ``unit`` since ``ref``.

    Reference: ``custom_recurrence`` of working hours.
    """

    _repr_fields = ("num", "unit", "ref")

    num: int | None = None
    """Number of units between two occurrences."""
    unit: str | None = None
    """``day``, ``week`` or ``month``."""
    ref: date | None = None
    """Start date of the recurrence."""


@frozen(kw_only=True, repr=False)
class WorkingHoursLabel(Record):
    """A label of working hours (v3).

    Reference: ``GET /working_hour_labels``, and ``label`` of working hours.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    location_id: int | None = None
    """The location's id."""
    name: str | None = None
    """Name of the label."""


@frozen(kw_only=True, repr=False)
class WorkingHours(Record):
    """A period in which a provider works or an operatory is in use.

    This is not free time; slots are. v2 calls it an availability. One of ``days``,
    ``specific_date`` and ``custom_recurrence`` is set. ``begin_time`` and ``end_time`` are text,
    because a time of day without date and zone is not a point in time.
    Reference: ``GET /availabilities`` (v3: ``GET /working_hours``).
    """

    _repr_fields = ("id", "provider_id", "operatory_id")

    id: int
    """NexHealth's id."""
    provider_id: int | None = None
    """The provider's id."""
    location_id: int | None = None
    """The location's id."""
    operatory_id: int | None = None
    """The operatory's id."""
    begin_time: str | None = None
    """Start, ``HH:MM`` in the practice's time zone."""
    end_time: str | None = None
    """End, ``HH:MM`` in the practice's time zone."""
    days: tuple[str, ...] | None = None
    """English names of weekdays; None or empty with ``specific_date`` or ``custom_recurrence``."""
    specific_date: date | None = None
    """The single day of the period."""
    custom_recurrence: CustomRecurrence | None = None
    """Recurrence other than by weekday."""
    tz_offset: str | None = None
    """UTC offset of the practice as text without a colon: ``-0700``."""
    active: bool | None = None
    """True if the working hours are in use."""
    synced: bool | None = None
    """v2: True if the hours come from the practice's system. v3 sends ``source`` instead."""
    source: str | None = None
    """v3: ``manual``, or ``synced`` from the practice's system."""
    label: WorkingHoursLabel | None = None
    """Label of the hours; v3 only."""
    appointment_types: tuple[AppointmentType, ...] | None = None
    """Appointment types that can be booked; only when included."""
