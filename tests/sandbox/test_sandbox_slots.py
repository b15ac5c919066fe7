"""Working hours, and the slots they leave, across time zones and DST changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nexhealth_async.sandbox import Clock, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient, RawResponse

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)  # a Monday; eight in the morning in New York
DAY = "2026-07-01"


@pytest.fixture
async def wire(dial: Dial) -> RawClient:
    return await dial(Sandbox(clock=Clock(NOW), appointments=0))


async def search(
    wire: RawClient, *, pids: int = 1, more: list[tuple[str, Any]] | None = None, **params: Any
) -> RawResponse:
    query = [("lids[]", wire.sandbox.location_id)]
    query += [("pids[]", id) for id in wire.sandbox.providers.ids[:pids]]
    whole = {"start_date": DAY, "days": 1, **params}
    return await wire.get(
        "/appointment_slots", [*query, *whole.items(), *(more or [])], scope="subdomain"
    )


async def slots(wire: RawClient, **params: Any) -> list[str]:
    (group,) = (await search(wire, **params)).rows
    return [one["time"] for one in group["slots"]]


async def test_a_free_day_is_cut_into_quarters_with_the_offices_offset(wire: RawClient) -> None:
    reply = await search(wire)
    assert reply.json["count"] == 1
    (group,) = reply.rows
    assert set(group) == {"lid", "pid", "slots"}
    assert len(group["slots"]) == 32
    assert group["slots"][0] == {
        "time": "2026-07-01T09:00:00.000-04:00",
        "end_time": "2026-07-01T09:15:00.000-04:00",
        "operatory_id": wire.sandbox.operatories.ids[0],
    }
    assert group["slots"][-1]["end_time"] == "2026-07-01T17:00:00.000-04:00"


async def test_groups_are_counted_not_slots(wire: RawClient) -> None:
    reply = await search(wire, pids=3, days=2)
    assert reply.json["count"] == 3
    assert [len(row["slots"]) for row in reply.rows] == [64, 64, 64]


async def test_length_interval_and_type(wire: RawClient) -> None:
    hour = await slots(wire, slot_length=60)
    assert len(hour) == 8
    assert len(await slots(wire, slot_length=60, slot_interval=30)) == 15
    cleaning = wire.sandbox.appointment_types.ids[0]
    assert await slots(wire, appointment_type_id=cleaning) == hour
    for id in wire.sandbox.availabilities.ids:
        wire.sandbox.availabilities.update(id, appointment_type_ids=[])
    assert await slots(wire, appointment_type_id=cleaning) == []
    assert (await search(wire, slot_length=0)).status == 400
    assert (await search(wire, appointment_type_id=7)).status == 404


async def test_a_listed_slot_can_be_booked_and_is_then_gone(wire: RawClient) -> None:
    (group,) = (await search(wire, slot_length=30)).rows
    slot = group["slots"][3]
    appt = {
        "patient_id": wire.sandbox.patients.ids[0],
        "provider_id": group["pid"],
        "operatory_id": slot["operatory_id"],
        "start_time": slot["time"],
        "end_time": slot["end_time"],
    }
    made = await wire.call("POST", "/appointments", json={"appt": appt})
    assert made.status == 201
    left = await slots(wire, slot_length=30)
    assert slot["time"] not in left
    assert len(left) == 15
    assert len(await slots(wire, slot_length=60)) == 7
    cancel = {"appt": {"cancelled": True}}
    path = f"/appointments/{made.data['appt']['id']}"
    await wire.call("PATCH", path, json=cancel, scope="subdomain")
    assert len(await slots(wire, slot_length=30)) == 16


async def test_the_past_is_not_bookable(wire: RawClient) -> None:
    wire.sandbox.clock.advance(3 * 3600)
    await wire.login()
    today = await slots(wire, start_date="2026-06-01")
    assert today[0] == "2026-06-01T11:15:00.000-04:00"


async def test_required_parameters(wire: RawClient) -> None:
    base: dict[str, Any] = {"start_date": DAY, "days": 1, "lids[]": wire.sandbox.location_id}
    for name in ("start_date", "days"):
        some = {key: value for key, value in base.items() if key != name}
        reply = await wire.get("/appointment_slots", some, scope="subdomain")
        assert (reply.status, reply.error) == (400, f"Missing parameter {name}")
    reply = await wire.get("/appointment_slots", base, scope="subdomain")
    assert reply.error == "Missing parameter pids"
    kind = {"appointment_type_id": wire.sandbox.appointment_types.ids[0]}
    assert (await wire.get("/appointment_slots", {**base, **kind}, scope="subdomain")).status == 400
    wire.sandbox.assumptions.pids_required = False
    reply = await wire.get("/appointment_slots", {**base, **kind}, scope="subdomain")
    assert reply.json["count"] == 3
    base["lids[]"] = 5
    reply = await wire.get("/appointment_slots", {**base, **kind}, scope="subdomain")
    assert (reply.status, reply.error) == (404, "Location with id 5 not found")


async def test_joined_ids_return_an_empty_list(wire: RawClient) -> None:
    joined = {"start_date": DAY, "days": 1, "lids": "1,2"}
    reply = await wire.get("/appointment_slots", joined, scope="subdomain")
    assert (reply.status, reply.rows, reply.json["description"]) == (200, [], None)


async def test_next_available_date_is_given_only_without_slots(wire: RawClient) -> None:
    saturday = await search(wire, start_date="2026-07-04", days=2)
    (group,) = saturday.rows
    assert (group["slots"], group["next_available_date"]) == ([], "2026-07-06")
    for id in tuple(wire.sandbox.availabilities.ids):
        wire.sandbox.availabilities.update(id, active=False)
    (group,) = (await search(wire)).rows
    assert group["next_available_date"] is None


async def add_hours(wire: RawClient, **fields: Any) -> RawResponse:
    record = {
        "provider_id": wire.sandbox.providers.ids[0],
        "begin_time": "00:00",
        "end_time": "04:00",
        **fields,
    }
    return await wire.call("POST", "/availabilities", json={"availability": record})


def only_new_hours(wire: RawClient) -> None:
    for id in tuple(wire.sandbox.availabilities.ids):
        wire.sandbox.availabilities.delete(id)


async def test_clocks_going_forward_and_back(wire: RawClient) -> None:
    only_new_hours(wire)
    room = wire.sandbox.operatories.ids[0]
    await add_hours(wire, days=["Sunday"], operatory_id=room)
    back = await slots(wire, start_date="2026-11-01", slot_length=60)
    assert [one[11:] for one in back] == [
        "00:00:00.000-04:00",
        "01:00:00.000-04:00",
        "01:00:00.000-05:00",
        "02:00:00.000-05:00",
        "03:00:00.000-05:00",
    ]
    forward = await slots(wire, start_date="2027-03-14", slot_length=60)
    assert [one[11:] for one in forward] == [
        "00:00:00.000-05:00",
        "01:00:00.000-05:00",
        "03:00:00.000-04:00",
    ]


async def test_hours_without_an_operatory_use_any_free_one(wire: RawClient) -> None:
    only_new_hours(wire)
    await add_hours(wire, days=["Wednesday"])
    (group,) = (await search(wire, slot_length=60)).rows
    first, second, _ = wire.sandbox.operatories.ids
    assert [one["operatory_id"] for one in group["slots"]] == [first] * 4
    (group,) = (await search(wire, slot_length=60, overlapping_operatory_slots="true")).rows
    assert len(group["slots"]) == 12
    only = [("operatory_ids[]", second)]
    (group,) = (await search(wire, slot_length=60, more=only)).rows
    assert {one["operatory_id"] for one in group["slots"]} == {second}
    wire.sandbox.practice.locations.update(wire.sandbox.location_id, map_by_operatory=False)
    (group,) = (await search(wire, slot_length=60)).rows
    assert "operatory_id" not in group["slots"][0]


@pytest.mark.parametrize(
    ("pattern", "days"),
    [
        ({"specific_date": "2026-07-09"}, ["09"]),
        ({"days": ["Monday", "Thursday"]}, ["02", "06", "09", "13"]),
        ({"custom_recurrence": {"num": 5, "unit": "day", "ref": "2026-07-03"}}, ["03", "08", "13"]),
        ({"custom_recurrence": {"num": 2, "unit": "week", "ref": "2026-06-18"}}, ["02"]),
        ({"custom_recurrence": {"num": 1, "unit": "month", "ref": "2026-05-12"}}, ["12"]),
        ({"custom_recurrence": {"num": 2, "unit": "month", "ref": "2026-06-12"}}, []),
    ],
)
async def test_patterns_of_working_hours(
    wire: RawClient, pattern: dict[str, Any], days: list[str]
) -> None:
    only_new_hours(wire)
    assert (await add_hours(wire, **pattern)).status == 201
    found = await slots(wire, days=13, slot_length=240)
    assert [one[8:10] for one in found] == days


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Exactly one of"),
        ({"days": ["Monday"], "specific_date": "2026-07-09"}, "Exactly one of"),
        ({"days": ["Moonday"]}, "days is invalid"),
        ({"specific_date": "soon"}, "specific_date is invalid"),
        ({"custom_recurrence": {"num": 0, "unit": "day", "ref": DAY}}, "custom_recurrence is"),
        ({"days": ["Monday"], "begin_time": None}, "Missing parameter availability[begin_time]"),
        ({"days": ["Monday"], "begin_time": "9:00"}, "begin_time is invalid"),
        ({"days": ["Monday"], "begin_time": "05:00"}, "after begin_time"),
        ({"days": ["Monday"], "provider_id": None}, "Missing parameter availability[provider_id]"),
    ],
)
async def test_invalid_working_hours_are_rejected(
    wire: RawClient, fields: dict[str, Any], text: str
) -> None:
    reply = await add_hours(wire, **fields)
    assert reply.status == 400
    assert text in reply.error


async def test_working_hours_are_added_and_removed(wire: RawClient) -> None:
    kinds = list(wire.sandbox.appointment_types.ids[:2])
    made = await add_hours(wire, days=["Sunday"], appointment_type_ids=kinds)
    assert made.status == 201
    assert set(made.data) == {
        "id", "provider_id", "location_id", "operatory_id", "begin_time", "end_time", "days",
        "specific_date", "custom_recurrence", "tz_offset", "active", "synced",
    }  # fmt: skip
    assert made.data["tz_offset"] == "-0400"
    path = f"/availabilities/{made.data['id']}"
    included = {"include[]": "appointment_types"}
    row = (await wire.get(path, included, scope="subdomain")).data
    assert [one["id"] for one in row["appointment_types"]] == kinds
    change = {"availability": {"specific_date": "2026-05-01", "end_time": "05:00"}}
    changed = await wire.call("PATCH", path, json=change, scope="subdomain")
    assert (changed.data["days"], changed.data["specific_date"]) == (None, "2026-05-01")
    assert (await wire.get("/availabilities")).json["count"] == 4
    later = await wire.get("/availabilities", {"ignore_past_dates": "true"})
    assert later.json["count"] == 3
    off = {"availability": {"active": False}}
    await wire.call("PATCH", path, json=off, scope="subdomain")
    assert (await wire.get("/availabilities")).json["count"] == 3
    assert (await wire.get("/availabilities", {"active": "false"})).ids == [made.data["id"]]
    one = {"provider_id": wire.sandbox.providers.ids[1]}
    assert (await wire.get("/availabilities", one)).json["count"] == 1
    gone = await wire.call("DELETE", path, scope="subdomain")
    assert (gone.status, gone.body) == (204, b"")
    assert (await wire.call("DELETE", path, scope="subdomain")).status == 404
    wire.sandbox.assumptions.delete_availability_status = 200
    last = f"/availabilities/{wire.sandbox.availabilities.ids[0]}"
    assert (await wire.call("DELETE", last, scope="subdomain")).status == 200


async def test_related_ids_of_working_hours_must_exist(wire: RawClient) -> None:
    for fields in ({"operatory_id": 3}, {"appointment_type_ids": [3]}, {"provider_id": 3}):
        assert (await add_hours(wire, days=["Monday"], **fields)).status == 404
