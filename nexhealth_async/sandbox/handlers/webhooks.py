"""Webhook endpoints and their subscriptions, which belong to the key, not to a practice."""

from __future__ import annotations

import re
from typing import Final

from nexhealth_async.sandbox.fake_data import draw
from nexhealth_async.sandbox.handlers.list_filters import get_or_404
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    reject_missing,
    text,
)
from nexhealth_async.sandbox.routes import BOTH, HandlerResult, ListResult, Route, SandboxCall
from nexhealth_async.sandbox.v3_fields import without_fields

__all__ = ["EVENTS", "ROUTES"]

_TARGET: Final = re.compile(r"https://[^\s/]+\S*|http://(127\.0\.0\.1|localhost)[:/]\S*")
_UPDATED: Final = "Resource updated successfully."
EVENTS: Final[dict[str, tuple[str, ...]]] = {
    "Adjustment": (
        "adjustment_created",
        "adjustment_updated",
        "adjustment_deleted",
        "adjustment_insertion",
    ),
    "AdjustmentType": ("adjustment_type_created", "adjustment_type_updated"),
    "Appointment": (
        "appointment_insertion",
        "appointment_created",
        "appointment_updated",
        "appointment_requested",
    ),
    "Charge": ("charge_created", "charge_updated", "charge_deleted"),
    "Claim": ("claim_created", "claim_updated", "claim_deleted"),
    "Document": ("document_insertion",),
    "FeeSchedule": ("fee_schedule_created", "fee_schedule_updated"),
    "FormResponse": ("form_response_insertion",),
    "Message": ("message_created", "message_updated"),
    "Onboarding": (
        "onboarding_created",
        "onboarding_updated",
        "onboarding_availability_ready",
    ),
    "Patient": ("patient_created", "patient_updated"),
    "PatientInsuranceCoverage": ("patient_insurance_created", "patient_insurance_updated"),
    "Payment": ("payment_created", "payment_updated", "payment_deleted", "payment_insertion"),
    "PaymentType": ("payment_type_created", "payment_type_updated"),
    "Procedure": ("procedure_created", "procedure_updated"),
    "ProcedureCode": (
        "procedure_code_created",
        "procedure_code_updated",
        "procedure_code_deleted",
    ),
    "SyncStatus": ("sync_status_read_change", "sync_status_write_change"),
    "TreatmentPlan": (
        "treatment_plan_created",
        "treatment_plan_updated",
        "treatment_plan_deleted",
    ),
}


def _endpoints(call: SandboxCall) -> ListResult:
    table, active = call.world.webhook_endpoints, call.params.flag("active")
    ids = table.select(active, lambda endpoint: active is None or endpoint.get("active") is active)
    return ListResult(ids=ids, show=table.row)


def _endpoint_fields(call: SandboxCall) -> JsonRow:
    fields: JsonRow = {}
    if "target_url" in call.body:
        target = text(call.body, "target_url")
        if not _TARGET.fullmatch(target):
            raise RequestRejectedError(400, "target_url must be an HTTPS address")
        fields["target_url"] = target
    if isinstance(call.body.get("active"), bool):
        fields["active"] = call.body["active"]
    return fields


def _endpoint_create(call: SandboxCall) -> HandlerResult:
    if not text(call.body, "target_url"):
        raise RequestRejectedError(400, "Missing parameter target_url")
    now = format_timestamp(call.now)
    table = call.world.webhook_endpoints
    secret_key = f"{draw(table.version, 701):016x}{draw(table.version, 702):016x}"
    id = table.add(
        {
            "secret_key": secret_key,
            "active": True,
            **_endpoint_fields(call),
            "created_at": now,
            "updated_at": now,
        }
    )
    return HandlerResult(data=table.row(id), status=201)


def _endpoint_update(call: SandboxCall) -> HandlerResult:
    table, id = call.world.webhook_endpoints, call.ids[0]
    get_or_404(table, id)
    table.update(id, **_endpoint_fields(call), updated_at=format_timestamp(call.now))
    return HandlerResult(data=table.row(id), description=_UPDATED)


def _endpoint_delete(call: SandboxCall) -> HandlerResult:
    get_or_404(call.world.webhook_endpoints, call.ids[0])
    call.world.webhook_endpoints.delete(call.ids[0])
    subscriptions = call.world.webhook_subscriptions
    for id in subscriptions.where("webhook_endpoint_id", call.ids[0]).copy():
        subscriptions.delete(id)
    return HandlerResult(data=None, status=204)


def _row(call: SandboxCall, id: int) -> JsonRow:
    return without_fields(call.world.webhook_subscriptions.row(id), "version")


def _subscriptions(call: SandboxCall) -> ListResult:
    get_or_404(call.world.webhook_endpoints, call.ids[0])
    table, params = call.world.webhook_subscriptions, call.params
    exact: JsonRow = {
        name: params.text(name) for name in ("resource_type", "event") if name in params
    }
    if call.scope is not None:
        exact["institution_id"] = call.scope.institution_id
    ids = [
        id
        for id in table.where("webhook_endpoint_id", call.ids[0])
        if all(table.row(id).get(name) == value for name, value in exact.items())
    ]
    return ListResult(ids=ids, show=lambda id: _row(call, id))


def _subscribe(call: SandboxCall) -> HandlerResult:
    practice = call.practice
    get_or_404(call.world.webhook_endpoints, call.ids[0])
    kind, event = text(call.body, "resource_type"), text(call.body, "event")
    reject_missing(call.body, "resource_type", "event")
    if event not in EVENTS.get(kind, ()):
        raise RequestRejectedError(400, f"{event} is not an event of {kind}")
    now = format_timestamp(call.now)
    table = call.world.webhook_subscriptions
    id = table.add(
        {
            "webhook_endpoint_id": call.ids[0],
            "institution_id": practice.institution_id,
            "resource_type": kind,
            "event": event,
            "active": call.body.get("active") is not False,
            "created_at": now,
            "updated_at": now,
            "version": call.version,
        }
    )
    return HandlerResult(data=_row(call, id), status=201)


def _find_subscription(call: SandboxCall) -> int:
    subscription = get_or_404(call.world.webhook_subscriptions, call.ids[1])
    if subscription["webhook_endpoint_id"] != call.ids[0]:
        raise RequestRejectedError(404, "Resource not found")
    return call.ids[1]


def _subscription_update(call: SandboxCall) -> HandlerResult:
    id = _find_subscription(call)
    changes: JsonRow = {}
    if isinstance(call.body.get("active"), bool):
        changes["active"] = call.body["active"]
    endpoint_id = call.body.get("new_endpoint_id")
    if endpoint_id is not None:
        if not isinstance(endpoint_id, int):
            raise RequestRejectedError(400, "new_endpoint_id is invalid")
        get_or_404(call.world.webhook_endpoints, endpoint_id)
        changes["webhook_endpoint_id"] = endpoint_id
    call.world.webhook_subscriptions.update(id, **changes, updated_at=format_timestamp(call.now))
    return HandlerResult(data=_row(call, id), description=_UPDATED)


def _unsubscribe(call: SandboxCall) -> HandlerResult:
    call.world.webhook_subscriptions.delete(_find_subscription(call))
    return HandlerResult(data=None, status=204)


_PATH: Final = "/webhook_endpoints"
_ONE: Final = "/webhook_endpoints/{id}"
_SUBSCRIPTIONS: Final = "/webhook_endpoints/{id}/webhook_subscriptions"
_SUBSCRIPTION: Final = _SUBSCRIPTIONS + "/{subscription_id}"

ROUTES: Final = (
    Route(
        method="GET",
        path=_PATH,
        handler=_endpoints,
        filters="active:bool",
        versions=BOTH,
        no_404=True,
    ),
    Route(method="POST", path=_PATH, handler=_endpoint_create, versions=BOTH, no_404=True),
    Route(method="PATCH", path=_ONE, handler=_endpoint_update, versions=BOTH),
    Route(method="DELETE", path=_ONE, handler=_endpoint_delete, versions=BOTH),
    Route(
        method="GET",
        path=_SUBSCRIPTIONS,
        handler=_subscriptions,
        filters="subdomain resource_type event",
        versions=BOTH,
        media="json",
    ),
    Route(
        method="POST",
        path=_SUBSCRIPTIONS,
        handler=_subscribe,
        filters="subdomain!",
        versions=BOTH,
        media="json",
    ),
    Route(
        method="PATCH",
        path=_SUBSCRIPTION,
        handler=_subscription_update,
        filters="subdomain!",
        versions=BOTH,
        media="json",
    ),
    Route(
        method="DELETE",
        path=_SUBSCRIPTION,
        handler=_unsubscribe,
        versions=BOTH,
        media="json",
    ),
)
