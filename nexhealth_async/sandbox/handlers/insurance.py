"""Insurance plans and coverages; a coverage points to a plan."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import found, narrowed
from nexhealth_async.sandbox.handlers.patient_includes import plain_coverage, subscriber
from nexhealth_async.sandbox.json_format import Row
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import V3, Answer, Call, Listing, Route, paged_in_both
from nexhealth_async.sandbox.v3_fields import without

__all__ = ["ROUTES"]


def _covered(practice: Practice, plan_id: int) -> list[int]:
    return practice.insurance_coverages.where("plan_id", plan_id)


def _plans(call: Call) -> Listing:
    practice, include = call.practice, call.params.texts("include")
    table = practice.insurance_plans

    def show(id: int) -> Row:
        shown = table.row(id)
        if call.version == "v3":
            return shown
        shown = without(shown, "updated_at", "deleted_at")
        if "patient_coverages" in include:
            coverages = [plain_coverage(practice, one, "v2") for one in _covered(practice, id)]
            shown["patient_coverages"] = coverages
        return shown

    return narrowed(call, table, show, exact=("payer_id", "group_num"), sorts=("updated_at",))


def _plan(call: Call) -> Answer:
    practice, id = call.practice, call.ids[0]
    shown = found(practice.insurance_plans, id)
    include = call.params.texts("include")
    if "patient_coverages" in include:
        shown["patient_coverages"] = [
            plain_coverage(practice, one, "v2") for one in _covered(practice, id)
        ]
    if "subscribers" in include:
        people = [subscriber(practice, one) for one in _covered(practice, id)]
        shown["subscribers"] = [one for one in people if one is not None]
    if "fee_schedule" in include:
        shown["fee_schedule"] = practice.fee_schedules.get(practice.fee_schedules.first_id)
    return Answer(data=shown)


def _coverages(call: Call) -> Listing:
    practice = call.practice
    active = call.params.flag("active") if "active" in call.params else True
    return narrowed(
        call,
        practice.insurance_coverages,
        lambda id: plain_coverage(practice, id, "v3"),
        exact=("patient_id",),
        keep=lambda one: one.get("active") is active,
        key=active,
    )


def _coverage(call: Call) -> Answer:
    practice, id = call.practice, call.ids[0]
    found(practice.insurance_coverages, id)
    return Answer(
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
        takes="subdomain! include:texts",
        versions=V3,
        financial=True,
    ),
    Route(
        method="GET",
        path="/insurance_coverages",
        handler=_coverages,
        takes="subdomain! updated_since:time patient_id:int active:bool",
        versions=V3,
        paging="cursor",
    ),
    Route(
        method="GET",
        path="/insurance_coverages/{id}",
        handler=_coverage,
        takes="subdomain!",
        versions=V3,
    ),
)
