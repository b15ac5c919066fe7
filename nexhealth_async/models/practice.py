"""The practice itself: institutions, locations, chairs, and how well its data flow."""

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
    """A location's field of dentistry (v3).

    Reference: ``specialty`` of a location.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None


@optional_fields
@frozen(slots=False, kw_only=True, repr=False)
class _LocationExtras(Record):
    """What a location met inside another record does not say."""

    institution_id: int | None = None
    institution_name: str | None = None
    """Added by this library from the institution the location was listed under."""
    subdomain: str | None = None
    """The practice's name in every request; added by this library as ``institution_name`` is."""
    street_address: str | None = None
    street_address_2: str | None = None
    city: str | None = None
    state: str | None = None
    """Two letters."""
    zip_code: str | None = None
    country_code: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    latitude: float | None = None
    """Degrees, reckoned from the address; nonsense in the sandbox environment."""
    longitude: float | None = None
    """Degrees, as ``latitude``."""
    phone_number: str | None = None
    foreign_id: str | None = None
    """The id in the practice's system; text, though often a number, and ``"0"`` at times."""
    foreign_id_type: str | None = None
    """Names the system that ``foreign_id`` belongs to."""
    email: str | None = None
    tz: str | None = None
    """IANA name of the time zone, such as ``America/New_York``."""
    last_sync_time: Timestamp | None = None
    """When the location's data last changed at the source."""
    insert_appt_client: bool | None = None
    """Are appointments made through the API written to the practice's system?"""
    map_by_operatory: bool | None = None
    """Must an appointment name an operatory? Then carry ``operatory_id`` over from the slot."""
    appt_types_map_by_operatory: bool | None = None
    """Whether appointment types map to operatories (true) or to providers (false)."""
    set_availability_by_operatory: bool | None = None
    """Whether availability by operatory is switched on."""
    inactive: bool | None = None
    wlogo: str | None = None
    """Path of the logo; undocumented."""
    weight: int | None = None
    """Order in listings; undocumented."""
    specialty: Specialty | None = None
    """v3 only."""


@frozen(kw_only=True, repr=False)
class Location(_LocationExtras):
    """One office of a practice.

    A location met inside an institution, a provider or a sync status has only its name, address,
    ``phone_number``, ``email`` and ``inactive``; the rest is None. Walking the locations gives
    locations that also know their ``institution_name`` and ``subdomain``.
    Reference: ``GET /locations``, ``GET /locations/{id}``.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None


@frozen(kw_only=True, repr=False)
class Institution(Record):
    """A practice: one or more locations under one subdomain.

    ``GET /locations`` answers with institutions that have only ``id``, ``name``, ``subdomain`` and
    ``locations``.
    Reference: ``GET /institutions``.
    """

    _repr_fields = ("id", "name", "subdomain")

    id: int
    name: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    subdomain: str | None = None
    """The practice's name in every request."""
    phone_number: str | None = None
    emrs: tuple[str, ...] = ()
    """The practice's systems, such as ``dentrix``."""
    country_code: str | None = None
    """Two or three letters."""
    appointment_types_location_scoped: bool | None = None
    """Has each location appointment types of its own?"""
    is_sync_notifications: bool | None = None
    """Is the practice told by email when its connection goes down?"""
    notify_insert_fails: bool | None = None
    """Is the practice told by email when an appointment could not be written?"""
    locations: tuple[Location, ...] = ()
    """Short under ``GET /institutions``, whole under ``GET /locations``."""
    is_appt_categories_location_specific: bool | None = None
    """Undocumented, as all that follow."""
    is_appt_booking_patient_type_activated: bool | None = None
    is_appt_booking_insurance_activated: bool | None = None
    show_online_booking_no_insurance_option: bool | None = None
    request_online_booking_location_permissions: bool | None = None
    logo_location_scoped: bool | None = None
    show_map: bool | None = None
    gtm_tags: str | None = None
    """Tag manager ids of the booking page."""
    wlogo: str | None = None
    """Path of the logo."""


@frozen(kw_only=True, repr=False)
class Operatory(Record):
    """A room or chair that appointments take place in.

    Reference: ``GET /operatories``.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    """The name in the practice's system."""
    foreign_id: str | None = None
    foreign_id_type: str | None = None
    location_id: int | None = None
    last_sync_time: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    display_name: str | None = None
    """A name chosen for display."""
    profile_url: str | None = None
    """Undocumented."""
    active: bool | None = None
    bookable_online: bool | None = None
    appointment_types: tuple[AppointmentType, ...] | None = None
    """What may be booked here. The server uses this name or ``appt_categories``, or both."""
    appt_categories: tuple[AppointmentType, ...] | None = None
    """The older name of ``appointment_types``; v2 rows bring this one."""
    rel_ids: JSON = field(default=None, hash=False)
    """Only in old samples; as the server sent it."""


@frozen(kw_only=True, repr=False)
class Emr(Record):
    """The kind of system a practice keeps its records in.

    Reference: ``emr`` of a sync status.
    """

    _repr_fields = ("id", "name")

    id: int
    name: str | None = None
    """Short name, such as ``dentrix``."""
    display_name: str | None = None
    type: str | None = None
    """``cloud`` or ``onprem``."""


@frozen(kw_only=True, repr=False)
class SyncStatus(Record):
    """Whether NexHealth currently reads from and writes to a practice's system.

    One per data source; it has no id. A lag of up to 20 minutes is normal, and so is red outside
    office hours, when the practice's computer is off.
    Reference: ``GET /sync_status``.
    """

    _repr_fields = ("institution_id", "read_status", "write_status")

    institution_id: int | None = None
    sync_source_type: str | None = None
    """``DataSource``."""
    sync_source_name: str | None = None
    emr: Emr | None = None
    read_status: str | None = None
    """``green`` (up) or ``red`` (down)."""
    read_status_at: Timestamp | None = None
    """When data were last read."""
    write_status: str | None = None
    """``green`` (up) or ``red`` (down)."""
    write_status_at: Timestamp | None = None
    """When data were last written."""
    locations: tuple[Location, ...] = ()
    """The locations this source serves, in their short form."""


@frozen(kw_only=True, repr=False)
class BookingParams(Record):
    """What a practice chose for online booking while it was being set up.

    Reference: ``booking_params`` of an onboarding.
    """

    _repr_fields = ("location_id",)

    location_id: int | None = None
    """None until it was chosen. The server may send it as text; it becomes a number here."""
    appointment_type_ids: tuple[int, ...] | None = None
    """None until they were chosen."""


@frozen(kw_only=True, repr=False)
class Onboarding(Record):
    """The setting up of a new practice by its own staff (v3).

    The id is part of the setup link, which opens without a login: neither is printed.
    Reference: ``GET /onboardings``.
    """

    _repr_fields = ("subdomain", "status")

    id: str
    """Text, unlike all other ids."""
    created_at: Timestamp | None = None
    subdomain: str | None = None
    """None while no institution belongs to it yet."""
    url: str | None = None
    """The setup link for the practice's staff."""
    url_expires_at: Timestamp | None = None
    status: str | None = None
    """``in_progress``, ``complete`` or ``failed``."""
    booking_params: BookingParams | None = None
    availability_ready_at: Timestamp | None = None
    """When the location could first be booked; None until then."""
