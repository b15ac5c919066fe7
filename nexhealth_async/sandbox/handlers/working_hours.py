"""Working hours: when a provider may be booked, not when they are free.

``/availabilities`` in v2, ``/working_hours`` in v3.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from nexhealth_async.sandbox.handlers.locations import availability_row
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    ints,
    reject_missing,
    row,
    text,
    texts,
)
from nexhealth_async.sandbox.routes import (
    V2,
    V3,
    HandlerResult,
    ListResult,
    Route,
    SandboxCall,
    Version,
)

__all__ = ["ROUTES", "WEEKDAYS"]

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_PATTERNS: Final = ("days", "specific_date", "custom_recurrence")
_WRAPPER: Final[dict[Version, str]] = {"v2": "availability", "v3": "working_hour"}
_UNITS: Final = frozenset({"day", "week", "month"})


def _list(call: SandboxCall) -> ListResult:
    practice, asked = call.practice, call.params
    exact: JsonRow = {
        name: asked.number(name)
        for name in ("location_id", "provider_id", "operatory_id", "label_id")
        if name in asked
    }
    source = asked.text("source")
    if source is not None:
        exact["synced"] = source == "synced"
    active = asked.flag("active") if "active" in asked else True
    today = ""
    if asked.flag("ignore_past_dates"):
        zone = practice.zone(asked.number("location_id") or 0)
        today = datetime.fromtimestamp(call.now, zone).date().isoformat()

    def keep(one: JsonRow) -> bool:
        on = text(one, "specific_date")
        return (
            all(one.get(name) == value for name, value in exact.items())
            and one.get("active") is active
            and (not on or on >= today)
        )

    types = "appointment_types" in asked.texts("include")
    return ListResult(
        ids=practice.availabilities.select((asked.key, today), keep),
        show=lambda id: availability_row(practice, id, call.version, types=types),
    )


def _checked(call: SandboxCall) -> JsonRow:
    found = call.practice.availabilities.get(call.ids[0])
    if found is None:
        raise RequestRejectedError(404, "Resource not found")
    return found


def _get(call: SandboxCall) -> HandlerResult:
    _checked(call)
    types = "appointment_types" in call.params.texts("include")
    return HandlerResult(
        data=availability_row(call.practice, call.ids[0], call.version, types=types)
    )


def _pattern(wanted: JsonRow) -> JsonRow:
    """The one pattern given, the two others nulled.

    Raises:
        Refusal: 400 unless exactly one is given, and well.
    """
    given = [name for name in _PATTERNS if wanted.get(name) not in (None, [])]
    if len(given) != 1:
        raise RequestRejectedError(
            400, "Exactly one of days, specific_date, custom_recurrence must be configured"
        )
    value = wanted[given[0]]
    if given[0] == "days":
        named = texts(value)
        good = named is not None and all(day in WEEKDAYS for day in named)
    elif given[0] == "specific_date":
        good = _is_date(value)
    else:
        rule = row(value) or {}
        num = rule.get("num")
        good = (
            isinstance(num, int)
            and num > 0
            and rule.get("unit") in _UNITS
            and _is_date(rule.get("ref"))
        )
    if not good:
        raise RequestRejectedError(400, f"{given[0]} is invalid")
    return {**dict.fromkeys(_PATTERNS), given[0]: value}


def _is_date(value: object) -> bool:
    try:
        date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _hours(record: JsonRow) -> None:
    begin, end = text(record, "begin_time"), text(record, "end_time")
    for name, value in (("begin_time", begin), ("end_time", end)):
        if not _TIME.fullmatch(value):
            raise RequestRejectedError(400, f"{name} is invalid")
    if begin >= end:
        raise RequestRejectedError(400, "end_time must be after begin_time")


def _related(call: SandboxCall, record: JsonRow) -> None:
    practice = call.practice
    provider = record.get("provider_id")
    if not isinstance(provider, int | None):
        raise RequestRejectedError(400, "provider_id is invalid")
    if provider is not None and provider not in practice.providers:
        raise RequestRejectedError(404, f"Provider with id {provider} not found")
    room = record.get("operatory_id")
    if room is not None and (not isinstance(room, int) or room not in practice.operatories):
        raise RequestRejectedError(404, f"Operatory with id {room} not found")
    for one in ints(record.get("appointment_type_ids")):
        if one not in practice.appointment_types:
            raise RequestRejectedError(404, f"Appointment type with id {one} not found")


def _create(call: SandboxCall) -> HandlerResult:
    wrapper = _WRAPPER[call.version]
    reject_missing(
        call.body, f"{wrapper}.provider_id", f"{wrapper}.begin_time", f"{wrapper}.end_time"
    )
    wanted = call.wrapped(wrapper)
    practice = call.practice
    provider_id = wanted["provider_id"]
    if provider_id not in practice.providers:
        raise RequestRejectedError(404, f"Provider with id {provider_id} not found")
    record: JsonRow = {
        "provider_id": provider_id,
        "location_id": call.params.number("location_id"),
        "operatory_id": wanted.get("operatory_id"),
        "begin_time": wanted.get("begin_time"),
        "end_time": wanted.get("end_time"),
        **_pattern(wanted),
        "tz_offset": practice.offset(call.now, colon=False),
        "active": wanted.get("active") is not False,
        "synced": False,
        "label_id": None,
        "appointment_type_ids": ints(wanted.get("appointment_type_ids")),
    }
    _hours(record)
    _related(call, record)
    id = practice.availabilities.add(record)
    return HandlerResult(data=availability_row(practice, id, call.version, types=False), status=201)


def _update(call: SandboxCall) -> HandlerResult:
    wanted = call.wrapped(_WRAPPER[call.version])
    found = _checked(call)
    changes: JsonRow = {
        name: wanted[name]
        for name in (
            "provider_id",
            "begin_time",
            "end_time",
            "operatory_id",
            "appointment_type_ids",
            "active",
        )
        if name in wanted
    }
    if any(name in wanted for name in _PATTERNS):
        changes |= _pattern(wanted)
    _hours({**found, **changes})
    _related(call, changes)
    call.practice.availabilities.update(call.ids[0], **changes)
    return HandlerResult(
        data=availability_row(call.practice, call.ids[0], call.version, types=call.version == "v3"),
        description="Resource updated successfully.",
    )


def _delete(call: SandboxCall) -> HandlerResult:
    found = _checked(call)
    call.practice.availabilities.delete(call.ids[0])
    status = 204 if call.version == "v3" else call.world.guesses.delete_availability_status
    return HandlerResult(data={"id": found["id"]}, status=status)


_FILTERS: Final = (
    "subdomain! location_id:int! provider_id:int operatory_id:int active:bool "
    "ignore_past_dates:bool include:texts"
)


def _routes(path: str, versions: tuple[Version, ...]) -> tuple[Route, ...]:
    return (
        Route(
            method="POST",
            path=path,
            handler=_create,
            filters="subdomain! location_id:int!",
            versions=versions,
        ),
        Route(
            method="GET",
            path=path + "/{id}",
            handler=_get,
            filters="subdomain! include:texts",
            versions=versions,
        ),
        Route(
            method="PATCH",
            path=path + "/{id}",
            handler=_update,
            filters="subdomain!",
            versions=versions,
        ),
        Route(
            method="DELETE",
            path=path + "/{id}",
            handler=_delete,
            filters="subdomain!",
            versions=versions,
        ),
    )


ROUTES: Final = (
    Route(method="GET", path="/availabilities", handler=_list, filters=_FILTERS, paging="numbered"),
    *_routes("/availabilities", V2),
    Route(
        method="GET",
        path="/working_hours",
        handler=_list,
        filters=f"{_FILTERS} label_id:int source",
        versions=V3,
        paging="cursor",
    ),
    *_routes("/working_hours", V3),
)
