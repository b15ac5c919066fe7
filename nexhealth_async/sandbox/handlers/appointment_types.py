"""Appointment types and their descriptors in the practice's own system."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.json_format import JsonRow, RequestRejectedError, text
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import BOTH, HandlerResult, ListResult, Route, SandboxCall
from nexhealth_async.sandbox.v3_fields import descriptor, descriptor_ids

__all__ = ["ROUTES"]


def _descriptors_of(practice: Practice, id: int) -> list[int]:
    descriptor_ids = practice.type_descriptors.get(id, [])
    return [id for id in descriptor_ids if id in practice.descriptors]


def _descriptor(call: SandboxCall, id: int) -> JsonRow:
    as_text = call.world.assumptions.text_descriptor_ids
    return descriptor(call.practice.descriptors.row(id), as_text=as_text)


def _type_row(call: SandboxCall, id: int) -> JsonRow:
    practice = call.practice
    record = practice.appointment_types.row(id)
    if "descriptors" in call.params.texts("include"):
        descriptor_ids = _descriptors_of(practice, id)
        record["descriptors"] = [_descriptor(call, descriptor) for descriptor in descriptor_ids]
    return record


def _types(call: SandboxCall) -> ListResult:
    location_id = call.params.number("location_id")
    if location_id is None and call.practice.institution.get("appointment_types_location_scoped"):
        raise RequestRejectedError(400, "Missing parameter location_id")

    def keep(record: JsonRow) -> bool:
        if location_id is None or record.get("parent_type") != "Location":
            return True
        return record.get("parent_id") == location_id

    ids = call.practice.appointment_types.select(call.params.key, keep)
    return ListResult(ids=ids, show=lambda id: _type_row(call, id))


def _find_id(call: SandboxCall) -> int:
    if call.ids[0] not in call.practice.appointment_types:
        raise RequestRejectedError(404, "Resource not found")
    return call.ids[0]


def _get(call: SandboxCall) -> HandlerResult:
    return HandlerResult(data=_type_row(call, _find_id(call)))


def _fields(call: SandboxCall, body: JsonRow, id: int | None) -> JsonRow:
    practice = call.practice
    fields: JsonRow = {
        name: body[name]
        for name in ("name", "minutes", "parent_type", "parent_id", "bookable_online")
        if name in body
    }
    name = body.get("name")
    if any(other != id for other in practice.appointment_types.where("name", name)):
        raise RequestRejectedError(400, "Name has already been taken")
    if fields.get("parent_type") not in {None, "Institution", "Location"}:
        raise RequestRejectedError(400, "parent_type is invalid")
    if fields.get("parent_type") == "Location":
        location_id = body.get("parent_id")
        if not isinstance(location_id, int):
            raise RequestRejectedError(400, "Missing parameter parent_id")
        call.world.location(location_id, practice)
    minutes = fields.get("minutes", 15)
    if not isinstance(minutes, int) or minutes < 1:
        raise RequestRejectedError(400, "minutes is invalid")
    return fields


def _create(call: SandboxCall) -> HandlerResult:
    body = call.wrapped("appointment_type")
    if not text(body, "name").strip():
        raise RequestRejectedError(400, "Missing parameter name")
    practice = call.practice
    is_scoped = practice.institution.get("appointment_types_location_scoped")
    if is_scoped and not isinstance(call.body.get("location_id"), int):
        raise RequestRejectedError(400, "Missing parameter location_id")
    id = practice.appointment_types.add(
        {
            "name": body["name"],
            "parent_type": "Institution",
            "parent_id": practice.institution_id,
            "minutes": 15,
            "bookable_online": True,
            **_fields(call, body, None),
        }
    )
    practice.type_descriptors[id] = descriptor_ids(body.get("emr_appt_descriptor_ids"))
    return HandlerResult(data=practice.appointment_types.row(id), status=201)


def _update(call: SandboxCall) -> HandlerResult:
    id = _find_id(call)
    body = call.wrapped("appointment_type")
    call.practice.appointment_types.update(id, **_fields(call, body, id))
    if "emr_appt_descriptor_ids" in body:
        call.practice.type_descriptors[id] = descriptor_ids(body["emr_appt_descriptor_ids"])
    return HandlerResult(
        data=call.practice.appointment_types.row(id), description="Resource updated successfully."
    )


def _delete(call: SandboxCall) -> HandlerResult:
    id = _find_id(call)
    record = call.practice.appointment_types.row(id)
    call.practice.appointment_types.delete(id)
    return HandlerResult(data=record)


def _descriptors(call: SandboxCall) -> ListResult:
    practice = call.practice
    kind = call.params.text("descriptor_type")
    ids = [
        id
        for id in _descriptors_of(practice, _find_id(call))
        if kind is None or practice.descriptors.row(id).get("descriptor_type") == kind
    ]
    return ListResult(ids=ids, show=lambda id: _descriptor(call, id))


_PATH: Final = "/appointment_types"
_ONE: Final = "/appointment_types/{id}"

ROUTES: Final = (
    Route(
        method="GET",
        path="/appointment_categories",
        handler=_types,
        filters="subdomain! location_id:int!",
    ),
    Route(
        method="GET",
        path=_PATH,
        handler=_types,
        filters="subdomain! location_id:int include:texts",
        versions=BOTH,
    ),
    Route(method="POST", path=_PATH, handler=_create, filters="subdomain!", versions=BOTH),
    Route(
        method="GET",
        path=_ONE,
        handler=_get,
        filters="subdomain! location_id:int include:texts",
        versions=BOTH,
    ),
    Route(method="PATCH", path=_ONE, handler=_update, filters="subdomain!", versions=BOTH),
    Route(
        method="DELETE",
        path=_ONE,
        handler=_delete,
        filters="subdomain! location_id:int",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path=_ONE + "/appointment_descriptors",
        handler=_descriptors,
        filters="subdomain! location_id:int descriptor_type",
        versions=BOTH,
    ),
)
