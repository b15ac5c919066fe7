"""Treatment plans, clinical notes, and labels of working hours."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import filtered_list, get_or_404, require_one_of
from nexhealth_async.sandbox.json_format import JsonRow, format_timestamp, ints, text
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import V3, HandlerResult, ListResult, Route, SandboxCall
from nexhealth_async.sandbox.v3_fields import procedure_v3, without_fields

__all__ = ["ROUTES"]


def _plan_row(practice: Practice, id: int) -> JsonRow:
    plan = practice.treatment_plans.row(id)
    ids = ints(plan.pop("procedure_ids", None))
    procedures = [practice.procedures.row(id) for id in ids if id in practice.procedures]
    return {**plan, "procedures": [procedure_v3(procedure) for procedure in procedures]}


def _plans(call: SandboxCall) -> ListResult:
    practice = call.practice
    return filtered_list(
        call,
        practice.treatment_plans,
        lambda id: _plan_row(practice, id),
        exact=("patient_id", "status"),
    )


def _plan(call: SandboxCall) -> HandlerResult:
    get_or_404(call.practice.treatment_plans, call.ids[0])
    return HandlerResult(data=_plan_row(call.practice, call.ids[0]))


def _notes(call: SandboxCall) -> ListResult:
    require_one_of(
        call, ("patient_id", "procedure_id", "entered_before", "entered_after", "updated_since")
    )
    table, params = call.practice.clinical_notes, call.params
    after, before = params.time("entered_after"), params.time("entered_before")
    first = format_timestamp(after.timestamp()) if after else None
    last = format_timestamp(before.timestamp()) if before else None

    def keep(note: JsonRow) -> bool:
        entered_at = text(note, "entered_at")
        return (first is None or entered_at >= first) and (last is None or entered_at <= last)

    return filtered_list(
        call,
        table,
        lambda id: without_fields(table.row(id), "location_id"),
        exact=("location_id", "patient_id", "procedure_id"),
        keep=keep,
    )


def _labels(call: SandboxCall) -> ListResult:
    table = call.practice.working_hour_labels
    name = (call.params.text("search_name") or "").lower()
    return filtered_list(
        call,
        table,
        lambda id: without_fields(table.row(id), "active"),
        exact=("location_id", "active"),
        keep=lambda label: name in text(label, "name").lower(),
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/treatment_plans",
        handler=_plans,
        filters="subdomain! patient_id:int status updated_since:time",
        versions=V3,
        paging="cursor",
        no_404=True,
    ),
    Route(
        method="GET",
        path="/treatment_plans/{id}",
        handler=_plan,
        filters="subdomain!",
        versions=V3,
    ),
    Route(
        method="GET",
        path="/clinical_notes",
        handler=_notes,
        filters="subdomain! location_id:int! patient_id:int procedure_id:int entered_before:time "
        "entered_after:time updated_since:time",
        versions=V3,
        paging="cursor",
    ),
    Route(
        method="GET",
        path="/working_hour_labels",
        handler=_labels,
        filters="subdomain! location_id:int search_name active:bool",
        versions=V3,
        paging="cursor",
    ),
)
