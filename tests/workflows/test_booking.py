"""Booking: exactly once, whatever is lost on the way; counted in the sandbox."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from nexhealth_async import (
    InvalidArgumentError,
    NexHealthError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RetryPolicy,
    ServerError,
    SlotTakenError,
)
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.session.transport_error_helpers import SENTINEL, ErrorScene
from tests.workflows.helpers import booked, free, live, practice, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async import FreeSlot

IMPATIENT = RetryPolicy(base_delay=0.0, attempt_timeout=1.0)


async def book(at: ErrorScene, slot: FreeSlot, who: int = 0, **more: Any) -> Any:
    return await at.location.appointments.book(
        slot, patient_id=at.sandbox.patients.ids[who], **more
    )


def take(at: ErrorScene, slot: FreeSlot, *, who: int) -> int:
    """Give a patient the time by another way."""
    assert slot.end is not None
    return at.sandbox.appointments.add(
        {
            "patient_id": at.sandbox.patients.ids[who],
            "provider_id": slot.provider_id,
            "operatory_id": slot.operatory_id,
            "location_id": slot.location_id,
            "start_time": format_timestamp(slot.start.timestamp()),
            "end_time": format_timestamp(slot.end.timestamp()),
            "updated_at": format_timestamp(slot.start.timestamp()),
            "cancelled": False,
        }
    )


@versions
async def test_a_slot_is_booked_as_found(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[3]
        made = await book(at, slot, note="window seat")
        assert (made.start_time, made.end_time) == (slot.start, slot.end)
        assert made.provider_id == slot.provider_id
        assert made.operatory_id == slot.operatory_id
        assert made.operatory_id is not None
        assert made.note == "window seat"
        assert live(at) == [made.id]


@versions
async def test_a_type_determines_the_length(version: str) -> None:
    async with practice(version) as at:
        type_id = at.sandbox.appointment_types.ids[0]
        minutes = at.sandbox.appointment_types.row(type_id)["minutes"]
        found = at.location.available_slots.flat(
            pids=[at.sandbox.providers.ids[0]],
            start_date=at.sandbox.anchor,
            days=1,
            appointment_type_id=type_id,
        )
        slot = [one async for one in found][1]
        made = await book(at, slot, appointment_type_id=type_id)
        assert made.appointment_type_id == type_id
        assert made.end_time - made.start_time == timedelta(minutes=minutes)


@versions
async def test_locations_without_operatories_are_booked_without_one(version: str) -> None:
    async with practice(version) as at:
        at.sandbox.practice.locations.update(at.sandbox.location_id, map_by_operatory=False)
        slot = evolve((await free(at))[0], operatory_id=None)
        assert (await book(at, slot)).operatory_id is None


@versions
async def test_a_slot_found_at_another_location_is_booked_there(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]
        other = at.nex.practice(at.sandbox.subdomain).location(999_999)
        made = await other.appointments.book(slot, patient_id=at.sandbox.patients.ids[0])
        assert made.location_id == at.sandbox.location_id


@versions
async def test_a_slot_listed_in_utc_is_found(version: str) -> None:
    """As from a browser; in Auckland the morning is the evening before."""
    async with practice(version, zone="Pacific/Auckland") as at:
        slot = (await free(at))[1]
        assert slot.start.astimezone(UTC).date() != slot.start.date()
        elsewhere = evolve(slot, start=slot.start.astimezone(UTC))
        made = await book(at, elsewhere)
        assert made.start_time == slot.start


@versions
async def test_a_time_already_booked_for_the_patient_is_found(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]

        def already(body: bytes) -> bytes:
            take(at, slot, who=0)
            return body

        path = "/appointment_slots" if version == "v2" else "/available_slots"
        at.sandbox.alter_next(already, path=path)
        made = await book(at, slot)
        assert live(at) == [made.id]


@versions
async def test_a_taken_time_is_reported_without_booking(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]
        await book(at, slot)
        at.sandbox.clear()
        with pytest.raises(SlotTakenError) as caught:
            await book(at, slot, who=1)
        assert not at.sandbox.seen("POST", "/appointments")
        assert "search" in str(caught.value)
        assert len(live(at)) == 1


@versions
@pytest.mark.parametrize("status", [400, 422, 200])
async def test_a_time_lost_between_search_and_booking_is_distinguished(
    version: str, status: int
) -> None:
    async with practice(version) as at:
        at.sandbox.assumptions.slot_taken_status = status
        slot = (await free(at))[0]

        def snatched(body: bytes) -> bytes:
            take(at, slot, who=5)
            return body

        path = "/appointment_slots" if version == "v2" else "/available_slots"
        at.sandbox.alter_next(snatched, path=path)
        with pytest.raises(SlotTakenError):
            await book(at, slot)
        assert len(live(at)) == 1


@versions
async def test_other_rejections_are_raised_unchanged(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]
        at.sandbox.fail_next(403, path="/appointments", method="POST")
        with pytest.raises(PermissionDeniedError):
            await book(at, slot)
        assert not live(at)


@versions
async def test_repeating_a_booking_returns_the_existing_one(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[2]
        made = await book(at, slot)
        again = await book(at, slot)
        assert again.id == made.id
        assert live(at) == [made.id]
        at.sandbox.appointments.update(made.id, cancelled=True)
        fresh = await book(at, slot)
        assert live(at) == [fresh.id]


LOST: dict[str, Callable[[Any], object]] = {
    "the answer is lost": lambda sandbox: sandbox.drop_next(
        when="after", path="/appointments", method="POST"
    ),
    "the answer breaks off": lambda sandbox: sandbox.drop_next(
        when="mid_body", path="/appointments", method="POST"
    ),
    "the answer never comes": lambda sandbox: sandbox.hang_next(
        when="after", path="/appointments", method="POST"
    ),
    "the answer is cut": lambda sandbox: sandbox.truncate_next(path="/appointments", method="POST"),
    "the answer is garbage": lambda sandbox: sandbox.garbage_next(
        path="/appointments", method="POST"
    ),
    "the answer is a failure": lambda sandbox: sandbox.garbage_next(
        status=502, path="/appointments", method="POST"
    ),
    "the answer is empty": lambda sandbox: sandbox.empty_next(path="/appointments", method="POST"),
}
NOT_DONE: dict[str, Callable[[Any], object]] = {
    "the request is lost": lambda sandbox: sandbox.drop_next(
        when="before", path="/appointments", method="POST"
    ),
    "the server fails": lambda sandbox: sandbox.fail_next(500, path="/appointments", method="POST"),
    "the server says nothing": lambda sandbox: sandbox.hang_next(
        when="before", path="/appointments", method="POST"
    ),
}


@versions
@pytest.mark.parametrize("what", LOST)
async def test_a_booking_with_a_lost_response_is_found(version: str, what: str) -> None:
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        slot = (await free(at))[0]
        LOST[what](at.sandbox)
        made = await book(at, slot)
        assert made.start_time == slot.start
        assert live(at) == [made.id]
        assert len(at.sandbox.seen("POST", "/appointments")) == 1


@versions
@pytest.mark.parametrize("what", NOT_DONE)
async def test_a_booking_that_never_happened_is_unknown_too(version: str, what: str) -> None:
    """It may still be carried out later."""
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        slot = (await free(at))[0]
        NOT_DONE[what](at.sandbox)
        with pytest.raises(OutcomeUnknownError) as caught:
            await book(at, slot)
        assert not live(at)
        assert caught.value.operation == "POST /appointments"
        assert caught.value.__suppress_context__
        assert "booked again" not in str(caught.value)
        asyncio.get_running_loop().shift(IMPATIENT.late_commit_window)  # type: ignore[attr-defined]  # the tests' loop
        made = await book(at, slot)
        assert live(at) == [made.id]


@versions
async def test_a_booking_carried_out_late_is_found(version: str) -> None:
    """The server continues a request after its client gave up."""
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        slot = (await free(at))[0]
        at.sandbox.drop_next(when="before", path="/appointments", method="POST")
        loop = asyncio.get_running_loop()
        landed: list[int] = []

        def land() -> None:
            landed.append(take(at, slot, who=0))

        loop.call_later(4, land)
        made = await book(at, slot)
        assert [made.id] == landed == live(at)


@versions
async def test_an_undecidable_outcome_is_unknown_and_repeating_is_safe(version: str) -> None:
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        slot = (await free(at))[0]
        at.sandbox.drop_next(when="after", path="/appointments", method="POST")
        at.sandbox.alter_next(path="/appointments", method="GET")  # the look before the booking
        fault = at.sandbox.fail_next(500, times=99, path="/appointments", method="GET")
        with pytest.raises(OutcomeUnknownError):
            await book(at, slot)
        assert len(live(at)) == 1
        assert fault.times < 99
        at.sandbox.clear()
        made = await book(at, slot)
        assert live(at) == [made.id]


@versions
async def test_a_time_taken_by_somebody_else_meanwhile_is_unknown(version: str) -> None:
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        slot = (await free(at))[0]
        at.sandbox.drop_next(when="before", path="/appointments", method="POST")

        def snatched(body: bytes) -> bytes:
            take(at, slot, who=7)
            return body

        at.sandbox.alter_next(path="/appointments", method="GET")  # the look before the booking
        at.sandbox.alter_next(snatched, path="/appointments", method="GET")
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                await book(at, slot)
        asyncio.get_running_loop().shift(IMPATIENT.late_commit_window)  # type: ignore[attr-defined]  # the tests' loop
        with pytest.raises(SlotTakenError):
            await book(at, slot)
        assert len(live(at)) == 1


@versions
async def test_a_search_that_fails_books_nothing(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]
        path = "/appointment_slots" if version == "v2" else "/available_slots"
        at.sandbox.fail_next(500, times=9, path=path)
        with pytest.raises(ServerError):
            await book(at, slot)
        assert not live(at)


@versions
async def test_a_guardians_booking_is_found(version: str) -> None:
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        slot = (await free(at))[0]
        at.sandbox.drop_next(when="after", path="/appointments", method="POST")
        child: Any = {
            "first_name": "Ada",
            "last_name": SENTINEL,
            "bio": {"date_of_birth": "2020-01-02"},
        }
        made = await book(at, slot, is_guardian=True, patient=child)
        assert live(at) == [made.id]


@versions
async def test_of_fifty_concurrent_bookings_one_gets_the_slot(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]
        people = range(25)
        results = await asyncio.gather(
            *(book(at, slot, who=person) for person in (*people, *people)), return_exceptions=True
        )
        assert len(live(at)) == 1
        done = [result for result in results if not isinstance(result, BaseException)]
        assert {one.id for one in done} == {*live(at)}
        assert len(done) in {1, 2}
        assert all(
            isinstance(result, SlotTakenError)
            for result in results
            if isinstance(result, BaseException)
        )


@versions
async def test_under_any_fault_nothing_is_booked_twice_and_no_success_is_invented(
    version: str,
) -> None:
    """Each fault happens at the n-th request of a booking, which is retried until it is done."""
    faults: list[Callable[[Any], object]] = [
        lambda sandbox: sandbox.drop_next(when="before"),
        lambda sandbox: sandbox.drop_next(when="after"),
        lambda sandbox: sandbox.drop_next(when="mid_body"),
        lambda sandbox: sandbox.fail_next(500),
        lambda sandbox: sandbox.fail_next(429),
        lambda sandbox: sandbox.truncate_next(),
        lambda sandbox: sandbox.hang_next(when="after"),
    ]
    # What is late is for `test_late_commits`.
    at_once = RetryPolicy(base_delay=0.0, attempt_timeout=1.0, late_commit_window=0.0)
    async with practice(version, retry=at_once, timeout=20, patients=30) as at:
        slots = await free(at, days=5)
        for number, fault in enumerate(faults):
            for nth in range(4):
                slot = slots[number * 4 + nth]
                before = len(live(at))
                for _ in range(nth):
                    at.sandbox.alter_next(lambda body: body)
                fault(at.sandbox)
                made = None
                for _ in range(4):
                    try:
                        made = await book(at, slot)
                    except NexHealthError:
                        assert len(live(at)) - before in {0, 1}
                    else:
                        break
                at.sandbox.clear()
                assert made is not None
                assert made.id in live(at)
                assert len(live(at)) == before + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider_id": None},
        {"start": datetime(2026, 6, 1, 9)},  # noqa: DTZ001 - the mistake to be refused
        {"end": None},
    ],
)
async def test_unbookable_slots_are_refused_at_once(wrong: dict[str, Any]) -> None:
    async with practice() as at:
        slot = evolve((await free(at))[0], **wrong)
        sent = at.sent
        with pytest.raises(InvalidArgumentError):
            await book(at, slot)
        assert at.sent == sent


async def test_a_long_note_is_refused_before_anything_is_sent() -> None:
    async with practice() as at:
        slot = (await free(at))[0]
        sent = at.sent
        with pytest.raises(InvalidArgumentError):
            await book(at, slot, note="x" * 129)
        assert at.sent == sent
        assert (await booked(at)).note is None
