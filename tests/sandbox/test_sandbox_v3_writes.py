"""Changes of v3 to patients, appointments, slots and working hours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nexhealth_async.sandbox import Clock, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient, Row

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)


async def start(dial: Dial, **settings: Any) -> RawClient:
    return (await dial(Sandbox(clock=Clock(NOW), appointments=0, **settings))).as_v3()


def newcomer(sandbox: Sandbox, **more: object) -> Row:
    return {
        "provider": {"provider_id": sandbox.providers.ids[0]},
        "patient": {
            "first_name": "Nell",
            "last_name": "Harrowgate",
            "email": "nell@example.com",
            "bio": {"date_of_birth": "1990-02-03", "phone_number": "2125550123"},
        },
        **more,
    }


def visit(sandbox: Sandbox, at: str = "2026-06-02T14:00:00Z", **more: object) -> Row:
    return {
        "appt": {
            "patient_id": sandbox.patients.ids[0],
            "provider_id": sandbox.providers.ids[0],
            "operatory_id": sandbox.operatories.ids[0],
            "start_time": at,
            "end_time": at.replace(":00:00Z", ":30:00Z"),
            **more,
        }
    }


async def test_found_or_created(v3: RawClient) -> None:
    query = newcomer(v3.sandbox, return_existing_if_match=True)
    made, met = await v3.post("/patients", query), await v3.post("/patients", query)
    assert (made.status, met.status) == (201, 200)
    assert made.data["user"]["id"] == met.data["user"]["id"]
    refused = await v3.post("/patients", newcomer(v3.sandbox))
    assert refused.status == 400
    assert refused.error.endswith(f"id={made.data['user']['id']}")


async def test_v2_does_not_know_return_existing(wire: RawClient) -> None:
    query = newcomer(wire.sandbox, return_existing_if_match=True)
    assert (await wire.post("/patients", query)).status == 201
    assert (await wire.post("/patients", query)).status == 400


async def test_accepted_now_written_later(dial: Dial) -> None:
    v3 = await start(dial)
    made = (await v3.post("/appointments", visit(v3.sandbox))).data["appt"]
    assert (made["foreign_id"], made["foreign_id_type"]) == (None, "nex")
    assert v3.sandbox.sync() == 1
    known = (await v3.get(f"/appointments/{made['id']}", scope="subdomain")).data
    assert known["foreign_id"]
    assert known["last_sync_time"]
    assert known["patient"]["id"] == made["patient_id"]


async def test_moving_an_appointment(dial: Dial) -> None:
    v3 = await start(dial)
    made = (await v3.post("/appointments", visit(v3.sandbox))).data["appt"]
    path = f"/appointments/{made['id']}"
    changes = {"start_time": "2026-06-03T15:00:00Z", "note": "Later"}
    moved = await v3.call("PATCH", path, scope="subdomain", json={"appt": changes})
    assert moved.status == 200
    appt = moved.data["appt"]
    assert appt["start_time"] == "2026-06-03T15:00:00.000Z"
    assert appt["end_time"] == "2026-06-03T15:30:00.000Z"
    assert appt["note"] == "Later"
    other = (await v3.post("/appointments", visit(v3.sandbox))).data["appt"]
    clash = await v3.call("PATCH", path, scope="subdomain", json=visit_at(other["start_time"]))
    assert clash.error == "this time is no longer available"
    for wrong in ({"start_time": "2020-01-01T00:00:00Z"}, {"note": "x" * 129}, {"operatory_id": 1}):
        reply = await v3.call("PATCH", path, scope="subdomain", json={"appt": wrong})
        assert reply.status in {400, 404}
    v3.sandbox.assumptions.system_reschedules = False
    assert (await v3.call("PATCH", path, scope="subdomain", json={"appt": changes})).status == 400


def visit_at(start: str) -> Row:
    return {"appt": {"start_time": start}}


async def test_v2_does_not_move_appointments(dial: Dial) -> None:
    wire = await dial(Sandbox(clock=Clock(NOW), appointments=0))
    made = (await wire.post("/appointments", visit(wire.sandbox))).data["appt"]
    reply = await wire.call(
        "PATCH",
        f"/appointments/{made['id']}",
        scope="subdomain",
        json=visit_at("2026-06-03T15:00:00Z"),
    )
    assert "start_time" in reply.json["description"]
    assert reply.data["appt"]["start_time"] == made["start_time"]


async def test_appointments_of_some_patients(v3: RawClient) -> None:
    window = [("start", "2026-01-01"), ("end", "2027-01-01"), ("per_page", 100)]
    every = await v3.get("/appointments", window)
    assert {row["cancelled"] for row in every.rows} == {True, False}
    assert len(every.rows) == len(v3.sandbox.appointments)
    people = list(v3.sandbox.patients.ids)[:2]
    some = await v3.get("/appointments", [*window, *[("patient_ids[]", id) for id in people]])
    assert {row["patient_id"] for row in some.rows} == set(people)
    many = [("patient_ids[]", at) for at in range(26)]
    assert (await v3.get("/appointments", [*window, *many])).status == 400
    assert (await v3.get("/appointments", window, scope="subdomain")).status == 400
    query = [*window, ("foreign_id", every.rows[0]["foreign_id"])]
    assert (await v3.get("/appointments", query, scope="subdomain")).ids == every.ids[:1]
    assert (await v3.get("/appointments", {"start": "2026-01-01"})).status == 400


async def test_include_replaces_the_default_fields(v3: RawClient) -> None:
    path = f"/appointments/{v3.sandbox.appointments.ids[0]}"
    query = [("include[]", "operatory")]
    assert "patient" not in (await v3.get(path, query, scope="subdomain")).data
    v3.sandbox.assumptions.include_replaces_default = False
    assert "patient" in (await v3.get(path, query, scope="subdomain")).data


async def test_slots(dial: Dial) -> None:
    v3 = await start(dial)
    sandbox = v3.sandbox
    query: list[tuple[str, Any]] = [
        ("start_date", "2026-06-02"),
        ("days", 1),
        ("lids[]", sandbox.location_id),
    ]
    assert (await v3.get("/available_slots", query, scope="subdomain")).status == 400
    query.append(("pids[]", sandbox.providers.ids[0]))
    (group,) = (await v3.get("/available_slots", query, scope="subdomain")).data
    slot = group["slots"][0]
    assert slot["time"] == "2026-06-02T09:00:00.000-04:00"
    assert slot["provider_id"] == sandbox.providers.ids[0]
    assert slot["working_hour_label_id"] == sandbox.practice.working_hour_labels.ids[0]
    for none in (("working_hour_source", "synced"), ("working_hour_label_id", 1)):
        (group,) = (await v3.get("/available_slots", [*query, none], scope="subdomain")).data
        assert group["slots"] == []


@pytest.mark.parametrize("days", [0, 400])
async def test_unreasonable_spans_of_slots(v3: RawClient, days: int) -> None:
    query = [("start_date", "2026-06-02"), ("days", days), ("lids[]", v3.sandbox.location_id)]
    query.append(("pids[]", v3.sandbox.providers.ids[0]))
    assert (await v3.get("/available_slots", query, scope="subdomain")).status == 400


async def test_working_hours_are_created_updated_and_deleted(v3: RawClient) -> None:
    fields = {
        "provider_id": v3.sandbox.providers.ids[0],
        "begin_time": "07:00",
        "end_time": "08:00",
        "days": ["Saturday"],
        "appointment_type_ids": [v3.sandbox.appointment_types.ids[0]],
    }
    assert (await v3.post("/working_hours", {"availability": fields})).status == 400
    made = (await v3.post("/working_hours", {"working_hour": fields})).data
    assert (made["source"], made["days"]) == ("manual", ["Saturday"])
    assert "synced" not in made
    path = f"/working_hours/{made['id']}"
    changed = await v3.call(
        "PATCH",
        path,
        scope="subdomain",
        json={"working_hour": {"end_time": "08:30", "appointment_type_ids": []}},
    )
    assert (changed.data["end_time"], changed.data["appointment_types"]) == ("08:30", [])
    listed = await v3.get("/working_hours", {"per_page": 50})
    assert made["id"] in listed.ids
    labelled = await v3.get("/working_hours", {"label_id": listed.rows[0]["label"]["id"]})
    assert made["id"] not in labelled.ids
    assert (await v3.call("DELETE", path, scope="subdomain")).status == 204
    assert (await v3.get(path, scope="subdomain")).status == 404
    labels = await v3.get("/working_hour_labels", {"search_name": "emerg"}, scope="subdomain")
    assert [row["name"] for row in labels.rows] == ["Emergencies"]


async def test_aliases_of_old(wire: RawClient) -> None:
    path = f"/locations/{wire.sandbox.location_id}/providers"
    assert (await wire.get(path, scope="subdomain")).ids == list(wire.sandbox.providers.ids)
    kinds = await wire.get("/appointment_categories")
    assert kinds.ids == list(wire.sandbox.appointment_types.ids)


async def test_operatories_and_providers(v3: RawClient) -> None:
    (page,) = await v3.pages("/operatories")
    assert page.rows[0]["appointment_types"]
    (page,) = await v3.pages("/providers", {"sort": "-updated_at"})
    assert page.rows[0]["locations"]
    query = [("include[]", "availabilities")]
    hours = (await v3.get("/providers", query, scope="subdomain")).rows[0]["availabilities"]
    assert hours[0]["source"] == "manual"
