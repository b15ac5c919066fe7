"""Charges: what patients were charged (v3)."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, Row
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
    """Which charges are wanted.

    One of ``patient_id``, ``provider_id``, ``procedure_id``, ``guarantor_id`` and
    ``updated_since`` must be among them.
    """

    procedure_id: int | None
    """Only the charges for this procedure."""
    include: Sequence[ChargeListInclude] | None
    """Parts to send along."""


class ChargeOptions(PracticeScoped, total=False):
    """How one charge is wanted."""

    include: Sequence[ChargeInclude] | None
    """Parts to send along."""


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
    v3=Row(method="GET", path="/charges/{id}", filters=filter_names(ChargeOptions)),
)


class Charges(Resource):
    """What patients were charged for their treatment."""

    __slots__ = ()

    def walk(self, **filters: Unpack[ChargeFilters]) -> "Walk[m.Charge]":
        """Walk the charges of one location; v3 only.

        ``GET /charges``

        The API wants one filter besides the location; ``updated_since`` long ago asks for all.
        Removed ones are left out unless ``include_deleted=True``.

        Raises `InvalidArgument` without a filter, `MissingScope` without a practice and a
        location, `NotInThisVersion` in v2, and `FinancialAccessOff` until NexHealth has enabled
        ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[ChargeOptions]) -> "m.Charge":
        """Get one charge; v3 only.

        ``GET /charges/{id}``

        Raises `NotFound` for an id this practice does not have, `NotInThisVersion` in v2, and
        `FinancialAccessOff` until NexHealth has enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
