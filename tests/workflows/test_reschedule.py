"""Rescheduling: in place where possible; a patient is never without an appointment."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from nexhealth_async import (
    AlreadyCancelledError,
    DoubleBookedError,
    InvalidArgumentError,
    NexHealthError,
    RescheduleResult,
    RetryPolicy,
    SlotTakenError,
)
from tests.workflows.helpers import booked, free, live, practice, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

IMPATIENT = RetryPolicy(base_delay=0.0, attempt_timeout=1.0)
PATCH: dict[str, Any] = {"path": "/appointments/{id}", "method": "PATCH"}


async def test_v3_moves_the_appointment_in_place() -> None:
    async with practice("v3") as at:
        old = await booked(at)
        slot = (await free(at))[-1]
        done = await at.location.appointments.reschedule(old, slot)
        assert (done.appointment.id, done.replaced) == (old.id, None)
        assert done.appointment.start_time == slot.start
        assert done.appointment.operatory_id == slot.operatory_id
        assert live(at) == [old.id]


async def test_a_slot_without_an_end_keeps_the_length() -> None:
    async with practice("v3") as at:
        old = await booked(at)
        slot = evolve((await free(at))[-1], end=None)
        at.sandbox.clear()
        done = await at.location.appointments.reschedule(old, slot, note="moved")
        now = done.appointment
        assert done.replaced is None
        assert now.note == "moved"
        assert (now.start_time, now.end_time) == (slot.start, slot.start + timedelta(minutes=30))


@versions
async def test_otherwise_the_new_appointment_is_booked_before_the_old_one_is_cancelled(
    version: str,
) -> None:
    async with practice(version) as at:
        at.sandbox.assumptions.system_reschedules = False
        old = await at.location.appointments.book(
            (await free(at))[0], patient_id=at.sandbox.patients.ids[0], note="nervous"
        )
        slot = (await free(at))[-1]
        at.sandbox.clear()
        done = await at.location.appointments.reschedule(old, slot)
        assert done.replaced == old.id
        assert live(at) == [done.appointment.id]
        assert done.appointment.start_time == slot.start
        assert done.appointment.patient_id == old.patient_id
        assert done.appointment.note == "nervous"
        writes = [
            request.method for request in at.sandbox.requests if request.method in {"POST", "PATCH"}
        ]
        assert writes[-2:] == ["POST", "PATCH"]


@versions
async def test_another_provider_means_another_appointment(version: str) -> None:
    async with practice(version) as at:
        old = await booked(at)
        slot = (await free(at, provider=1))[0]
        done = await at.location.appointments.reschedule(old, slot)
        assert done.replaced == old.id
        assert done.appointment.provider_id == slot.provider_id
        assert live(at) == [done.appointment.id]


async def test_a_server_that_ignores_the_new_time_is_detected() -> None:
    async with practice("v3") as at:
        old = await booked(at)
        was = {**at.sandbox.appointments.row(old.id)}
        del was["id"]
        slot = (await free(at))[-1]

        def ignored(body: bytes) -> bytes:
            at.sandbox.appointments.update(old.id, **was)
            return body.replace(b"2026-06-03T", b"2026-06-01T")

        at.sandbox.alter_next(ignored, **PATCH)
        done = await at.location.appointments.reschedule(old, slot)
        assert done.replaced == old.id
        assert live(at) == [done.appointment.id]


@versions
async def test_a_taken_time_changes_nothing(version: str) -> None:
    async with practice(version) as at:
        old = await booked(at)
        slot = (await free(at))[-1]
        await at.location.appointments.book(slot, patient_id=at.sandbox.patients.ids[1])
        before = live(at)
        with pytest.raises(SlotTakenError):
            await at.location.appointments.reschedule(old, slot)
        assert live(at) == before
        assert not at.sandbox.seen("PATCH", "/appointments/{id}")


async def test_an_overlapping_time_is_possible_in_place_only() -> None:
    async with practice("v3") as at:
        old = await booked(at)
        assert old.start_time is not None
        assert old.end_time is not None
        half = (old.end_time - old.start_time) / 2
        later = evolve(
            (await free(at))[0],
            start=old.start_time + half,
            end=old.end_time + half,
            operatory_id=old.operatory_id,
        )
        done = await at.location.appointments.reschedule(old, later)
        assert (done.replaced, done.appointment.start_time) == (None, later.start)
        at.sandbox.assumptions.system_reschedules = False
        back = evolve(later, start=old.start_time, end=old.end_time)
        with pytest.raises(SlotTakenError):
            await at.location.appointments.reschedule(done.appointment, back)
        assert live(at) == [old.id]


@versions
async def test_moving_to_the_same_time_never_loses_the_appointment(version: str) -> None:
    async with practice(version) as at:
        at.sandbox.assumptions.system_reschedules = False
        slot = (await free(at))[0]
        old = await booked(at)
        with pytest.raises(SlotTakenError):
            await at.location.appointments.reschedule(old, slot)
        assert live(at) == [old.id]


@versions
async def test_if_the_cancellation_fails_both_appointments_are_named(version: str) -> None:
    async with practice(version) as at:
        old = await booked(at)
        slot = (await free(at, provider=1))[-1]
        at.sandbox.fail_next(500, times=99, **PATCH)
        with pytest.raises(DoubleBookedError) as caught:
            await at.location.appointments.reschedule(old, slot)
        error = caught.value
        assert error.old_id == old.id
        assert sorted(live(at)) == sorted([old.id, error.new_id])
        assert str(old.id) in str(error)
        at.sandbox.clear()
        await at.location.appointments.update(error.old_id, cancelled=True)
        assert live(at) == [error.new_id]


@versions
async def test_an_interrupted_move_that_is_repeated_ends_with_one_appointment(
    version: str,
) -> None:
    """The new one was booked, the old one not yet cancelled: the slot is the patient's own."""
    async with practice(version) as at:
        old = await booked(at)
        slot = (await free(at, provider=1))[-1]
        at.sandbox.fail_next(500, times=99, **PATCH)
        with pytest.raises(DoubleBookedError) as caught:
            await at.location.appointments.reschedule(old, slot)
        at.sandbox.clear()
        done = await at.location.appointments.reschedule(old, slot)
        assert (done.appointment.id, done.replaced) == (caught.value.new_id, old.id)
        assert live(at) == [caught.value.new_id]


@versions
async def test_a_cancellation_with_a_lost_response_counts(version: str) -> None:
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        old = await booked(at)
        slot = (await free(at, provider=1))[-1]
        at.sandbox.truncate_next(**PATCH)
        done = await at.location.appointments.reschedule(old, slot)
        assert live(at) == [done.appointment.id]


@versions
async def test_a_cancelled_appointment_is_not_moved(version: str) -> None:
    async with practice(version) as at:
        old = await booked(at)
        await at.location.appointments.update(old.id, cancelled=True)
        with pytest.raises(AlreadyCancelledError):
            await at.location.appointments.reschedule(old, (await free(at))[-1])
        assert not live(at)


async def test_a_block_is_not_booked_again() -> None:
    async with practice() as at:
        slot = (await free(at))[0]
        block = await at.location.appointments.create(
            patient_id=None,
            unavailable=True,
            provider_id=at.sandbox.providers.ids[0],
            start_time=slot.start,
            end_time=slot.end or slot.start,
            operatory_id=slot.operatory_id or 0,
        )
        with pytest.raises(InvalidArgumentError):
            await at.location.appointments.reschedule(block, (await free(at))[-1])
        assert live(at) == [block.id]


FAULTS: list[Callable[[Any], object]] = [
    lambda sandbox: sandbox.drop_next(when="before"),
    lambda sandbox: sandbox.drop_next(when="after"),
    lambda sandbox: sandbox.fail_next(500, times=5),
    lambda sandbox: sandbox.truncate_next(times=5),
    lambda sandbox: sandbox.hang_next(when="after"),
    lambda sandbox: sandbox.hang_next(when="before", times=5),
]


async def outcome(
    work: Coroutine[object, None, RescheduleResult],
) -> RescheduleResult | NexHealthError:
    try:
        return await work
    except NexHealthError as error:
        return error


@versions
@pytest.mark.parametrize("fault", range(len(FAULTS)))
async def test_under_any_fault_the_patient_has_an_appointment(version: str, fault: int) -> None:
    """The fault happens at each request in turn; afterwards the error describes the state."""
    async with practice(version, retry=IMPATIENT, timeout=20) as at:
        patient = at.sandbox.patients.ids[0]
        for nth in range(6):
            slots = await free(at)
            old = await at.location.appointments.book(slots[0], patient_id=patient)
            for _ in range(nth):
                at.sandbox.alter_next(lambda body: body)
            FAULTS[fault](at.sandbox)
            match await outcome(at.location.appointments.reschedule(old, slots[-1])):
                case DoubleBookedError(old_id=old_id, new_id=new_id):
                    assert sorted(live(at)) == sorted([old_id, new_id])
                case NexHealthError():
                    assert live(at)
                case RescheduleResult(appointment=now):
                    assert live(at) == [now.id]
            at.sandbox.clear()
            for id in live(at):
                at.sandbox.appointments.update(id, cancelled=True)
