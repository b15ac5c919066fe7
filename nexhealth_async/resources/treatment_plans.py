"""Treatment plans: what is proposed to patients (v3)."""

from datetime import datetime
from typing import Literal, TypeAlias, Unpack

from nexhealth_async import models as m
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging
from nexhealth_async.pagination.walk import Walk
from nexhealth_async.resources._base import Resource
from nexhealth_async.resources.options import CursorOptions, PracticeScoped, filter_names

__all__ = ["TreatmentPlanFilters", "TreatmentPlanStatus", "TreatmentPlans"]

TreatmentPlanStatus: TypeAlias = Literal[
    "not_applicable", "proposed", "accepted", "rejected", "completed"
]
"""States of a treatment plan."""


class TreatmentPlanFilters(PracticeScoped, CursorOptions, total=False):
    """Filters for listing treatment plans."""

    patient_id: int | None
    """Only plans for this patient."""
    status: TreatmentPlanStatus | None
    """Only plans that have come this far."""
    updated_since: datetime | None
    """Only those changed at or after this time; they still come by id, not by time."""


LIST: "Endpoint[m.TreatmentPlan]" = Endpoint(
    resource="treatment_plans",
    verb="walk",
    model="TreatmentPlan",
    v3=OperationSpec(
        method="GET",
        path="/treatment_plans",
        paging=Paging.CURSOR,
        max_per_page=1000,
        filters=filter_names(TreatmentPlanFilters),
    ),
)

GET: "Endpoint[m.TreatmentPlan]" = Endpoint(
    resource="treatment_plans",
    verb="get",
    model="TreatmentPlan",
    v3=OperationSpec(method="GET", path="/treatment_plans/{id}"),
)


class TreatmentPlans(Resource):
    """Treatments proposed to patients, with their procedures; v3 only."""

    __slots__ = ()

    def walk(self, **filters: Unpack[TreatmentPlanFilters]) -> "Walk[m.TreatmentPlan]":
        """Iterate over the treatment plans of a practice, by id; v3 only.

        ``GET /treatment_plans``

        Deleted plans are left out by the server.

        Raises:
            MissingScopeError: No practice is given or bound.
        """
        return self._client.walk(LIST, filters)

    async def get(self, id: int, /, **options: Unpack[PracticeScoped]) -> "m.TreatmentPlan":
        """Get one treatment plan; v3 only.

        ``GET /treatment_plans/{id}``

        Raises:
            NotFoundError: The practice has no record with this id.
        """
        return await self._client.call(GET, options, id)
