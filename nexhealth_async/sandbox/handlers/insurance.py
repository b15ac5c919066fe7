"""Insurance plans, and coverages, which refer to a plan."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import filtered_list, get_or_404
from nexhealth_async.sandbox.handlers.patient_includes import plain_coverage, subscriber
from nexhealth_async.sandbox.json_format import JsonRow
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import (
    V3,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    paged_in_both,
)
from nexhealth_async.sandbox.v3_fields import without_fields

__all__ = ["ROUTES"]


def _coverage_ids(practice: Practice, plan_id: int) -> list[int]:
    return practice.insurance_coverages.where("plan_id", plan_id)


def _plans(call: SandboxCall) -> ListResult:
    practice, include = call.practice, call.params.texts("include")
    table = practice.insurance_plans

    def show(id: int) -> JsonRow:
        shown = table.row(id)
        if call.version == "v3":
            return shown
        shown = without_fields(shown, "updated_at", "deleted_at")
        if "patient_coverages" in include:
            shown["patient_coverages"] = [
                plain_coverage(practice, coverage_id, "v2")
                for coverage_id in _coverage_ids(practice, id)
            ]
        return shown

    return filtered_list(call, table, show, exact=("payer_id", "group_num"), sorts=("updated_at",))


def _plan(call: SandboxCall) -> HandlerResult:
    practice, id = call.practice, call.ids[0]
    shown = get_or_404(practice.insurance_plans, id)
    include = call.params.texts("include")
    if "patient_coverages" in include:
        shown["patient_coverages"] = [
            plain_coverage(practice, coverage_id, "v2")
            for coverage_id in _coverage_ids(practice, id)
        ]
    if "subscribers" in include:
        people = [subscriber(practice, coverage_id) for coverage_id in _coverage_ids(practice, id)]
        shown["subscribers"] = [person for person in people if person is not None]
    if "fee_schedule" in include:
        shown["fee_schedule"] = practice.fee_schedules.get(practice.fee_schedules.first_id)
    return HandlerResult(data=shown)


def _coverages(call: SandboxCall) -> ListResult:
    practice = call.practice
    active = call.params.flag("active") if "active" in call.params else True
    return filtered_list(
        call,
        practice.insurance_coverages,
        lambda id: plain_coverage(practice, id, "v3"),
        exact=("patient_id",),
        keep=lambda coverage: coverage.get("active") is active,
        key=active,
    )


def _coverage(call: SandboxCall) -> HandlerResult:
    practice, id = call.practice, call.ids[0]
    get_or_404(practice.insurance_coverages, id)
    return HandlerResult(
        data={**plain_coverage(practice, id, "v3"), "subscriber": subscriber(practice, id)}
    )


ROUTES: Final = (
    *paged_in_both(
        "/insurance_plans",
        _plans,
        v2="subdomain! payer_id group_num include:texts",
        v3="subdomain! payer_id group_num sort updated_since:time include_deleted:bool",
        financial=True,
        no_404=True,
    ),
    Route(
        method="GET",
        path="/insurance_plans/{id}",
        handler=_plan,
        filters="subdomain! include:texts",
        versions=V3,
        financial=True,
    ),
    Route(
        method="GET",
        path="/insurance_coverages",
        handler=_coverages,
        filters="subdomain! updated_since:time patient_id:int active:bool",
        versions=V3,
        paging="cursor",
    ),
    Route(
        method="GET",
        path="/insurance_coverages/{id}",
        handler=_coverage,
        filters="subdomain!",
        versions=V3,
    ),
)
