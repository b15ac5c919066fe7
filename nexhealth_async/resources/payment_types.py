"""Payment types: the kinds of payments (v3)."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import UpdatedFilters, listing
from nexhealth_async.resources.options import PracticeScoped

__all__ = ["PaymentTypeFilters", "PaymentTypes"]


class PaymentTypeFilters(UpdatedFilters, total=False):
    """Filters for listing payment types."""

    active: bool | None
    """Only those in use (True, the server's default) or those retired (False)."""


LIST: "Endpoint[m.PaymentType]" = Endpoint(
    resource="payment_types",
    verb="walk",
    model="PaymentType",
    v3=listing("/payment_types", PaymentTypeFilters),
)

GET: "Endpoint[m.PaymentType]" = Endpoint(
    resource="payment_types",
    verb="get",
    model="PaymentType",
    v3=OperationSpec(method="GET", path="/payment_types/{id}"),
)


class PaymentTypes(Resource):
    """The kinds of payments a practice's system tells apart."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PaymentTypeFilters]) -> "Walk[m.PaymentType]":
        """Iterate over the payment types of one location; v3 only.

        ``GET /payment_types``

        Only those in use are sent unless ``active=False``, which sends only the others.

        Raises:
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.PaymentType":
        """Get one payment type; v3 only.

        ``GET /payment_types/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
