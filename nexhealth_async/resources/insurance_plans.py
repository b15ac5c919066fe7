"""Insurance plans that a practice knows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import NumberedOptions, PracticeScoped, filter_names

__all__ = [
    "InsurancePlanFilters",
    "InsurancePlanInclude",
    "InsurancePlanListInclude",
    "InsurancePlanOptions",
    "InsurancePlans",
]

InsurancePlanListInclude: TypeAlias = Literal["patient_coverages"]
"""Parts that a list of insurance plans can bring along."""

InsurancePlanInclude: TypeAlias = Literal["patient_coverages", "subscribers", "fee_schedule"]
"""Parts of an insurance plan that are sent on request."""


class InsurancePlanFilters(PracticeScoped, NumberedOptions, total=False):
    """Filters for listing insurance plans."""

    payer_id: str | None
    """Only plans of the insurer with this code, a text that may start with zeros."""
    group_num: str | None
    """Only plans with this group number."""
    include: Sequence[InsurancePlanListInclude] | None
    """Parts to send along; on this list in v2 only, see ``insurance_plans.get`` for v3."""
    updated_since: datetime | None
    """Only those changed at or after this time; v3 only."""
    include_deleted: bool | None
    """True: also those removed in the practice's system; v3 only."""
    sort: str | None
    """``"updated_at"``, or ``"-updated_at"`` for the latest change first; v3 only."""


class InsurancePlanOptions(PracticeScoped, total=False):
    """Options for getting one insurance plan."""

    include: Sequence[InsurancePlanInclude] | None
    """Related data to include."""


LIST: "Endpoint[m.InsurancePlan]" = Endpoint(
    resource="insurance_plans",
    verb="walk",
    model="InsurancePlan",
    v2=OperationSpec(
        method="GET",
        path="/insurance_plans",
        paging=Paging.NUMBERED,
        max_per_page=300,
        filters=filter_names(
            InsurancePlanFilters, without=("updated_since", "include_deleted", "sort")
        ),
    ),
    v3=OperationSpec(
        method="GET",
        path="/insurance_plans",
        paging=Paging.CURSOR,
        max_per_page=1000,
        filters=filter_names(InsurancePlanFilters, without=("include",)),
    ),
)

GET: "Endpoint[m.InsurancePlan]" = Endpoint(
    resource="insurance_plans",
    verb="get",
    model="InsurancePlan",
    v3=OperationSpec(
        method="GET", path="/insurance_plans/{id}", filters=filter_names(InsurancePlanOptions)
    ),
)


class InsurancePlans(Resource):
    """The insurance plans a practice's system knows."""

    __slots__ = ()

    def walk(self, **filters: Unpack[InsurancePlanFilters]) -> "Walk[m.InsurancePlan]":
        """Iterate over the insurance plans of a practice.

        ``GET /insurance_plans``

        ``include`` works on this list in v2 only; ``updated_since``, ``include_deleted`` and
        ``sort`` in v3 only.

        Raises:
            MissingScopeError: No practice is given or bound.
            NotInVersionError: The API version does not have a filter that is given.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[InsurancePlanOptions]) -> "m.InsurancePlan":
        """Get one insurance plan; v3 only.

        ``GET /insurance_plans/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
            NotInVersionError: The API version is v2.
            FinancialAccessDisabledError: NexHealth has not enabled ledger data for the key.
        """
        return await self._client.call(GET, options, id)
