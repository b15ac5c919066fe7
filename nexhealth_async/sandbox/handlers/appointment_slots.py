"""Bookable slots: working hours without booked times, in the location's time zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from nexhealth_async.sandbox.handlers.appointment_checks import BusyTime, busy_times
from nexhealth_async.sandbox.handlers.working_hours import WEEKDAYS
from nexhealth_async.sandbox.json_format import (
    JsonRow,
    RequestRejectedError,
    ints,
    number,
    row,
    text,
)
from nexhealth_async.sandbox.practice import Practice
from nexhealth_async.sandbox.routes import V3, HandlerResult, Route, SandboxCall

__all__ = ["ROUTES"]

_MAX_DAYS: Final = 366
"""Maximum number of days of a search; an assumption, see `Assumptions`."""
_HORIZON: Final = 180
"""Number of days searched for ``next_available_date`` (documented)."""


@frozen(kw_only=True)
class _Search:
    practice: Practice
    location_id: int
    provider_id: int
    zone: ZoneInfo
    length: float
    interval: float
    type_id: int | None
    operatory_ids: Sequence[int]
    overlapping: bool
    busy: Sequence[BusyTime]
    now: float
    label_id: int | None
    synced: bool | None
    v3: bool

    def slots(self, day: date) -> list[JsonRow]:
        """Return the slots that start on a day, earliest first."""
        labels: dict[tuple[float, int | None], object] = {}
        for hours in self.practice.availabilities:
            if not self._matches_hours(hours) or not _applies(hours, day):
                continue
            for operatory_id in self._operatory_ids(hours):
                window = self._window(hours, day)
                starts = self._starts(window, operatory_id)
                keys = ((start, operatory_id) for start in starts)
                labels |= dict.fromkeys(keys, hours.get("label_id"))
        ordered = sorted(labels, key=lambda key: (key[0], key[1] or 0))
        slots: list[JsonRow] = []
        for index, (start, operatory_id) in enumerate(ordered):
            if not self.overlapping and index and ordered[index - 1][0] == start:
                continue
            label = labels[start, operatory_id]
            slot: JsonRow = {
                "time": self._local(start),
                "end_time": self._local(start + self.length),
            }
            if operatory_id is not None:
                slot["operatory_id"] = operatory_id
            if self.v3:
                slot |= {"provider_id": self.provider_id, "working_hour_label_id": label}
            slots.append(slot)
        return slots

    def _matches_hours(self, hours: JsonRow) -> bool:
        return (
            hours.get("active") is True
            and hours.get("provider_id") == self.provider_id
            and hours.get("location_id") == self.location_id
            and (self.label_id is None or hours.get("label_id") == self.label_id)
            and (self.synced is None or bool(hours.get("synced")) is self.synced)
            and (self.type_id is None or self.type_id in ints(hours.get("appointment_type_ids")))
        )

    def _operatory_ids(self, hours: JsonRow) -> Iterable[int | None]:
        operatory_id = hours.get("operatory_id")
        location = self.practice.locations.row(self.location_id)
        if isinstance(operatory_id, int):
            ids = [operatory_id]
        elif location.get("map_by_operatory") is True or self.operatory_ids:
            ids = [
                number(operatory, "id")
                for operatory in self.practice.operatories
                if operatory.get("location_id") == self.location_id
                and operatory.get("active")
                and operatory.get("bookable_online")
            ]
        else:
            return (None,)
        return [id for id in ids if not self.operatory_ids or id in self.operatory_ids]

    def _window(self, hours: JsonRow, day: date) -> tuple[float, float]:
        begin, end = (
            datetime.combine(day, time.fromisoformat(text(hours, name)), self.zone).timestamp()
            for name in ("begin_time", "end_time")
        )
        return begin, end

    def _starts(self, window: tuple[float, float], operatory_id: int | None) -> Iterator[float]:
        busy = sorted(
            (time.start, time.end)
            for time in self.busy
            if time.provider_id == self.provider_id
            or (operatory_id is not None and time.operatory_id == operatory_id)
        )
        slot_start, close = window
        for start, end in [*busy, (close, close)]:
            free_until = min(start, close)
            while slot_start + self.length <= free_until:
                if slot_start > self.now:
                    yield slot_start
                slot_start += self.interval
            if end > window[0] and start < close:
                slot_start = max(slot_start, end)

    def _local(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, self.zone).isoformat(timespec="milliseconds")


def _applies(hours: JsonRow, day: date) -> bool:
    """Return whether working hours apply to a day, by date, recurrence or weekdays."""
    specific_date = text(hours, "specific_date")
    if specific_date:
        return specific_date == day.isoformat()
    rule = row(hours.get("custom_recurrence"))
    if rule is None:
        days = hours.get("days")
        return isinstance(days, list) and WEEKDAYS[day.weekday()] in days
    first, every = date.fromisoformat(text(rule, "ref")), number(rule, "num")
    if day < first:
        return False
    if rule.get("unit") == "month":
        months = (day.year - first.year) * 12 + day.month - first.month
        return day.day == first.day and months % every == 0
    return (day - first).days % (every * (7 if rule.get("unit") == "week" else 1)) == 0


def _positive_param(call: SandboxCall, name: str, default: int) -> int:
    value = call.params.number(name)
    if value is not None and value < 1:
        raise RequestRejectedError(400, f"{name} is invalid")
    return default if value is None else value


def _parse_days(call: SandboxCall) -> tuple[date, int]:
    first = call.params.day("start_date")
    if first is None:
        raise RequestRejectedError(400, "Missing parameter start_date")
    days = _positive_param(call, "days", 1)
    if days > _MAX_DAYS or first.toordinal() + days + _HORIZON > date.max.toordinal():
        raise RequestRejectedError(400, "days is invalid")
    return first, days


def _slots(call: SandboxCall) -> HandlerResult:
    params, practice = call.params, call.practice
    lids, pids = params.ints("lids"), params.ints("pids")
    if not lids:
        if "lids" in params.ignored:
            # "lids=1,2" gives an empty list without an error, as one client observed.
            return HandlerResult(data=[], count=0, omit_count=True)
        raise RequestRejectedError(400, "Missing parameter lids")
    type_id = params.number("appointment_type_id")
    needs_pids = call.version == "v2" and call.world.assumptions.pids_required
    if not pids and (needs_pids or type_id is None):
        raise RequestRejectedError(400, "Missing parameter pids")
    minutes = _positive_param(call, "slot_length", 15)
    if type_id is not None:
        kind = practice.appointment_types.get(type_id)
        if kind is None:
            raise RequestRejectedError(404, f"Appointment type with id {type_id} not found")
        minutes = number(kind, "minutes")
    first, days = _parse_days(call)
    source = params.text("working_hour_source")
    busy = busy_times(practice)
    groups: list[JsonRow] = []
    for location_id in lids:
        call.world.location(location_id, practice)
        for provider_id in pids or practice.providers.ids:
            if provider_id not in practice.providers:
                continue
            search = _Search(
                practice=practice,
                location_id=location_id,
                provider_id=provider_id,
                zone=practice.zone(location_id),
                length=minutes * 60,
                interval=_positive_param(call, "slot_interval", minutes) * 60,
                type_id=type_id,
                operatory_ids=params.ints("operatory_ids"),
                overlapping=params.flag("overlapping_operatory_slots") is True,
                busy=busy,
                now=call.now,
                label_id=params.number("working_hour_label_id"),
                synced=None if source is None else source == "synced",
                v3=call.version == "v3",
            )
            groups.append(_group(search, first, days))
    return HandlerResult(data=groups, count=len(groups))


def _group(search: _Search, first: date, days: int) -> JsonRow:
    slots = [slot for i in range(days) for slot in search.slots(first + timedelta(days=i))]
    group: JsonRow = {"lid": search.location_id, "pid": search.provider_id, "slots": slots}
    if not slots:
        later_days = (first + timedelta(days=i) for i in range(days, _HORIZON + 1))
        group["next_available_date"] = next(
            (day.isoformat() for day in later_days if search.slots(day)), None
        )
    return group


_FILTERS: Final = (
    "subdomain! start_date:date! days:int! lids:ints pids:ints operatory_ids:ints "
    "appointment_type_id:int slot_length:int slot_interval:int overlapping_operatory_slots:bool"
)

ROUTES: Final = (
    Route(
        method="GET",
        path="/appointment_slots",
        handler=_slots,
        filters=_FILTERS,
        rate="slow",
    ),
    Route(
        method="GET",
        path="/available_slots",
        handler=_slots,
        filters=f"{_FILTERS} working_hour_label_id:int working_hour_source "
        "appointments_per_timeslot:int",
        versions=V3,
        rate="slow",
        no_404=True,
    ),
)
