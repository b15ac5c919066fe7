"""v3's lists: cursors, their binding, drift, versions and shapes."""

from __future__ import annotations

from typing import Any

import pytest

from nexhealth_async.sandbox import RecordedPage, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient


async def test_forward_walk_returns_every_patient_once(v3: RawClient) -> None:
    pages = await v3.pages("/patients", per_page=10)
    assert [len(page.rows) for page in pages] == [10, 10, 5]
    assert [id for page in pages for id in page.ids] == list(v3.sandbox.patients.ids)
    first, _, last = (page.json for page in pages)
    assert set(first) == {"code", "description", "error", "data", "page_info"}
    assert isinstance(first["data"], list)
    assert (first["description"], first["error"]) == ("", [])
    info = first["page_info"]
    assert (info["has_previous_page"], info["has_next_page"]) == (False, True)
    assert info["start_cursor"] != info["end_cursor"]
    assert last["page_info"]["has_previous_page"] is True


async def test_backward_with_the_start_cursor(v3: RawClient) -> None:
    first, second, _ = await v3.pages("/patients", per_page=10)
    cursor = second.json["page_info"]["start_cursor"]
    back = await v3.get("/patients", {"per_page": 10, "start_cursor": cursor})
    assert back.ids == first.ids
    assert back.json["page_info"]["has_next_page"] is True
    assert back.json["page_info"]["has_previous_page"] is False


async def test_page_sizes(dial: Dial) -> None:
    v3 = (await dial(Sandbox(patients=1200))).as_v3()
    assert len((await v3.get("/patients")).rows) == 5
    assert len((await v3.get("/patients", {"per_page": 5000})).rows) == 1000
    v3.sandbox.assumptions.cursor_per_page = 1000
    assert len((await v3.get("/patients")).rows) == 1000
    assert (await v3.get("/patients", {"per_page": 0})).status == 400


async def test_an_empty_list_has_no_cursors(v3: RawClient) -> None:
    info = (await v3.get("/patients", {"name": "nobody at all"})).json["page_info"]
    assert info == {
        "has_previous_page": False,
        "has_next_page": False,
        "start_cursor": None,
        "end_cursor": None,
    }


@pytest.mark.parametrize(
    "changed", [{"inactive": "false"}, {"sort": "-updated_at"}, {"end_cursor": "nonsense"}]
)
async def test_a_cursor_is_valid_for_its_own_list_only(
    v3: RawClient, changed: dict[str, Any]
) -> None:
    cursor = (await v3.get("/patients")).json["page_info"]["end_cursor"]
    reply = await v3.get("/patients", {"end_cursor": cursor, **changed})
    assert reply.status == 400
    assert "ursor" in reply.error
    assert (await v3.get("/patient_recalls", {"end_cursor": cursor})).status == 400
    assert (await v3.get("/patients", {"end_cursor": cursor, "per_page": 3})).status == 200


async def test_both_directions_together_are_rejected(v3: RawClient) -> None:
    info = (await v3.get("/patients", {"per_page": 3})).json["page_info"]
    both = {"end_cursor": info["end_cursor"], "start_cursor": info["start_cursor"]}
    assert (await v3.get("/patients", both)).status == 400


@pytest.mark.parametrize("sort", [None, "updated_at", "-updated_at"])
async def test_deletions_and_insertions_neither_repeat_nor_hide(
    v3: RawClient, sort: str | None
) -> None:
    before = list(v3.sandbox.patients.ids)
    dropped: list[int] = []

    def change_list(page: RecordedPage) -> None:
        if page.page == 1:
            rows = sorted(v3.sandbox.patients, key=lambda row: str(row["updated_at"]))
            ids = [int(str(row["id"])) for row in (rows if sort != "-updated_at" else rows[::-1])]
            shown = before[:10] if sort is None else ids[:10]
            for id in shown[-3:]:
                v3.sandbox.patients.delete(id)
                dropped.append(id)

    v3.sandbox.between_pages(change_list)
    pages = await v3.pages("/patients", {"sort": sort} if sort else None, per_page=10)
    ids = [id for page in pages for id in page.ids]
    assert sorted(ids) == before
    assert len(dropped) == 3


async def test_sort_accepts_several_known_fields_only(v3: RawClient) -> None:
    rows = (await v3.get("/patients", {"sort": "-updated_at,id", "per_page": 50})).rows
    times = [row["updated_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert (await v3.get("/patients", {"sort": "name"})).status == 400


@pytest.mark.parametrize("name", ["v3.0.0", "v20240412", "v3.1.0"])
async def test_names_of_the_version(v3: RawClient, name: str) -> None:
    reply = await v3.call("GET", "/patients", headers={"Nex-Api-Version": name})
    assert "page_info" in reply.json


async def test_include_is_ignored_where_v3_removed_it(v3: RawClient) -> None:
    reply = await v3.get("/patients", [("include[]", "procedures")])
    assert "include[]" in reply.json["description"]
    assert "procedures" not in reply.rows[0]
    v3.sandbox.assumptions.ignored_in = "error"
    reply = await v3.get("/patients", [("include[]", "procedures")])
    assert "include[]" in reply.json["error"][0]


async def test_shapes_differ_by_version(wire: RawClient) -> None:
    v3 = wire.as_v3()
    old, new = (await wire.get("/patients")).rows[0], (await v3.get("/patients")).rows[0]
    assert old["id"] == new["id"]
    assert set(old) - set(new) == {"balance", "location_ids", "preferred_locale", "unsubscribe_sms"}
    assert set(new) - set(old) == {"hipaa"}
    single = (await v3.get(f"/patients/{new['id']}", scope="subdomain")).data
    assert single["location_ids"] == [wire.sandbox.location_id]


async def test_media_types(v3: RawClient) -> None:
    assert (await v3.get("/patients")).headers["Content-Type"] == "application/json"
    old = await v3.get("/appointment_types", scope="subdomain")
    assert old.headers["Content-Type"].startswith("application/vnd.Nexhealth")


async def test_nulls_the_document_does_not_allow_are_a_switch(v3: RawClient) -> None:
    made = await v3.post(
        "/working_hours",
        {
            "working_hour": {
                "provider_id": v3.sandbox.providers.ids[0],
                "begin_time": "09:00",
                "end_time": "10:00",
                "days": ["Monday"],
            }
        },
    )
    assert made.status == 201
    path = f"/working_hours/{made.data['id']}"
    assert "label" not in (await v3.get(path, scope="subdomain")).data
    v3.sandbox.assumptions.undeclared_nulls = True
    reply = await v3.get(path, scope="subdomain")
    assert reply.data["label"] is None
    assert (reply.json["description"], reply.json["error"]) == (None, None)
    assert (await v3.get("/patients/1", scope="subdomain")).json["data"] is None


async def test_staff_is_numbered_in_both(wire: RawClient) -> None:
    for caller in (wire, wire.as_v3()):
        reply = await caller.get("/nex_staff", {"per_page": 3, "page": 2}, scope="subdomain")
        assert (reply.json["count"], len(reply.rows)) == (4, 1)
        active = await caller.get("/nex_staff", {"inactive": "false"}, scope="subdomain")
        assert active.json["count"] == 3
        nobody = await caller.get("/nex_staff", {"location_ids[]": 1}, scope="subdomain")
        assert nobody.rows == []


async def test_same_seed_same_cursors(dial: Dial) -> None:
    one, two = [(await dial(Sandbox(seed=9))).as_v3() for _ in range(2)]
    first = (await one.get("/patients")).json["page_info"]
    assert (await two.get("/patients")).json["page_info"] == first
