"""Institutions, locations, operatories, sync status and onboarding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from nexhealth_async.models._base import JSON, Record, Timestamp, optional_fields

if TYPE_CHECKING:
    from nexhealth_async.models.schedule import AppointmentType

__all__ = [
    "BookingParams",
    "Emr",
    "Institution",
    "Location",
    "Onboarding",
    "Operatory",
    "Specialty",
    "SyncStatus",
]


@frozen(kw_only=True, repr=False)
class Specialty(Record):
    """The dental specialty of a location (v3).

    Reference: ``specialty`` of a location.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the specialty."""


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _LocationExtras(Record):
    """Fields of a location that are absent inside another record."""

    institution_id: int | None = None
    """The institution's id."""
    institution_name: str | None = None
    """Name of the institution; added by this library."""
    subdomain: str | None = None
    """The institution's subdomain, which requests send; added by this library."""
    street_address: str | None = None
    """First line of the street address."""
    street_address_2: str | None = None
    """Second line of the street address."""
    city: str | None = None
    """City of the address."""
    state: str | None = None
    """Two-letter state code."""
    zip_code: str | None = None
    """Postal code."""
    country_code: str | None = None
    """Country code."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    latitude: float | None = None
    """Degrees, computed from the address; meaningless in the vendor's sandbox."""
    longitude: float | None = None
    """Degrees, computed from the address; meaningless in the vendor's sandbox."""
    phone_number: str | None = None
    """Phone number of the practice."""
    foreign_id: str | None = None
    """The id in the practice's system: text, though often a number, sometimes ``"0"``."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system."""
    email: str | None = None
    """Email address of the location."""
    tz: str | None = None
    """IANA name of the time zone, such as ``America/New_York``."""
    last_sync_time: Timestamp | None = None
    """Last refresh with data from the practice's system."""
    insert_appt_client: bool | None = None
    """True if appointments made through the API are written to the practice's system."""
    map_by_operatory: bool | None = None
    """True if an appointment must name an operatory; take ``operatory_id`` from the slot."""
    appt_types_map_by_operatory: bool | None = None
    """True if appointment types map to operatories, False if they map to providers."""
    set_availability_by_operatory: bool | None = None
    """True if availability by operatory is switched on."""
    inactive: bool | None = None
    """True if the location is not in use."""
    wlogo: str | None = None
    """Path of the logo; undocumented."""
    weight: int | None = None
    """Order in lists; undocumented."""
    specialty: Specialty | None = None
    """Dental specialty; v3 only."""


@frozen(kw_only=True, repr=False)
class Location(_LocationExtras):
    """One site of a practice.

    A location inside an institution, a provider or a sync status has only its name, address,
    ``phone_number``, ``email`` and ``inactive``; all other fields are None. Iterating over the
    locations also sets ``institution_name`` and ``subdomain``.
    Reference: ``GET /locations``, ``GET /locations/{id}``.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the location."""


@frozen(kw_only=True, repr=False)
class Institution(Record):
    """A practice: one or more locations under one subdomain.

    ``GET /locations`` returns institutions that have only ``id``, ``name``, ``subdomain`` and
    ``locations``.
    Reference: ``GET /institutions``.
    """

    _repr_fields = ("id", "name", "subdomain")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name of the institution."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    subdomain: str | None = None
    """Subdomain that requests send to select the institution."""
    phone_number: str | None = None
    """Phone number of the institution."""
    emrs: tuple[str, ...] = ()
    """Names of the practice's systems, such as ``dentrix``."""
    country_code: str | None = None
    """Country code of two or three letters."""
    appointment_types_location_scoped: bool | None = None
    """True if each location has its own appointment types."""
    is_sync_notifications: bool | None = None
    """True if the practice gets an email when the sync connection goes down."""
    notify_insert_fails: bool | None = None
    """True if the practice gets an email when an appointment could not be written."""
    locations: tuple[Location, ...] = ()
    """Locations in short form from ``GET /institutions``, in full from ``GET /locations``."""
    is_appt_categories_location_specific: bool | None = None
    """Undocumented."""
    is_appt_booking_patient_type_activated: bool | None = None
    """Undocumented."""
    is_appt_booking_insurance_activated: bool | None = None
    """Undocumented."""
    show_online_booking_no_insurance_option: bool | None = None
    """Undocumented."""
    request_online_booking_location_permissions: bool | None = None
    """Undocumented."""
    logo_location_scoped: bool | None = None
    """Undocumented."""
    show_map: bool | None = None
    """Undocumented."""
    gtm_tags: str | None = None
    """Tag manager ids of the booking page; undocumented."""
    wlogo: str | None = None
    """Path of the logo; undocumented."""


@frozen(kw_only=True, repr=False)
class Operatory(Record):
    """A room or chair where appointments take place.

    Reference: ``GET /operatories``.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Name in the practice's system."""
    foreign_id: str | None = None
    """The id in the practice's system."""
    foreign_id_type: str | None = None
    """Identifier of the practice's system."""
    location_id: int | None = None
    """The location's id."""
    last_sync_time: Timestamp | None = None
    """Last refresh from the practice's system, UTC."""
    created_at: Timestamp | None = None
    """Creation time, UTC."""
    updated_at: Timestamp | None = None
    """Last change, UTC."""
    display_name: str | None = None
    """Custom name for display."""
    profile_url: str | None = None
    """Undocumented."""
    active: bool | None = None
    """True if the operatory is in use."""
    bookable_online: bool | None = None
    """True if the operatory is open for online booking."""
    appointment_types: tuple[AppointmentType, ...] | None = None
    """Appointment types bookable here. The server sends this name, ``appt_categories``, or both."""
    appt_categories: tuple[AppointmentType, ...] | None = None
    """Older name of ``appointment_types``, sent in list rows of v2."""
    rel_ids: JSON = field(default=None, hash=False)
    """Only in old samples: raw JSON."""


@frozen(kw_only=True, repr=False)
class Emr(Record):
    """The kind of system in which a practice keeps its records.

    Reference: ``emr`` of a sync status.
    """

    _repr_fields = ("id", "name")

    id: int
    """NexHealth's id."""
    name: str | None = None
    """Short name, such as ``dentrix``."""
    display_name: str | None = None
    """Name for display."""
    type: str | None = None
    """``cloud`` or ``onprem``."""


@frozen(kw_only=True, repr=False)
class SyncStatus(Record):
    """Read and write status of the connection to a practice's system.

    There is one per data source, without an id. A lag of up to 20 minutes is normal, and so is
    ``red`` outside business hours, when the practice's computer is off.
    Reference: ``GET /sync_status``.
    """

    _repr_fields = ("institution_id", "read_status", "write_status")

    institution_id: int | None = None
    """The institution's id."""
    sync_source_type: str | None = None
    """Type of the source: ``DataSource``."""
    sync_source_name: str | None = None
    """Name of the source."""
    emr: Emr | None = None
    """The practice's system."""
    read_status: str | None = None
    """``green`` (up) or ``red`` (down)."""
    read_status_at: Timestamp | None = None
    """Time of the last read from the practice's system, UTC."""
    write_status: str | None = None
    """``green`` (up) or ``red`` (down)."""
    write_status_at: Timestamp | None = None
    """Time of the last write to the practice's system, UTC."""
    locations: tuple[Location, ...] = ()
    """Locations of the source, in short form."""


@frozen(kw_only=True, repr=False)
class BookingParams(Record):
    """Choices for online booking made during an onboarding.

    Reference: ``booking_params`` of an onboarding.
    """

    _repr_fields = ("location_id",)

    location_id: int | None = None
    """The chosen location's id; None until it is chosen. The server may send text, which becomes an
    integer."""
    appointment_type_ids: tuple[int, ...] | None = None
    """Ids of the chosen appointment types; None until they are chosen."""


@frozen(kw_only=True, repr=False)
class Onboarding(Record):
    """The setup of a new practice by its own staff (v3).

    The id is part of the setup link, which opens without a login, so the repr shows neither.
    Reference: ``GET /onboardings``.
    """

    _repr_fields = ("subdomain", "status")

    id: str
    """NexHealth's id: text, unlike other ids."""
    created_at: Timestamp | None = None
    """Time the setup link was created."""
    subdomain: str | None = None
    """The institution's subdomain; None while the onboarding has no institution."""
    url: str | None = None
    """Setup link for the practice's staff."""
    url_expires_at: Timestamp | None = None
    """Time the setup link expires."""
    status: str | None = None
    """``in_progress``, ``complete`` or ``failed``."""
    booking_params: BookingParams | None = None
    """Choices for online booking, collected during setup."""
    availability_ready_at: Timestamp | None = None
    """Time the location became bookable; None until then."""
