"""Providers: the dentists and hygienists of a practice."""

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

__all__ = [
    "LocationProviderFilters",
    "LocationProviders",
    "ProviderFilters",
    "ProviderInclude",
    "ProviderOptions",
    "Providers",
]

ProviderInclude: TypeAlias = Literal["locations", "availabilities", "appointment_types"]
"""Parts of a provider that are sent on request."""


class LocationProviderFilters(PracticeScoped, NumberedOptions, total=False):
    """Filters for listing the providers of a location."""

    requestable: bool | None
    """Only those who can be booked online there."""


class ProviderFilters(LocationScoped, NumberedOptions, total=False):
    """Filters for listing providers. A location narrows the list to those who work there."""

    ids: Sequence[int] | None
    """Only providers with these ids."""
    foreign_id: str | None
    """The provider's id in the practice's own system."""
    requestable: bool | None
    """Only those who can be booked online at the location, which must be given too."""
    inactive: bool | None
    """Only inactive (True) or active (False) ones; the server's default is False."""
    updated_since: datetime | None
    """Only those changed at or after this time."""
    include: Sequence[ProviderInclude] | None
    """Related data to include in each record."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest first; v3 only."""


class ProviderOptions(PracticeScoped, total=False):
    """Options for getting one provider."""

    include: Sequence[ProviderInclude] | None
    """Related data to include."""


LIST_OF_LOCATION: "Endpoint[m.Provider]" = Endpoint(
    resource="locations.providers",
    verb="walk",
    model="Provider",
    v2=OperationSpec(
        method="GET",
        path="/locations/{id}/providers",
        paging=Paging.NUMBERED,
        max_per_page=300,
        filters=filter_names(LocationProviderFilters),
    ),
)
"""An older way to the providers; `PROVIDERS` with a location says the same in both versions."""

LIST: "Endpoint[m.Provider]" = Endpoint(
    resource="providers",
    verb="walk",
    model="Provider",
    v2=OperationSpec(
        method="GET",
        path="/providers",
        paging=Paging.NUMBERED,
        max_per_page=300,
        location=ScopeNeed.OPTIONAL,
        with_location=("requestable",),
        filters=filter_names(ProviderFilters, without=("sort",)),
    ),
    v3=OperationSpec(
        method="GET",
        path="/providers",
        paging=Paging.CURSOR,
        max_per_page=1000,
        location=ScopeNeed.OPTIONAL,
        with_location=("requestable",),
        filters=filter_names(ProviderFilters),
    ),
)

GET: "Endpoint[m.Provider]" = Endpoint(
    resource="providers",
    verb="get",
    model="Provider",
    both=OperationSpec(method="GET", path="/providers/{id}", filters=filter_names(ProviderOptions)),
)


class LocationProviders(Resource):
    """The providers of one location, by an older way; v2 only."""

    __slots__ = ()

    def walk(
        self, location_id: int, /, **filters: Unpack[LocationProviderFilters]
    ) -> "Walk[m.Provider]":
        """Iterate over the providers of one location, by an older way; v2 only.

        ``GET /locations/{id}/providers``

        Prefer ``providers.walk(location_id=...)``, which both versions have.

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST_OF_LOCATION, filters, location_id)


class Providers(Resource):
    """The dentists and hygienists of a practice."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ProviderFilters]) -> "Walk[m.Provider]":
        """Iterate over the providers of a practice, or of one location.

        ``GET /providers``

        ``requestable`` needs a location, from the scope or as ``location_id``. Inactive ones are
        left out by the server unless asked for.

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[ProviderOptions]) -> "m.Provider":
        """Get one provider.

        ``GET /providers/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)
