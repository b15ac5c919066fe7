"""Webhook endpoints and their subscriptions: they belong to the key, not to a practice."""

from __future__ import annotations

import re
from typing import Final

from nexhealth_async.sandbox.fake_data import draw
from nexhealth_async.sandbox.handlers.list_filters import found
from nexhealth_async.sandbox.json_format import Refusal, Row, refuse_missing, stamp, text
from nexhealth_async.sandbox.routes import BOTH, Answer, Call, Listing, Route
from nexhealth_async.sandbox.v3_fields import without

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


def _endpoints(call: Call) -> Listing:
    table, active = call.world.webhook_endpoints, call.params.flag("active")
    ids = table.select(active, lambda one: active is None or one.get("active") is active)
    return Listing(ids=ids, show=table.row)


def _endpoint_fields(call: Call) -> Row:
    fields: Row = {}
    if "target_url" in call.body:
        target = text(call.body, "target_url")
        if not _TARGET.fullmatch(target):
            raise Refusal(400, "target_url must be an HTTPS address")
        fields["target_url"] = target
    if isinstance(call.body.get("active"), bool):
        fields["active"] = call.body["active"]
    return fields


def _endpoint_create(call: Call) -> Answer:
    if not text(call.body, "target_url"):
        raise Refusal(400, "Missing parameter target_url")
    now = stamp(call.now)
    table = call.world.webhook_endpoints
    made = f"{draw(table.version, 701):016x}{draw(table.version, 702):016x}"
    id = table.add(
        {
            "secret_key": made,
            "active": True,
            **_endpoint_fields(call),
            "created_at": now,
            "updated_at": now,
        }
    )
    return Answer(data=table.row(id), status=201)


def _endpoint_update(call: Call) -> Answer:
    table, id = call.world.webhook_endpoints, call.ids[0]
    found(table, id)
    table.update(id, **_endpoint_fields(call), updated_at=stamp(call.now))
    return Answer(data=table.row(id), description=_UPDATED)


def _endpoint_delete(call: Call) -> Answer:
    found(call.world.webhook_endpoints, call.ids[0])
    call.world.webhook_endpoints.delete(call.ids[0])
    subscriptions = call.world.webhook_subscriptions
    for id in subscriptions.where("webhook_endpoint_id", call.ids[0]).copy():
        subscriptions.delete(id)
    return Answer(data=None, status=204)


def _row(call: Call, id: int) -> Row:
    return without(call.world.webhook_subscriptions.row(id), "version")


def _subscriptions(call: Call) -> Listing:
    found(call.world.webhook_endpoints, call.ids[0])
    table, asked = call.world.webhook_subscriptions, call.params
    exact: Row = {name: asked.text(name) for name in ("resource_type", "event") if name in asked}
    if call.scope is not None:
        exact["institution_id"] = call.scope.institution_id
    ids = [
        id
        for id in table.where("webhook_endpoint_id", call.ids[0])
        if all(table.row(id).get(name) == value for name, value in exact.items())
    ]
    return Listing(ids=ids, show=lambda id: _row(call, id))


def _subscribe(call: Call) -> Answer:
    practice = call.practice
    found(call.world.webhook_endpoints, call.ids[0])
    kind, event = text(call.body, "resource_type"), text(call.body, "event")
    refuse_missing(call.body, "resource_type", "event")
    if event not in EVENTS.get(kind, ()):
        raise Refusal(400, f"{event} is not an event of {kind}")
    now = stamp(call.now)
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
    return Answer(data=_row(call, id), status=201)


def _one(call: Call) -> int:
    one = found(call.world.webhook_subscriptions, call.ids[1])
    if one["webhook_endpoint_id"] != call.ids[0]:
        raise Refusal(404, "Resource not found")
    return call.ids[1]


def _subscription_update(call: Call) -> Answer:
    id = _one(call)
    changes: Row = {}
    if isinstance(call.body.get("active"), bool):
        changes["active"] = call.body["active"]
    moved = call.body.get("new_endpoint_id")
    if moved is not None:
        if not isinstance(moved, int):
            raise Refusal(400, "new_endpoint_id is invalid")
        found(call.world.webhook_endpoints, moved)
        changes["webhook_endpoint_id"] = moved
    call.world.webhook_subscriptions.update(id, **changes, updated_at=stamp(call.now))
    return Answer(data=_row(call, id), description=_UPDATED)


def _unsubscribe(call: Call) -> Answer:
    call.world.webhook_subscriptions.delete(_one(call))
    return Answer(data=None, status=204)


_PATH: Final = "/webhook_endpoints"
_ONE: Final = "/webhook_endpoints/{id}"
_SUBSCRIPTIONS: Final = "/webhook_endpoints/{id}/webhook_subscriptions"
_SUBSCRIPTION: Final = _SUBSCRIPTIONS + "/{subscription_id}"

ROUTES: Final = (
    Route(
        method="GET",
        path=_PATH,
        handler=_endpoints,
        takes="active:bool",
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
        takes="subdomain resource_type event",
        versions=BOTH,
        media="json",
    ),
    Route(
        method="POST",
        path=_SUBSCRIPTIONS,
        handler=_subscribe,
        takes="subdomain!",
        versions=BOTH,
        media="json",
    ),
    Route(
        method="PATCH",
        path=_SUBSCRIPTION,
        handler=_subscription_update,
        takes="subdomain!",
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
