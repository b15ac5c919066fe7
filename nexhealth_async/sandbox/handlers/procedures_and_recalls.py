"""Procedures, recalls and document types."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import (
    get_or_404,
    in_order,
    order,
    require_one_of,
)
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    text,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import (
    BOTH,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    paged_in_both,
)
from nexhealth_async.sandbox.v3_fields import procedure_v3

__all__ = ["ROUTES"]

_IDS: Final = ("location_id", "provider_id", "patient_id", "appointment_id")
_BOUNDS: Final = ("started_after", "started_before", "ended_after", "ended_before")


def _procedures(call: SandboxCall) -> ListResult:
    table, params = call.practice.procedures, call.params
    exact = {name: params.number(name) for name in _IDS if name in params}
    since = params.time("updated_since" if call.version == "v3" else "updated_after")
    earliest_update = format_timestamp(since.timestamp()) if since else ""
    bounds = {name: day.isoformat() for name in _BOUNDS if (day := params.day(name)) is not None}
    if call.version == "v3" and not (exact.keys() - {"location_id"} or since or bounds):
        require_one_of(call, (*_IDS[1:], *_BOUNDS, "updated_since"))

    def keep(procedure: JsonRow) -> bool:
        return (
            text(procedure, "updated_at") >= earliest_update
            and all(procedure.get(name) == value for name, value in exact.items())
            and all(_is_within(procedure, name, day) for name, day in bounds.items())
        )

    ids = table.ids
    if exact or since or bounds:
        among = table.where("patient_id", exact["patient_id"]) if "patient_id" in exact else None
        ids = table.select(params.key, keep, among)
    if call.version == "v2":
        return ListResult(ids=ids, show=table.row)
    by = order(call, table, ("updated_at",))
    ids = in_order(table, ids, by)
    return ListResult(ids=ids, show=lambda id: procedure_v3(table.row(id)), order=by)


def _is_within(procedure: JsonRow, bound: str, day: str) -> bool:
    date = text(procedure, "start_date" if bound.startswith("started") else "end_date")
    return bool(date) and (date >= day if bound.endswith("after") else date <= day)


def _procedure(call: SandboxCall) -> HandlerResult:
    procedure = call.practice.procedures.get(call.ids[0])
    if procedure is None:
        raise RequestRejectedError(404, "Resource not found")
    if call.version == "v3":
        procedure = procedure_v3(procedure, call.practice.plans_by_procedure())
    return HandlerResult(data=procedure)


def _recall_row(practice: Practice, id: int) -> JsonRow:
    recall = practice.patient_recalls.row(id)
    type_id = recall.get("recall_id")
    kind = practice.recall_types.get(type_id) if isinstance(type_id, int) else None
    names = ("id", "name", "description", "interval_num", "interval_unit")
    recall["recall_type"] = kind and {name: kind.get(name) for name in names}
    return recall


def _recalls(call: SandboxCall) -> ListResult:
    practice, params = call.practice, call.params
    exact: JsonRow = {
        name: params.number(name) for name in ("recall_id", "patient_id") if name in params
    }
    if "foreign_id" in params:
        exact["foreign_id"] = params.text("foreign_id")
    since, after = params.time("updated_since"), params.time("due_after")
    earliest_update = format_timestamp(since.timestamp()) if since else ""
    earliest_due = after.date().isoformat() if after else ""

    def keep(recall: JsonRow) -> bool:
        return (
            all(recall.get(name) == value for name, value in exact.items())
            and text(recall, "updated_at") >= earliest_update
            and text(recall, "date_due") >= earliest_due
        )

    table = practice.patient_recalls
    ids = table.select(params.key, keep)
    by = order(call, table, ("date_due",))
    return ListResult(
        ids=in_order(table, ids, by), show=lambda id: _recall_row(practice, id), order=by
    )


def _recall(call: SandboxCall) -> HandlerResult:
    if call.ids[0] not in call.practice.patient_recalls:
        raise RequestRejectedError(404, "Resource not found")
    return HandlerResult(data=_recall_row(call.practice, call.ids[0]))


def _recall_types(call: SandboxCall) -> ListResult:
    table, params = call.practice.recall_types, call.params
    foreign_id = params.text("foreign_id")
    since = params.time("updated_since")
    earliest_update = format_timestamp(since.timestamp()) if since else ""
    ids = table.select(
        params.key,
        lambda kind: (
            kind.get("location_id") == params.number("location_id")
            and (foreign_id is None or kind.get("foreign_id") == foreign_id)
            and text(kind, "updated_at") >= earliest_update
        ),
    )
    return ListResult(ids=ids, show=table.row)


def _recall_type(call: SandboxCall) -> HandlerResult:
    return HandlerResult(data=get_or_404(call.practice.recall_types, call.ids[0]))


def _document_types(call: SandboxCall) -> ListResult:
    table = call.practice.document_types
    active = call.params.flag("active") if "active" in call.params else True
    ids = table.select(call.params.key, lambda kind: kind.get("active") is active)
    return ListResult(ids=ids, show=table.row)


def _document_type(call: SandboxCall) -> HandlerResult:
    return HandlerResult(data=get_or_404(call.practice.document_types, call.ids[0]))


_RECALL_FILTERS: Final = (
    "subdomain! location_id:int! recall_id:int patient_id:int foreign_id updated_since:time "
    "due_after:time sort"
)

ROUTES: Final = (
    *paged_in_both(
        "/procedures",
        _procedures,
        v2="subdomain! location_id:int provider_id:int patient_id:int appointment_id:int "
        "updated_after:time",
        v3="subdomain! location_id:int provider_id:int patient_id:int appointment_id:int "
        "updated_since:time started_after:date started_before:date ended_after:date "
        "ended_before:date sort",
    ),
    Route(
        method="GET",
        path="/procedures/{id}",
        handler=_procedure,
        filters="subdomain!",
        versions=BOTH,
        media="json",
    ),
    *paged_in_both("/patient_recalls", _recalls, v2=_RECALL_FILTERS, v3=_RECALL_FILTERS),
    Route(
        method="GET",
        path="/patient_recalls/{id}",
        handler=_recall,
        filters="subdomain!",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/recall_types",
        handler=_recall_types,
        filters="subdomain! location_id:int! foreign_id updated_since:time",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/recall_types/{id}",
        handler=_recall_type,
        filters="subdomain!",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/document_types",
        handler=_document_types,
        filters="subdomain! location_id:int! active:bool",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/document_types/{id}",
        handler=_document_type,
        filters="subdomain! location_id:int!",
        versions=BOTH,
    ),
)
