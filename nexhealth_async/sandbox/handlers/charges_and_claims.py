"""Ledger entries: charges, payments, adjustments and claims."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers import ledger_includes
from nexhealth_async.sandbox.handlers.list_filters import filtered_list, get_or_404, require_one_of
from nexhealth_async.sandbox.handlers.payments import create_adjustment, create_payment
from nexhealth_async.sandbox.json_format import JsonRow
from nexhealth_async.sandbox.routes import (
    V3,
    Handler,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
)
from nexhealth_async.sandbox.v3_fields import without_fields

__all__ = ["ROUTES"]


def _charges(call: SandboxCall) -> ListResult:
    practice, include = call.practice, call.params.texts("include")
    exact = ("patient_id", "provider_id", "procedure_id", "guarantor_id")
    require_one_of(call, (*exact, "updated_since"))
    return filtered_list(
        call,
        practice.charges,
        lambda id: ledger_includes.charge(practice, id, include),
        exact=("location_id", *exact),
        sorts=("updated_at",),
    )


def _charge(call: SandboxCall) -> HandlerResult:
    get_or_404(call.practice.charges, call.ids[0])
    include = call.params.texts("include")
    return HandlerResult(data=ledger_includes.charge(call.practice, call.ids[0], include))


def _entry_row(record: JsonRow) -> JsonRow:
    return without_fields(record, "foreign_id_type")


def _payments(call: SandboxCall) -> ListResult:
    exact = (
        "patient_id",
        "provider_id",
        "guarantor_id",
        "charge_id",
        "claim_id",
        "transaction_id",
    )
    require_one_of(call, (*exact, "updated_since"))
    table = call.practice.payments
    return filtered_list(
        call,
        table,
        lambda id: _entry_row(table.row(id)),
        exact=("location_id", *exact),
        sorts=("updated_at",),
    )


def _payment(call: SandboxCall) -> HandlerResult:
    shown = _entry_row(get_or_404(call.practice.payments, call.ids[0]))
    return HandlerResult(
        data=ledger_includes.related(call.practice, shown, call.params.texts("include"))
    )


def _adjustments(call: SandboxCall) -> ListResult:
    exact = ("patient_id", "provider_id", "guarantor_id", "claim_id", "charge_id")
    require_one_of(call, (*exact, "updated_since"))
    table = call.practice.adjustments
    return filtered_list(
        call,
        table,
        lambda id: _entry_row(table.row(id)),
        exact=("location_id", *exact),
        sorts=("updated_at",),
    )


def _adjustment(call: SandboxCall) -> HandlerResult:
    shown = _entry_row(get_or_404(call.practice.adjustments, call.ids[0]))
    return HandlerResult(
        data=ledger_includes.related(call.practice, shown, call.params.texts("include"))
    )


def _claims(call: SandboxCall) -> ListResult:
    practice, params = call.practice, call.params
    exact = ("patient_id", "guarantor_id", "provider_id")
    require_one_of(call, (*exact, "date_of_service", "updated_since"))
    service_date = params.day("date_of_service")
    return filtered_list(
        call,
        practice.claims,
        lambda id: without_fields(practice.claims.row(id), "charge_ids"),
        exact=("location_id", *exact),
        sorts=("updated_at",),
        keep=lambda claim: (
            service_date is None or claim.get("date_of_service") == service_date.isoformat()
        ),
    )


def _claim(call: SandboxCall) -> HandlerResult:
    get_or_404(call.practice.claims, call.ids[0], call.world.assumptions.unknown_claim_status)
    return HandlerResult(
        data=ledger_includes.claim(call.practice, call.ids[0], call.params.texts("include"))
    )


def _list_route(path: str, handler: Handler, filters: str) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        filters="subdomain! location_id:int! sort updated_since:time include_deleted:bool "
        + filters,
        versions=V3,
        paging="cursor",
        financial=True,
        no_404=True,
    )


def _single_route(path: str, handler: Handler, *, no_404: bool = True) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        filters="subdomain! include:texts",
        versions=V3,
        financial=True,
        no_404=no_404,
    )


def _create_route(path: str, handler: Handler) -> Route:
    return Route(
        method="POST",
        path=path,
        handler=handler,
        filters="subdomain! location_id:int!",
        versions=V3,
        financial=True,
        no_404=True,
    )


_PEOPLE: Final = "patient_id:int provider_id:int guarantor_id:int"

ROUTES: Final = (
    _list_route("/charges", _charges, f"{_PEOPLE} procedure_id:int include:texts"),
    _single_route("/charges/{id}", _charge),
    _list_route("/payments", _payments, f"{_PEOPLE} charge_id:int claim_id:int transaction_id"),
    _create_route("/payments", create_payment),
    _single_route("/payments/{id}", _payment),
    _list_route("/adjustments", _adjustments, f"{_PEOPLE} charge_id:int claim_id:int"),
    _create_route("/adjustments", create_adjustment),
    _single_route("/adjustments/{id}", _adjustment),
    _list_route("/claims", _claims, f"{_PEOPLE} date_of_service:date"),
    _single_route("/claims/{id}", _claim, no_404=False),
)
