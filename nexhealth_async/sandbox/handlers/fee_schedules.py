"""Fee schedules and their procedures, payment plans, and the types of ledger entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import found, narrowed, need_one_of
from nexhealth_async.sandbox.json_format import Refusal, Row
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import V3, Answer, Call, Handler, Listing, Route
from nexhealth_async.sandbox.tables import Table
from nexhealth_async.sandbox.v3_fields import patient_v3, without

__all__ = ["ROUTES"]


def _active(call: Call, table: Table) -> Listing:
    active = call.params.flag("active") if "active" in call.params else True
    return narrowed(
        call, table, table.row, keep=lambda one: one.get("active") is active, key=active
    )


def _listing(table: Callable[[Practice], Table]) -> Handler:
    return lambda call: _active(call, table(call.practice))


def _single(table: Callable[[Practice], Table]) -> Handler:
    return lambda call: Answer(data=found(table(call.practice), call.ids[0]))


def _schedule(call: Call) -> Answer:
    practice = call.practice
    shown = found(practice.fee_schedules, call.ids[0])
    if "procedure_fees" in call.params.texts("include"):
        fees = practice.fee_schedule_procedures
        shown["procedure_fees"] = [
            {name: fees.row(id).get(name) for name in ("procedure_code_id", "fee", "code")}
            for id in fees.where("fee_schedule_id", call.ids[0])
        ]
    return Answer(data=shown)


def _fees(call: Call) -> Listing:
    need_one_of(call, ("fee_schedule_id", "updated_since"))
    table = call.practice.fee_schedule_procedures
    return narrowed(call, table, table.row, exact=("fee_schedule_id",))


def _plans(call: Call) -> Listing:
    table = call.practice.payment_plans
    return narrowed(
        call,
        table,
        lambda id: _plan_row(table.row(id)),
        exact=("location_id", "patient_id", "guarantor_id"),
        sorts=("updated_at",),
    )


def _plan_row(record: Row) -> Row:
    return without(record, "location_id", "updated_at")


def _plan(call: Call) -> Answer:
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
        return Answer(data=shown)
    raise Refusal(404, "Resource not found")


def _list_route(path: str, handler: Handler, takes: str) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        takes="subdomain! location_id:int! updated_since:time " + takes,
        versions=V3,
        paging="cursor",
        financial=True,
        no_404=True,
    )


def _single_route(path: str, handler: Handler, *, takes: str = "", no_404: bool = False) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        takes="subdomain! " + takes,
        versions=V3,
        financial=True,
        no_404=no_404,
    )


ROUTES: Final = (
    _list_route("/payment_types", _listing(lambda one: one.payment_types), "active:bool"),
    _single_route("/payment_types/{id}", _single(lambda one: one.payment_types), no_404=True),
    _list_route("/adjustment_types", _listing(lambda one: one.adjustment_types), "active:bool"),
    _single_route("/adjustment_types/{id}", _single(lambda one: one.adjustment_types), no_404=True),
    _list_route("/fee_schedules", _listing(lambda one: one.fee_schedules), "active:bool"),
    _single_route("/fee_schedules/{id}", _schedule, takes="include:texts"),
    _list_route("/fee_schedule_procedures", _fees, "fee_schedule_id:int"),
    Route(
        method="GET",
        path="/payment_plans",
        handler=_plans,
        takes="subdomain! location_id:int! sort patient_id:int guarantor_id:int updated_since:time",
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
        takes="include:texts",
        versions=V3,
        financial=True,
        media="vendor",
        no_404=True,
    ),
)
