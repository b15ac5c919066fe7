"""Appointment categories: the v2 predecessor of appointment types."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import LocationScoped, WholeOptions

__all__ = ["AppointmentCategories", "AppointmentCategoryFilters"]


class AppointmentCategoryFilters(LocationScoped, WholeOptions, total=False):
    """Options for listing appointment categories; there are no filters."""


LIST: "Endpoint[m.AppointmentType]" = Endpoint(
    resource="appointment_categories",
    verb="walk",
    model="AppointmentType",
    v2=OperationSpec(
        method="GET",
        path="/appointment_categories",
        paging=Paging.WHOLE,
        location=ScopeNeed.REQUIRED,
    ),
)
"""The v2 predecessor of appointment types."""


class AppointmentCategories(Resource):
    """The v2 predecessor of appointment types."""

    __slots__ = ()

    def walk(self, **filters: Unpack[AppointmentCategoryFilters]) -> "Walk[m.AppointmentType]":
        """Iterate over the appointment categories of one location; v2 only.

        ``GET /appointment_categories``

        Prefer ``appointment_types``, which both versions have: the vendor no longer documents
        categories. The list is not paged.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
        """
        return self._client.walk(LIST, filters)
