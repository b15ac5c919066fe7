"""The endpoint table: every operation of the API, one row per version, each fact written once.

A row says where an operation lives, how its list is paged, what its filters are called on the
wire, which rate limit counts it and whether it may be repeated. Request building, walking, the
limiter, the retry rules and the command line all read it here.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexhealth_async import models as m

__all__ = [
    "ALL",
    "APPOINTMENTS",
    "APPOINTMENTS_CREATE",
    "APPOINTMENTS_GET",
    "APPOINTMENTS_UPDATE",
    "APPOINTMENT_DESCRIPTORS",
    "APPOINTMENT_TYPES",
    "APPOINTMENT_TYPES_CREATE",
    "APPOINTMENT_TYPES_DELETE",
    "APPOINTMENT_TYPES_GET",
    "APPOINTMENT_TYPES_UPDATE",
    "AVAILABLE_SLOTS",
    "INSTITUTIONS",
    "INSTITUTIONS_GET",
    "LOCATIONS",
    "LOCATIONS_GET",
    "LOCATION_DESCRIPTORS",
    "LOGIN",
    "OPERATORIES",
    "OPERATORIES_GET",
    "PATIENTS",
    "PATIENTS_CREATE",
    "PATIENTS_GET",
    "PROCEDURES",
    "PROCEDURES_GET",
    "PROVIDERS",
    "PROVIDERS_GET",
    "SYNC_STATUS",
    "TYPE_DESCRIPTORS",
    "WORKING_HOURS",
    "WORKING_HOURS_CREATE",
    "WORKING_HOURS_DELETE",
    "WORKING_HOURS_GET",
    "WORKING_HOURS_UPDATE",
    "Endpoint",
    "Need",
    "Operation",
    "Paging",
    "RateClass",
    "Row",
    "operation_of",
]

T_co = TypeVar("T_co", covariant=True)


class Paging(Enum):
    """How a reply relates to the list it belongs to."""

    SINGLE = "single"
    """One record, no list."""
    WHOLE = "whole"
    """The whole list in one reply."""
    NUMBERED = "numbered"
    """``page`` and ``per_page``, finished by the envelope's ``count``."""
    CURSOR = "cursor"
    """``end_cursor``, finished by ``page_info.has_next_page``."""


class RateClass(Enum):
    """Which of the documented limits count a request. Reference: rate limiting, per API key."""

    SLOW = "slow"
    """Appointment reads and slot searches: 10 a second, and the people's minute limit."""
    PEOPLE = "people"
    """Patients and appointments: 1,000 a minute."""
    OTHER = "other"
    """Everything else: 2,000 a minute."""


class Need(Enum):
    """Whether an operation takes a practice (subdomain) or a location."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@frozen(kw_only=True)
class Row:
    """One operation in one version of the API."""

    method: str
    path: str
    """Template with the identifiers in braces: ``/patients/{id}``."""
    paging: Paging = Paging.SINGLE
    payload: tuple[str, ...] = ()
    """Keys of ``data`` under which the record or list may sit; ``data`` itself otherwise."""
    inner: str | None = None
    """Key of each listed group under which the records really sit (locations in institutions)."""
    max_per_page: int | None = None
    rate: RateClass = RateClass.OTHER
    safe: bool = True
    """True where doing it twice does no harm, so that a lost answer may be asked for again."""
    success: frozenset[int] = frozenset({200})
    subdomain: Need = Need.REQUIRED
    location: Need = Need.NONE
    location_filter: str = "location_id"
    """The filter that takes the scope's location."""
    with_location: tuple[str, ...] = ()
    """Filters that the API takes only together with a location."""
    filters: tuple[str, ...] = ()
    """Query parameters by their public (v3) names; ``[]`` marks those that take several values."""
    required: tuple[str, ...] = ()
    """Filters that must be given, by public name, without ``[]``."""
    wire: Mapping[str, str] = field(factory=dict[str, str])
    """Public name to this version's name, where they differ."""
    defaults: Mapping[str, bool | str] = field(factory=dict[str, "bool | str"])
    """Filters sent when the caller gives none, because the versions' own defaults differ."""
    wrap: str | None = None
    """Key under which the body's fields are sent."""
    beside: Mapping[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    """Body fields that sit elsewhere than under ``wrap``: public name to path of keys."""
    lookup: str = ""
    """For unsafe writes: the sentence that says how to find out whether it happened."""

    @property
    def operation(self) -> str:
        """Verb and template, the name that logs and errors use."""
        return f"{self.method} {self.path}"


@frozen(kw_only=True)
class Endpoint(Generic[T_co]):
    """One method of the library: its name, what it returns, and its row in each version."""

    resource: str
    verb: str
    model: str | None
    """Name of the class in `nexhealth_async.models`; None where nothing comes back."""
    v2: Row | None = None
    v3: Row | None = None


@frozen(kw_only=True)
class Operation:
    """One operation of one API version, as data; `NexHealth.endpoints` lists them."""

    version: str
    method: str
    path: str
    resource: str
    verb: str
    paging: str
    rate_class: str
    safe: bool
    filters: tuple[str, ...]


def operation_of(endpoint: Endpoint[object], version: str, row: Row) -> Operation:
    """Describe a row for listings and contract checks."""
    return Operation(
        version=version,
        method=row.method,
        path=row.path,
        resource=endpoint.resource,
        verb=endpoint.verb,
        paging=row.paging.value,
        rate_class=row.rate.value,
        safe=row.safe,
        filters=row.filters,
    )


_CREATED = frozenset({200, 201})
_NO_CONTENT = frozenset({200, 204})

LOGIN = Row(
    method="POST",
    path="/authenticates",
    payload=(),
    success=_CREATED,
    subdomain=Need.NONE,
)
"""``POST /authenticates``; safe, since a login more does no harm."""

INSTITUTIONS: Endpoint[m.Institution] = Endpoint(
    resource="institutions",
    verb="walk",
    model="Institution",
    v2=Row(method="GET", path="/institutions", paging=Paging.WHOLE, subdomain=Need.NONE),
)
INSTITUTIONS_GET: Endpoint[m.Institution] = Endpoint(
    resource="institutions",
    verb="get",
    model="Institution",
    v2=Row(method="GET", path="/institutions/{id}", subdomain=Need.NONE),
)

LOCATIONS: Endpoint[m.Location] = Endpoint(
    resource="locations",
    verb="walk",
    model="Location",
    v2=Row(
        method="GET",
        path="/locations",
        paging=Paging.WHOLE,
        inner="locations",
        subdomain=Need.OPTIONAL,
        filters=("inactive", "foreign_id", "filter_by_subscription_feature"),
    ),
)
LOCATIONS_GET: Endpoint[m.Location] = Endpoint(
    resource="locations",
    verb="get",
    model="Location",
    v2=Row(method="GET", path="/locations/{id}", subdomain=Need.NONE),
)
LOCATION_DESCRIPTORS: Endpoint[m.AppointmentDescriptor] = Endpoint(
    resource="locations.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    v2=Row(
        method="GET",
        path="/locations/{id}/appointment_descriptors",
        paging=Paging.WHOLE,
        subdomain=Need.NONE,
        filters=("descriptor_type",),
    ),
)

PROVIDERS: Endpoint[m.Provider] = Endpoint(
    resource="providers",
    verb="walk",
    model="Provider",
    v2=Row(
        method="GET",
        path="/providers",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.OPTIONAL,
        with_location=("requestable",),
        filters=("ids[]", "foreign_id", "requestable", "inactive", "updated_since", "include[]"),
    ),
)
PROVIDERS_GET: Endpoint[m.Provider] = Endpoint(
    resource="providers",
    verb="get",
    model="Provider",
    v2=Row(method="GET", path="/providers/{id}", filters=("include[]",)),
)

OPERATORIES: Endpoint[m.Operatory] = Endpoint(
    resource="operatories",
    verb="walk",
    model="Operatory",
    v2=Row(
        method="GET",
        path="/operatories",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.REQUIRED,
        filters=("search_name", "foreign_id", "updated_since", "include[]"),
    ),
)
OPERATORIES_GET: Endpoint[m.Operatory] = Endpoint(
    resource="operatories",
    verb="get",
    model="Operatory",
    v2=Row(method="GET", path="/operatories/{id}", filters=("include[]",)),
)

APPOINTMENT_TYPES: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="walk",
    model="AppointmentType",
    v2=Row(
        method="GET",
        path="/appointment_types",
        paging=Paging.WHOLE,
        location=Need.OPTIONAL,
        filters=("include[]",),
    ),
)
APPOINTMENT_TYPES_GET: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="get",
    model="AppointmentType",
    v2=Row(
        method="GET",
        path="/appointment_types/{id}",
        location=Need.OPTIONAL,
        filters=("include[]",),
    ),
)
_APPOINTMENT_TYPE_BESIDE = {"location_id": ("location_id",)}
APPOINTMENT_TYPES_CREATE: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="create",
    model="AppointmentType",
    v2=Row(
        method="POST",
        path="/appointment_types",
        success=_CREATED,
        safe=False,
        location=Need.OPTIONAL,
        wrap="appointment_type",
        beside=_APPOINTMENT_TYPE_BESIDE,
        lookup="Walk appointment_types and look for the name, which is unique.",
    ),
)
APPOINTMENT_TYPES_UPDATE: Endpoint[m.AppointmentType] = Endpoint(
    resource="appointment_types",
    verb="update",
    model="AppointmentType",
    v2=Row(
        method="PATCH",
        path="/appointment_types/{id}",
        location=Need.OPTIONAL,
        wrap="appointment_type",
        beside=_APPOINTMENT_TYPE_BESIDE,
    ),
)
APPOINTMENT_TYPES_DELETE: Endpoint[None] = Endpoint(
    resource="appointment_types",
    verb="delete",
    model=None,
    v2=Row(
        method="DELETE",
        path="/appointment_types/{id}",
        success=_NO_CONTENT,
        location=Need.OPTIONAL,
    ),
)
TYPE_DESCRIPTORS: Endpoint[m.AppointmentDescriptor] = Endpoint(
    resource="appointment_types.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    v2=Row(
        method="GET",
        path="/appointment_types/{id}/appointment_descriptors",
        paging=Paging.WHOLE,
        location=Need.OPTIONAL,
        filters=("descriptor_type",),
    ),
)

PROCEDURES: Endpoint[m.Procedure] = Endpoint(
    resource="procedures",
    verb="walk",
    model="Procedure",
    v2=Row(
        method="GET",
        path="/procedures",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.OPTIONAL,
        filters=("provider_id", "patient_id", "appointment_id", "updated_since"),
        wire={"updated_since": "updated_after"},
    ),
)
PROCEDURES_GET: Endpoint[m.Procedure] = Endpoint(
    resource="procedures",
    verb="get",
    model="Procedure",
    v2=Row(method="GET", path="/procedures/{id}"),
)

PATIENTS: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="walk",
    model="Patient",
    v2=Row(
        method="GET",
        path="/patients",
        paging=Paging.NUMBERED,
        payload=("patients",),
        max_per_page=300,
        rate=RateClass.PEOPLE,
        location=Need.REQUIRED,
        filters=(
            "name",
            "email",
            "phone_number",
            "date_of_birth",
            "inactive",
            "foreign_id",
            "updated_since",
            "new_patient",
            "non_patient",
            "forms_syncable",
            "location_strict",
            "include[]",
            "sort",
            "appointment_date_start",
            "appointment_date_end",
        ),
        defaults={"new_patient": False},
    ),
)
PATIENTS_GET: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="get",
    model="Patient",
    v2=Row(
        method="GET",
        path="/patients/{id}",
        payload=("user", "patient"),
        rate=RateClass.PEOPLE,
        filters=("include[]",),
    ),
)
PATIENTS_CREATE: Endpoint[m.Patient] = Endpoint(
    resource="patients",
    verb="create",
    model="Patient",
    v2=Row(
        method="POST",
        path="/patients",
        payload=("user", "patient"),
        success=_CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=Need.REQUIRED,
        wrap="patient",
        beside={"provider_id": ("provider", "provider_id")},
        lookup="Walk patients with the same phone_number and date_of_birth to see if it exists.",
    ),
)

WORKING_HOURS: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="walk",
    model="WorkingHours",
    v2=Row(
        method="GET",
        path="/availabilities",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=Need.REQUIRED,
        filters=("provider_id", "operatory_id", "active", "ignore_past_dates", "include[]"),
    ),
)
WORKING_HOURS_GET: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="get",
    model="WorkingHours",
    v2=Row(method="GET", path="/availabilities/{id}", filters=("include[]",)),
)
WORKING_HOURS_CREATE: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="create",
    model="WorkingHours",
    v2=Row(
        method="POST",
        path="/availabilities",
        success=_CREATED,
        safe=False,
        location=Need.REQUIRED,
        wrap="availability",
        lookup="Walk working_hours with the same provider_id and look for the window.",
    ),
)
WORKING_HOURS_UPDATE: Endpoint[m.WorkingHours] = Endpoint(
    resource="working_hours",
    verb="update",
    model="WorkingHours",
    v2=Row(method="PATCH", path="/availabilities/{id}", wrap="availability"),
)
WORKING_HOURS_DELETE: Endpoint[None] = Endpoint(
    resource="working_hours",
    verb="delete",
    model=None,
    v2=Row(method="DELETE", path="/availabilities/{id}", success=_NO_CONTENT),
)

AVAILABLE_SLOTS: Endpoint[m.SlotGroup] = Endpoint(
    resource="available_slots",
    verb="walk",
    model="SlotGroup",
    v2=Row(
        method="GET",
        path="/appointment_slots",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        location=Need.REQUIRED,
        location_filter="lids",
        filters=(
            "start_date",
            "days",
            "lids[]",
            "pids[]",
            "operatory_ids[]",
            "appointment_type_id",
            "slot_length",
            "slot_interval",
            "overlapping_operatory_slots",
        ),
        required=("start_date", "days"),
    ),
)

APPOINTMENTS: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="walk",
    model="Appointment",
    v2=Row(
        method="GET",
        path="/appointments",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.SLOW,
        location=Need.REQUIRED,
        filters=(
            "start",
            "end",
            "timezone",
            "cancelled",
            "unavailable",
            "nex_only",
            "updated_since",
            "appointment_type_id",
            "foreign_id",
            "patient_ids[]",
            "provider_ids[]",
            "operatory_ids[]",
            "created_by",
            "include[]",
        ),
        required=("start", "end"),
        wire={"patient_ids[]": "patient_id"},
        defaults={"cancelled": False},
    ),
)
APPOINTMENTS_GET: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="get",
    model="Appointment",
    v2=Row(
        method="GET",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.SLOW,
        filters=("include[]",),
    ),
)
APPOINTMENTS_CREATE: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="create",
    model="Appointment",
    v2=Row(
        method="POST",
        path="/appointments",
        payload=("appt", "appointment"),
        success=_CREATED,
        rate=RateClass.PEOPLE,
        safe=False,
        location=Need.REQUIRED,
        filters=("notify_patient",),
        wrap="appt",
        beside={"appointments_per_timeslot": ("appointments_per_timeslot",)},
        lookup=(
            "Walk appointments around the start time with nex_only=True and the patient's id "
            "to see whether it was booked."
        ),
    ),
)
APPOINTMENTS_UPDATE: Endpoint[m.Appointment] = Endpoint(
    resource="appointments",
    verb="update",
    model="Appointment",
    v2=Row(
        method="PATCH",
        path="/appointments/{id}",
        payload=("appt", "appointment"),
        rate=RateClass.PEOPLE,
        wrap="appt",
    ),
)
APPOINTMENT_DESCRIPTORS: Endpoint[m.AppointmentDescriptor] = Endpoint(
    resource="appointments.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    v2=Row(
        method="GET",
        path="/appointments/{id}/appointment_descriptors",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        filters=("descriptor_type",),
    ),
)

SYNC_STATUS: Endpoint[m.SyncStatus] = Endpoint(
    resource="sync_status",
    verb="walk",
    model="SyncStatus",
    v2=Row(
        method="GET",
        path="/sync_status",
        paging=Paging.WHOLE,
        subdomain=Need.OPTIONAL,
        location=Need.OPTIONAL,
        location_filter="location_ids",
        filters=("location_ids[]", "read_status", "write_status"),
    ),
)

ALL: tuple[Endpoint[object], ...] = (
    INSTITUTIONS,
    INSTITUTIONS_GET,
    LOCATIONS,
    LOCATIONS_GET,
    LOCATION_DESCRIPTORS,
    PROVIDERS,
    PROVIDERS_GET,
    OPERATORIES,
    OPERATORIES_GET,
    APPOINTMENT_TYPES,
    APPOINTMENT_TYPES_GET,
    APPOINTMENT_TYPES_CREATE,
    APPOINTMENT_TYPES_UPDATE,
    APPOINTMENT_TYPES_DELETE,
    TYPE_DESCRIPTORS,
    PROCEDURES,
    PROCEDURES_GET,
    PATIENTS,
    PATIENTS_GET,
    PATIENTS_CREATE,
    WORKING_HOURS,
    WORKING_HOURS_GET,
    WORKING_HOURS_CREATE,
    WORKING_HOURS_UPDATE,
    WORKING_HOURS_DELETE,
    AVAILABLE_SLOTS,
    APPOINTMENTS,
    APPOINTMENTS_GET,
    APPOINTMENTS_CREATE,
    APPOINTMENTS_UPDATE,
    APPOINTMENT_DESCRIPTORS,
    SYNC_STATUS,
)
"""Every endpoint, in the order of the documentation's reference."""
