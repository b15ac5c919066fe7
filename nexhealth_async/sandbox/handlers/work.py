"""Procedures, recalls and the kinds of documents a practice keeps; working hours join here."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.hours import ROUTES as HOUR_ROUTES
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import BOTH, Answer, Call, Listing, Route
from nexhealth_async.sandbox.wire import Refusal, Row, stamp, text

__all__ = ["ROUTES"]

_IDS: Final = ("location_id", "provider_id", "patient_id", "appointment_id")


def _procedures(call: Call) -> Listing:
    table, asked = call.practice.procedures, call.params
    exact = {name: asked.number(name) for name in _IDS if name in asked}
    since = asked.time("updated_after")
    floor = stamp(since.timestamp()) if since else ""

    def keep(one: Row) -> bool:
        return text(one, "updated_at") >= floor and all(
            one.get(name) == value for name, value in exact.items()
        )

    ids = table.ids
    if exact or since:
        among = table.where("patient_id", exact["patient_id"]) if "patient_id" in exact else None
        ids = table.select(asked.key, keep, among)
    return Listing(ids=ids, show=table.row)


def _procedure(call: Call) -> Answer:
    found = call.practice.procedures.get(call.ids[0])
    if found is None:
        raise Refusal(404, "Resource not found")
    return Answer(data=found)


def _recall_row(practice: Practice, id: int) -> Row:
    shown = practice.patient_recalls.row(id)
    kind = shown.get("recall_id")
    found = practice.recall_types.get(kind) if isinstance(kind, int) else None
    names = ("id", "name", "description", "interval_num", "interval_unit")
    shown["recall_type"] = found and {name: found.get(name) for name in names}
    return shown


def _recalls(call: Call) -> Listing:
    practice, asked = call.practice, call.params
    exact: Row = {name: asked.number(name) for name in ("recall_id", "patient_id") if name in asked}
    if "foreign_id" in asked:
        exact["foreign_id"] = asked.text("foreign_id")
    since, after = asked.time("updated_since"), asked.time("due_after")
    floor = stamp(since.timestamp()) if since else ""
    due = after.date().isoformat() if after else ""

    def keep(one: Row) -> bool:
        return (
            all(one.get(name) == value for name, value in exact.items())
            and text(one, "updated_at") >= floor
            and text(one, "date_due") >= due
        )

    table = practice.patient_recalls
    ids = table.select(asked.key, keep)
    sort = asked.text("sort")
    if sort:
        if sort not in {"date_due", "-date_due"}:
            raise Refusal(400, "sort is invalid")
        ids = sorted(
            ids,
            key=lambda id: (text(table.row(id), "date_due"), id),
            reverse=sort.startswith("-"),
        )
    return Listing(ids=ids, show=lambda id: _recall_row(practice, id))


def _recall(call: Call) -> Answer:
    if call.ids[0] not in call.practice.patient_recalls:
        raise Refusal(404, "Resource not found")
    return Answer(data=_recall_row(call.practice, call.ids[0]))


def _recall_types(call: Call) -> Listing:
    table, asked = call.practice.recall_types, call.params
    foreign_id = asked.text("foreign_id")
    since = asked.time("updated_since")
    floor = stamp(since.timestamp()) if since else ""
    ids = table.select(
        asked.key,
        lambda one: (
            one.get("location_id") == asked.number("location_id")
            and (foreign_id is None or one.get("foreign_id") == foreign_id)
            and text(one, "updated_at") >= floor
        ),
    )
    return Listing(ids=ids, show=table.row)


def _recall_type(call: Call) -> Answer:
    found = call.practice.recall_types.get(call.ids[0])
    if found is None:
        raise Refusal(404, "Resource not found")
    return Answer(data=found)


def _document_types(call: Call) -> Listing:
    table = call.practice.document_types
    active = call.params.flag("active") if "active" in call.params else True
    ids = table.select(call.params.key, lambda one: one.get("active") is active)
    return Listing(ids=ids, show=table.row)


def _document_type(call: Call) -> Answer:
    found = call.practice.document_types.get(call.ids[0])
    if found is None:
        raise Refusal(404, "Resource not found")
    return Answer(data=found)


ROUTES: Final = (
    Route(
        method="GET",
        path="/procedures",
        handler=_procedures,
        takes="subdomain! location_id:int provider_id:int patient_id:int appointment_id:int "
        "updated_after:time",
        paging="numbered",
    ),
    Route(
        method="GET",
        path="/procedures/{id}",
        handler=_procedure,
        takes="subdomain!",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/patient_recalls",
        handler=_recalls,
        takes="subdomain! location_id:int! recall_id:int patient_id:int foreign_id "
        "updated_since:time due_after:time sort",
        paging="numbered",
    ),
    Route(
        method="GET",
        path="/patient_recalls/{id}",
        handler=_recall,
        takes="subdomain!",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/recall_types",
        handler=_recall_types,
        takes="subdomain! location_id:int! foreign_id updated_since:time",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/recall_types/{id}",
        handler=_recall_type,
        takes="subdomain!",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/document_types",
        handler=_document_types,
        takes="subdomain! location_id:int! active:bool",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/document_types/{id}",
        handler=_document_type,
        takes="subdomain! location_id:int!",
        versions=BOTH,
    ),
    *HOUR_ROUTES,
)
