"""Patients, their filters and includes; new patients; alerts and coverages."""

from __future__ import annotations

from typing import Any

import pytest

from nexhealth_async.sandbox import Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient

OBSERVED = {
    "id",
    "email",
    "first_name",
    "middle_name",
    "last_name",
    "name",
    "created_at",
    "updated_at",
    "institution_id",
    "foreign_id",
    "foreign_id_type",
    "bio",
    "inactive",
    "last_sync_time",
    "guarantor_id",
    "unsubscribe_sms",
    "balance",
    "billing_type",
    "chart_id",
    "preferred_language",
    "preferred_locale",
    "location_ids",
    "provider_id",
}


def newcomer(wire: RawClient, **changes: Any) -> dict[str, Any]:
    bio = {"date_of_birth": "1990-02-03", "phone_number": "2125550123", "gender": "Female"}
    patient = {
        "first_name": "Nova",
        "last_name": "Newling",
        "email": "nova@example.com",
        "bio": bio,
        **changes,
    }
    return {"provider": {"provider_id": wire.sandbox.providers.ids[0]}, "patient": patient}


async def test_patients_have_every_field_recorded(wire: RawClient) -> None:
    (row,) = (await wire.get("/patients", {"per_page": 1})).rows
    assert set(row) == OBSERVED
    assert {"gender", "phone_number", "date_of_birth", "verified_mobile"} <= set(row["bio"])
    assert row["balance"] == {"amount": "0.00", "currency": "USD"}
    assert row["created_at"].endswith("Z")


async def test_combined_filters_narrow_the_result(wire: RawClient) -> None:
    chosen = wire.sandbox.patients.row(wire.sandbox.patients.ids[4])
    bio: Any = chosen["bio"]
    for params in (
        {"email": chosen["email"]},
        {"foreign_id": chosen["foreign_id"]},
        {"phone_number": bio["phone_number"], "date_of_birth": bio["date_of_birth"]},
        {"name": f"{str(chosen['last_name'])[:6].upper()} {chosen['first_name']}"},
    ):
        reply = await wire.get("/patients", params)
        assert chosen["id"] in reply.ids
        assert reply.json["count"] == len(reply.ids) < 25


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_email_and_phone_together_widen_or_narrow_as_assumed(
    wire: RawClient, version: str
) -> None:
    caller = wire.as_v3() if version == "v3" else wire
    chosen = wire.sandbox.patients.row(wire.sandbox.patients.ids[4])
    both = {"email": chosen["email"], "phone_number": "2125550000"}
    assert (await caller.get("/patients", both)).ids == [chosen["id"]]
    wire.sandbox.assumptions.email_or_phone = False
    assert (await caller.get("/patients", both)).rows == []


async def test_inactive_new_and_non_patients(wire: RawClient) -> None:
    patients = wire.sandbox.patients
    patients.insert(inactive=False, bio={"new_patient": True})
    patients.insert(inactive=False, bio={"non_patient": True})
    every = {"per_page": 300}
    active = await wire.get("/patients", {**every, "inactive": "false"})
    rest = await wire.get("/patients", {**every, "inactive": "true"})
    assert len(active.rows) + len(rest.rows) == 27
    assert not any(row["inactive"] for row in active.rows)
    assert len((await wire.get("/patients", {"new_patient": "true"})).rows) == 1
    assert len((await wire.get("/patients", {"non_patient": "true"})).rows) == 1
    assert (await wire.get("/patients", {"non_patient": "false"})).json["count"] == 26
    wire.sandbox.assumptions.new_patient_when_unset = False
    assert (await wire.get("/patients", every)).json["count"] == 26
    assert (await wire.get("/patients", {"inactive": "True"})).status == 400


async def test_updated_since_is_inclusive(wire: RawClient) -> None:
    stamps = sorted(str(row["updated_at"]) for row in wire.sandbox.patients)
    for since in (stamps[20], stamps[20].replace("Z", "+0000")):
        reply = await wire.get("/patients", {"updated_since": since, "per_page": 300})
        assert len(reply.rows) == 5
        assert min(row["updated_at"] for row in reply.rows) == stamps[20]
    unescaped = {"updated_since": stamps[20].replace("Z", " 0000")}
    assert (await wire.get("/patients", unescaped)).status == 400


async def test_location_strict_narrows_to_the_location(dial: Dial) -> None:
    wire = await dial(Sandbox(locations=2, patients=10))
    loose = await wire.get("/patients", {"per_page": 300})
    strict = await wire.get("/patients", {"per_page": 300, "location_strict": "true"})
    assert len(loose.rows) == 10
    assert len(strict.rows) == 5
    assert all(row["location_ids"] == [wire.sandbox.location_id] for row in strict.rows)


async def test_sort(wire: RawClient) -> None:
    every = {"per_page": 300}
    down = await wire.get("/patients", {**every, "sort": "-updated_at"})
    stamps = [row["updated_at"] for row in down.rows]
    assert stamps == sorted(stamps, reverse=True)
    assert (await wire.get("/patients", {**every, "sort": "-id"})).ids == sorted(
        wire.sandbox.patients.ids, reverse=True
    )
    assert (await wire.get("/patients", {"sort": "shoe_size"})).status == 400


async def test_includes_are_absent_by_default(wire: RawClient) -> None:
    includes = [
        "upcoming_appts",
        "last_visited_appointment",
        "procedures",
        "insurance_coverages",
        "patient_alerts",
        "children",
        "guarantor",
        "provider",
        "address",
        "charges",
    ]
    id = wire.sandbox.patients.ids[1]
    plain = await wire.get(f"/patients/{id}", scope="subdomain")
    assert set(plain.data) == OBSERVED
    query = [("include[]", one) for one in includes]
    full = await wire.get(f"/patients/{id}", query, scope="subdomain")
    assert set(full.data) == OBSERVED | set(includes)
    assert [one["patient_id"] for one in full.data["procedures"]] == [id, id]
    assert full.data["insurance_coverages"][0]["plan"]["name"]
    (row,) = (await wire.get("/patients", [*query, ("per_page", 1)])).rows
    assert set(row) == OBSERVED | set(includes)


async def test_upcoming_appointments_are_short(wire: RawClient) -> None:
    wire.sandbox.clock.advance(1_767_225_600 - wire.sandbox.clock.now())
    query = [("include[]", "upcoming_appts"), ("per_page", 300)]
    rows = (await wire.get("/patients", query)).rows
    visit = next(row["upcoming_appts"][0] for row in rows if row["upcoming_appts"])
    assert set(visit) == {
        "id", "provider_id", "provider_name", "start_time", "end_time", "location_id", "confirmed",
    }  # fmt: skip


async def test_location_id_on_a_single_patient_is_ignored_with_a_warning(wire: RawClient) -> None:
    reply = await wire.get(f"/patients/{wire.sandbox.patients.ids[0]}")
    assert reply.status == 200
    assert "location_id" in reply.json["description"]
    assert (await wire.get("/patients/1", scope="subdomain")).status == 404


async def test_create_then_duplicate(wire: RawClient) -> None:
    made = await wire.call("POST", "/patients", json=newcomer(wire))
    assert made.status == 201
    user = made.data["user"]
    assert set(user) == OBSERVED
    assert made.json["count"] is None
    assert (user["foreign_id"], user["foreign_id_type"]) == (None, "nex")
    assert user["bio"]["new_patient"] is True
    again = await wire.call("POST", "/patients", json=newcomer(wire))
    text = f"A patient with that information already exists - id={user['id']}"
    assert (again.status, again.error) == (400, text)
    wire.sandbox.assumptions.duplicate_status = 200
    again = await wire.call("POST", "/patients", json=newcomer(wire))
    assert (again.status, again.error) == (200, text)
    assert wire.sandbox.sync() == 1
    row = await wire.get(f"/patients/{user['id']}", scope="subdomain")
    assert row.data["foreign_id"]
    assert row.data["bio"]["new_patient"] is False


async def test_create_rejects_missing_and_invalid_fields(wire: RawClient) -> None:
    async def refusal(body: Any) -> str:
        reply = await wire.call("POST", "/patients", json=body)
        assert reply.status == 400
        return reply.error

    whole = newcomer(wire)
    assert await refusal(whole["patient"]) == "Missing parameter provider, patient"
    assert await refusal({"provider": whole["provider"]}) == "Missing parameter patient"
    for name in ("first_name", "last_name", "email", "bio"):
        assert await refusal(newcomer(wire, **{name: None})) == f"Missing parameter patient[{name}]"
    for name in ("date_of_birth", "phone_number"):
        bio = {**whole["patient"]["bio"], name: ""}
        assert await refusal(newcomer(wire, bio=bio)) == f"Missing parameter patient[bio][{name}]"
    several = {"provider": {}, "patient": {"last_name": "Moss", "bio": {"date_of_birth": " "}}}
    assert await refusal(several) == (
        "Missing parameter provider[provider_id], patient[first_name], patient[email], "
        "patient[bio][date_of_birth], patient[bio][phone_number]"
    )
    for phone in ("+12125550123", "123", "1125550123", "2121550123"):
        bio = {**whole["patient"]["bio"], "phone_number": phone}
        assert await refusal(newcomer(wire, bio=bio)) == "User phone number is invalid"
    assert await refusal([1]) == "The request body is not a JSON object"
    assert len(wire.sandbox.patients) == 25


async def test_a_missing_gender_is_stored_as_assumed(wire: RawClient) -> None:
    body = newcomer(wire)
    del body["patient"]["bio"]["gender"]
    wire.sandbox.assumptions.patient_record_at = "bare"
    made = await wire.call("POST", "/patients", json=body)
    assert made.data["bio"]["gender"] == "Female"


async def test_coverages_of_a_patient(wire: RawClient) -> None:
    id = wire.sandbox.patients.ids[2]
    reply = await wire.get(f"/patients/{id}/insurance_coverages", scope="subdomain")
    assert reply.json["count"] == 1
    (row,) = reply.rows
    assert (row["patient_id"], row["subscriber"]["id"]) == (id, id)
    assert row["plan"]["id"] == row["plan_id"]
    missing = await wire.get("/patients/5/insurance_coverages", scope="subdomain")
    assert missing.status == 404


async def test_alerts_are_written_disabled_and_listed(wire: RawClient) -> None:
    id = wire.sandbox.patients.ids[0]
    path = f"/patients/{id}/alerts"
    body = {"patient_alert": {"note": "Latex"}}
    made = await wire.call("POST", path, json=body, scope="subdomain")
    assert made.status == 201
    assert set(made.data) == {"id", "patient_id", "note", "disabled_at", "created_at", "updated_at"}
    one = f"{path}/{made.data['id']}"
    assert (await wire.get(one, scope="subdomain")).data == made.data
    assert (await wire.get(path, scope="subdomain")).rows == [made.data]
    off = {"patient_alert": {"disabled": True}}
    changed = await wire.call("PATCH", one, json=off, scope="subdomain")
    assert changed.data["disabled_at"]
    assert (await wire.get(path, scope="subdomain")).rows == []
    every = await wire.get(path, {"include_disabled": "true"}, scope="subdomain")
    assert len(every.rows) == 1
    other = f"/patients/{wire.sandbox.patients.ids[1]}/alerts/{made.data['id']}"
    assert (await wire.get(other, scope="subdomain")).status == 404
    empty = await wire.call("POST", path, json={"note": "x"}, scope="subdomain")
    assert empty.error == "Missing parameter patient_alert"


@pytest.mark.parametrize("first", ["2026-05-01", "2031-01-01"])
async def test_patients_are_filtered_by_a_range_of_days(wire: RawClient, first: str) -> None:
    reply = await wire.get("/patients", {"appointment_date_start": first})
    assert bool(reply.rows) is (first < "2030")
