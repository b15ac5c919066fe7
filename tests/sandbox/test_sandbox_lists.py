"""Paging, counts, warnings, drift, and capacity."""

from __future__ import annotations

import ast
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nexhealth_async import sandbox
from nexhealth_async.sandbox import RecordedPage, Sandbox
from tests.sandbox.conftest import Dial
from tests.sandbox.raw_client import RawClient


async def test_pages_of_five_by_default_in_order_of_id(wire: RawClient) -> None:
    first = await wire.get("/patients")
    assert set(first.json) == {"code", "description", "error", "data", "count"}
    assert first.json["error"] is None
    assert first.json["description"] is None
    assert first.json["count"] == 25
    assert first.ids == sorted(first.ids)
    assert len(first.ids) == 5
    second = await wire.get("/patients", {"page": 2})
    assert [*first.ids, *second.ids] == list(wire.sandbox.patients.ids)[:10]


async def test_page_beyond_the_end_is_empty(wire: RawClient) -> None:
    reply = await wire.get("/patients", {"page": 9, "per_page": 25})
    assert reply.rows == []
    assert reply.json["count"] == 25


@pytest.mark.parametrize("query", [{"page": 0}, {"per_page": 0}, {"page": "x"}])
async def test_invalid_page_numbers_are_rejected(wire: RawClient, query: dict[str, object]) -> None:
    assert (await wire.get("/patients", dict(query))).status == 400


async def test_page_size_is_cut_silently(dial: Dial) -> None:
    wire = await dial(Sandbox(patients=400))
    reply = await wire.get("/patients", {"per_page": 1000})
    assert len(reply.rows) == 300
    assert reply.json["description"] is None
    wire.sandbox.page_cap = 7
    assert len((await wire.get("/patients", {"per_page": 300})).rows) == 7


@pytest.mark.parametrize(
    ("count_as", "shown"), [(None, None), (-1, -1), (3, 3), ("string", "25"), ("total", 25)]
)
async def test_count_can_be_misreported(wire: RawClient, count_as: object, shown: object) -> None:
    wire.sandbox.count_as = count_as  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue] -- a table of cases
    assert (await wire.get("/patients")).json["count"] == shown


async def test_count_can_be_missing(wire: RawClient) -> None:
    wire.sandbox.count_as = "missing"
    assert "count" not in (await wire.get("/patients")).json
    assert (await wire.get("/locations", scope=None)).json["count"] == 1


async def test_ignored_parameters_are_warned_about(wire: RawClient) -> None:
    reply = await wire.get("/locations", {"per_page": 3}, scope="subdomain")
    warning = "Note that following parameters are ignored: per_page."
    assert (reply.status, reply.json["description"]) == (200, warning)
    reply = await wire.get("/patients", {"search": "x", "ids[]": 1})
    assert reply.json["description"].endswith(": search, ids[].")
    assert reply.json["count"] == 25
    wire.sandbox.assumptions.ignored_in = "error"
    reply = await wire.get("/locations", {"per_page": 3}, scope="subdomain")
    assert reply.json["error"] == [warning]
    assert reply.json["code"] is True


async def test_same_seed_same_data(dial: Dial) -> None:
    one = await dial(Sandbox(patients=50, seed=3))
    two = await dial(Sandbox(patients=50, seed=3))
    other = await dial(Sandbox(patients=50, seed=4))
    window = {"start": "2020-01-01", "end": "2030-01-01", "per_page": 300}
    for path, params in (
        ("/patients", {"per_page": 300}),
        ("/appointments", window),
        ("/procedures", {"per_page": 300}),
        ("/providers", {}),
        ("/institutions", {}),
    ):
        first = (await one.get(path, params)).body
        assert first == (await two.get(path, params)).body
        assert first != (await other.get(path, params)).body


async def test_a_hundred_thousand_start_and_page_quickly(dial: Dial) -> None:
    began = time.perf_counter()
    wire = await dial(Sandbox(patients=100_000))
    assert time.perf_counter() - began < 3
    began = time.perf_counter()
    reply = await wire.get("/patients", {"per_page": 300, "page": 334})
    assert time.perf_counter() - began < 0.5
    assert len(reply.rows) == 100
    assert reply.json["count"] == 100_000


async def test_callback_between_pages_changes_the_next_page_only(wire: RawClient) -> None:
    sandbox = wire.sandbox
    shown: list[RecordedPage] = []

    def delete_first(page: RecordedPage) -> None:
        shown.append(page)
        sandbox.patients.delete(sandbox.patients.ids[0])

    sandbox.between_pages(delete_first)
    before = list(sandbox.patients.ids)
    first = await wire.get("/patients", {"per_page": 10})
    assert (first.ids, first.json["count"]) == (before[:10], 25)
    second = await wire.get("/patients", {"per_page": 10, "page": 2})
    assert (second.ids, second.json["count"]) == (before[11:21], 24)
    assert [(one.page, one.per_page, one.count, one.rows) for one in shown] == [
        (1, 10, 25, 10),
        (2, 10, 24, 10),
    ]
    sandbox.between_pages(None)
    await wire.get("/patients")
    assert len(shown) == 2


async def test_callback_between_pages_may_be_async(wire: RawClient) -> None:
    async def insert(_page: RecordedPage) -> None:
        wire.sandbox.patients.insert(0)

    wire.sandbox.between_pages(insert)
    await wire.get("/patients")
    await wire.get(f"/patients/{wire.sandbox.patients.ids[3]}", scope="subdomain")
    assert len(wire.sandbox.patients) == 26


async def test_rows_can_be_inserted_moved_updated_and_deleted(wire: RawClient) -> None:
    patients = wire.sandbox.patients
    last = patients.ids[-1]
    made = patients.insert(0, first_name="Zorro", updated_at={})
    patients.move(last, 1)
    patients.update(last, bio={})
    reply = await wire.get("/patients")
    assert reply.ids[:2] == [made, last]
    assert reply.rows[0]["first_name"] == "Zorro"
    assert reply.rows[0]["updated_at"] == {}
    assert reply.rows[1]["bio"] == {}
    assert set(reply.rows[0]) == set(reply.rows[2])
    patients.delete(made)
    assert made not in patients
    assert patients.get(made) is None
    assert (await wire.get(f"/patients/{made}", scope="subdomain")).status == 404
    with pytest.raises(KeyError):
        patients.row(made)
    with pytest.raises(ValueError, match="already"):
        patients.insert(id=last)


async def test_filtered_lists_notice_changes(wire: RawClient) -> None:
    before = (await wire.get("/patients", {"inactive": "false"})).json["count"]
    found = wire.sandbox.patients.insert(inactive=False)
    assert (await wire.get("/patients", {"inactive": "false"})).json["count"] == before + 1
    wire.sandbox.patients.update(found, inactive=True)
    assert (await wire.get("/patients", {"inactive": "false"})).json["count"] == before


async def test_practices_do_not_share_records(dial: Dial) -> None:
    wire = await dial(Sandbox(practices=3, locations=2, anchor=date(2026, 1, 5)))
    groups = (await wire.get("/locations", scope=None)).json
    assert groups["count"] == 3
    assert [len(group["locations"]) for group in groups["data"]] == [2, 2, 2]
    ids = {id for practice in wire.sandbox.practices for id in practice.patients.ids}
    assert len(ids) == 75


async def test_an_empty_practice_is_served(dial: Dial) -> None:
    wire = await dial(Sandbox(patients=0))
    window = {"start": "2020-01-01", "end": "2030-01-01"}
    for path in ("/patients", "/appointments", "/procedures", "/patient_recalls"):
        reply = await wire.get(path, window)
        assert (reply.status, reply.rows, reply.json["count"]) == (200, [], 0)


@pytest.mark.parametrize("options", [{"practices": 0}, {"locations": 0}, {"providers": 0}])
def test_impossible_sizes_are_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Sandbox(**options)


def test_the_sandbox_imports_nothing_of_the_client() -> None:
    """A fake that shares the client's code would agree with its mistakes."""
    own = "nexhealth_async.sandbox"
    for file in Path(sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not [n for n in names if n.startswith("nexhealth") and not n.startswith(own)]
