"""Charges to patients for treatment (v3)."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import BilledFilters, listing
from nexhealth_async.resources.options import PracticeScoped, filter_names

__all__ = ["ChargeFilters", "ChargeInclude", "ChargeListInclude", "ChargeOptions", "Charges"]

ChargeListInclude: TypeAlias = Literal["claim_payouts"]
"""Parts that a list of charges can bring along."""

ChargeInclude: TypeAlias = Literal[
    "patient", "provider", "procedure", "guarantor", "claims", "claim_payouts", "totals"
]
"""Parts of a charge that are sent on request."""


class ChargeFilters(BilledFilters, total=False):
    """Filters for listing charges.

    One of ``patient_id``, ``provider_id``, ``procedure_id``, ``guarantor_id`` and
    ``updated_since`` is required.
    """

    procedure_id: int | None
    """Only the charges for this procedure."""
    include: Sequence[ChargeListInclude] | None
    """Related data to include in each record."""


class ChargeOptions(PracticeScoped, total=False):
    """Options for getting one charge."""

    include: Sequence[ChargeInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.Charge]" = Endpoint(
    resource="charges",
    verb="walk",
    model="Charge",
    v3=listing(
        "/charges",
        ChargeFilters,
        one_of=("patient_id", "provider_id", "procedure_id", "guarantor_id", "updated_since"),
    ),
)

GET: "Endpoint[m.Charge]" = Endpoint(
    resource="charges",
    verb="get",
    model="Charge",
    v3=OperationSpec(method="GET", path="/charges/{id}", filters=filter_names(ChargeOptions)),
)


class Charges(Resource):
    """Charges to patients for their treatment."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ChargeFilters]) -> "Walk[m.Charge]":
        """Iterate over the charges of one location; v3 only.

        ``GET /charges``

        The API requires one filter besides the location; ``updated_since`` long ago returns all.
        Removed ones are left out unless ``include_deleted=True``.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[ChargeOptions]) -> "m.Charge":
        """Get one charge; v3 only.

        ``GET /charges/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
