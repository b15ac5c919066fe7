"""What patients, what is filed under them, and the staff may be asked and written."""

# No `from __future__ import annotations` here: as text, `Required` would go unnoticed at run time.

from collections.abc import Sequence
from datetime import date, datetime
from os import PathLike
from typing import BinaryIO, Literal, Required, TypeAlias, TypedDict

from nexhealth_async.filters.shared import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    WholeOptions,
)

__all__ = [
    "AlertChanges",
    "AlertFilters",
    "DocumentFilters",
    "Gender",
    "NewAlert",
    "NewDocument",
    "NewPatient",
    "NewPatientBio",
    "PatientFilters",
    "PatientInclude",
    "PatientOptions",
    "StaffFilters",
]

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


Gender: TypeAlias = Literal["Male", "Female", "Other"]
"""What the API takes for a new patient."""


class PatientFilters(LocationScoped, NumberedOptions, total=False):
    """Which patients are wanted. Filters narrow each other (email and phone: see ``email``)."""

    name: str | None
    """Matches names loosely."""
    email: str | None
    """Matches exactly.

    With ``phone_number`` beside it the vendor contradicts itself: the reference page says that both
    must match, the troubleshooting page (October 2026) that either is enough. Compare the result.
    """
    phone_number: str | None
    """Matches exactly. Any usual form of a North American number is sent as its ten digits."""
    date_of_birth: date | None
    """Matches exactly."""
    inactive: bool | None
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str | None
    """The patient's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    new_patient: bool | None
    """True: only new patients with an upcoming appointment; False: only those who are not new.

    Left out, the server decides: both in v3 since June 2026; for v2 it is not known.
    """
    non_patient: bool | None
    """Only people who are no patients (True), or none of those (False); both when left out."""
    forms_syncable: bool | None
    """True: only patients whose file can take forms."""
    location_strict: bool | None
    """True: only the location's own; else everyone in the system it shares with others."""
    include: Sequence[PatientInclude] | None
    """Parts to send along; on this list in v2 only."""
    sort: str | None
    """Fields with commas between, ``-`` before one that descends: ``id``, ``updated_at``."""
    appointment_date_start: date | None
    """Only those with an appointment on or after this day; v2 only."""
    appointment_date_end: date | None
    """Only those with an appointment on or before this day; v2 only."""
    include_upcoming_appts: bool | None
    """True: send ``upcoming_appts`` along, as ``include`` does; v2 only."""


class PatientOptions(PracticeScoped, total=False):
    """How one patient is wanted."""

    include: Sequence[PatientInclude] | None
    """Parts to send along."""


class DocumentFilters(PracticeScoped, NumberedOptions, total=False):
    """How to walk a patient's documents; they have no filters."""


class NewDocument(LocationScoped, total=False):
    """A document to be filed under a patient."""

    file: Required[bytes | PathLike[str] | BinaryIO]
    """What it holds: the bytes, a path, or a file that is open for reading them."""
    filename: str
    """What the file is called, without folders; the name of a path or an open file by default."""
    content_type: str
    """Its media type; by default what the name's ending says."""
    document_type_id: int
    """Its kind: the id of a record of ``document_types``."""


class AlertFilters(PracticeScoped, WholeOptions, total=False):
    """Which of a patient's alerts are wanted."""

    include_disabled: bool | None
    """True: also those that were switched off."""


class NewAlert(PracticeScoped, total=False):
    """An alert to be shown with a patient."""

    note: Required[str]
    """What it says."""


class AlertChanges(PracticeScoped, total=False):
    """What may be changed in an alert."""

    disabled: bool
    """Whether it is switched off."""


class StaffFilters(LocationScoped, NumberedOptions, total=False):
    """Which members of the staff are wanted."""

    inactive: bool | None
    """Only inactive (True) or active (False) ones; both when left out."""
    location_ids: Sequence[int] | None
    """Only those who may see these locations, instead of one ``location_id``."""


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
    """Middle name; v2 only."""
    return_existing_if_match: bool
    """True: answer with the patient who has this name, birth date and phone already; v3 only.

    With it a lost answer is asked for again, since that makes nobody twice.
    """
    bio: Required[NewPatientBio]
    """Particulars: birth date and phone at the least."""
