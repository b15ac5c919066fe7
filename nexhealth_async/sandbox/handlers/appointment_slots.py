"""Bookable slots: working hours less what is booked, in the office's own time zone."""

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

_MOST_DAYS: Final = 366
"""More in one search are refused: a guess, to end it."""
_HORIZON: Final = 180
"""Days within which ``next_available_date`` is looked for (documented)."""


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
        """The slots that start on a day, earliest first."""
        found: dict[tuple[float, int | None], object] = {}
        for hours in self.practice.availabilities:
            if not self._matches_hours(hours) or not _applies(hours, day):
                continue
            for room in self._operatories(hours):
                window = self._window(hours, day)
                starts = self._starts(window, room)
                found |= dict.fromkeys(((start, room) for start in starts), hours.get("label_id"))
        chosen = sorted(found, key=lambda one: (one[0], one[1] or 0))
        shown: list[JsonRow] = []
        for at, (start, room) in enumerate(chosen):
            if not self.overlapping and at and chosen[at - 1][0] == start:
                continue
            label = found[start, room]
            slot: JsonRow = {
                "time": self._local(start),
                "end_time": self._local(start + self.length),
            }
            if room is not None:
                slot["operatory_id"] = room
            if self.v3:
                slot |= {"provider_id": self.provider_id, "working_hour_label_id": label}
            shown.append(slot)
        return shown

    def _matches_hours(self, hours: JsonRow) -> bool:
        return (
            hours.get("active") is True
            and hours.get("provider_id") == self.provider_id
            and hours.get("location_id") == self.location_id
            and (self.label_id is None or hours.get("label_id") == self.label_id)
            and (self.synced is None or bool(hours.get("synced")) is self.synced)
            and (self.type_id is None or self.type_id in ints(hours.get("appointment_type_ids")))
        )

    def _operatories(self, hours: JsonRow) -> Iterable[int | None]:
        own = hours.get("operatory_id")
        office = self.practice.locations.row(self.location_id)
        if isinstance(own, int):
            rooms = [own]
        elif office.get("map_by_operatory") is True or self.operatory_ids:
            rooms = [
                number(one, "id")
                for one in self.practice.operatories
                if one.get("location_id") == self.location_id
                and one.get("active")
                and one.get("bookable_online")
            ]
        else:
            return (None,)
        return [one for one in rooms if not self.operatory_ids or one in self.operatory_ids]

    def _window(self, hours: JsonRow, day: date) -> tuple[float, float]:
        begin, end = (
            datetime.combine(day, time.fromisoformat(text(hours, name)), self.zone).timestamp()
            for name in ("begin_time", "end_time")
        )
        return begin, end

    def _starts(self, window: tuple[float, float], operatory_id: int | None) -> Iterator[float]:
        taken = sorted(
            (one.start, one.end)
            for one in self.busy
            if one.provider_id == self.provider_id
            or (operatory_id is not None and one.operatory_id == operatory_id)
        )
        at, close = window
        for start, end in [*taken, (close, close)]:
            free_until = min(start, close)
            while at + self.length <= free_until:
                if at > self.now:
                    yield at
                at += self.interval
            at = max(at, end) if end > window[0] and start < close else at

    def _local(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, self.zone).isoformat(timespec="milliseconds")


def _applies(hours: JsonRow, day: date) -> bool:
    """Whether working hours hold on a day, by whichever of their three patterns is set."""
    on = text(hours, "specific_date")
    if on:
        return on == day.isoformat()
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


def _positive(call: SandboxCall, name: str, default: int) -> int:
    value = call.params.number(name)
    if value is not None and value < 1:
        raise RequestRejectedError(400, f"{name} is invalid")
    return default if value is None else value


def _span(call: SandboxCall) -> tuple[date, int]:
    first = call.params.day("start_date")
    if first is None:
        raise RequestRejectedError(400, "Missing parameter start_date")
    days = _positive(call, "days", 1)
    if days > _MOST_DAYS or first.toordinal() + days + _HORIZON > date.max.toordinal():
        raise RequestRejectedError(400, "days is invalid")
    return first, days


def _slots(call: SandboxCall) -> HandlerResult:
    asked, practice = call.params, call.practice
    lids, pids = asked.ints("lids"), asked.ints("pids")
    if not lids:
        if "lids" in asked.ignored:
            # "lids=1,2" is answered with an empty result and no error, as one client saw.
            return HandlerResult(data=[], count=0, omit_count=True)
        raise RequestRejectedError(400, "Missing parameter lids")
    type_id = asked.number("appointment_type_id")
    needs_pids = call.version == "v2" and call.world.guesses.pids_required
    if not pids and (needs_pids or type_id is None):
        raise RequestRejectedError(400, "Missing parameter pids")
    minutes = _positive(call, "slot_length", 15)
    if type_id is not None:
        kind = practice.appointment_types.get(type_id)
        if kind is None:
            raise RequestRejectedError(404, f"Appointment type with id {type_id} not found")
        minutes = number(kind, "minutes")
    first, days = _span(call)
    source = asked.text("working_hour_source")
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
                interval=_positive(call, "slot_interval", minutes) * 60,
                type_id=type_id,
                operatory_ids=asked.ints("operatory_ids"),
                overlapping=asked.flag("overlapping_operatory_slots") is True,
                busy=busy,
                now=call.now,
                label_id=asked.number("working_hour_label_id"),
                synced=None if source is None else source == "synced",
                v3=call.version == "v3",
            )
            groups.append(_group(search, first, days))
    return HandlerResult(data=groups, count=len(groups))


def _group(search: _Search, first: date, days: int) -> JsonRow:
    found = [slot for at in range(days) for slot in search.slots(first + timedelta(days=at))]
    group: JsonRow = {"lid": search.location_id, "pid": search.provider_id, "slots": found}
    if not found:
        later = (first + timedelta(days=at) for at in range(days, _HORIZON + 1))
        group["next_available_date"] = next(
            (day.isoformat() for day in later if search.slots(day)), None
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
