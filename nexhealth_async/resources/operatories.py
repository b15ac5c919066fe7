"""Operatories: the rooms or chairs of a location."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import (
    LocationScoped,
    NumberedOptions,
    PracticeScoped,
    filter_names,
)

__all__ = ["Operatories", "OperatoryFilters", "OperatoryInclude", "OperatoryOptions"]

OperatoryInclude: TypeAlias = Literal["appointment_types", "appt_categories"]
"""Parts of an operatory that are sent on request; the second is the older name of the first."""


class OperatoryFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing operatories."""

    search_name: str | None
    """Only those with this in their name."""
    foreign_id: str | None
    """The operatory's id in the practice's own system."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    include: Sequence[OperatoryInclude] | None
    """Related data to include in each record."""


class OperatoryOptions(PracticeScoped, total=False):
    """Options for getting one operatory."""

    include: Sequence[OperatoryInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.Operatory]" = Endpoint(
    resource="operatories",
    verb="walk",
    model="Operatory",
    v2=OperationSpec(
        method="GET",
        path="/operatories",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(OperatoryFilters),
    ),
    v3=OperationSpec(
        method="GET",
        path="/operatories",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.REQUIRED,
        filters=filter_names(OperatoryFilters),
    ),
)

GET: "Endpoint[m.Operatory]" = Endpoint(
    resource="operatories",
    verb="get",
    model="Operatory",
    both=OperationSpec(
        method="GET", path="/operatories/{id}", filters=filter_names(OperatoryOptions)
    ),
)


class Operatories(Resource):
    """The rooms or chairs of a location."""

    __slots__ = ()

    def walk(self, **filters: Unpack[OperatoryFilters]) -> "Walk[m.Operatory]":
        """Iterate over the operatories of one location.

        ``GET /operatories``

        Raises:
            MissingScopeError: No practice or no location is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[OperatoryOptions]) -> "m.Operatory":
        """Get one operatory.

        ``GET /operatories/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)
