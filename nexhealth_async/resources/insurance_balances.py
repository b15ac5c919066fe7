"""Insurance balances: what insurers are expected to pay (v3)."""

from typing import Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import SortedFilters, listing
from nexhealth_async.resources.options import PracticeScoped

__all__ = ["InsuranceBalanceFilters", "InsuranceBalances"]


class InsuranceBalanceFilters(SortedFilters, total=False):
    """Filters for listing balances.

    One of ``patient_id``, ``guarantor_id`` and ``updated_since`` is required.
    """

    patient_id: int | None
    """Only those for this patient."""
    guarantor_id: int | None
    """Only those of the patients this person pays for."""


LIST: "Endpoint[m.InsuranceBalance]" = Endpoint(
    resource="insurance_balances",
    verb="walk",
    model="InsuranceBalance",
    v3=listing(
        "/insurance_balances",
        InsuranceBalanceFilters,
        one_of=("patient_id", "guarantor_id", "updated_since"),
    ),
)

GET: "Endpoint[m.InsuranceBalance]" = Endpoint(
    resource="insurance_balances",
    verb="get",
    model="InsuranceBalance",
    v3=OperationSpec(method="GET", path="/insurance_balances/{id}"),
)


class InsuranceBalances(Resource):
    """Balances that insurers are expected to pay, by how long they have been due."""

    __slots__ = ()

    def walk(self, **filters: Unpack[InsuranceBalanceFilters]) -> "Walk[m.InsuranceBalance]":
        """Iterate over the insurance balances of one location; v3 only.

        ``GET /insurance_balances``

        The API requires one filter besides the location.

        Raises:
            InvalidArgumentError: No filter is given.
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.InsuranceBalance":
        """Get one insurance balance; v3 only.

        ``GET /insurance_balances/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
