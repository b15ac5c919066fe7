"""Claims to insurers (v3)."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import BilledFilters, listing
from nexhealth_async.resources.options import PracticeScoped, filter_names

__all__ = ["ClaimFilters", "ClaimInclude", "ClaimOptions", "Claims"]

ClaimInclude: TypeAlias = Literal["patient", "provider", "guarantor", "charges", "charge_payouts"]
"""Parts of a claim that are sent on request."""


class ClaimFilters(BilledFilters, total=False):
    """Filters for listing claims.

    One of ``patient_id``, ``guarantor_id``, ``provider_id``, ``updated_since`` and
    ``date_of_service`` is required.
    """

    date_of_service: date | None
    """Only claims for treatment on this very day."""


class ClaimOptions(PracticeScoped, total=False):
    """Options for getting one claim."""

    include: Sequence[ClaimInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.Claim]" = Endpoint(
    resource="claims",
    verb="walk",
    model="Claim",
    v3=listing(
        "/claims",
        ClaimFilters,
        one_of=("patient_id", "guarantor_id", "provider_id", "updated_since", "date_of_service"),
    ),
)

GET: "Endpoint[m.Claim]" = Endpoint(
    resource="claims",
    verb="get",
    model="Claim",
    v3=OperationSpec(method="GET", path="/claims/{id}", filters=filter_names(ClaimOptions)),
)


class Claims(Resource):
    """Claims to insurers."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ClaimFilters]) -> "Walk[m.Claim]":
        """Iterate over the claims of one location; v3 only.

        ``GET /claims``

        The API requires one filter besides the location. Removed claims are left out unless
        ``include_deleted=True``.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[ClaimOptions]) -> "m.Claim":
        """Get one claim; v3 only.

        ``GET /claims/{id}``

        For an id it does not know the API answers 500 instead of 404, so that this raises
        `ServerError`, after the retries; only a server that has mended its ways brings
        `NotFoundError`.

        Raises:
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
