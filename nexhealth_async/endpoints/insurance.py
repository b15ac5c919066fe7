"""Insurance: the plans a practice knows, and the patients' coverages under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import Endpoint, Paging, RateClass, Row

if TYPE_CHECKING:
    from nexhealth_async import models as m

__all__ = [
    "INSURANCE_COVERAGES",
    "INSURANCE_COVERAGES_GET",
    "INSURANCE_PLANS",
    "INSURANCE_PLANS_GET",
]

INSURANCE_PLANS: Endpoint[m.InsurancePlan] = Endpoint(
    resource="insurance_plans",
    verb="walk",
    model="InsurancePlan",
    v2=Row(
        method="GET",
        path="/insurance_plans",
        paging=Paging.NUMBERED,
        max_per_page=300,
        filters=("payer_id", "group_num", "include[]"),
    ),
    v3=Row(
        method="GET",
        path="/insurance_plans",
        paging=Paging.CURSOR,
        max_per_page=1000,
        filters=("payer_id", "group_num", "updated_since", "include_deleted", "sort"),
    ),
)

INSURANCE_PLANS_GET: Endpoint[m.InsurancePlan] = Endpoint(
    resource="insurance_plans",
    verb="get",
    model="InsurancePlan",
    v3=Row(method="GET", path="/insurance_plans/{id}", filters=("include[]",)),
)

INSURANCE_COVERAGES: Endpoint[m.InsuranceCoverage] = Endpoint(
    resource="insurance_coverages",
    verb="walk",
    model="InsuranceCoverage",
    v2=Row(
        method="GET",
        path="/patients/{id}/insurance_coverages",
        paging=Paging.NUMBERED,
        max_per_page=300,
        rate=RateClass.PEOPLE,
        path_from=("patient_id",),
    ),
    v3=Row(
        method="GET",
        path="/insurance_coverages",
        paging=Paging.CURSOR,
        max_per_page=1000,
        filters=("patient_id", "updated_since", "active"),
    ),
)

INSURANCE_COVERAGES_GET: Endpoint[m.InsuranceCoverage] = Endpoint(
    resource="insurance_coverages",
    verb="get",
    model="InsuranceCoverage",
    v3=Row(method="GET", path="/insurance_coverages/{id}"),
)
