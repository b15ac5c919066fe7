"""Patients and those who treat them. A printed record of a person shows its id only."""

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
    """What only some systems know of a person."""

    city: str | None = None
    state: str | None = None
    """Two letters."""
    zip_code: str | None = None
    new_patient: bool | None = None
    non_patient: bool | None = None
    """A contact, such as a guarantor, who is not treated."""
    address_line_1: str | None = None
    address_line_2: str | None = None
    street_address: str | None = None
    cell_phone_number: str | None = None
    home_phone_number: str | None = None
    work_phone_number: str | None = None
    email: str | None = None
    """Seen in other clients, undocumented, as all fields below."""
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    preferred_language: str | None = None
    previous_foreign_id: str | None = None


@frozen(kw_only=True, repr=False)
class PatientBio(_BioExtras):
    """What is known of a person beside the name.

    Systems fill very different parts of it, and ``{}`` is common. Text that is not set is ``""`` at
    times. Providers have a bio too, mostly empty.
    Reference: ``bio`` of a patient.
    """

    _repr_fields = ()

    gender: str | None = None
    """``Female``, ``Male``, or what else the practice's system says."""
    phone_number: str | None = None
    """Ten digits; searched by exact match."""
    date_of_birth: date | None = None
    verified_mobile: str | None = None
    """Ten digits; undocumented."""


@frozen(kw_only=True, repr=False)
class PatientAddress(Record):
    """A patient's postal address, when included; dependants often have none.

    Reference: ``address`` of a patient.
    """

    _repr_fields = ()

    line_1: str | None = None
    line_2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    """The state."""


@frozen(kw_only=True, repr=False)
class PatientAlert(Record):
    """A note the practice wants seen whenever the patient's record is opened.

    Reference: ``GET /patients/{id}/patient_alerts``, and ``patient_alerts`` of a patient.
    """

    id: int
    patient_id: int | None = None
    note: str | None = None
    disabled_at: Timestamp | None = None
    """None while the alert is in force."""
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


@frozen(kw_only=True, repr=False)
class PrivacyAuthorization(Record):
    """Which privacy papers a patient has signed, and when.

    Reference: ``hipaa`` of a patient (v3).
    """

    _repr_fields = ()

    authorization: bool | None = None
    """May the practice use and disclose the patient's health information?"""
    authorization_date: date | None = None
    privacy: bool | None = None
    """Has the patient confirmed reading the practice's privacy notice?"""
    privacy_date: date | None = None
    consent: bool | None = None
    consent_date: date | None = None


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _PatientExtras(Record):
    """What only some replies say of a patient."""

    institution_id: int | None = None
    name: str | None = None
    """The full name."""
    bio: PatientBio | None = None
    guarantor_id: int | None = None
    """Who pays. None, 0 and the patient's own id all mean the patient."""
    unsubscribe_sms: bool | None = None
    """v2 only."""
    balance: Money | None = None
    """v2 only and no longer kept up: 0.00 for everybody."""
    billing_type: str | None = None
    """Some systems only."""
    chart_id: str | None = None
    """The number people in the practice know the patient by; some systems only."""
    preferred_language: str | None = None
    """ISO 639-1 code; some systems only."""
    preferred_locale: str | None = None
    """The language of NexHealth's own forms and messages."""
    location_ids: tuple[int, ...] | None = None
    """None in v3's list rows, which leave it out."""
    provider_id: int | None = None
    """The primary provider."""
    hipaa: PrivacyAuthorization | None = None
    """v3 only."""

    upcoming_appts: tuple[UpcomingAppointment, ...] | None = None
    """Included on request, as all fields down to ``appointments``."""
    last_visited_appointment: UpcomingAppointment | None = None
    procedures: tuple[Procedure, ...] | None = None
    insurance_coverages: tuple[InsuranceCoverage, ...] | None = None
    charges: tuple[Charge, ...] | None = None
    payments: tuple[Payment, ...] | None = None
    adjustments: tuple[Adjustment, ...] | None = None
    patient_alerts: tuple[PatientAlert, ...] | None = None
    children: tuple[Patient, ...] | None = None
    """Those this person pays for."""
    guarantor: Patient | None = None
    provider: Provider | None = None
    address: PatientAddress | None = None
    appointments: tuple[UpcomingAppointment, ...] | None = None
    """Sent with ``appointment_date_start`` and ``appointment_date_end``."""

    email_unsubscribed_at: Timestamp | None = None
    """When the patient turned email off; undocumented, as the next two."""
    sms_unsubscribed_at: Timestamp | None = None
    unsubscribed_at: Timestamp | None = None

    waitlisted_at: Timestamp | None = None
    """Only in old samples, as all fields below; ``{}`` there, and None for whatever is no time."""
    account_activated: JSON = field(default=None, hash=False)
    """As the server sent it, as all fields below: nobody knows their types."""
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

    Included parts are None unless they were asked for; an empty tuple is the server's "none". Which
    of the other fields are filled depends on the practice's system.
    Reference: ``GET /patients``, ``data.patients``; ``GET /patients/{id}``.
    """

    id: int
    email: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    foreign_id: str | None = None
    """The id in the practice's system; text, though often a number. None until it is written."""
    foreign_id_type: str | None = None
    """Names the system of ``foreign_id``; ``nex`` for patients made through the API."""
    inactive: bool | None = None
    last_sync_time: Timestamp | None = None
    """When the record last changed at the source."""


@frozen(kw_only=True, repr=False)
class ProviderRequestable(Record):
    """A location where patients may ask for a provider when they book.

    Reference: ``provider_requestables`` of a provider.
    """

    _repr_fields = ("location_id",)

    location_id: int | None = None


@frozen(kw_only=True, repr=False)
class Provider(Record):
    """A dentist, hygienist or other person whom appointments are made with.

    Reference: ``GET /providers``.
    """

    id: int
    email: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    """The full name."""
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    institution_id: int | None = None
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    bio: PatientBio | None = None
    """Mostly empty."""
    inactive: bool | None = None
    last_sync_time: Timestamp | None = None
    """When the record last changed at the source."""
    display_name: str | None = None
    npi: str | None = None
    """National Provider Identifier; None if the practice did not enter it."""
    tin: str | None = None
    """Taxpayer number, at times a social security number: keep it out of logs."""
    state_license: str | None = None
    specialty_code: str | None = None
    """Taxonomy code such as ``363L00000X``."""
    nexhealth_specialty: str | None = None
    """``Dentist``, ``Unknown``; undocumented."""
    profile_url: str | None = None
    """A picture; undocumented."""
    locations: tuple[Location, ...] | None = None
    """Where the provider works; listings bring it unasked. None on an embedded provider."""
    provider_requestables: tuple[ProviderRequestable, ...] = ()
    """Locations where patients may ask for this provider."""
    availabilities: tuple[WorkingHours, ...] | None = None
    """The provider's working hours; only when included."""
    appointment_types: tuple[AppointmentType, ...] | None = None
    """v3 only, when included."""


@frozen(kw_only=True, repr=False)
class StaffMember(Record):
    """Somebody who works at a practice and has a NexHealth login.

    Reference: ``GET /nex_staff``.
    """

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    patientable: bool | None = None
    """Undocumented."""
    inst_ids: tuple[int, ...] = ()
    """The institutions this person may see."""
    unsubscribe_emails: bool | None = None
    inactive: bool | None = None
    unsubscribe_sms: bool | None = None
    location_ids: tuple[int, ...] = ()
    """The locations this person may see."""


@frozen(kw_only=True, repr=False)
class DocumentType(Record):
    """A folder of the practice's system that documents are filed in.

    Reference: ``GET /document_types``.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    active: bool | None = None


@frozen(kw_only=True, repr=False)
class Document(Record):
    """A file in a patient's record; its content is fetched separately.

    Reference: ``GET /patients/{id}/documents``.
    """

    id: int
    filename: str | None = None
    type: str | None = None
    """Media type, such as ``application/pdf``."""
    url: str | None = None
    """Where to download it: a path on the API's own host, such as ``/documents/18/download``."""
    created_at: Timestamp | None = None
    """When it was uploaded."""
    document_type_id: int | None = None
