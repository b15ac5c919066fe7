"""Institutions, locations, providers, operatories and sync statuses."""

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
    """Return a location; v3 adds its specialty."""
    return _with_specialty(practice.locations.row(id), version)


def _with_specialty(record: JsonRow, version: Version) -> JsonRow:
    if version == "v2":
        return record
    return {"specialty": {"id": 1, "name": "General Dentistry"}, **record}


def _short_locations(practice: Practice, ids: list[int], version: Version) -> list[JsonRow]:
    """Return locations in short form; v3 leaves out fields without a value."""
    return [
        {
            key: location.get(key)
            for key in _SHORT
            if version == "v2" or location.get(key) is not None
        }
        for location in map(practice.locations.row, ids)
    ]


def _institution(practice: Practice, version: Version) -> JsonRow:
    locations = _short_locations(practice, list(practice.locations.ids), version)
    return {**practice.institution, "subdomain": practice.subdomain, "locations": locations}


def _institutions(call: SandboxCall) -> HandlerResult:
    institutions = [_institution(practice, call.version) for practice in call.world.practices]
    return HandlerResult(data=institutions, count=len(institutions))


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
        locations = [
            _with_specialty(location, call.version)
            for location in practice.locations
            if (inactive is None or location.get("inactive") is inactive)
            and (foreign_id is None or location.get("foreign_id") == foreign_id)
        ]
        groups.append(
            {
                "id": practice.institution_id,
                "name": practice.institution["name"],
                "subdomain": practice.subdomain,
                "locations": locations,
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
    as_text = call.world.assumptions.text_descriptor_ids
    return ListResult(
        ids=ids, show=lambda id: descriptor(practice.descriptors.row(id), as_text=as_text)
    )


def availability_row(
    practice: Practice, id: int, version: Version, *, types: bool = True
) -> JsonRow:
    """Return working hours, with their appointment types if ``types`` is set."""
    hours = practice.availabilities.row(id)
    if version == "v3":
        label_id = hours.get("label_id")
        label = practice.working_hour_labels.get(label_id) if isinstance(label_id, int) else None
        hours = hours_v3(hours, label)
    hours.pop("label_id", None)
    type_ids = hours.pop("appointment_type_ids", None)
    if types:
        hours["appointment_types"] = [
            practice.appointment_types.row(type_id)
            for type_id in ints(type_ids)
            if type_id in practice.appointment_types
        ]
    return hours


def provider_row(
    practice: Practice, id: int, include: list[str], version: Version, *, locations: bool = True
) -> JsonRow:
    """Return a provider, by default with its locations, as observed."""
    provider = practice.providers.row(id)
    if locations or "locations" in include:
        provider["locations"] = [
            location_row(practice, location_id, version)
            for location_id in _requestable_at(provider)
            if location_id in practice.locations
        ]
    if "availabilities" in include:
        provider["availabilities"] = [
            availability_row(practice, availability_id, version)
            for availability_id in practice.availabilities.where("provider_id", id)
        ]
    if "appointment_types" in include:
        provider["appointment_types"] = list(practice.appointment_types)
    return provider


def _requestable_at(provider: JsonRow) -> list[int]:
    return [
        number(requestable, "location_id")
        for requestable in rows(provider.get("provider_requestables"))
    ]


def _includes_locations(call: SandboxCall) -> bool:
    is_replaced = call.params.texts("include") and call.world.assumptions.include_replaces_default
    return call.version == "v2" or not is_replaced


def _providers(call: SandboxCall) -> ListResult:
    practice, params = call.practice, call.params
    location_id = params.number("location_id")
    requestable = params.flag("requestable")
    if requestable is not None and location_id is None:
        raise RequestRejectedError(400, "Missing parameter location_id")
    ids = params.ints("ids")
    foreign_id = params.text("foreign_id")
    inactive = params.flag("inactive") or False
    since = params.time("updated_since")
    earliest_update = format_timestamp(since.timestamp()) if since else ""

    def keep(provider: JsonRow) -> bool:
        location_ids = _requestable_at(provider)
        return (
            (location_id is None or requestable is False or location_id in location_ids)
            and not (requestable is False and location_id in location_ids)
            and (not ids or provider["id"] in ids)
            and (foreign_id is None or provider.get("foreign_id") == foreign_id)
            and provider.get("inactive") is inactive
            and text(provider, "updated_at") >= earliest_update
        )

    include, locations = params.texts("include"), _includes_locations(call)
    table = practice.providers
    by = order(call, table, ("updated_at",)) if call.version == "v3" else None
    return ListResult(
        ids=in_order(table, table.select(params.key, keep), by),
        show=lambda id: provider_row(practice, id, include, call.version, locations=locations),
        order=by,
    )


def _location_providers(call: SandboxCall) -> ListResult:
    practice, _ = call.world.location(call.ids[0], call.practice)
    requestable = call.params.flag("requestable")

    def keep(provider: JsonRow) -> bool:
        return requestable is None or (call.ids[0] in _requestable_at(provider)) is requestable

    return ListResult(
        ids=practice.providers.select((call.ids, call.params.key), keep),
        show=lambda id: provider_row(practice, id, [], "v2"),
    )


def _provider_get(call: SandboxCall) -> HandlerResult:
    if call.ids[0] not in call.practice.providers:
        raise RequestRejectedError(404, "Resource not found")
    include = call.params.texts("include")
    locations = _includes_locations(call)
    return HandlerResult(
        data=provider_row(call.practice, call.ids[0], include, call.version, locations=locations)
    )


def operatory_row(practice: Practice, id: int, include: list[str], version: Version) -> JsonRow:
    """Return an operatory.

    In v2 it has ``appt_categories``, and ``appointment_types`` if they are included. In v3 it
    always has ``appointment_types`` only.
    """
    operatory = practice.operatories.row(id)
    types = list(practice.appointment_types)
    if version == "v3":
        return {**operatory, "appointment_types": types}
    operatory["appt_categories"] = types
    if "appointment_types" in include:
        operatory["appointment_types"] = types
    return operatory


def _operatories(call: SandboxCall) -> ListResult:
    practice, params = call.practice, call.params
    location_id = params.number("location_id")
    name = (params.text("search_name") or "").lower()
    foreign_id = params.text("foreign_id")
    since = params.time("updated_since")
    earliest_update = format_timestamp(since.timestamp()) if since else ""

    def keep(operatory: JsonRow) -> bool:
        return (
            operatory.get("location_id") == location_id
            and name in text(operatory, "name").lower()
            and (foreign_id is None or operatory.get("foreign_id") == foreign_id)
            and text(operatory, "updated_at") >= earliest_update
        )

    include = params.texts("include")
    return ListResult(
        ids=practice.operatories.select(params.key, keep),
        show=lambda id: operatory_row(practice, id, include, call.version),
    )


def _operatory_get(call: SandboxCall) -> HandlerResult:
    if call.ids[0] not in call.practice.operatories:
        raise RequestRejectedError(404, "Resource not found")
    include = call.params.texts("include")
    return HandlerResult(data=operatory_row(call.practice, call.ids[0], include, call.version))


def _sync_status(call: SandboxCall) -> HandlerResult:
    params = call.params
    location_ids = params.ints("location_ids")
    statuses: list[JsonRow] = []
    for practice in [call.scope] if call.scope else call.world.practices:
        if not practice.connected:
            continue
        ids = [id for id in practice.locations.ids if not location_ids or id in location_ids]
        states = {"read_status": practice.read_status, "write_status": practice.write_status}
        if not ids or any(params.text(name) not in {None, state} for name, state in states.items()):
            continue
        now = format_timestamp(call.now)
        statuses.append(
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
    return HandlerResult(data=statuses, count=len(statuses))


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
