"""Patient alerts: notes that can be disabled, but not deleted."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    text,
)
from nexhealth_async.sandbox.routes import BOTH, HandlerResult, ListResult, Route, SandboxCall

__all__ = ["ROUTES"]


def _alerts(call: SandboxCall) -> ListResult:
    table = call.practice.patient_alerts
    _check_patient(call)
    include_disabled = call.params.flag("include_disabled") is True
    ids = [
        id
        for id in table.where("patient_id", call.ids[0])
        if include_disabled or table.row(id).get("disabled_at") is None
    ]
    return ListResult(ids=ids, show=table.row)


def _check_patient(call: SandboxCall) -> None:
    if call.ids[0] not in call.practice.patients:
        raise RequestRejectedError(404, "Resource not found")


def _find(call: SandboxCall) -> JsonRow:
    alert = call.practice.patient_alerts.get(call.ids[1])
    if alert is None or alert["patient_id"] != call.ids[0]:
        raise RequestRejectedError(404, "Resource not found")
    return alert


def _create(call: SandboxCall) -> HandlerResult:
    _check_patient(call)
    note = text(call.wrapped("patient_alert"), "note")
    if not note:
        raise RequestRejectedError(400, "Missing parameter note")
    now = format_timestamp(call.now)
    table = call.practice.patient_alerts
    id = table.add(
        {
            "patient_id": call.ids[0],
            "note": note,
            "disabled_at": None,
            "created_at": now,
            "updated_at": now,
        }
    )
    return HandlerResult(data=table.row(id), status=201)


def _get(call: SandboxCall) -> HandlerResult:
    return HandlerResult(data=_find(call))


def _update(call: SandboxCall) -> HandlerResult:
    alert = _find(call)
    disabled = call.wrapped("patient_alert").get("disabled")
    if not isinstance(disabled, bool):
        raise RequestRejectedError(400, "Missing parameter disabled")
    now = format_timestamp(call.now)
    disabled_at = (alert["disabled_at"] or now) if disabled else None
    call.practice.patient_alerts.update(call.ids[1], disabled_at=disabled_at, updated_at=now)
    return HandlerResult(
        data=call.practice.patient_alerts.row(call.ids[1]),
        description="Resource updated successfully.",
    )


_PATH: Final = "/patients/{id}/alerts"
_ONE: Final = "/patients/{id}/alerts/{alert_id}"

ROUTES: Final = (
    Route(
        method="GET",
        path=_PATH,
        handler=_alerts,
        filters="subdomain! include_disabled:bool",
        versions=BOTH,
        rate="people",
    ),
    Route(
        method="POST",
        path=_PATH,
        handler=_create,
        filters="subdomain!",
        versions=BOTH,
        rate="people",
    ),
    Route(
        method="GET", path=_ONE, handler=_get, filters="subdomain!", versions=BOTH, rate="people"
    ),
    Route(
        method="PATCH",
        path=_ONE,
        handler=_update,
        filters="subdomain!",
        versions=BOTH,
        rate="people",
    ),
)
