"""Institutions, locations, providers, operatories, procedures, recalls and sync status."""

from __future__ import annotations

import pytest

from nexhealth_async.sandbox import Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient


async def test_institutions_and_locations(wire: RawClient) -> None:
    listed = await wire.get("/institutions", scope=None)
    assert listed.json["count"] == 1
    (institution,) = listed.rows
    assert institution["subdomain"] == wire.sandbox.subdomain
    assert institution["locations"][0]["id"] == wire.sandbox.location_id
    single = await wire.get(f"/institutions/{institution['id']}", scope=None)
    assert single.data == institution
    assert (await wire.get("/institutions/1", scope=None)).error == "Resource not found"
    (group,) = (await wire.get("/locations", scope="subdomain")).rows
    assert set(group) == {"id", "name", "subdomain", "locations"}
    (location,) = group["locations"]
    assert {"tz", "map_by_operatory", "wlogo", "weight", "latitude"} <= set(location)
    assert (await wire.get(f"/locations/{location['id']}", scope=None)).data == location
    unknown = await wire.get("/locations/5", scope=None)
    assert (unknown.status, unknown.error) == (404, "Location with id 5 not found")
    (group,) = (await wire.get("/locations", {"inactive": "true"}, scope=None)).rows
    assert group["locations"] == []


async def test_descriptors_of_a_location(wire: RawClient) -> None:
    path = f"/locations/{wire.sandbox.location_id}/appointment_descriptors"
    every = await wire.get(path, scope=None)
    codes = await wire.get(path, {"descriptor_type": "Procedure Codes"}, scope=None)
    assert (len(every.rows), len(codes.rows)) == (8, 6)
    assert {row["code"] for row in codes.rows} >= {"D0120", "D7140.1", "~BAD~"}
    assert set(codes.rows[0]["data"]) == {"ProcCat", "IsHygiene", "IsHidden"}
    others = [row for row in every.rows if row not in codes.rows]
    assert {row["descriptor_type"] for row in others} == {"Opendental Appointment Types"}


async def test_providers(wire: RawClient) -> None:
    listed = await wire.get("/providers", scope="subdomain")
    assert listed.json["count"] == 3
    row = listed.rows[0]
    assert row["locations"][0]["id"] == wire.sandbox.location_id
    assert "availabilities" not in row
    query = [("include[]", "availabilities"), ("include[]", "appointment_types")]
    single = await wire.get(f"/providers/{row['id']}", query, scope="subdomain")
    assert len(single.data["availabilities"]) == 1
    assert single.data["appointment_types"]
    some = [("ids[]", id) for id in wire.sandbox.providers.ids[:2]]
    assert (await wire.get("/providers", some)).json["count"] == 2
    wire.sandbox.providers.update(row["id"], inactive=True)
    assert (await wire.get("/providers", scope="subdomain")).json["count"] == 2
    assert (await wire.get("/providers", {"inactive": "true"})).ids == [row["id"]]
    reply = await wire.get("/providers", {"requestable": "true"}, scope="subdomain")
    assert reply.error == "Missing parameter location_id"
    assert (await wire.get("/providers", {"requestable": "false"})).rows == []
    assert (await wire.get("/providers/4", scope="subdomain")).status == 404


async def test_operatories(dial: Dial) -> None:
    wire = await dial(Sandbox(locations=2, operatories=3))
    listed = await wire.get("/operatories")
    assert listed.json["count"] == 3
    assert {row["location_id"] for row in listed.rows} == {wire.sandbox.location_id}
    assert listed.rows[0]["appt_categories"]
    assert (await wire.get("/operatories", {"search_name": "room 3"})).json["count"] == 1
    path = f"/operatories/{listed.ids[0]}"
    included = {"include[]": "appointment_types"}
    assert (await wire.get(path, included, scope="subdomain")).data["appointment_types"]
    assert (await wire.get("/operatories/4", scope="subdomain")).status == 404


async def test_procedures(wire: RawClient) -> None:
    every = await wire.get("/procedures", scope="subdomain")
    assert every.json["count"] == 50
    row = every.rows[0]
    assert row["fee"]["currency"] == "USD"
    assert isinstance(row["body_site"]["tooth"], str)
    theirs = await wire.get("/procedures", {"patient_id": row["patient_id"]}, scope="subdomain")
    assert {one["patient_id"] for one in theirs.rows} == {row["patient_id"]}
    since = {"updated_after": row["updated_at"], "per_page": 300}
    assert row["id"] in (await wire.get("/procedures", since, scope="subdomain")).ids
    ignored = await wire.get("/procedures", {"updated_since": "2026-01-01"}, scope="subdomain")
    assert "updated_since" in ignored.json["description"]
    single = await wire.get(f"/procedures/{row['id']}", scope="subdomain")
    assert single.data == row


async def test_recalls_and_document_types(wire: RawClient) -> None:
    down = await wire.get("/patient_recalls", {"sort": "-date_due", "per_page": 300})
    due_dates = [row["date_due"] for row in down.rows]
    assert due_dates == sorted(due_dates, reverse=True)
    assert down.rows[0]["recall_type"]["interval_unit"] == "M"
    after = await wire.get("/patient_recalls", {"due_after": due_dates[1], "per_page": 300})
    assert after.json["count"] == 2
    path = f"/patient_recalls/{down.ids[0]}"
    assert (await wire.get(path, scope="subdomain")).data == down.rows[0]
    assert (await wire.get("/recall_types")).json["count"] == 2
    assert (await wire.get("/document_types")).json["count"] == 2
    assert (await wire.get("/document_types", {"active": "false"})).json["count"] == 0


@pytest.mark.parametrize("path", ["procedures", "patient_recalls", "recall_types"])
async def test_unknown_records_are_not_found(wire: RawClient, path: str) -> None:
    assert (await wire.get(f"/{path}/1", scope="subdomain")).error == "Resource not found"


async def test_sync_status_shows_the_state_of_the_practice(wire: RawClient) -> None:
    (row,) = (await wire.get("/sync_status", scope=None)).rows
    assert (row["read_status"], row["write_status"]) == ("green", "green")
    wire.sandbox.practice.write_status = "red"
    assert (await wire.get("/sync_status", {"write_status": "green"}, scope=None)).rows == []
    reply = await wire.get("/sync_status", {"location_ids[]": wire.sandbox.location_id}, scope=None)
    assert reply.json["count"] == 1
