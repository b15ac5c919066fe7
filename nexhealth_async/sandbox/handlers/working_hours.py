"""Working hours (``/availabilities`` in v2, ``/working_hours`` in v3).

They are the times in which a provider can be booked, including booked times.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from nexhealth_async.sandbox.handlers.list_filters import get_or_404
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
    practice, params = call.practice, call.params
    exact: JsonRow = {
        name: params.number(name)
        for name in ("location_id", "provider_id", "operatory_id", "label_id")
        if name in params
    }
    source = params.text("source")
    if source is not None:
        exact["synced"] = source == "synced"
    active = params.flag("active") if "active" in params else True
    today = ""
    if params.flag("ignore_past_dates"):
        zone = practice.zone(params.number("location_id") or 0)
        today = datetime.fromtimestamp(call.now, zone).date().isoformat()

    def keep(hours: JsonRow) -> bool:
        specific_date = text(hours, "specific_date")
        return (
            all(hours.get(name) == value for name, value in exact.items())
            and hours.get("active") is active
            and (not specific_date or specific_date >= today)
        )

    types = "appointment_types" in params.texts("include")
    return ListResult(
        ids=practice.availabilities.select((params.key, today), keep),
        show=lambda id: availability_row(practice, id, call.version, types=types),
    )


def _find(call: SandboxCall) -> JsonRow:
    return get_or_404(call.practice.availabilities, call.ids[0])


def _get(call: SandboxCall) -> HandlerResult:
    _find(call)
    types = "appointment_types" in call.params.texts("include")
    return HandlerResult(
        data=availability_row(call.practice, call.ids[0], call.version, types=types)
    )


def _parse_pattern(body: JsonRow) -> JsonRow:
    """Return the three pattern fields, of which two are null.

    Raises:
        RequestRejectedError: 400 unless exactly one is set to a valid value.
    """
    names = [name for name in _PATTERNS if body.get(name) not in (None, [])]
    if len(names) != 1:
        raise RequestRejectedError(
            400, "Exactly one of days, specific_date, custom_recurrence must be configured"
        )
    (name,) = names
    value = body[name]
    if name == "days":
        days = texts(value)
        is_valid = days is not None and all(day in WEEKDAYS for day in days)
    elif name == "specific_date":
        is_valid = _is_date(value)
    else:
        rule = row(value) or {}
        num = rule.get("num")
        is_valid = (
            isinstance(num, int)
            and num > 0
            and rule.get("unit") in _UNITS
            and _is_date(rule.get("ref"))
        )
    if not is_valid:
        raise RequestRejectedError(400, f"{name} is invalid")
    return {**dict.fromkeys(_PATTERNS), name: value}


def _is_date(value: object) -> bool:
    try:
        date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _check_times(record: JsonRow) -> None:
    begin, end = text(record, "begin_time"), text(record, "end_time")
    for name, value in (("begin_time", begin), ("end_time", end)):
        if not _TIME.fullmatch(value):
            raise RequestRejectedError(400, f"{name} is invalid")
    if begin >= end:
        raise RequestRejectedError(400, "end_time must be after begin_time")


def _check_related(call: SandboxCall, record: JsonRow) -> None:
    practice = call.practice
    provider_id = record.get("provider_id")
    if not isinstance(provider_id, int | None):
        raise RequestRejectedError(400, "provider_id is invalid")
    if provider_id is not None and provider_id not in practice.providers:
        raise RequestRejectedError(404, f"Provider with id {provider_id} not found")
    operatory_id = record.get("operatory_id")
    if operatory_id is not None and (
        not isinstance(operatory_id, int) or operatory_id not in practice.operatories
    ):
        raise RequestRejectedError(404, f"Operatory with id {operatory_id} not found")
    for type_id in ints(record.get("appointment_type_ids")):
        if type_id not in practice.appointment_types:
            raise RequestRejectedError(404, f"Appointment type with id {type_id} not found")


def _create(call: SandboxCall) -> HandlerResult:
    wrapper = _WRAPPER[call.version]
    reject_missing(
        call.body, f"{wrapper}.provider_id", f"{wrapper}.begin_time", f"{wrapper}.end_time"
    )
    body = call.wrapped(wrapper)
    practice = call.practice
    provider_id = body["provider_id"]
    if provider_id not in practice.providers:
        raise RequestRejectedError(404, f"Provider with id {provider_id} not found")
    record: JsonRow = {
        "provider_id": provider_id,
        "location_id": call.params.number("location_id"),
        "operatory_id": body.get("operatory_id"),
        "begin_time": body.get("begin_time"),
        "end_time": body.get("end_time"),
        **_parse_pattern(body),
        "tz_offset": practice.offset(call.now, colon=False),
        "active": body.get("active") is not False,
        "synced": False,
        "label_id": None,
        "appointment_type_ids": ints(body.get("appointment_type_ids")),
    }
    _check_times(record)
    _check_related(call, record)
    id = practice.availabilities.add(record)
    return HandlerResult(data=availability_row(practice, id, call.version, types=False), status=201)


def _update(call: SandboxCall) -> HandlerResult:
    body = call.wrapped(_WRAPPER[call.version])
    hours = _find(call)
    changes: JsonRow = {
        name: body[name]
        for name in (
            "provider_id",
            "begin_time",
            "end_time",
            "operatory_id",
            "appointment_type_ids",
            "active",
        )
        if name in body
    }
    if any(name in body for name in _PATTERNS):
        changes |= _parse_pattern(body)
    _check_times({**hours, **changes})
    _check_related(call, changes)
    call.practice.availabilities.update(call.ids[0], **changes)
    return HandlerResult(
        data=availability_row(call.practice, call.ids[0], call.version, types=call.version == "v3"),
        description="Resource updated successfully.",
    )


def _delete(call: SandboxCall) -> HandlerResult:
    hours = _find(call)
    call.practice.availabilities.delete(call.ids[0])
    status = 204 if call.version == "v3" else call.world.assumptions.delete_availability_status
    return HandlerResult(data={"id": hours["id"]}, status=status)


_FILTERS: Final = (
    "subdomain! location_id:int! provider_id:int operatory_id:int active:bool "
    "ignore_past_dates:bool include:texts"
)


def _routes(path: str, versions: tuple[Version, ...]) -> tuple[Route, ...]:
    one = path + "/{id}"
    operations = (
        ("POST", path, _create, "subdomain! location_id:int!"),
        ("GET", one, _get, "subdomain! include:texts"),
        ("PATCH", one, _update, "subdomain!"),
        ("DELETE", one, _delete, "subdomain!"),
    )
    return tuple(
        Route(method=method, path=path, handler=handler, filters=filters, versions=versions)
        for method, path, handler, filters in operations
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
