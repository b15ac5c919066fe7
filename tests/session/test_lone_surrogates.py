"""One record with half an emoji, such as ``"\\ud83d"``, costs its list nothing."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.pagination.batch_decoder import Repair
from nexhealth_async.pagination.prefetching import renumber_repairs

if TYPE_CHECKING:
    from nexhealth_async import LocationScope, UndecodableRecordError
    from nexhealth_async.sandbox import Sandbox

_HERE = b"HALF"
"""Stands for the lone surrogate, which the sandbox itself cannot send."""


class Rejects:
    """Keeps the errors of rejected records."""

    def __init__(self) -> None:
        self.errors: list[UndecodableRecordError] = []

    def __call__(self, error: UndecodableRecordError, _: bytes) -> None:
        self.errors.append(error)


def cut(body: bytes) -> bytes:
    return body.replace(_HERE, rb"\ud83d")


@pytest.fixture
def id(sandbox: Sandbox) -> int:
    """Id of the patient whose first name is cut; the others are unchanged."""
    found = sandbox.patients.ids[7]
    sandbox.patients.update(found, first_name="Ada HALF")
    sandbox.alter_next(cut, path="/patients", times=20)
    sandbox.alter_next(cut, path="/patients/{id}", times=20)
    return found


@pytest.mark.parametrize("reports", [False, True])
async def test_a_walk_delivers_every_record(
    location: LocationScope, sandbox: Sandbox, id: int, *, reports: bool
) -> None:
    rejects = Rejects()
    walk = location.patients.walk(per_page=10, on_bad_record=rejects if reports else None)
    found = {patient.id: patient async for patient in walk}
    assert sorted(found) == sorted(sandbox.patients.ids)
    assert found[id].first_name == "Ada \ufffd"
    assert not rejects.errors
    assert len(sandbox.seen("GET", "/patients")) == 3


async def test_pages_report_the_repair(location: LocationScope, id: int) -> None:
    pages = [page async for page in location.patients.walk(per_page=10).pages()]
    repairs = [repair for page in pages for repair in page.repairs]
    assert repairs == [Repair(id, "first_name")]


async def test_dicts_bytes_and_pairs_contain_the_replacement_character(
    location: LocationScope, sandbox: Sandbox, id: int
) -> None:
    dicts = {row["id"]: row async for row in location.patients.walk().raw()}
    texts = [json.loads(row) async for row in location.patients.walk().raw_json()]
    pairs = [pair async for pair in location.patients.walk().with_json()]
    assert dicts[id]["first_name"] == "Ada \ufffd"
    assert {row["id"]: row for row in texts} == dicts
    assert {one.id: json.loads(row) for one, row in pairs} == dicts
    assert sorted(dicts) == sorted(sandbox.patients.ids)  # type: ignore[type-var]  # they are numbers


async def test_a_single_record_is_read(location: LocationScope, id: int) -> None:
    assert (await location.patients.get(id)).first_name == "Ada \ufffd"


async def test_other_errors_in_the_list_reject_only_their_own_record(
    location: LocationScope, sandbox: Sandbox, id: int
) -> None:
    sandbox.practice.patients._rows[id] = {**sandbox.patients.row(id), "id": "HALF"}
    rejects = Rejects()
    walk = location.patients.walk(on_bad_record=rejects)
    found = [patient.id async for patient in walk]
    assert sorted(found) == sorted(one for one in sandbox.patients.ids if one != id)
    assert [error.path for error in rejects.errors] == ["id"]


async def test_a_write_with_a_repaired_response_succeeded(
    location: LocationScope, sandbox: Sandbox
) -> None:
    sandbox.alter_next(cut, method="POST", path="/appointment_types")
    made = await location.appointment_types.create(name="Cleaning HALF", minutes=30)
    assert made.name == "Cleaning \ufffd"
    assert len(sandbox.seen("POST", "/appointment_types")) == 1


async def test_a_rejected_record_before_a_repaired_one_does_not_move_the_report(
    location: LocationScope, sandbox: Sandbox, id: int
) -> None:
    other = sandbox.patients.ids[2]
    sandbox.practice.patients._rows[other] = {**sandbox.patients.row(other), "id": "odd"}
    pages = location.patients.walk(on_bad_record=Rejects()).pages()
    async with aclosing(pages):
        page = await anext(pages)
    assert page.repairs == (Repair(id, "first_name"),)
    assert len(page.items) == len(sandbox.patients) - 1


def test_repairs_belong_to_their_records_when_others_are_rejected() -> None:
    assert renumber_repairs({0: ("name",), 3: ("bio.city",)}, [1, 3, 4]) == {1: ("bio.city",)}
    assert renumber_repairs({}, [1, 2]) == {}
