"""Fee schedules and their procedures, payment plans, and types of ledger entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import filtered_list, get_or_404, require_one_of
from nexhealth_async.sandbox.json_format import JsonRow, RequestRejectedError
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import (
    V3,
    Handler,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
)
from nexhealth_async.sandbox.tables import RecordTable
from nexhealth_async.sandbox.v3_fields import patient_v3, without_fields

__all__ = ["ROUTES"]


def _active(call: SandboxCall, table: RecordTable) -> ListResult:
    active = call.params.flag("active") if "active" in call.params else True
    return filtered_list(
        call, table, table.row, keep=lambda record: record.get("active") is active, key=active
    )


def _list_handler(table: Callable[[Practice], RecordTable]) -> Handler:
    return lambda call: _active(call, table(call.practice))


def _single_handler(table: Callable[[Practice], RecordTable]) -> Handler:
    return lambda call: HandlerResult(data=get_or_404(table(call.practice), call.ids[0]))


def _schedule(call: SandboxCall) -> HandlerResult:
    practice = call.practice
    shown = get_or_404(practice.fee_schedules, call.ids[0])
    if "procedure_fees" in call.params.texts("include"):
        fees = practice.fee_schedule_procedures
        shown["procedure_fees"] = [
            {name: fees.row(id).get(name) for name in ("procedure_code_id", "fee", "code")}
            for id in fees.where("fee_schedule_id", call.ids[0])
        ]
    return HandlerResult(data=shown)


def _fees(call: SandboxCall) -> ListResult:
    require_one_of(call, ("fee_schedule_id", "updated_since"))
    table = call.practice.fee_schedule_procedures
    return filtered_list(call, table, table.row, exact=("fee_schedule_id",))


def _plans(call: SandboxCall) -> ListResult:
    table = call.practice.payment_plans
    return filtered_list(
        call,
        table,
        lambda id: _plan_row(table.row(id)),
        exact=("location_id", "patient_id", "guarantor_id"),
        sorts=("updated_at",),
    )


def _plan_row(record: JsonRow) -> JsonRow:
    return without_fields(record, "location_id", "updated_at")


def _plan(call: SandboxCall) -> HandlerResult:
    for practice in call.world.practices:
        record = practice.payment_plans.get(call.ids[0])
        if record is None:
            continue
        shown = _plan_row(record)
        for name in ("patient", "guarantor"):
            if name in call.params.texts("include"):
                id = record[f"{name}_id"]
                person = practice.patients.get(id) if isinstance(id, int) else None
                shown[name] = person and patient_v3(person, listed=False)
        return HandlerResult(data=shown)
    raise RequestRejectedError(404, "Resource not found")


def _list_route(path: str, handler: Handler, filters: str) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        filters="subdomain! location_id:int! updated_since:time " + filters,
        versions=V3,
        paging="cursor",
        financial=True,
        no_404=True,
    )


def _single_route(path: str, handler: Handler, *, filters: str = "", no_404: bool = False) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        filters="subdomain! " + filters,
        versions=V3,
        financial=True,
        no_404=no_404,
    )


ROUTES: Final = (
    _list_route(
        "/payment_types", _list_handler(lambda practice: practice.payment_types), "active:bool"
    ),
    _single_route(
        "/payment_types/{id}", _single_handler(lambda practice: practice.payment_types), no_404=True
    ),
    _list_route(
        "/adjustment_types",
        _list_handler(lambda practice: practice.adjustment_types),
        "active:bool",
    ),
    _single_route(
        "/adjustment_types/{id}",
        _single_handler(lambda practice: practice.adjustment_types),
        no_404=True,
    ),
    _list_route(
        "/fee_schedules", _list_handler(lambda practice: practice.fee_schedules), "active:bool"
    ),
    _single_route("/fee_schedules/{id}", _schedule, filters="include:texts"),
    _list_route("/fee_schedule_procedures", _fees, "fee_schedule_id:int"),
    Route(
        method="GET",
        path="/payment_plans",
        handler=_plans,
        filters="subdomain! location_id:int! sort patient_id:int guarantor_id:int "
        "updated_since:time",
        versions=V3,
        paging="cursor",
        financial=True,
        media="vendor",
        no_404=True,
    ),
    Route(
        method="GET",
        path="/payment_plans/{id}",
        handler=_plan,
        filters="include:texts",
        versions=V3,
        financial=True,
        media="vendor",
        no_404=True,
    ),
)
