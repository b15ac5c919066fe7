"""Patients, providers, staff and documents.

The repr of a person shows the id only.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from attrs import field, frozen

from nexhealth_async.models._base import JSON, Money, Record, Timestamp, optional_fields

if TYPE_CHECKING:
    from nexhealth_async.models.clinical import Procedure
    from nexhealth_async.models.insurance import InsuranceCoverage
    from nexhealth_async.models.ledger import Adjustment, Charge, Payment
    from nexhealth_async.models.practice import Location
    from nexhealth_async.models.schedule import (
        AppointmentType,
        UpcomingAppointment,
        WorkingHours,
    )

__all__ = [
    "Document",
    "DocumentType",
    "Patient",
    "PatientAddress",
    "PatientAlert",
    "PatientBio",
    "PrivacyAuthorization",
    "Provider",
    "ProviderRequestable",
    "StaffMember",
]


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _BioExtras(Record):
    """Fields of a bio that only some practice systems fill."""

    city: str | None = None
    """City of the address."""
    state: str | None = None
    """Two-letter state code."""
    zip_code: str | None = None
    """Postal code."""
    new_patient: bool | None = None
    """True for a patient created through the API that has not yet been read from the practice's
    system."""
    non_patient: bool | None = None
    """True for a contact, such as a guarantor, who is not treated."""
    address_line_1: str | None = None
    """First line of the street address."""
    address_line_2: str | None = None
    """Second line of the street address."""
    street_address: str | None = None
    """Full street address."""
    cell_phone_number: str | None = None
    """Mobile phone number."""
    home_phone_number: str | None = None
    """Phone number at home."""
    work_phone_number: str | None = None
    """Phone number at work."""
    email: str | None = None
    """Undocumented."""
    first_name: str | None = None
    """Undocumented."""
    last_name: str | None = None
    """Undocumented."""
    middle_name: str | None = None
    """Undocumented."""
    preferred_language: str | None = None
    """Undocumented."""
    previous_foreign_id: str | None = None
    """Undocumented."""


@frozen(kw_only=True, repr=False)
class PatientBio(_BioExtras):
    """Personal data of a patient or provider, besides the name.

    Practice systems fill different fields, and ``{}`` is common, above all for providers. Text that
    is not set may be ``""``.
    Reference: ``bio`` of a patient.
    """

    _repr_fields = ()

    gender: str | None = None
    """``Female``, ``Male``, or another value of the practice's system."""
    phone_number: str | None = None
    """Ten digits; searches match it exactly."""
    date_of_birth: date | None = None
    """Date of birth."""
    verified_mobile: str | None = None
    """Ten digits; undocumented."""


@frozen(kw_only=True, repr=False)
class PatientAddress(Record):
    """A patient's postal address; only when included. Dependants often have none.

    Reference: ``address`` of a patient.
    """

    _repr_fields = ()

    line_1: str | None = None
    """First line of the address."""
    line_2: str | None = None
    """Second line of the address."""
    postal_code: str | None = None
    """ZIP code."""
    city: str | None = None
    region: str | None = None
    """State."""


@frozen(kw_only=True, repr=False)
class PatientAlert(Record):
    """A note that the practice's staff see when they open the patient's record.

    Reference: ``GET /patients/{id}/patient_alerts``, and ``patient_alerts`` of a patient.
    """

    id: int
    """NexHealth's id."""
    patient_id: int | None = None
    """The patient's id."""
    note: str | None = None
    """Text of the alert."""
    disabled_at: Timestamp | None = None
    """Time the alert was disabled, UTC; None while it is enabled."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""


@frozen(kw_only=True, repr=False)
class PrivacyAuthorization(Record):
    """The HIPAA forms a patient has signed, with dates.

    Reference: ``hipaa`` of a patient (v3).
    """

    _repr_fields = ()

    authorization: bool | None = None
    """True if the patient authorized the practice to use and disclose health information."""
    authorization_date: date | None = None
    """Day of the authorization."""
    privacy: bool | None = None
    """True if the patient acknowledged the practice's privacy notice."""
    privacy_date: date | None = None
    """Day of the acknowledgement."""
    consent: bool | None = None
    """True if the patient gave HIPAA consent."""
    consent_date: date | None = None
    """Day of the consent."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _PatientExtras(Record):
    """Fields of a patient that only some responses hold."""

    institution_id: int | None = None
    """The institution's id."""
    name: str | None = None
    """Full name."""
    bio: PatientBio | None = None
    """Personal data; its fields depend on the practice's system."""
    guarantor_id: int | None = None
    """Id of the person who pays. None, 0 and the patient's own id all mean the patient."""
    unsubscribe_sms: bool | None = None
    """v2 only."""
    balance: Money | None = None
    """v2 only and deprecated: always 0.00."""
    billing_type: str | None = None
    """Category for reports and billing ("account type" in some systems); only in some systems."""
    chart_id: str | None = None
    """Number by which the practice's staff know the patient; only in some systems."""
    preferred_language: str | None = None
    """ISO 639-1 code; only in some systems."""
    preferred_locale: str | None = None
    """Language of NexHealth's forms and messages."""
    location_ids: tuple[int, ...] | None = None
    """Ids of the patient's locations; None in list rows of v3."""
    provider_id: int | None = None
    """The primary provider's id."""
    hipaa: PrivacyAuthorization | None = None
    """Signed HIPAA forms; v3 only."""

    upcoming_appts: tuple[UpcomingAppointment, ...] | None = None
    """Appointments within the next year; only when included."""
    last_visited_appointment: UpcomingAppointment | None = None
    """Only when included."""
    procedures: tuple[Procedure, ...] | None = None
    """Procedures of the patient; only when included."""
    insurance_coverages: tuple[InsuranceCoverage, ...] | None = None
    """Active insurance coverages; only when included."""
    charges: tuple[Charge, ...] | None = None
    """Charges in the ledger; only when included."""
    payments: tuple[Payment, ...] | None = None
    """Payments in the ledger; only when included."""
    adjustments: tuple[Adjustment, ...] | None = None
    """Adjustments in the ledger; only when included."""
    patient_alerts: tuple[PatientAlert, ...] | None = None
    """Alerts of the patient; only when included."""
    children: tuple[Patient, ...] | None = None
    """Patients whose guarantor this person is; only when included."""
    guarantor: Patient | None = None
    """The person who pays; only when included."""
    provider: Provider | None = None
    """The primary provider; only when included."""
    address: PatientAddress | None = None
    """Postal address; only when included."""
    appointments: tuple[UpcomingAppointment, ...] | None = None
    """Appointments from ``appointment_date_start`` to ``appointment_date_end``; sent only with
    these two filters."""

    email_unsubscribed_at: Timestamp | None = None
    """Time the patient unsubscribed from email; undocumented."""
    sms_unsubscribed_at: Timestamp | None = None
    """Undocumented."""
    unsubscribed_at: Timestamp | None = None
    """Undocumented."""

    waitlisted_at: Timestamp | None = None
    """Only in old samples, where it is ``{}``. None if it cannot be read as a timestamp."""
    account_activated: JSON = field(default=None, hash=False)
    """Only in old samples, like all fields below: raw JSON, because their types are unknown."""
    requested_access: JSON = field(default=None, hash=False)
    inst_ids: JSON = field(default=None, hash=False)
    prov_ids: JSON = field(default=None, hash=False)
    config: JSON = field(default=None, hash=False)
    unsubscribe_emails: JSON = field(default=None, hash=False)
    last_import_id: JSON = field(default=None, hash=False)
    invalid_email: JSON = field(default=None, hash=False)
    last_sync: JSON = field(default=None, hash=False)
    display_name: JSON = field(default=None, hash=False)
    doctor_name: JSON = field(default=None, hash=False)
    meta_type: JSON = field(default=None, hash=False)
    profile_url: JSON = field(default=None, hash=False)
    npi: JSON = field(default=None, hash=False)
    last_check_in: JSON = field(default=None, hash=False)
    contact_email: JSON = field(default=None, hash=False)
    pcp_id: JSON = field(default=None, hash=False)
    last_visit: JSON = field(default=None, hash=False)


@frozen(kw_only=True, repr=False)
class Patient(_PatientExtras):
    """A patient, or a person connected with one, such as a guarantor.

    Included parts are None unless requested; an empty tuple means that the server sent an empty
    list. The other fields that are filled depend on the practice's system.
    Reference: ``GET /patients``, ``data.patients``; ``GET /patients/{id}``.
    """

    id: int
    """NexHealth's id."""
    email: str | None = None
    """Email address."""
    first_name: str | None = None
    """First name."""
    middle_name: str | None = None
    """Middle name."""
    last_name: str | None = None
    """Last name."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    foreign_id: str | None = None
    """The id in the practice's system: text, though often a number. None until the record is
    written there."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system; ``nex`` for patients created through the API."""
    inactive: bool | None = None
    """True if the patient is inactive."""
    last_sync_time: Timestamp | None = None
    """Last meaningful change of the record in the practice's system."""


@frozen(kw_only=True, repr=False)
class ProviderRequestable(Record):
    """A location where patients can choose a provider when they book.

    Reference: ``provider_requestables`` of a provider.
    """

    _repr_fields = ("location_id",)

    location_id: int | None = None
    """The location's id."""


@frozen(kw_only=True, repr=False)
class Provider(Record):
    """A dentist, hygienist or other person with whom appointments are booked.

    Reference: ``GET /providers``.
    """

    id: int
    """NexHealth's id."""
    email: str | None = None
    """Email address."""
    first_name: str | None = None
    """First name."""
    middle_name: str | None = None
    """Middle name."""
    last_name: str | None = None
    """Last name."""
    name: str | None = None
    """Full name."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    institution_id: int | None = None
    """The institution's id."""
    foreign_id: str | None = None
    """The id in the practice's system."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system."""
    bio: PatientBio | None = None
    """Personal data; usually empty."""
    inactive: bool | None = None
    """True if the provider is inactive."""
    last_sync_time: Timestamp | None = None
    """Last meaningful change of the record in the practice's system."""
    display_name: str | None = None
    """Name for display."""
    npi: str | None = None
    """National Provider Identifier; None if the practice did not enter it."""
    tin: str | None = None
    """Taxpayer number, possibly a social security number; do not log it."""
    state_license: str | None = None
    """State license number; None if the practice did not enter it."""
    specialty_code: str | None = None
    """Taxonomy code of the specialty, such as ``363L00000X``; None if the practice did not enter
    it."""
    nexhealth_specialty: str | None = None
    """``Dentist`` or ``Unknown``; undocumented."""
    profile_url: str | None = None
    """URL of a picture; undocumented."""
    locations: tuple[Location, ...] | None = None
    """Locations of the provider. Lists send it without ``include``; None on a provider inside
    another record."""
    provider_requestables: tuple[ProviderRequestable, ...] = ()
    """Locations where patients can book this provider."""
    availabilities: tuple[WorkingHours, ...] | None = None
    """Working hours of the provider; only when included."""
    appointment_types: tuple[AppointmentType, ...] | None = None
    """v3 only, when included."""


@frozen(kw_only=True, repr=False)
class StaffMember(Record):
    """A person who works at a practice and has a NexHealth login.

    Reference: ``GET /nex_staff``.
    """

    id: int
    """NexHealth's id."""
    email: str | None = None
    """Email address."""
    first_name: str | None = None
    """First name."""
    last_name: str | None = None
    """Last name."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    patientable: bool | None = None
    """Undocumented."""
    inst_ids: tuple[int, ...] = ()
    """Ids of the person's institutions."""
    unsubscribe_emails: bool | None = None
    inactive: bool | None = None
    unsubscribe_sms: bool | None = None
    location_ids: tuple[int, ...] = ()
    """Ids of the person's locations."""


@frozen(kw_only=True, repr=False)
class DocumentType(Record):
    """A folder of the practice's system in which documents are filed.

    Reference: ``GET /document_types``.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the document type."""
    active: bool | None = None
    """True if the document type is in use."""


@frozen(kw_only=True, repr=False)
class Document(Record):
    """A file in a patient's record, without its content.

    Reference: ``GET /patients/{id}/documents``.
    """

    id: int
    """NexHealth's id."""
    filename: str | None = None
    """Name of the uploaded file."""
    type: str | None = None
    """Media type, such as ``application/pdf``."""
    url: str | None = None
    """Download path on the API's host, such as ``/documents/18/download``."""
    created_at: Timestamp | None = None
    """Time of the upload, UTC."""
    document_type_id: int | None = None
    """The document type's id."""
