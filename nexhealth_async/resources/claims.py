"""Claims: what insurers were asked to pay (v3)."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, Row
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import BilledFilters, listing
from nexhealth_async.resources.options import PracticeScoped, filter_names

__all__ = ["ClaimFilters", "ClaimInclude", "ClaimOptions", "Claims"]

ClaimInclude: TypeAlias = Literal["patient", "provider", "guarantor", "charges", "charge_payouts"]
"""Parts of a claim that are sent on request."""


class ClaimFilters(BilledFilters, total=False):
    """Which claims are wanted.

    One of ``patient_id``, ``guarantor_id``, ``provider_id``, ``updated_since`` and
    ``date_of_service`` must be among them.
    """

    date_of_service: date | None
    """Only claims for treatment on this very day."""


class ClaimOptions(PracticeScoped, total=False):
    """How one claim is wanted."""

    include: Sequence[ClaimInclude] | None
    """Parts to send along."""


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
    v3=Row(method="GET", path="/claims/{id}", filters=filter_names(ClaimOptions)),
)


class Claims(Resource):
    """What insurers were asked to pay."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ClaimFilters]) -> "Walk[m.Claim]":
        """Walk the claims of one location; v3 only.

        ``GET /claims``

        The API wants one filter besides the location. Removed claims are left out unless
        ``include_deleted=True``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[ClaimOptions]) -> "m.Claim":
        """Get one claim; v3 only.

        ``GET /claims/{id}``

        For an id it does not know the API answers 500 instead of 404, so that this raises
        `ServerFailure`, after the retries; only a server that has mended its ways brings
        `NotFound`.

        Raises `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return await self._client.call(GET, options, id)
