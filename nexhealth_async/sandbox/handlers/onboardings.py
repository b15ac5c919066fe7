"""Onboardings: links by which a practice joins, complete after the next sync."""

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
_WEEK: Final = 7 * 86_400


def _row(call: SandboxCall, id: int) -> JsonRow:
    shown = call.world.onboardings.row(id)
    return {**without_fields(shown, "hashid"), "id": shown["hashid"]}


def _list(call: SandboxCall) -> ListResult:
    table, asked = call.world.onboardings, call.params
    exact: JsonRow = {name: asked.text(name) for name in ("subdomain", "status") if name in asked}
    ids = table.select(
        asked.key, lambda one: all(one.get(name) == value for name, value in exact.items())
    )
    by = order(call, table, ("created_at", "status", "subdomain"), "-created_at")
    return ListResult(ids=in_order(table, ids, by), show=lambda id: _row(call, id), order=by)


def _get(call: SandboxCall) -> HandlerResult:
    known = call.world.onboardings.where("hashid", call.path_word)
    if not known:
        raise RequestRejectedError(404, "Resource not found")
    return HandlerResult(data=_row(call, known[0]))


def _create(call: SandboxCall) -> HandlerResult:
    wanted = call.wrapped("onboarding")
    subdomain = text(wanted, "subdomain") or None
    if subdomain is None and not text(wanted, "institution_name").strip():
        raise RequestRejectedError(400, "Missing parameter institution_name")
    if subdomain is not None and call.world.by_subdomain(subdomain) is None:
        raise RequestRejectedError(404, "Resource not found")
    system = wanted.get("emr_name")
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
            "url_expires_at": format_timestamp(call.now + _WEEK),
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
