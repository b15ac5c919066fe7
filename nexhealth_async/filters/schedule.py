"""What the calendar may be asked and written."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Required, TypeAlias, TypedDict

from nexhealth_async.filters.people import Gender
from nexhealth_async.filters.practice import DescriptorFilters
from nexhealth_async.filters.shared import (
    CursorOptions,
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    WholeOptions,
)

__all__ = [
    "AppointmentCategoryFilters",
    "AppointmentChanges",
    "AppointmentDescriptorFilters",
    "AppointmentFilters",
    "AppointmentInclude",
    "AppointmentOptions",
    "AppointmentTypeChanges",
    "AppointmentTypeFilters",
    "AppointmentTypeInclude",
    "AppointmentTypeOptions",
    "BookingOptions",
    "DependantBio",
    "DependantPatient",
    "NewAppointment",
    "NewAppointmentType",
    "NewWorkingHours",
    "Recurrence",
    "RescheduleOptions",
    "SlotFilters",
    "TypeDescriptorFilters",
    "Weekday",
    "WorkingHourLabelFilters",
    "WorkingHourSource",
    "WorkingHoursChanges",
    "WorkingHoursFilters",
    "WorkingHoursInclude",
    "WorkingHoursOptions",
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


AppointmentTypeInclude: TypeAlias = Literal["descriptors"]
"""Parts of an appointment type that are sent on request."""


WorkingHoursInclude: TypeAlias = Literal["appointment_types"]
"""Parts of working hours that are sent on request."""


Weekday: TypeAlias = Literal[
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
]
"""Days as working hours spell them."""


WorkingHourSource: TypeAlias = Literal["manual", "synced"]
"""Where working hours come from: NexHealth's own settings, or the practice's system."""


class AppointmentCategoryFilters(LocationScoped, WholeOptions, total=False):
    """How to walk appointment categories; they have no filters."""


class TypeDescriptorFilters(LocationScoped, DescriptorFilters, total=False):
    """Which descriptors of an appointment type are wanted."""


class AppointmentDescriptorFilters(PracticeScoped, DescriptorFilters, total=False):
    """Which descriptors of an appointment are wanted."""


class AppointmentTypeFilters(LocationScoped, WholeOptions, total=False):
    """Which appointment types are wanted.

    The location must be given where the institution's types are kept for each location
    (``appointment_types_location_scoped``).
    """

    include: Sequence[AppointmentTypeInclude] | None
    """Parts to send along."""


class AppointmentTypeOptions(LocationScoped, total=False):
    """How one appointment type is wanted."""

    include: Sequence[AppointmentTypeInclude] | None
    """Parts to send along."""


class _AppointmentTypeFields(LocationScoped, total=False):
    minutes: int
    """How long such an appointment takes; multiples of 5 are advised."""
    parent_type: Literal["Institution", "Location"]
    """Whose type this is; ``"Institution"`` by default."""
    parent_id: int
    """Id of the institution or location it belongs to; needed for ``"Location"``."""
    bookable_online: bool
    """Whether patients can choose it on NexHealth's booking page."""
    emr_appt_descriptor_ids: Sequence[int | str]
    """Ids of the appointment descriptors it stands for in the practice's system."""


class NewAppointmentType(_AppointmentTypeFields, total=False):
    """A new appointment type."""

    name: Required[str]
    """Its name, which no other type may have."""


class AppointmentTypeChanges(_AppointmentTypeFields, total=False):
    """What may be changed in an appointment type; what is left out stays."""

    name: str
    """Its name, which no other type may have."""


class WorkingHoursFilters(LocationScoped, NumberedOptions, total=False):
    """Which working hours are wanted."""

    provider_id: int | None
    """Only those of this provider."""
    operatory_id: int | None
    """Only those in this operatory."""
    label_id: int | None
    """Only those with this label, by its id in ``working_hour_labels``; v3 only."""
    source: WorkingHourSource | None
    """Only those from here; v3 only."""
    active: bool | None
    """Only active (True, the server's default) or switched-off (False) ones."""
    ignore_past_dates: bool | None
    """True leaves out those for a single date that has passed; the server sends them else."""
    include: Sequence[WorkingHoursInclude] | None
    """Parts to send along."""


class WorkingHourLabelFilters(LocationScoped, CursorOptions, total=False):
    """Which labels of working hours are wanted.

    A location narrows them to its own and those of the whole practice.
    """

    search_name: str | None
    """Only those with this in their name."""
    active: bool | None
    """Only active (True) or switched-off (False) ones; both when left out."""


class WorkingHoursOptions(PracticeScoped, total=False):
    """How one record of working hours is wanted."""

    include: Sequence[WorkingHoursInclude] | None
    """Parts to send along."""


class Recurrence(TypedDict):
    """Working hours every so many days, weeks or months."""

    num: int
    """Every how many units."""
    unit: Literal["day", "week", "month"]
    """The unit."""
    ref: date
    """The day counting starts from."""


class NewWorkingHours(LocationScoped, total=False):
    """New working hours: exactly one of ``days``, ``specific_date`` and ``custom_recurrence``."""

    provider_id: Required[int]
    """Whose hours these are."""
    begin_time: Required[str]
    """``"HH:MM"`` in the practice's zone."""
    end_time: Required[str]
    """``"HH:MM"`` in the practice's zone."""
    operatory_id: int
    """The operatory they work in."""
    appointment_type_ids: Sequence[int]
    """The appointment types that can be booked in these hours."""
    days: Sequence[Weekday]
    """Every week on these days."""
    specific_date: date
    """On this day only."""
    custom_recurrence: Recurrence
    """Every so many days, weeks or months."""
    active: bool
    """Whether they count; True by default."""


class WorkingHoursChanges(PracticeScoped, total=False):
    """What may be changed in working hours; what is left out stays.

    At most one of ``days``, ``specific_date`` and ``custom_recurrence``.
    """

    provider_id: int
    """Whose hours these are; v3 only."""
    begin_time: str
    """``"HH:MM"``. One page of the vendor says UTC, against the rest: read the record back."""
    end_time: str
    """``"HH:MM"``, as ``begin_time``."""
    operatory_id: int
    """The operatory they work in."""
    appointment_type_ids: Sequence[int]
    """The appointment types that can be booked in these hours; ``[]`` takes all away."""
    days: Sequence[Weekday]
    """Every week on these days."""
    specific_date: date
    """On this day only."""
    custom_recurrence: Recurrence
    """Every so many days, weeks or months; v3 only."""
    active: bool
    """Whether they count."""


class SlotFilters(LocationScoped, WholeOptions, total=False):
    """Which free times are wanted: ``pids`` or ``appointment_type_id`` must be among them."""

    start_date: Required[date]
    """The first day."""
    days: Required[int]
    """How many days from there, that one included; more than 14 is slow and advised against."""
    lids: Sequence[int] | None
    """Ids of several locations, instead of one ``location_id``."""
    pids: Sequence[int] | None
    """Ids of the providers."""
    operatory_ids: Sequence[int] | None
    """Only slots in these operatories, at locations that book by operatory."""
    appointment_type_id: int | None
    """Only slots this type fits into; its minutes become the slot's length."""
    working_hour_label_id: int | None
    """Only slots in working hours with this label; v3 only."""
    working_hour_source: WorkingHourSource | None
    """Only slots in working hours from here; v3 only."""
    slot_length: int | None
    """Minutes a slot is long; 15 by default."""
    slot_interval: int | None
    """Minutes from one slot's start to the next one's; the length by default."""
    overlapping_operatory_slots: bool | None
    """True: a time that is free in several operatories is a slot in each; else one slot."""
    appointments_per_timeslot: int | None
    """How many may be booked at one time: 1 (default) to 5; v3, eClinicalWorks and NextGen only."""


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
