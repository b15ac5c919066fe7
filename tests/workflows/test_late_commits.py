"""Servers that carry a write out long after its connection broke: nothing is done twice.

The server here accepts a second appointment at the same time, so that only the library prevents
duplicates.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest

from nexhealth_async import NexHealth, OutcomeUnknownError, RetryPolicy
from nexhealth_async.sandbox import Clock
from nexhealth_async.sandbox.handlers import appointment_checks, patient_create
from nexhealth_async.testing import set_testing
from tests.conftest import MovableLoop
from tests.session.transport_error_helpers import ErrorScene, scene
from tests.workflows.helpers import booked, free, live, versions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nexhealth_async import FreeSlot

LATE_COMMIT = 120.0
QUICK = RetryPolicy(base_delay=0.0)
POST: dict[str, Any] = {"path": "/appointments", "method": "POST"}
PATCH: dict[str, Any] = {"path": "/appointments/{id}", "method": "PATCH"}
DELAYS = pytest.mark.parametrize("seconds", [0.5, 9.0, 45.0, 119.0])


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server accept what it should refuse: the same time twice, the same person twice."""
    monkeypatch.setattr(appointment_checks, "_check_conflicts", Mock())
    monkeypatch.setattr(patient_create, "_find_duplicate", Mock(return_value=None))


@asynccontextmanager
async def practice(version: str, **options: Any) -> AsyncGenerator[ErrorScene]:
    """A sandbox whose clock only moves with `pass_by`, and a session without pauses."""
    clock = Clock(datetime(2026, 5, 30, 12, tzinfo=UTC))
    with set_testing(True):
        async with scene(version=version, clock=clock, **options) as at:
            yield at


async def book(at: ErrorScene, slot: FreeSlot, who: int = 0) -> Any:
    return await at.location.appointments.book(slot, patient_id=at.sandbox.patients.ids[who])


def pass_by(at: ErrorScene, seconds: float) -> None:
    """Let time pass, for the session and for the server."""
    cast("MovableLoop", asyncio.get_running_loop()).shift(seconds)
    at.sandbox.clock.advance(seconds)
    at.sandbox.commit_due()


def sent(at: ErrorScene, method: str = "POST", path: str = "/appointments") -> int:
    return len(at.sandbox.seen(method, path))


@versions
@DELAYS
async def test_a_booking_retried_until_it_is_known_is_made_once(
    version: str, seconds: float
) -> None:
    async with practice(version, retry=QUICK) as at:
        slot = (await free(at))[0]
        at.sandbox.commit_late_next(seconds, **POST)
        made = None
        for _ in range(40):
            try:
                made = await book(at, slot)
            except OutcomeUnknownError:
                pass_by(at, 5)
            else:
                break
        assert made is not None
        pass_by(at, 10 * LATE_COMMIT)
        assert live(at) == [made.id]
        assert sent(at) == 1
        assert not at.sandbox.late


@versions
async def test_a_lost_response_says_how_long_the_booking_may_still_come(version: str) -> None:
    async with practice(version, retry=QUICK) as at:
        slot = (await free(at))[0]
        at.sandbox.commit_late_next(9.0, **POST)
        began = datetime.now(UTC)
        with pytest.raises(OutcomeUnknownError) as caught:
            await book(at, slot)
        error = caught.value
        assert error.operation == "POST /appointments"
        assert error.unsettled_until is not None
        assert error.unsettled_until >= began + timedelta(seconds=LATE_COMMIT)
        with pytest.raises(OutcomeUnknownError) as again:
            await book(at, slot)
        assert again.value.unsettled_until is not None
        assert abs(again.value.unsettled_until - error.unsettled_until) < timedelta(seconds=5)
        assert sent(at) == 1


@versions
async def test_a_booking_that_never_comes_is_sent_again_after_that_time(version: str) -> None:
    retry = RetryPolicy(base_delay=0.0, late_commit_window=30.0)
    async with practice(version, retry=retry) as at:
        slot = (await free(at))[0]
        at.sandbox.drop_next(when="before", **POST)
        with pytest.raises(OutcomeUnknownError):
            await book(at, slot)
        pass_by(at, 15)
        with pytest.raises(OutcomeUnknownError):
            await book(at, slot)
        pass_by(at, 30)
        made = await book(at, slot)
        assert live(at) == [made.id]
        assert sent(at) == 2


@versions
async def test_other_bookings_are_not_delayed(version: str) -> None:
    async with practice(version, retry=QUICK) as at:
        first, second, *_ = await free(at)
        at.sandbox.commit_late_next(300.0, **POST)
        with pytest.raises(OutcomeUnknownError):
            await book(at, first)
        assert (await book(at, first, who=1)).start_time == first.start
        assert (await book(at, second)).start_time == second.start


@versions
async def test_a_booking_cancelled_in_flight_is_not_sent_again_at_once(
    version: str,
) -> None:
    async with practice(version, retry=QUICK) as at:
        slot = (await free(at))[0]
        at.sandbox.hang_next(when="before", **POST)
        task = asyncio.ensure_future(book(at, slot))
        while not sent(at):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(OutcomeUnknownError):
            await book(at, slot)
        assert sent(at) == 1


@versions
async def test_another_session_finds_a_late_booking_although_the_time_is_still_listed(
    version: str,
) -> None:
    """It does not know of the first attempt, so it searches before it books."""
    async with practice(version, retry=QUICK) as at:
        slot = (await free(at))[0]
        at.sandbox.commit_late_next(9.0, **POST)
        with pytest.raises(OutcomeUnknownError):
            await book(at, slot)
        pass_by(at, 9)
        other = NexHealth(at.sandbox.api_key, base_url=at.sandbox.url, version=version)
        async with other:
            location = other.practice(at.sandbox.subdomain).location(at.sandbox.location_id)
            made = await location.appointments.book(slot, patient_id=at.sandbox.patients.ids[0])
        assert live(at) == [made.id]
        assert sent(at) == 1


@versions
async def test_the_same_booking_made_concurrently_is_sent_once(version: str) -> None:
    async with practice(version) as at:
        slot = (await free(at))[0]
        made = await asyncio.gather(*(book(at, slot) for _ in range(6)))
        assert live(at) == [made[0].id] == list({one.id for one in made})
        assert sent(at) == 1


def person(at: ErrorScene) -> dict[str, Any]:
    return {
        "provider_id": at.sandbox.providers.ids[0],
        "first_name": "Ada",
        "last_name": "Example",
        "email": "ada@example.com",
        "bio": {
            "date_of_birth": date(1990, 5, 17),
            "phone_number": "2125550123",
            "gender": "Female",
        },
    }


@DELAYS
async def test_a_patient_retried_until_known_is_created_once(seconds: float) -> None:
    async with practice("v2", retry=QUICK) as at:
        before = len(at.sandbox.patients)
        at.sandbox.commit_late_next(seconds, path="/patients", method="POST")
        found = None
        for _ in range(40):
            try:
                found = await at.location.patients.find_or_create(**person(at))
            except OutcomeUnknownError:
                pass_by(at, 5)
            else:
                break
        assert found is not None
        assert not found.created
        pass_by(at, 10 * LATE_COMMIT)
        assert len(at.sandbox.patients) == before + 1
        assert sent(at, path="/patients") == 1


async def test_in_v3_the_api_finds_a_late_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    async with practice("v3", retry=QUICK) as at:
        before = len(at.sandbox.patients)
        at.sandbox.commit_late_next(9.0, path="/patients", method="POST")
        found = await at.location.patients.find_or_create(**person(at))
        pass_by(at, 10)
        assert list(at.sandbox.patients.ids)[before:] == [found.patient.id]


@versions
@DELAYS
async def test_a_move_to_another_provider_retried_until_known_leaves_one_appointment(
    version: str, seconds: float
) -> None:
    async with practice(version, retry=QUICK) as at:
        old = await booked(at)
        slot = (await free(at, provider=1))[0]
        at.sandbox.clear()
        at.sandbox.commit_late_next(seconds, **POST)
        done = None
        for _ in range(40):
            try:
                done = await at.location.appointments.reschedule(old, slot)
            except OutcomeUnknownError:
                assert old.id in live(at)
                pass_by(at, 5)
            else:
                break
        assert done is not None
        pass_by(at, 10 * LATE_COMMIT)
        assert live(at) == [done.appointment.id]
        assert sent(at) == 1


@pytest.mark.parametrize("seconds", [9.0, 60.0])
async def test_a_move_in_place_with_lost_responses_is_unknown(seconds: float) -> None:
    async with practice("v3", retry=QUICK) as at:
        old = await booked(at)
        slot = (await free(at))[-1]
        at.sandbox.commit_late_next(seconds, times=4, **PATCH)
        with pytest.raises(OutcomeUnknownError) as caught:
            await at.location.appointments.reschedule(old, slot)
        assert caught.value.unsettled_until is not None
        assert caught.value.operation == "PATCH /appointments/{id}"
        pass_by(at, seconds)
        done = await at.location.appointments.reschedule(old, slot)
        assert (done.appointment.id, done.replaced) == (old.id, None)
        assert done.appointment.start_time == slot.start
        assert live(at) == [old.id]


async def test_a_move_in_place_that_was_done_is_found() -> None:
    async with practice("v3", retry=QUICK) as at:
        old = await booked(at)
        slot = (await free(at))[-1]
        at.sandbox.drop_next(when="after", times=4, **PATCH)
        done = await at.location.appointments.reschedule(old, slot)
        assert (done.appointment.id, done.appointment.start_time) == (old.id, slot.start)
        assert live(at) == [old.id]


@versions
async def test_every_write_with_a_lost_response_says_how_long_it_may_still_come(
    version: str,
) -> None:
    async with practice(version, retry=QUICK) as at:
        patient = at.sandbox.patients.ids[0]
        at.sandbox.commit_late_next(9.0, path="/patients/{id}/alerts", method="POST")
        with pytest.raises(OutcomeUnknownError) as caught:
            await at.location.patients.alerts.create(patient, note="late")
        assert caught.value.unsettled_until is not None
        walked = [alert.note async for alert in at.location.patients.alerts.walk(patient)]
        assert "late" not in walked
        pass_by(at, 9)
        walked = [alert.note async for alert in at.location.patients.alerts.walk(patient)]
        assert "late" in walked
