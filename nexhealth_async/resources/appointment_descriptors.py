"""Appointment descriptors: what a practice's own system calls kinds of appointments."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    Endpoint,
    OperationSpec,
    Paging,
    RateClass,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import (
    LocationScoped,
    PracticeScoped,
    WholeOptions,
    filter_names,
)

__all__ = [
    "AppointmentDescriptorFilters",
    "AppointmentDescriptors",
    "DescriptorFilters",
    "LocationDescriptors",
    "TypeDescriptorFilters",
    "TypeDescriptors",
]


class DescriptorFilters(WholeOptions, total=False):
    """Filters for listing appointment descriptors."""

    descriptor_type: str | None
    """Only descriptors of this type, such as ``"Procedure Codes"``; types differ by system."""


class TypeDescriptorFilters(LocationScoped, DescriptorFilters, total=False):
    """Filters for listing descriptors of an appointment type."""


class AppointmentDescriptorFilters(PracticeScoped, DescriptorFilters, total=False):
    """Filters for listing descriptors of an appointment."""


LIST_OF_LOCATION: "Endpoint[m.AppointmentDescriptor]" = Endpoint(
    resource="locations.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    both=OperationSpec(
        method="GET",
        path="/locations/{id}/appointment_descriptors",
        paging=Paging.WHOLE,
        subdomain=ScopeNeed.NONE,
        filters=filter_names(DescriptorFilters),
    ),
)

LIST_OF_TYPE: "Endpoint[m.AppointmentDescriptor]" = Endpoint(
    resource="appointment_types.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    both=OperationSpec(
        method="GET",
        path="/appointment_types/{id}/appointment_descriptors",
        paging=Paging.WHOLE,
        location=ScopeNeed.OPTIONAL,
        filters=filter_names(TypeDescriptorFilters),
    ),
)

LIST_OF_APPOINTMENT: "Endpoint[m.AppointmentDescriptor]" = Endpoint(
    resource="appointments.appointment_descriptors",
    verb="walk",
    model="AppointmentDescriptor",
    both=OperationSpec(
        method="GET",
        path="/appointments/{id}/appointment_descriptors",
        paging=Paging.WHOLE,
        rate=RateClass.SLOW,
        filters=filter_names(AppointmentDescriptorFilters),
    ),
)


class LocationDescriptors(Resource):
    """Kinds of appointments in the location's own system."""

    __slots__ = ()

    def walk(
        self, location_id: int, /, **filters: Unpack[DescriptorFilters]
    ) -> "Walk[m.AppointmentDescriptor]":
        """Iterate over the appointment descriptors of one location.

        ``GET /locations/{id}/appointment_descriptors``

        The list is not paged.
        """
        return self._client.walk(LIST_OF_LOCATION, filters, location_id)


class TypeDescriptors(Resource):
    """Counterparts of an appointment type in the practice's own system."""

    __slots__ = ()

    def walk(
        self, type_id: int, /, **filters: Unpack[TypeDescriptorFilters]
    ) -> "Walk[m.AppointmentDescriptor]":
        """Iterate over the appointment descriptors of one appointment type.

        ``GET /appointment_types/{id}/appointment_descriptors``

        The list is not paged.

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST_OF_TYPE, filters, type_id)


class AppointmentDescriptors(Resource):
    """Kinds of an appointment in the practice's own system."""

    __slots__ = ()

    def walk(
        self, appointment_id: int, /, **filters: Unpack[AppointmentDescriptorFilters]
    ) -> "Walk[m.AppointmentDescriptor]":
        """Iterate over the appointment descriptors of one appointment.

        ``GET /appointments/{id}/appointment_descriptors``

        The list is not paged.

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST_OF_APPOINTMENT, filters, appointment_id)
