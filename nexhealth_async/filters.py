"""What each operation may be asked and what each write may carry, as typed dictionaries.

Names are the API's v3 names in both versions. A ``datetime`` must have a zone: one without is
refused, because the API would guess. Give a sequence where one is asked for, even for one value.
A practice and a location are never required here, since a scope or the session may bind them.
"""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Literal, Required, TypeAlias, TypedDict

from nexhealth_async.errors import UndecodableRecord

__all__ = [
    "AppointmentChanges",
    "AppointmentDescriptorFilters",
    "AppointmentFilters",
    "AppointmentInclude",
    "AppointmentOptions",
    "AppointmentTypeChanges",
    "AppointmentTypeFilters",
    "AppointmentTypeInclude",
    "AppointmentTypeOptions",
    "DependantBio",
    "DependantPatient",
    "DescriptorFilters",
    "Gender",
    "InstitutionFilters",
    "LocationFilters",
    "LocationScoped",
    "NewAppointment",
    "NewAppointmentType",
    "NewPatient",
    "NewPatientBio",
    "NewWorkingHours",
    "NumberedOptions",
    "OperatoryFilters",
    "OperatoryInclude",
    "OperatoryOptions",
    "PatientFilters",
    "PatientInclude",
    "PatientOptions",
    "PracticeScoped",
    "ProcedureFilters",
    "ProviderFilters",
    "ProviderInclude",
    "ProviderOptions",
    "Recurrence",
    "SlotFilters",
    "SubscriptionFeature",
    "SyncColour",
    "SyncStatusFilters",
    "TypeDescriptorFilters",
    "Weekday",
    "WholeOptions",
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

OperatoryInclude: TypeAlias = Literal["appointment_types", "appt_categories"]
"""Parts of an operatory that are sent on request; the second is the older name of the first."""

PatientInclude: TypeAlias = Literal[
    "upcoming_appts",
    "last_visited_appointment",
    "children",
    "guarantor",
    "procedures",
    "insurance_coverages",
    "adjustments",
    "charges",
    "payments",
    "patient_alerts",
    "address",
    "provider",
]
"""Parts of a patient that are sent on request."""

ProviderInclude: TypeAlias = Literal["locations", "availabilities", "appointment_types"]
"""Parts of a provider that are sent on request."""

WorkingHoursInclude: TypeAlias = Literal["appointment_types"]
"""Parts of working hours that are sent on request."""

Gender: TypeAlias = Literal["Male", "Female", "Other"]
"""What the API takes for a new patient."""

SubscriptionFeature: TypeAlias = Literal[
    "messaging",
    "campaigns",
    "reviews",
    "recalls",
    "reminders",
    "online_booking",
    "waitlist",
    "forms",
    "payments",
    "ledger_sync",
    "enterprise",
    "insurance_verification",
]
"""Products a location may have subscribed to."""

SyncColour: TypeAlias = Literal["green", "red"]
"""Whether a practice's system is being read or written to as it should."""

Weekday: TypeAlias = Literal[
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
]
"""Days as working hours spell them."""


class PracticeScoped(TypedDict, total=False):
    """What belongs to one practice."""

    subdomain: str
    """The practice's slug, lower case, as ``GET /institutions`` lists it; a scope binds it."""


class LocationScoped(PracticeScoped, total=False):
    """What belongs to one location of a practice."""

    location_id: int
    """The location's id; a scope binds it, and a value given here goes before the scope's."""


class WholeOptions(TypedDict, total=False):
    """How to walk a list that comes in one reply."""

    limit: int | None
    """Stop after this many records; None, the default, means all."""
    on_bad_record: Callable[[UndecodableRecord, bytes], None] | None
    """Called with the error and the JSON of each record that cannot be read, and the walk goes on.

    By default the walk ends with `UndecodableRecord`. The bytes are a person's data: do not log
    them.
    """


class NumberedOptions(WholeOptions, total=False):
    """How to walk a list that comes page by page."""

    per_page: int
    """Records asked for at once; the endpoint's maximum by default (300 in v2)."""
    prefetch: int
    """Pages asked for ahead of the one in hand: 1 by default, 0 asks only when asked."""
    drift: Literal["watch", "verify", "ignore"]
    """What to do about a list that changes during the walk.

    ``"watch"`` (the default) verifies once a change shows, ``"verify"`` always does, ``"ignore"``
    reads once.
    """
    passes: int
    """How often a walk that verifies may read the list before `WalkDrifted`; 4 by default."""
    after: str | None
    """``page.resume`` of an earlier walk with the same filters: go on behind that page."""


class InstitutionFilters(WholeOptions, total=False):
    """How to walk institutions; they have no filters."""


class LocationFilters(PracticeScoped, WholeOptions, total=False):
    """Which locations are wanted."""

    inactive: bool
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str
    """The location's id in the practice's own system."""
    filter_by_subscription_feature: SubscriptionFeature
    """Only locations that have subscribed to this product."""


class DescriptorFilters(WholeOptions, total=False):
    """Which appointment descriptors are wanted."""

    descriptor_type: str
    """Only descriptors of this type, such as ``"Procedure Code"``; types differ by system."""


class TypeDescriptorFilters(LocationScoped, DescriptorFilters, total=False):
    """Which descriptors of an appointment type are wanted."""


class AppointmentDescriptorFilters(PracticeScoped, DescriptorFilters, total=False):
    """Which descriptors of an appointment are wanted."""


class ProviderFilters(LocationScoped, NumberedOptions, total=False):
    """Which providers are wanted. A location narrows the list to those who work there."""

    ids: Sequence[int]
    """Only providers with these ids."""
    foreign_id: str
    """The provider's id in the practice's own system."""
    requestable: bool
    """Only those who can be booked online at the location, which must be given too."""
    inactive: bool
    """Only inactive (True) or active (False) ones; the server's default is False."""
    updated_since: datetime
    """Only those changed at or after this time."""
    include: Sequence[ProviderInclude]
    """Parts to send along."""


class ProviderOptions(PracticeScoped, total=False):
    """How one provider is wanted."""

    include: Sequence[ProviderInclude]
    """Parts to send along."""


class OperatoryFilters(LocationScoped, NumberedOptions, total=False):
    """Which operatories are wanted."""

    search_name: str
    """Only those with this in their name."""
    foreign_id: str
    """The operatory's id in the practice's own system."""
    updated_since: datetime
    """Only those changed at or after this time."""
    include: Sequence[OperatoryInclude]
    """Parts to send along."""


class OperatoryOptions(PracticeScoped, total=False):
    """How one operatory is wanted."""

    include: Sequence[OperatoryInclude]
    """Parts to send along."""


class AppointmentTypeFilters(LocationScoped, WholeOptions, total=False):
    """Which appointment types are wanted.

    The location must be given where the institution's types are kept for each location
    (``appointment_types_location_scoped``).
    """

    include: Sequence[AppointmentTypeInclude]
    """Parts to send along."""


class AppointmentTypeOptions(LocationScoped, total=False):
    """How one appointment type is wanted."""

    include: Sequence[AppointmentTypeInclude]
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
    emr_appt_descriptor_ids: Sequence[int]
    """Ids of the appointment descriptors it stands for in the practice's system."""


class NewAppointmentType(_AppointmentTypeFields, total=False):
    """A new appointment type."""

    name: Required[str]
    """Its name, which no other type may have."""


class AppointmentTypeChanges(_AppointmentTypeFields, total=False):
    """What may be changed in an appointment type; what is left out stays."""

    name: str
    """Its name, which no other type may have."""


class ProcedureFilters(LocationScoped, NumberedOptions, total=False):
    """Which procedures are wanted. Give one filter besides the location; v3 refuses it alone."""

    provider_id: int
    """Only procedures of this provider."""
    patient_id: int
    """Only procedures of this patient."""
    appointment_id: int
    """Only procedures of this appointment."""
    updated_since: datetime
    """Only those changed at or after this time."""


class PatientFilters(LocationScoped, NumberedOptions, total=False):
    """Which patients are wanted. Filters narrow each other (email and phone: see ``email``)."""

    name: str
    """Matches names loosely."""
    email: str
    """Matches exactly. The vendor says that email and phone together widen the search (either)."""
    phone_number: str
    """Matches exactly: ten digits, without ``+1`` or punctuation."""
    date_of_birth: date
    """Matches exactly."""
    inactive: bool
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str
    """The patient's id in the practice's own system."""
    updated_since: datetime
    """Only those changed at or after this time."""
    new_patient: bool | None
    """True: only new patients with an upcoming appointment; False, sent by default: none of them.

    None sends nothing and lets the server decide.
    """
    non_patient: bool
    """Only people who are no patients (True), or none of those (False); both when left out."""
    forms_syncable: bool
    """True: only patients whose file can take forms."""
    location_strict: bool
    """True: only the location's own; else everyone in the system it shares with others."""
    include: Sequence[PatientInclude]
    """Parts to send along; on this list in v2 only."""
    sort: str
    """Fields with commas between, ``-`` before one that descends: ``id``, ``updated_at``."""
    appointment_date_start: date
    """Only those with an appointment on or after this day; v2 only."""
    appointment_date_end: date
    """Only those with an appointment on or before this day; v2 only."""


class PatientOptions(PracticeScoped, total=False):
    """How one patient is wanted."""

    include: Sequence[PatientInclude]
    """Parts to send along."""


class NewPatientBio(TypedDict, total=False):
    """Particulars of a new patient."""

    date_of_birth: Required[date]
    """Not in the future, and at most 130 years ago."""
    phone_number: Required[str]
    """A North American number as ten digits; what is longer is cut off after ten characters."""
    home_phone_number: str
    """Ten digits."""
    cell_phone_number: str
    """Ten digits."""
    work_phone_number: str
    """Ten digits."""
    custom_contact_number: str
    """Ten digits."""
    gender: Gender
    """Give it: where it is missing the API stores ``"Female"``."""
    weight: int
    """In kilograms."""
    height: int
    """In centimetres."""
    street_address: str
    """The whole address in one line."""
    address_line_1: str
    """Street and number."""
    address_line_2: str
    """What comes under it."""
    city: str
    """City."""
    state: str
    """State."""
    zip_code: str
    """Postal code."""
    insurance_name: str
    """The insurer's name."""
    ssn: str
    """Social security number."""
    race: str
    """Race."""


class NewPatient(LocationScoped, total=False):
    """A new patient."""

    provider_id: Required[int]
    """The provider who takes the patient in."""
    first_name: Required[str]
    """Some systems cut it off after 15 characters."""
    last_name: Required[str]
    """Some systems cut it off after 20 characters."""
    email: Required[str]
    """Email address."""
    middle_name: str
    """Middle name."""
    bio: Required[NewPatientBio]
    """Particulars: birth date and phone at the least."""


class WorkingHoursFilters(LocationScoped, NumberedOptions, total=False):
    """Which working hours are wanted."""

    provider_id: int
    """Only those of this provider."""
    operatory_id: int
    """Only those in this operatory."""
    active: bool
    """Only active (True, the server's default) or switched-off (False) ones."""
    ignore_past_dates: bool
    """True leaves out those for a single date that has passed; the server sends them else."""
    include: Sequence[WorkingHoursInclude]
    """Parts to send along."""


class WorkingHoursOptions(PracticeScoped, total=False):
    """How one record of working hours is wanted."""

    include: Sequence[WorkingHoursInclude]
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
    """What may be changed in working hours; what is left out stays. The provider stays always."""

    begin_time: str
    """``"HH:MM"``. One page of the vendor says UTC, against the rest: read the record back."""
    end_time: str
    """``"HH:MM"``, as ``begin_time``."""
    operatory_id: int
    """The operatory they work in."""
    appointment_type_ids: Sequence[int]
    """The appointment types that can be booked in these hours."""
    days: Sequence[Weekday]
    """Every week on these days."""
    specific_date: date
    """On this day only."""
    active: bool
    """Whether they count."""


class SlotFilters(LocationScoped, WholeOptions, total=False):
    """Which free times are wanted: ``pids`` or ``appointment_type_id`` must be among them."""

    start_date: Required[date]
    """The first day."""
    days: Required[int]
    """How many days from there, that one included; more than 14 is slow and advised against."""
    lids: Sequence[int]
    """Ids of several locations, instead of one ``location_id``."""
    pids: Sequence[int]
    """Ids of the providers."""
    operatory_ids: Sequence[int]
    """Only slots in these operatories, at locations that book by operatory."""
    appointment_type_id: int
    """Only slots this type fits into; its minutes become the slot's length."""
    slot_length: int
    """Minutes a slot is long; 15 by default."""
    slot_interval: int
    """Minutes from one slot's start to the next one's; the length by default."""
    overlapping_operatory_slots: bool
    """True: a time that is free in several operatories is a slot in each; else one slot."""


class AppointmentFilters(LocationScoped, NumberedOptions, total=False):
    """Which appointments are wanted."""

    start: Required[datetime]
    """The earliest start."""
    end: Required[datetime]
    """The latest start."""
    timezone: str
    """The practice's zone, as ``"America/New_York"``."""
    cancelled: bool | None
    """Only cancelled ones (True), or none of them (False, sent by default).

    None sends nothing and lets the server decide.
    """
    unavailable: bool
    """Only blocks (True) or only true appointments (False); both when left out."""
    nex_only: bool
    """True: only those booked through NexHealth."""
    updated_since: datetime
    """Only those changed at or after this time; ``start`` and ``end`` still hold."""
    appointment_type_id: int
    """Only those of this type."""
    foreign_id: str
    """The appointment's id in the practice's own system."""
    patient_ids: Sequence[int]
    """Only those of these patients: exactly one in v2, at most 25 in v3."""
    provider_ids: Sequence[int]
    """Only those with these providers."""
    operatory_ids: Sequence[int]
    """Only those in these operatories."""
    created_by: int
    """Only those this user made."""
    include: Sequence[AppointmentInclude]
    """Parts to send along; on this list in v2 only."""


class AppointmentOptions(PracticeScoped, total=False):
    """How one appointment is wanted."""

    include: Sequence[AppointmentInclude]
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
    descriptor_ids: Sequence[int]
    """Ids of appointment descriptors, which reach the practice's system too."""
    appointments_per_timeslot: int
    """How many may be booked at this time: 1 (default) to 5; eClinicalWorks and NextGen only."""
    notify_patient: bool
    """True: NexHealth tells the patient; False by default."""


class AppointmentChanges(PracticeScoped, total=False):
    """What may be changed in an appointment. To move it in v2, cancel it and make another."""

    confirmed: bool
    """True once the office has confirmed it; cannot be taken back."""
    cancelled: bool
    """Whether it is cancelled."""
    checkin_at: datetime
    """When the patient checked in; can be set once."""


class SyncStatusFilters(LocationScoped, WholeOptions, total=False):
    """Which synchronisations are wanted."""

    location_ids: Sequence[int]
    """Ids of several locations, instead of one ``location_id``."""
    read_status: SyncColour
    """Only those whose reading is in this state."""
    write_status: SyncColour
    """Only those whose writing is in this state."""
