"""Institutions, offices, providers, rooms and the state of their synchronisation."""

from __future__ import annotations

from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import in_order, order
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    format_timestamp,
    ints,
    number,
    rows,
    text,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import (
    BOTH,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    Version,
    paged_in_both,
)
from nexhealth_async.sandbox.v3_fields import descriptor, hours_v3

__all__ = ["ROUTES", "availability_row"]

_SHORT: Final = (
    "id",
    "name",
    "street_address",
    "street_address_2",
    "city",
    "state",
    "zip_code",
    "country_code",
    "phone_number",
    "email",
    "inactive",
)


def location_row(practice: Practice, id: int, version: Version = "v2") -> JsonRow:
    """One office as the API shows it; v3 adds what it specialises in."""
    return _with_specialty(practice.locations.row(id), version)


def _with_specialty(record: JsonRow, version: Version) -> JsonRow:
    if version == "v2":
        return record
    return {"specialty": {"id": 1, "name": "General Dentistry"}, **record}


def _short_locations(practice: Practice, ids: list[int], version: Version) -> list[JsonRow]:
    """Offices in brief; what they have no value for is left out in v3."""
    found = [practice.locations.row(id) for id in ids]
    return [
        {key: one.get(key) for key in _SHORT if version == "v2" or one.get(key) is not None}
        for one in found
    ]


def _institution(practice: Practice, version: Version) -> JsonRow:
    locations = _short_locations(practice, list(practice.locations.ids), version)
    return {**practice.institution, "subdomain": practice.subdomain, "locations": locations}


def _institutions(call: SandboxCall) -> HandlerResult:
    found = [_institution(one, call.version) for one in call.world.practices]
    return HandlerResult(data=found, count=len(found))


def _institution_get(call: SandboxCall) -> HandlerResult:
    for practice in call.world.practices:
        if practice.institution_id == call.ids[0]:
            return HandlerResult(data=_institution(practice, call.version))
    raise RequestRejectedError(404, "Resource not found")


def _locations(call: SandboxCall) -> HandlerResult:
    inactive = call.params.flag("inactive")
    foreign_id = call.params.text("foreign_id")
    groups: list[JsonRow] = []
    for practice in [call.scope] if call.scope else call.world.practices:
        shown = [
            _with_specialty(one, call.version)
            for one in practice.locations
            if (inactive is None or one.get("inactive") is inactive)
            and (foreign_id is None or one.get("foreign_id") == foreign_id)
        ]
        groups.append(
            {
                "id": practice.institution_id,
                "name": practice.institution["name"],
                "subdomain": practice.subdomain,
                "locations": shown,
            }
        )
    return HandlerResult(data=groups, count=len(groups))


def _location_get(call: SandboxCall) -> HandlerResult:
    practice, _ = call.world.location(call.ids[0])
    return HandlerResult(data=location_row(practice, call.ids[0], call.version))


def _location_descriptors(call: SandboxCall) -> ListResult:
    practice, _ = call.world.location(call.ids[0])
    kind = call.params.text("descriptor_type")
    ids = [
        id
        for id in practice.descriptors.where("location_id", call.ids[0])
        if kind is None or practice.descriptors.row(id).get("descriptor_type") == kind
    ]
    as_text = call.world.guesses.text_descriptor_ids
    return ListResult(
        ids=ids, show=lambda id: descriptor(practice.descriptors.row(id), as_text=as_text)
    )


def availability_row(
    practice: Practice, id: int, version: Version, *, types: bool = True
) -> JsonRow:
    """Working hours as the API shows them."""
    stored = practice.availabilities.row(id)
    if version == "v3":
        label = stored.get("label_id")
        known = practice.working_hour_labels.get(label) if isinstance(label, int) else None
        stored = hours_v3(stored, known)
    stored.pop("label_id", None)
    wanted = stored.pop("appointment_type_ids", None)
    if types:
        stored["appointment_types"] = [
            practice.appointment_types.row(one)
            for one in ints(wanted)
            if one in practice.appointment_types
        ]
    return stored


def provider_row(
    practice: Practice, id: int, include: list[str], version: Version, *, locations: bool = True
) -> JsonRow:
    """A provider; its offices come along unasked, as observed."""
    shown = practice.providers.row(id)
    if locations or "locations" in include:
        offices = [number(one, "location_id") for one in rows(shown.get("provider_requestables"))]
        shown["locations"] = [
            location_row(practice, one, version) for one in offices if one in practice.locations
        ]
    if "availabilities" in include:
        shown["availabilities"] = [
            availability_row(practice, one, version)
            for one in practice.availabilities.where("provider_id", id)
        ]
    if "appointment_types" in include:
        shown["appointment_types"] = list(practice.appointment_types)
    return shown


def _includes_locations(call: SandboxCall) -> bool:
    replaced = call.params.texts("include") and call.world.guesses.include_replaces_default
    return call.version == "v2" or not replaced


def _providers(call: SandboxCall) -> ListResult:
    practice, asked = call.practice, call.params
    location_id = asked.number("location_id")
    requestable = asked.flag("requestable")
    if requestable is not None and location_id is None:
        raise RequestRejectedError(400, "Missing parameter location_id")
    wanted = asked.ints("ids")
    foreign_id = asked.text("foreign_id")
    inactive = asked.flag("inactive") or False
    since = asked.time("updated_since")
    floor = format_timestamp(since.timestamp()) if since else ""

    def keep(one: JsonRow) -> bool:
        offices = [number(each, "location_id") for each in rows(one.get("provider_requestables"))]
        return (
            (location_id is None or requestable is False or location_id in offices)
            and not (requestable is False and location_id in offices)
            and (not wanted or one["id"] in wanted)
            and (foreign_id is None or one.get("foreign_id") == foreign_id)
            and one.get("inactive") is inactive
            and text(one, "updated_at") >= floor
        )

    include, offices_too = asked.texts("include"), _includes_locations(call)
    table = practice.providers
    by = order(call, table, ("updated_at",)) if call.version == "v3" else None
    return ListResult(
        ids=in_order(table, table.select(asked.key, keep), by),
        show=lambda id: provider_row(practice, id, include, call.version, locations=offices_too),
        order=by,
    )


def _location_providers(call: SandboxCall) -> ListResult:
    practice, _ = call.world.location(call.ids[0], call.practice)
    requestable = call.params.flag("requestable")

    def keep(one: JsonRow) -> bool:
        offices = [number(each, "location_id") for each in rows(one.get("provider_requestables"))]
        return requestable is None or (call.ids[0] in offices) is requestable

    return ListResult(
        ids=practice.providers.select((call.ids, call.params.key), keep),
        show=lambda id: provider_row(practice, id, [], "v2"),
    )


def _provider_get(call: SandboxCall) -> HandlerResult:
    if call.ids[0] not in call.practice.providers:
        raise RequestRejectedError(404, "Resource not found")
    include = call.params.texts("include")
    offices = _includes_locations(call)
    return HandlerResult(
        data=provider_row(call.practice, call.ids[0], include, call.version, locations=offices)
    )


def operatory_row(practice: Practice, id: int, include: list[str], version: Version) -> JsonRow:
    """A room; in v2 ``appt_categories`` always, ``appointment_types`` when asked for.

    In v3 both values, and none, give ``appointment_types``: its records know no other name.
    """
    shown = practice.operatories.row(id)
    kinds = list(practice.appointment_types)
    if version == "v3":
        return {**shown, "appointment_types": kinds}
    shown["appt_categories"] = kinds
    if "appointment_types" in include:
        shown["appointment_types"] = kinds
    return shown


def _operatories(call: SandboxCall) -> ListResult:
    practice, asked = call.practice, call.params
    location_id = asked.number("location_id")
    name = (asked.text("search_name") or "").lower()
    foreign_id = asked.text("foreign_id")
    since = asked.time("updated_since")
    floor = format_timestamp(since.timestamp()) if since else ""

    def keep(one: JsonRow) -> bool:
        return (
            one.get("location_id") == location_id
            and name in text(one, "name").lower()
            and (foreign_id is None or one.get("foreign_id") == foreign_id)
            and text(one, "updated_at") >= floor
        )

    include = asked.texts("include")
    return ListResult(
        ids=practice.operatories.select(asked.key, keep),
        show=lambda id: operatory_row(practice, id, include, call.version),
    )


def _operatory_get(call: SandboxCall) -> HandlerResult:
    if call.ids[0] not in call.practice.operatories:
        raise RequestRejectedError(404, "Resource not found")
    include = call.params.texts("include")
    return HandlerResult(data=operatory_row(call.practice, call.ids[0], include, call.version))


def _sync_status(call: SandboxCall) -> HandlerResult:
    asked = call.params
    wanted = asked.ints("location_ids")
    found: list[JsonRow] = []
    for practice in [call.scope] if call.scope else call.world.practices:
        if not practice.connected:
            continue
        ids = [id for id in practice.locations.ids if not wanted or id in wanted]
        states = {"read_status": practice.read_status, "write_status": practice.write_status}
        if not ids or any(asked.text(name) not in {None, state} for name, state in states.items()):
            continue
        now = format_timestamp(call.now)
        found.append(
            {
                "institution_id": practice.institution_id,
                "sync_source_type": "DataSource",
                "sync_source_name": "sandbox-1",
                "emr": {"id": 1, "name": "sandbox", "display_name": "Sandbox", "type": "onprem"},
                "read_status": practice.read_status,
                "read_status_at": now,
                "write_status": practice.write_status,
                "write_status_at": now,
                "locations": _short_locations(practice, ids, call.version),
            }
        )
    return HandlerResult(data=found, count=len(found))


_PROVIDER_FILTERS: Final = (
    "subdomain! location_id:int ids:ints foreign_id requestable:bool inactive:bool "
    "updated_since:time include:texts"
)
_OPERATORY_FILTERS: Final = (
    "subdomain! location_id:int! search_name foreign_id updated_since:time include:texts"
)

ROUTES: Final = (
    Route(method="GET", path="/institutions", handler=_institutions, versions=BOTH),
    Route(method="GET", path="/institutions/{id}", handler=_institution_get, versions=BOTH),
    Route(
        method="GET",
        path="/locations",
        handler=_locations,
        filters="subdomain inactive:bool foreign_id filter_by_subscription_feature",
        versions=BOTH,
        no_404=True,
    ),
    Route(method="GET", path="/locations/{id}", handler=_location_get, versions=BOTH),
    Route(
        method="GET",
        path="/locations/{id}/appointment_descriptors",
        handler=_location_descriptors,
        filters="descriptor_type",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/locations/{id}/providers",
        handler=_location_providers,
        filters="subdomain! requestable:bool",
        paging="numbered",
    ),
    *paged_in_both(
        "/providers",
        _providers,
        v2=_PROVIDER_FILTERS,
        v3=f"{_PROVIDER_FILTERS} sort",
    ),
    Route(
        method="GET",
        path="/providers/{id}",
        handler=_provider_get,
        filters="subdomain! include:texts",
        versions=BOTH,
        media="json",
    ),
    *paged_in_both("/operatories", _operatories, v2=_OPERATORY_FILTERS, v3=_OPERATORY_FILTERS),
    Route(
        method="GET",
        path="/operatories/{id}",
        handler=_operatory_get,
        filters="subdomain! include:texts",
        versions=BOTH,
    ),
    Route(
        method="GET",
        path="/sync_status",
        handler=_sync_status,
        filters="subdomain location_ids:ints read_status write_status",
        versions=BOTH,
        no_404=True,
    ),
)
