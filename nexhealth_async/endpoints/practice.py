"""The practice itself: institutions, locations, providers, rooms, and whether its data flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async.endpoints.rows import (
    CREATED,
    Endpoint,
    Need,
    Paging,
    Row,
)

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "INSTITUTIONS",
    "INSTITUTIONS_GET",
    "LOCATIONS",
    "LOCATIONS_GET",
    "LOCATION_DESCRIPTORS",
    "LOGIN",
    "OPERATORIES",
    "OPERATORIES_GET",
    "PROVIDERS",
    "PROVIDERS_GET",
    "SYNC_STATUS",
]

LOGIN = Row(
    method="POST",
    path="/authenticates",
    payload=(),
    success=CREATED,
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
