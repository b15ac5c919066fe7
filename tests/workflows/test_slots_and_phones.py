"""Workflows: phone numbers, find or create, flat slots, all practices of a key."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import (
    DuplicatePatientError,
    FreeSlot,
    InvalidArgumentError,
    MissingScopeError,
    WalkClosedError,
    normalize_phone,
)
from nexhealth_async.models import Slot, SlotGroup
from nexhealth_async.pagination.flatten import FlatWalk
from nexhealth_async.sandbox import DEFAULT_ANCHOR
from tests.pagination.scripted_source import ListSource
from tests.session.transport_error_helpers import SENTINEL, scene

if TYPE_CHECKING:
    from tests.session.transport_error_helpers import ErrorScene

versions = pytest.mark.parametrize("version", ["v2", "v3"])


@pytest.mark.parametrize(
    "text",
    [
        "2125550133",
        "12125550133",
        "+12125550133",
        "+1 (212) 555-0133",
        " 212.555.0133 ",
        "212-555-0133",
        "212\u2011555\u20130133",
        "212/555\u00a00133",
    ],
)
def test_phone_numbers_in_usual_forms_become_ten_digits(text: str) -> None:
    assert normalize_phone(text) == "2125550133"


@pytest.mark.parametrize(
    "text",
    ["", "555-0133", "22125550133", "+442125550133", "212555013x", "2125550133 x5", "٢" * 10],
)
def test_an_invalid_phone_number_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="ten digits") as caught:
        normalize_phone(text)
    assert "555" not in str(caught.value)


def ada(at: ErrorScene, **changes: Any) -> Any:
    bio = {"date_of_birth": date(1990, 1, 2), "phone_number": "+1 (212) 555-0133"}
    fields = {
        "provider_id": at.sandbox.providers.ids[0],
        "first_name": "Ada",
        "last_name": SENTINEL,
        "email": "ada@example.com",
        "bio": bio,
    }
    return {**fields, **changes}


@versions
@pytest.mark.parametrize("listed_unasked", [None, False, True])
async def test_a_patient_is_created_once_and_then_found(
    version: str, *, listed_unasked: bool | None
) -> None:
    """Parameter: the patients listed by the server if ``new_patient`` is left out."""
    async with scene(version=version) as at:
        at.sandbox.assumptions.new_patient_when_unset = listed_unasked
        first = await at.location.patients.find_or_create(**ada(at))
        assert first.created
        assert SENTINEL not in repr(first)
        assert first.patient.bio is not None
        assert first.patient.bio.phone_number == "2125550133"
        for _ in range(2):
            again = await at.location.patients.find_or_create(**ada(at))
            assert not again.created
            assert again.patient.id == first.patient.id
        other = await at.location.patients.find_or_create(**ada(at, first_name="Grace"))
        assert other.created
        assert len(at.sandbox.patients) == 27


@versions
async def test_a_patient_created_just_now_is_found_by_name(version: str) -> None:
    async with scene(version=version) as at:
        made = await at.location.patients.find_or_create(**ada(at))
        found = [patient.id async for patient in at.location.patients.walk(name=f"Ada {SENTINEL}")]
        assert found == [made.patient.id]


async def test_in_v2_a_number_stored_in_another_form_is_found() -> None:
    async with scene() as at:
        id = at.sandbox.patients.ids[3]
        stored: Any = at.sandbox.patients.row(id)["bio"]
        bio: Any = {**stored, "phone_number": "1-212-555-0133"}
        bio["date_of_birth"] = "1990-01-02"
        at.sandbox.patients.update(id, first_name="ADA", last_name=SENTINEL, bio=bio)
        found = await at.location.patients.find_or_create(**ada(at))
        assert (found.patient.id, found.created) == (id, False)
        assert not at.sandbox.seen("POST", "/patients")


async def test_in_v2_a_rejection_without_a_patient_is_raised() -> None:
    async with scene() as at:
        body = b'{"code":false,"error":["A patient with that information already exists"]}'
        at.sandbox.fail_next(400, body=body, path="/patients", method="POST")
        with pytest.raises(DuplicatePatientError):
            await at.location.patients.find_or_create(**ada(at))


@versions
async def test_an_invalid_phone_number_is_refused_before_anything_is_sent(version: str) -> None:
    async with scene(version=version) as at:
        bio = {"date_of_birth": date(1990, 1, 2), "phone_number": "555-0133"}
        with pytest.raises(InvalidArgumentError):
            await at.location.patients.find_or_create(**ada(at, bio=bio))
        assert at.sent == 0


@versions
@pytest.mark.parametrize("days", [1, 14, 15, 31])
async def test_slots_are_yielded_from_windows_of_14_days(version: str, days: int) -> None:
    async with scene(version=version) as at:
        filters: Any = {
            "pids": [*at.sandbox.providers.ids],
            "start_date": DEFAULT_ANCHOR,
            "slot_length": 30,
        }
        flat = [one async for one in at.location.available_slots.flat(**filters, days=days)]
        requests = [
            dict(request.query)
            for request in at.sandbox.requests
            if request.path.endswith("_slots")
        ]
        starts = [DEFAULT_ANCHOR + timedelta(days=gone) for gone in range(0, days, 14)]
        assert [one["start_date"] for one in requests] == [day.isoformat() for day in starts]
        assert sum(int(one["days"]) for one in requests) == days
        assert max(int(one["days"]) for one in requests) <= 14
        groups = [one async for one in at.location.available_slots.walk(**filters, days=days)]
        assert sorted((one.start, one.provider_id or 0) for one in flat) == sorted(
            (slot.time, group.pid or 0)
            for group in groups
            for slot in group.slots
            if slot.time is not None
        )
        assert {one.location_id for one in flat} <= {at.sandbox.location_id}
        some = at.location.available_slots.flat(**filters, days=days, limit=3)
        assert [one async for one in some] == flat[:3]


async def test_impossible_slot_searches_are_refused_at_once() -> None:
    async with scene() as at:
        with pytest.raises(InvalidArgumentError):
            at.location.available_slots.flat(start_date=DEFAULT_ANCHOR, days=3)
        with pytest.raises(InvalidArgumentError):
            at.location.available_slots.flat(start_date=DEFAULT_ANCHOR, days=0, pids=[1])
        with pytest.raises(InvalidArgumentError, match="limit"):
            at.location.available_slots.flat(start_date=DEFAULT_ANCHOR, days=3, pids=[1], limit=-1)
        with pytest.raises(MissingScopeError):
            at.nex.available_slots.flat(start_date=DEFAULT_ANCHOR, days=3, pids=[1])


def test_a_free_slot_has_its_provider_and_location() -> None:
    from nexhealth_async.workflows.slots import _slots

    (slot,) = SlotGroup(lid=1, pid=2, slots=(Slot(),)).slots
    assert slot.time is None
    with pytest.warns(UserWarning, match="was skipped"):
        assert list(_slots(SlotGroup(lid=1, pid=2, slots=(Slot(),)))) == []
    assert set(FreeSlot.__annotations__) >= {"start", "end", "provider_id", "location_id"}


async def test_flattening_survives_wait_for_and_never_ends_silently_after_a_failure() -> None:
    source = ListSource(15)

    async def slowly(_: int) -> None:
        await asyncio.sleep(0.004)

    source.before = slowly
    walks = (source.walk(per_page=5) for _ in range(2))
    flat: FlatWalk[Any, int] = FlatWalk(walks, lambda patient: (patient.id, -patient.id))
    got: list[int] = []
    while True:
        try:
            got.append(await asyncio.wait_for(anext(flat), 0.001))
        except TimeoutError:
            continue
        except StopAsyncIteration:
            break
    assert got == [sign * row for _ in range(2) for row in source.rows for sign in (1, -1)]

    async def fail(_: int) -> None:
        raise RuntimeError

    source.before = fail
    broken: FlatWalk[Any, int] = FlatWalk([source.walk()], lambda patient: (patient.id,))
    with pytest.raises(RuntimeError):
        await anext(broken)
    with pytest.raises(WalkClosedError):
        await anext(broken)
    await broken.aclose()


@versions
async def test_practices_lists_everything_a_key_can_see_for_any_session(
    version: str,
) -> None:
    async with scene(version=version) as at:
        seen = [practice async for practice in at.nex.practices()]
        assert (at.sandbox.subdomain, at.sandbox.location_id) in {
            (one.subdomain, one.location_id) for one in seen
        }
        bound = at.nex.with_options(
            subdomain=at.sandbox.subdomain, location_id=at.sandbox.location_id
        )
        assert [practice async for practice in bound.practices()] == seen
        for one in seen:
            assert one.institution_id != one.location_id
            location = at.nex.practice(one.subdomain).location(one.location_id)
            assert [provider async for provider in location.providers.walk()] or one.inactive
