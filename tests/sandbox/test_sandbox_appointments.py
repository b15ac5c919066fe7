"""Appointments: lists, bookings, rejections, changes, sync; and their types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nexhealth_async.sandbox import Clock, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient, RawResponse

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WINDOW = {"start": "2026-01-01", "end": "2027-01-01", "per_page": 300}


@pytest.fixture
async def wire(dial: Dial) -> RawClient:
    return await dial(Sandbox(clock=Clock(NOW)))


def booking(wire: RawClient, **changes: Any) -> dict[str, Any]:
    appt = {
        "patient_id": wire.sandbox.patients.ids[0],
        "provider_id": wire.sandbox.providers.ids[0],
        "operatory_id": wire.sandbox.operatories.ids[0],
        "start_time": "2026-07-01T09:00:00.000-04:00",
        "end_time": "2026-07-01T09:30:00.000-04:00",
        **changes,
    }
    return {"appt": {name: value for name, value in appt.items() if value is not None}}


async def book(wire: RawClient, **changes: Any) -> RawResponse:
    return await wire.call("POST", "/appointments", json=booking(wire, **changes))


async def test_the_list_requires_a_time_window(wire: RawClient) -> None:
    reply = await wire.get("/appointments", {"start_date": "2026-01-01"})
    assert (reply.status, reply.error) == (400, "Missing parameter start, end")
    reply = await wire.get("/appointments", {"start": "2026-01-01"})
    assert (reply.status, reply.error) == (400, "Missing parameter end")
    assert (await wire.get("/appointments", {**WINDOW, "end": "soon"})).status == 400
    assert (await wire.get("/appointments", {**WINDOW, "timezone": "Mars/One"})).status == 400


async def test_cancelled_appointments_are_hidden_by_default(wire: RawClient) -> None:
    active = await wire.get("/appointments", WINDOW)
    gone = await wire.get("/appointments", {**WINDOW, "cancelled": "true"})
    assert active.json["count"] + gone.json["count"] == 40
    assert all(row["cancelled"] and row["cancelled_at"] for row in gone.rows)
    wire.sandbox.assumptions.cancelled_when_unset = None
    assert (await wire.get("/appointments", WINDOW)).json["count"] == 40


async def test_filters(wire: RawClient) -> None:
    sandbox = wire.sandbox
    patient = sandbox.patients.ids[3]
    for name, value, field in (
        ("patient_id", patient, "patient_id"),
        ("appointment_type_id", sandbox.appointment_types.ids[1], "appointment_type_id"),
        ("provider_ids[]", sandbox.providers.ids[2], "provider_id"),
        ("operatory_ids[]", sandbox.operatories.ids[0], "operatory_id"),
    ):
        reply = await wire.get("/appointments", {**WINDOW, name: value})
        assert reply.rows
        assert {row[field] for row in reply.rows} == {value}
    assert (await wire.get("/appointments", {**WINDOW, "unavailable": "true"})).rows == []
    assert (await wire.get("/appointments", {**WINDOW, "nex_only": "true"})).rows == []
    warned = await wire.get("/appointments", {**WINDOW, "provider_id": 1})
    assert "provider_id" in warned.json["description"]


async def test_window_is_inclusive_and_accepts_a_zone(wire: RawClient) -> None:
    made = (await book(wire)).data["appt"]
    exact = {"start": made["start_time"], "end": made["start_time"]}
    assert (await wire.get("/appointments", exact)).ids == [made["id"]]
    local = {"start": "2026-07-01T09:00", "end": "2026-07-01T09:00"}
    assert (await wire.get("/appointments", local)).ids == []
    local["timezone"] = "America/New_York"
    assert (await wire.get("/appointments", local)).ids == [made["id"]]


async def test_booking_echoes_utc_and_waits_for_the_sync(wire: RawClient) -> None:
    reply = await book(wire, note="Window seat")
    assert reply.status == 201
    assert set(reply.data) == {"appt", "stripe_client_secret"}
    assert reply.data["stripe_client_secret"] is None
    assert reply.json["description"] == "Appointment created"
    assert reply.json["count"] is None
    made = reply.data["appt"]
    assert made["start_time"] == "2026-07-01T13:00:00.000Z"
    assert made["end_time"] == "2026-07-01T13:30:00.000Z"
    assert (made["timezone"], made["timezone_offset"]) == ("America/New_York", "-04:00")
    assert (made["foreign_id"], made["foreign_id_type"]) == (None, "nex")
    assert made["provider_name"]
    assert wire.sandbox.sync() == 1
    assert wire.sandbox.sync() == 0
    row = (await wire.get(f"/appointments/{made['id']}", scope="subdomain")).data
    assert row["foreign_id"]
    assert row["last_sync_time"]
    assert set(row) == set(made)
    seeded = (await wire.get("/appointments", WINDOW)).rows[0]
    assert set(seeded) == set(made)


async def test_the_type_determines_the_length(wire: RawClient) -> None:
    kind = wire.sandbox.appointment_types.ids[0]
    made = (await book(wire, end_time=None, appointment_type_id=kind)).data["appt"]
    assert made["end_time"] == "2026-07-01T14:00:00.000Z"


async def test_a_booking_without_end_and_type_takes_15_minutes(wire: RawClient) -> None:
    made = (await book(wire, end_time=None)).data["appt"]
    assert made["end_time"] == "2026-07-01T13:15:00.000Z"
    assert made["appointment_type_id"] is None


async def test_confirming_waits_for_the_sync_and_cancelling_does_not(wire: RawClient) -> None:
    path = f"/appointments/{(await book(wire)).data['appt']['id']}"
    early = await wire.call("PATCH", path, json={"appt": {"confirmed": True}}, scope="subdomain")
    assert "not synced with the PMS" in early.error
    done = await wire.call("PATCH", path, json={"appt": {"cancelled": True}}, scope="subdomain")
    assert done.data["appt"]["cancelled"] is True


async def test_the_offset_may_contradict_the_zone(wire: RawClient) -> None:
    wire.sandbox.practice.locations.update(wire.sandbox.location_id, tz="America/Chicago")
    wire.sandbox.assumptions.contradictory_offset = True
    made = (await book(wire)).data["appt"]
    assert (made["timezone"], made["timezone_offset"]) == ("America/Chicago", "-04:00")


async def test_descriptor_ids_may_be_text(wire: RawClient) -> None:
    wire.sandbox.assumptions.text_descriptor_ids = True
    path = f"/locations/{wire.sandbox.location_id}/appointment_descriptors"
    ids = [row["id"] for row in (await wire.get(path, scope=None)).rows]
    assert all(isinstance(id, str) for id in ids)
    made = (await book(wire, descriptor_ids=ids[:2])).data["appt"]
    path = f"/appointments/{made['id']}/appointment_descriptors"
    mapped = await wire.get(path, scope="subdomain")
    assert [row["id"] for row in mapped.rows] == ids[:2]


async def test_a_practice_without_a_system_has_no_sync_status(wire: RawClient) -> None:
    await book(wire)
    wire.sandbox.practice.connected = False
    assert wire.sandbox.sync() == 0
    assert (await wire.get("/sync_status", scope="subdomain")).data == []
    assert Sandbox(practice_system=False).practice.connected is False


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"start_time": "2026-05-01T09:00:00Z"}, 400, "in the past"),
        ({"start_time": None}, 400, "Missing parameter appt[start_time]"),
        ({"start_time": "noon"}, 400, "start_time is invalid"),
        ({"end_time": "2026-07-01T09:00:00.000-04:00"}, 400, "after start_time"),
        ({"operatory_id": None}, 400, "Missing parameter appt[operatory_id]"),
        ({"operatory_id": 5}, 404, "Operatory with id 5 not found"),
        ({"patient_id": None}, 400, "Missing parameter appt[patient_id]"),
        (
            {"patient_id": None, "provider_id": None},
            400,
            "Missing parameter appt[patient_id], appt[provider_id]",
        ),
        ({"patient_id": 5}, 404, "Patient with id 5 not found"),
        ({"provider_id": "x"}, 400, "provider_id is invalid"),
        ({"note": "x" * 129}, 400, "note is too long"),
    ],
)
async def test_invalid_bookings_are_rejected(
    wire: RawClient, changes: dict[str, Any], status: int, text: str
) -> None:
    reply = await book(wire, **changes)
    assert reply.status == status
    assert text in reply.error
    assert len(wire.sandbox.appointments) == 40


async def test_unwrapped_bookings_are_rejected(wire: RawClient) -> None:
    reply = await wire.call("POST", "/appointments", json=booking(wire)["appt"])
    assert (reply.status, reply.error) == (400, "Missing parameter appt")


async def test_taken_slots_are_rejected(wire: RawClient) -> None:
    first = await book(wire)
    other = {
        "provider_id": wire.sandbox.providers.ids[1],
        "operatory_id": wire.sandbox.operatories.ids[1],
    }
    for changes in (
        {},
        {"operatory_id": other["operatory_id"]},
        {"provider_id": other["provider_id"]},
    ):
        reply = await book(wire, **changes)
        assert (reply.status, reply.error) == (400, "this time is no longer available")
    assert (await book(wire, **other)).status == 201
    half_past = {"start_time": "2026-07-01T13:30:00Z", "end_time": "2026-07-01T14:00:00Z"}
    assert (await book(wire, **half_past)).status == 201
    cancelled = {"appt": {"cancelled": True}}
    path = f"/appointments/{first.data['appt']['id']}"
    await wire.call("PATCH", path, json=cancelled, scope="subdomain")
    assert (await book(wire)).status == 201


async def test_double_booking_can_be_allowed(wire: RawClient) -> None:
    await book(wire)
    body = {**booking(wire), "appointments_per_timeslot": 2}
    assert (await wire.call("POST", "/appointments", json=body)).status == 201
    assert (await wire.call("POST", "/appointments", json=body)).status == 400
    body["appointments_per_timeslot"] = 6
    assert "invalid" in (await wire.call("POST", "/appointments", json=body)).error


async def test_blocks_have_no_patient(wire: RawClient) -> None:
    made = (await book(wire, patient_id=None, unavailable=True)).data["appt"]
    assert made["unavailable"] is True
    assert made["patient_id"] is None
    blocks = await wire.get("/appointments", {**WINDOW, "unavailable": "true"})
    assert blocks.ids == [made["id"]]


async def test_types_must_be_configured_for_the_provider(wire: RawClient) -> None:
    body = {"appointment_type": {"name": "Brand new", "minutes": 20}}
    made = await wire.call("POST", "/appointment_types", json=body, scope="subdomain")
    reply = await book(wire, end_time=None, appointment_type_id=made.data["id"])
    text = "appointment_type_id was not found to be configured for the requested slot"
    assert (reply.status, reply.error) == (400, text)


async def test_room_is_optional_unless_booking_is_mapped_by_room(dial: Dial) -> None:
    wire = await dial(Sandbox(clock=Clock(NOW), map_by_operatory=False))
    assert (await book(wire, operatory_id=None)).status == 201


async def test_updates_change_three_fields_only(wire: RawClient) -> None:
    made = (await book(wire)).data["appt"]
    path = f"/appointments/{made['id']}"

    async def patch(**fields: Any) -> RawResponse:
        return await wire.call("PATCH", path, json={"appt": fields}, scope="subdomain")

    wire.sandbox.sync()
    reply = await patch(confirmed=True, checkin_at="2026-07-01T09:05:00-04:00")
    assert (reply.status, reply.json["description"]) == (200, "Resource updated successfully.")
    assert reply.data["appt"]["confirmed"] is True
    assert reply.data["appt"]["checkin_at"] == "2026-07-01T13:05:00.000Z"
    assert (await patch(confirmed=False)).status == 400
    assert (await patch(checkin_at="2026-07-01T13:06:00Z")).status == 400
    moved = await patch(start_time="2026-07-02T13:00:00Z")
    assert "ignored: start_time" in moved.json["description"]
    assert moved.data["appt"]["start_time"] == made["start_time"]
    assert (await patch(cancelled=True)).data["appt"]["cancelled_at"]
    again = await patch(cancelled=True)
    assert (again.status, again.error) == (400, "Cannot update already cancelled appointment")
    unwrapped = await wire.call("PATCH", path, json={"cancelled": True}, scope="subdomain")
    assert unwrapped.error == "Missing parameter appt"


async def test_open_facts_of_updates_are_switches(wire: RawClient) -> None:
    assumptions = wire.sandbox.assumptions
    assumptions.v2_checkin, assumptions.confirm_needs_sync = False, False
    assumptions.appointment_record_at = "bare"
    made = (await book(wire)).data
    path = f"/appointments/{made['id']}"
    arrived = {"appt": {"checkin_at": "2026-07-01T13:05:00Z"}}
    reply = await wire.call("PATCH", path, json=arrived, scope="subdomain")
    assert reply.data["checkin_at"] is None
    sure = {"appt": {"confirmed": True}}
    assert (await wire.call("PATCH", path, json=sure, scope="subdomain")).status == 200


async def test_includes_and_descriptors(wire: RawClient) -> None:
    ids = list(wire.sandbox.practice.descriptors.ids[:2])
    made = (await book(wire, descriptor_ids=ids)).data["appt"]
    path = f"/appointments/{made['id']}"
    includes = ["patient", "guarantor", "descriptors", "booking_details", "operatory"]
    query = [("include[]", one) for one in [*includes, "procedures", "appointment_type"]]
    row = (await wire.get(path, query, scope="subdomain")).data
    assert row["patient"]["id"] == made["patient_id"]
    assert "guarantor" in row["patient"]
    assert [one["id"] for one in row["descriptors"]] == ids
    assert row["operatory"]["id"] == made["operatory_id"]
    assert row["appointment_type"] is None
    listed = await wire.get(f"{path}/appointment_descriptors", scope="subdomain")
    assert listed.ids == ids
    of_kind = {"descriptor_type": "Appointment Type"}
    assert (await wire.get(f"{path}/appointment_descriptors", of_kind)).rows == []


async def test_appointment_types_are_created_updated_and_deleted(wire: RawClient) -> None:
    listed = await wire.get("/appointment_types", scope="subdomain")
    assert listed.json["count"] == 4
    assert set(listed.rows[0]) == {
        "id", "name", "parent_type", "parent_id", "minutes", "bookable_online",
    }  # fmt: skip
    fields = {"name": "Whitening", "minutes": 40, "emr_appt_descriptor_ids": [9001]}
    bare = await wire.call("POST", "/appointment_types", json=fields, scope="subdomain")
    assert (bare.status, bare.error) == (400, "Missing parameter appointment_type")
    body = {"appointment_type": fields}
    made = await wire.call("POST", "/appointment_types", json=body, scope="subdomain")
    assert made.status == 201
    assert made.data["minutes"] == 40
    taken = await wire.call("POST", "/appointment_types", json=body, scope="subdomain")
    assert taken.status == 400
    path = f"/appointment_types/{made.data['id']}"
    row = await wire.get(path, {"include[]": "descriptors"}, scope="subdomain")
    assert [one["id"] for one in row.data["descriptors"]] == [9001]
    assert (await wire.get(f"{path}/appointment_descriptors", scope="subdomain")).ids == [9001]
    change = {"appointment_type": {"minutes": 50}}
    assert (await wire.call("PATCH", path, json=change, scope="subdomain")).data["minutes"] == 50
    gone = await wire.call("DELETE", path, scope="subdomain")
    assert (gone.status, gone.data["name"]) == (200, "Whitening")
    assert (await wire.call("DELETE", path, scope="subdomain")).status == 404


async def test_types_of_one_location(wire: RawClient) -> None:
    fields: dict[str, Any] = {"name": "Here only", "parent_type": "Location"}
    body = {"appointment_type": fields}
    reply = await wire.call("POST", "/appointment_types", json=body, scope="subdomain")
    assert reply.error == "Missing parameter parent_id"
    fields["parent_id"] = wire.sandbox.location_id
    made = await wire.call("POST", "/appointment_types", json=body, scope="subdomain")
    assert made.data["id"] in (await wire.get("/appointment_types")).ids
