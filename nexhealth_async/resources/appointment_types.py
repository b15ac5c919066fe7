"""Appointment types: the kinds of appointments that patients can book."""

from collections.abc import Sequence
from typing import Literal, Required, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import (
    CREATED,
    NO_CONTENT,
    Endpoint,
    OperationSpec,
    Paging,
    ScopeNeed,
)
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources._checks import check_positive
from nexhealth_async.resources.appointment_descriptors import TypeDescriptors
from nexhealth_async.resources.options import LocationScoped, WholeOptions, filter_names

__all__ = [
    "AppointmentTypeChanges",
    "AppointmentTypeFilters",
    "AppointmentTypeInclude",
    "AppointmentTypeOptions",
    "AppointmentTypes",
    "NewAppointmentType",
]

AppointmentTypeInclude: TypeAlias = Literal["descriptors"]
"""Parts of an appointment type that are sent on request."""


class AppointmentTypeFilters(LocationScoped, WholeOptions, total=False):
    """Filters for listing appointment types.

    The location must be given where the institution's types are kept for each location
    (``appointment_types_location_scoped``).
    """

    include: Sequence[AppointmentTypeInclude] | None
    """Related data to include in each record."""


class AppointmentTypeOptions(LocationScoped, total=False):
    """Options for getting one appointment type."""

    include: Sequence[AppointmentTypeInclude] | None
    """Related data to include."""


class _AppointmentTypeFields(LocationScoped, total=False):
    minutes: int
    """Duration in minutes; multiples of 5 are advised."""
    parent_type: Literal["Institution", "Location"]
    """The level that the type belongs to; ``"Institution"`` by default."""
    parent_id: int
    """Id of the institution or location it belongs to; needed for ``"Location"``."""
    bookable_online: bool
    """Whether patients can choose it on NexHealth's booking page."""
    emr_appt_descriptor_ids: Sequence[int | str]
    """Ids of the appointment descriptors it stands for in the practice's system."""


class NewAppointmentType(_AppointmentTypeFields, total=False):
    """A new appointment type."""

    name: Required[str]
    """Its name, which no other type may have."""


class AppointmentTypeChanges(_AppointmentTypeFields, total=False):
    """Changes to an appointment type. Fields that are left out stay as they are."""

    name: str
    """Its name, which no other type may have."""


LIST: "Endpoint[m.AppointmentType]" = Endpoint(
    resource="appointment_types",
    verb="walk",
    model="AppointmentType",
    both=OperationSpec(
        method="GET",
        path="/appointment_types",
        paging=Paging.WHOLE,
        location=ScopeNeed.OPTIONAL,
        filters=filter_names(AppointmentTypeFilters),
    ),
)

GET: "Endpoint[m.AppointmentType]" = Endpoint(
    resource="appointment_types",
    verb="get",
    model="AppointmentType",
    both=OperationSpec(
        method="GET",
        path="/appointment_types/{id}",
        location=ScopeNeed.OPTIONAL,
        filters=filter_names(AppointmentTypeOptions),
    ),
)

_APPOINTMENT_TYPE_BESIDE = {"location_id": ("location_id",)}

CREATE: "Endpoint[m.AppointmentType]" = Endpoint(
    resource="appointment_types",
    verb="create",
    model="AppointmentType",
    both=OperationSpec(
        method="POST",
        path="/appointment_types",
        success=CREATED,
        safe=False,
        location=ScopeNeed.OPTIONAL,
        wrap="appointment_type",
        sibling_fields=_APPOINTMENT_TYPE_BESIDE,
        lookup_hint="Walk appointment_types and look for the name, which is unique.",
    ),
)

UPDATE: "Endpoint[m.AppointmentType]" = Endpoint(
    resource="appointment_types",
    verb="update",
    model="AppointmentType",
    both=OperationSpec(
        method="PATCH",
        path="/appointment_types/{id}",
        location=ScopeNeed.OPTIONAL,
        wrap="appointment_type",
        sibling_fields=_APPOINTMENT_TYPE_BESIDE,
    ),
)

DELETE: Endpoint[None] = Endpoint(
    resource="appointment_types",
    verb="delete",
    model=None,
    both=OperationSpec(
        method="DELETE",
        path="/appointment_types/{id}",
        success=NO_CONTENT,
        location=ScopeNeed.OPTIONAL,
    ),
)


class AppointmentTypes(Resource):
    """The kinds of appointments patients can book."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> TypeDescriptors:
        """Counterparts of an appointment type in the practice's own system."""
        return TypeDescriptors(self._client)

    def walk(self, **filters: Unpack[AppointmentTypeFilters]) -> "Walk[m.AppointmentType]":
        """Iterate over the appointment types of a practice.

        ``GET /appointment_types``

        The list is not paged. The API requires a location where the institution has
        ``appointment_types_location_scoped``.

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(
        self, id: int, /, **options: Unpack[AppointmentTypeOptions]
    ) -> "m.AppointmentType":
        """Get one appointment type.

        ``GET /appointment_types/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)

    async def create(self, **fields: Unpack[NewAppointmentType]) -> "m.AppointmentType":
        """Create an appointment type.

        ``POST /appointment_types``

        Raises:
            InvalidRequestError: Another appointment type has this name.
            OutcomeUnknownError: The response was lost. Creating is never retried automatically.
        """
        check_positive("minutes", fields.get("minutes"))
        return await self._client.call(CREATE, fields)

    async def update(
        self, id: int, /, **fields: Unpack[AppointmentTypeChanges]
    ) -> "m.AppointmentType":
        """Change an appointment type; fields that are not given stay.

        ``PATCH /appointment_types/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            InvalidRequestError: Another appointment type has this name.
        """
        check_positive("minutes", fields.get("minutes"))
        return await self._client.call(UPDATE, fields, id)

    async def delete(self, id: int, /, **options: Unpack[LocationScoped]) -> None:
        """Delete an appointment type.

        ``DELETE /appointment_types/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        await self._client.execute(DELETE, options, id)
