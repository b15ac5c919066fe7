"""The practice itself: institutions, locations, providers, rooms, set-up, and data flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import CREATED, Endpoint, Need, Paging, Row

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "DOCUMENT_TYPES",
    "DOCUMENT_TYPES_GET",
    "INSTITUTIONS",
    "INSTITUTIONS_GET",
    "LOCATIONS",
    "LOCATIONS_GET",
    "LOCATION_DESCRIPTORS",
    "LOCATION_PROVIDERS",
    "ONBOARDINGS",
    "ONBOARDINGS_CREATE",
    "ONBOARDINGS_GET",
    "OPERATORIES",
    "OPERATORIES_GET",
    "PROVIDERS",
    "PROVIDERS_GET",
    "SYNC_STATUS",
]

_INSTITUTIONS = Row(method="GET", path="/institutions", paging=Paging.WHOLE, subdomain=Need.NONE)

INSTITUTIONS: Endpoint[m.Institution] = Endpoint(
    resource="institutions",
    verb="walk",
    model="Institution",
    v2=_INSTITUTIONS,
    v3=_INSTITUTIONS,
)

_INSTITUTION = Row(method="GET", path="/institutions/{id}", subdomain=Need.NONE)

INSTITUTIONS_GET: Endpoint[m.Institution] = Endpoint(
    resource="institutions",
    verb="get",
    model="Institution",
    v2=_INSTITUTION,
    v3=_INSTITUTION,
)

_LOCATIONS = Row(
    method="GET",
    path="/locations",
    paging=Paging.WHOLE,
    inner="locations",
    subdomain=Need.OPTIONAL,
    filters=("inactive", "foreign_id", "filter_by_subscription_feature"),
)

LOCATIONS: Endpoint[m.Location] = Endpoint(
    resource="locations",
    verb="walk",
    model="Location",
    v2=_LOCATIONS,
    v3=_LOCATIONS,
)

_LOCATION = Row(method="GET", path="/locations/{id}", subdomain=Need.NONE)

LOCATIONS_GET: Endpoint[m.Location] = Endpoint(
    resource="locations",
    verb="get",
    model="Location",
    v2=_LOCATION,
    v3=_LOCATION,
)

_DESCRIPTORS = Row(
    method="GET",
    path="/locations/{id}/appointment_descriptors",
    paging=Paging.WHOLE,
    subdomain=Need.NONE,
    filters=("descriptor_type",),
)

LOCATION_DESCRIPTORS: Endpoint[m.AppointmentDescriptor] = Endpoint(
    resource="locations.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    v2=_DESCRIPTORS,
    v3=_DESCRIPTORS,
)

LOCATION_PROVIDERS: Endpoint[m.Provider] = Endpoint(
    resource="locations.providers",
    verb="walk",
    model="Provider",
    v2=Row(
        method="GET",
        path="/locations/{id}/providers",
        paging=Paging.NUMBERED,
        max_per_page=300,
        filters=("requestable",),
    ),
)
"""An older way to the providers; `PROVIDERS` with a location says the same in both versions."""

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
    v3=Row(
        method="GET",
        path="/providers",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.OPTIONAL,
        with_location=("requestable",),
        filters=(
            "ids[]",
            "foreign_id",
            "requestable",
            "inactive",
            "updated_since",
            "include[]",
            "sort",
        ),
    ),
)

_PROVIDER = Row(method="GET", path="/providers/{id}", filters=("include[]",))

PROVIDERS_GET: Endpoint[m.Provider] = Endpoint(
    resource="providers",
    verb="get",
    model="Provider",
    v2=_PROVIDER,
    v3=_PROVIDER,
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
    v3=Row(
        method="GET",
        path="/operatories",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=Need.REQUIRED,
        filters=("search_name", "foreign_id", "updated_since", "include[]"),
    ),
)

_OPERATORY = Row(method="GET", path="/operatories/{id}", filters=("include[]",))

OPERATORIES_GET: Endpoint[m.Operatory] = Endpoint(
    resource="operatories",
    verb="get",
    model="Operatory",
    v2=_OPERATORY,
    v3=_OPERATORY,
)

_SYNC_STATUS = Row(
    method="GET",
    path="/sync_status",
    paging=Paging.WHOLE,
    subdomain=Need.OPTIONAL,
    location=Need.OPTIONAL,
    location_filter="location_ids",
    filters=("location_ids[]", "read_status", "write_status"),
)

SYNC_STATUS: Endpoint[m.SyncStatus] = Endpoint(
    resource="sync_status",
    verb="walk",
    model="SyncStatus",
    v2=_SYNC_STATUS,
    v3=_SYNC_STATUS,
)

_DOCUMENT_TYPES = Row(
    method="GET",
    path="/document_types",
    paging=Paging.WHOLE,
    location=Need.REQUIRED,
    filters=("active",),
)

DOCUMENT_TYPES: Endpoint[m.DocumentType] = Endpoint(
    resource="document_types",
    verb="walk",
    model="DocumentType",
    v2=_DOCUMENT_TYPES,
    v3=_DOCUMENT_TYPES,
)

_DOCUMENT_TYPE = Row(method="GET", path="/document_types/{id}", location=Need.REQUIRED)

DOCUMENT_TYPES_GET: Endpoint[m.DocumentType] = Endpoint(
    resource="document_types",
    verb="get",
    model="DocumentType",
    v2=_DOCUMENT_TYPE,
    v3=_DOCUMENT_TYPE,
)

ONBOARDINGS: Endpoint[m.Onboarding] = Endpoint(
    resource="onboardings",
    verb="walk",
    model="Onboarding",
    v3=Row(
        method="GET",
        path="/onboardings",
        paging=Paging.CURSOR,
        max_per_page=1000,
        subdomain=Need.OPTIONAL,
        filters=("status", "sort"),
    ),
)

ONBOARDINGS_GET: Endpoint[m.Onboarding] = Endpoint(
    resource="onboardings",
    verb="get",
    model="Onboarding",
    v3=Row(method="GET", path="/onboardings/{hashid}", subdomain=Need.NONE),
)

ONBOARDINGS_CREATE: Endpoint[m.Onboarding] = Endpoint(
    resource="onboardings",
    verb="create",
    model="Onboarding",
    v3=Row(
        method="POST",
        path="/onboardings",
        success=CREATED,
        safe=False,
        subdomain=Need.NONE,
        wrap="onboarding",
        beside={"subdomain": ("onboarding", "subdomain")},
        lookup="Walk onboardings, the newest first, to see whether it was made.",
    ),
)
