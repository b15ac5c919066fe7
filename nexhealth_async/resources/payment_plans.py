"""Payment plans: what patients pay in instalments (v3)."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, ScopeNeed
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.ledger import SortedFilters, listing
from nexhealth_async.resources.options import filter_names

__all__ = ["PaymentPlanFilters", "PaymentPlanInclude", "PaymentPlanOptions", "PaymentPlans"]

PaymentPlanInclude: TypeAlias = Literal["patient", "guarantor"]
"""Parts of a payment plan that are sent on request."""


class PaymentPlanFilters(SortedFilters, total=False):
    """Filters for listing payment plans."""

    patient_id: int | None
    """Only those of this patient."""
    guarantor_id: int | None
    """Only those that this person pays for."""


class PaymentPlanOptions(TypedDict, total=False):
    """Options for getting one payment plan."""

    include: Sequence[PaymentPlanInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.PaymentPlan]" = Endpoint(
    resource="payment_plans",
    verb="walk",
    model="PaymentPlan",
    v3=listing("/payment_plans", PaymentPlanFilters),
)

GET: "Endpoint[m.PaymentPlan]" = Endpoint(
    resource="payment_plans",
    verb="get",
    model="PaymentPlan",
    v3=OperationSpec(
        method="GET",
        path="/payment_plans/{id}",
        subdomain=ScopeNeed.NONE,
        filters=filter_names(PaymentPlanOptions),
    ),
)


class PaymentPlans(Resource):
    """Payments in instalments."""

    __slots__ = ()

    def walk(self, **filters: Unpack[PaymentPlanFilters]) -> "Walk[m.PaymentPlan]":
        """Iterate over the payment plans of one location; v3 only.

        ``GET /payment_plans``

        Raises:
            MissingScopeError: No practice or no location is given or bound.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PaymentPlanOptions]) -> "m.PaymentPlan":
        """Get one payment plan; v3 only.

        ``GET /payment_plans/{id}``

        Raises:
            NotFoundError: The account has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
