"""Locations: the offices of practices."""

from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.appointment_descriptors import LocationDescriptors
from nexhealth_async.resources.options import PracticeScoped, WholeOptions, filter_names
from nexhealth_async.resources.providers import LocationProviders

__all__ = ["LocationFilters", "Locations", "SubscriptionFeature"]

SubscriptionFeature: TypeAlias = Literal[
    "messaging",
    "campaigns",
    "reviews",
    "recalls",
    "reminders",
    "online_booking",
    "waitlist",
    "forms",
    "payments",
    "ledger_sync",
    "enterprise",
    "insurance_verification",
]
"""Products a location may have subscribed to."""


class LocationFilters(PracticeScoped, WholeOptions, total=False):
    """Filters for listing locations."""

    inactive: bool | None
    """Only inactive (True) or active (False) ones; both when left out."""
    foreign_id: str | None
    """The location's id in the practice's own system."""
    filter_by_subscription_feature: SubscriptionFeature | None
    """Only locations that have subscribed to this product."""


LIST: "Endpoint[m.Location]" = Endpoint(
    resource="locations",
    verb="walk",
    model="Location",
    both=OperationSpec(
        method="GET",
        path="/locations",
        paging=Paging.WHOLE,
        inner="locations",
        subdomain=ScopeNeed.OPTIONAL,
        filters=filter_names(LocationFilters),
    ),
)

GET: "Endpoint[m.Location]" = Endpoint(
    resource="locations",
    verb="get",
    model="Location",
    both=OperationSpec(method="GET", path="/locations/{id}", subdomain=ScopeNeed.NONE),
)


class Locations(Resource):
    """The offices of practices."""

    __slots__ = ()

    @property
    def appointment_descriptors(self) -> LocationDescriptors:
        """Kinds of appointments in the location's own system."""
        return LocationDescriptors(self._client)

    @property
    def providers(self) -> LocationProviders:
        """The providers of one location, by an older way; v2 only."""
        return LocationProviders(self._client)

    def walk(self, **filters: Unpack[LocationFilters]) -> "Walk[m.Location]":
        """Iterate over the locations of one practice, or of every practice when none is given.

        ``GET /locations``

        The API sends them grouped by institution; here they come one by one, and each names its
        ``institution_id``. The list is not paged.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /) -> "m.Location":
        """Get one location.

        ``GET /locations/{id}``

        Raises:
            NotFoundError: The account has no record with this id.
        """
        return await self._client.call(GET, {}, id)
