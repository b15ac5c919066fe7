"""Adjustment types: the kinds of adjustments (v3)."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import UpdatedFilters, listing
from nexhealth_async.resources.options import PracticeScoped

__all__ = ["AdjustmentTypeFilters", "AdjustmentTypes"]


class AdjustmentTypeFilters(UpdatedFilters, total=False):
    """Filters for listing adjustment types."""

    active: bool | None
    """Only those in use (True, the server's default) or those retired (False)."""


LIST: "Endpoint[m.AdjustmentType]" = Endpoint(
    resource="adjustment_types",
    verb="walk",
    model="AdjustmentType",
    v3=listing("/adjustment_types", AdjustmentTypeFilters),
)

GET: "Endpoint[m.AdjustmentType]" = Endpoint(
    resource="adjustment_types",
    verb="get",
    model="AdjustmentType",
    v3=OperationSpec(method="GET", path="/adjustment_types/{id}"),
)


class AdjustmentTypes(Resource):
    """The kinds of adjustments a practice's system tells apart."""

    __slots__ = ()

    def walk(self, **filters: Unpack[AdjustmentTypeFilters]) -> "Walk[m.AdjustmentType]":
        """Iterate over the adjustment types of one location; v3 only.

        ``GET /adjustment_types``

        Only those in use are sent unless ``active=False``, which sends only the others.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.AdjustmentType":
        """Get one adjustment type; v3 only.

        ``GET /adjustment_types/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
