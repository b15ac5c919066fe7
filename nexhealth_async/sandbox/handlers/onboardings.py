"""Onboardings: links with which a practice joins; they are complete after the next sync."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.fake_data import draw
from nexhealth_async.sandbox.handlers.list_filters import in_order, order
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    text,
)
from nexhealth_async.sandbox.routes import V3, HandlerResult, ListResult, Route, SandboxCall
from nexhealth_async.sandbox.v3_fields import without_fields

__all__ = ["ROUTES"]

_SYSTEMS: Final = frozenset(
    {
        "athena",
        "curve2",
        "cloud9",
        "denticon",
        "dentrix",
        "dentrixascend",
        "drchrono",
        "eaglesoft",
        "ecw",
        "modmed",
        "nextgen",
        "opendental",
    }
)
_WEEK_SECONDS: Final = 7 * 86_400


def _row(call: SandboxCall, id: int) -> JsonRow:
    shown = call.world.onboardings.row(id)
    return {**without_fields(shown, "hashid"), "id": shown["hashid"]}


def _list(call: SandboxCall) -> ListResult:
    table, params = call.world.onboardings, call.params
    exact: JsonRow = {name: params.text(name) for name in ("subdomain", "status") if name in params}
    ids = table.select(
        params.key, lambda record: all(record.get(name) == value for name, value in exact.items())
    )
    by = order(call, table, ("created_at", "status", "subdomain"), "-created_at")
    return ListResult(ids=in_order(table, ids, by), show=lambda id: _row(call, id), order=by)


def _get(call: SandboxCall) -> HandlerResult:
    ids = call.world.onboardings.where("hashid", call.path_word)
    if not ids:
        raise RequestRejectedError(404, "Resource not found")
    return HandlerResult(data=_row(call, ids[0]))


def _create(call: SandboxCall) -> HandlerResult:
    body = call.wrapped("onboarding")
    subdomain = text(body, "subdomain") or None
    if subdomain is None and not text(body, "institution_name").strip():
        raise RequestRejectedError(400, "Missing parameter institution_name")
    if subdomain is not None and call.world.by_subdomain(subdomain) is None:
        raise RequestRejectedError(404, "Resource not found")
    system = body.get("emr_name")
    if system is not None and (not isinstance(system, str) or system not in _SYSTEMS):
        raise RequestRejectedError(400, "emr_name is invalid")
    table = call.world.onboardings
    hashid = f"{draw(table.version, 801):016x}"[:10]
    id = table.add(
        {
            "hashid": hashid,
            "created_at": format_timestamp(call.now),
            "subdomain": subdomain,
            "url": f"https://onboarding.example.com/{hashid}",
            "url_expires_at": format_timestamp(call.now + _WEEK_SECONDS),
            "status": "in_progress",
            "booking_params": None,
            "availability_ready_at": None,
        }
    )
    return HandlerResult(data=_row(call, id), status=201)


ROUTES: Final = (
    Route(
        method="GET",
        path="/onboardings",
        handler=_list,
        filters="subdomain status sort",
        versions=V3,
        paging="cursor",
        no_404=True,
    ),
    Route(method="POST", path="/onboardings", handler=_create, versions=V3),
    Route(method="GET", path="/onboardings/{hashid}", handler=_get, versions=V3),
)
