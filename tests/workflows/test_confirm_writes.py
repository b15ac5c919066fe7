"""Confirmation: a write is complete when the practice's system has it, and never before."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import EventBus, InvalidAPIKeyError, InvalidArgumentError, WriteResult
from nexhealth_async.models import Appointment
from nexhealth_async.workflows.confirmation_rules import is_synced
from tests.session.transport_error_helpers import SENTINEL
from tests.workflows.helpers import FakeEvents, after, booked, practice, versions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from nexhealth_async.workflows import WriteEvent


@pytest.mark.parametrize(
    ("foreign_id", "kind", "is_there"),
    [
        (None, "nex", False),
        (None, None, False),
        (None, "remote_db-x", False),
        ("", "remote_db-x", False),
        ("7", "nex", False),
        ("7", "Nex-2", False),
        ("7", "NEX", False),
        ("7", "remote_db-x", True),
        ("7", None, True),
    ],
)
def test_only_a_foreign_id_of_the_practices_system_counts(
    foreign_id: str | None, kind: str | None, *, is_there: bool
) -> None:
    assert is_synced(Appointment(id=1, foreign_id=foreign_id, foreign_id_type=kind)) is is_there


@versions
async def test_a_booking_is_complete_once_the_practice_has_it(version: str) -> None:
    async with practice(version) as at:
        made = await booked(at)
        after(40, at.sandbox.sync)
        start = asyncio.get_running_loop().time()
        written = await at.location.appointments.confirm(made)
        assert (written.status, written.source) == ("complete", "look")
        assert written.complete
        assert written.record is not None
        assert written.record.foreign_id is not None
        assert 40 <= asyncio.get_running_loop().time() - start < 100
        assert 3 <= written.polls <= 6


@versions
async def test_a_completed_write_is_not_polled(version: str) -> None:
    async with practice(version) as at:
        made = await booked(at)
        at.sandbox.sync()
        known = await at.location.appointments.get(made.id)
        sent = at.sent
        assert (await at.location.appointments.confirm(known)).complete
        assert at.sent == sent
        assert (await at.location.appointments.confirm(made.id)).complete


@versions
@pytest.mark.parametrize("seconds", [0.0, 1.0, 30.0, 3000.0])
async def test_a_failed_write_never_becomes_a_success(version: str, seconds: float) -> None:
    async with practice(version) as at:
        made = await booked(at)
        at.sandbox.sync(fail=[made.id])
        start = asyncio.get_running_loop().time()
        written = await at.location.appointments.confirm(made, timeout=seconds)
        spent = asyncio.get_running_loop().time() - start
        assert written.status == "waiting"
        assert not written.final
        assert written.source is None
        assert seconds <= spent < seconds + 2


async def test_pauses_grow_so_that_an_hour_takes_few_requests() -> None:
    async with practice() as at:
        made = await booked(at)
        at.sandbox.clear()
        written = await at.location.appointments.confirm(made, timeout=3600)
        assert 10 <= written.polls <= 20
        looked = at.sandbox.seen("GET", "/appointments/{id}")
        assert len(looked) == written.polls
        assert at.sent <= written.polls + 2


async def test_a_last_poll_is_made_just_before_the_timeout() -> None:
    async with practice() as at:
        made = await booked(at)
        after(70, at.sandbox.sync)
        assert (await at.location.appointments.confirm(made, timeout=74)).complete


@versions
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("complete", "complete"),
        ("failed", "failed"),
        ("timed_out", "timed out"),
        ("incomplete", "incomplete"),
    ],
)
async def test_a_webhook_settles_a_write_at_once(version: str, outcome: str, status: str) -> None:
    async with practice(version) as at:
        made, event_bus = await booked(at), EventBus()
        event = FakeEvents(event="appointment_insertion", outcome=outcome, records=(made,))
        after(3, event_bus.publish, event)
        start = asyncio.get_running_loop().time()
        written = await at.location.appointments.confirm(made, events=event_bus)
        assert (written.status, written.source) == (status, "webhook")
        assert written.final
        assert (written.reason is None) == (outcome == "complete")
        assert asyncio.get_running_loop().time() - start < 5
        assert "0 listening" in repr(event_bus)


async def test_a_failure_event_received_before_the_confirmation_counts() -> None:
    async with practice() as at:
        made, event_bus = await booked(at), EventBus()
        await event_bus(
            FakeEvents(event="appointment_insertion", outcome="failed", records=({"id": made.id},))
        )
        written = await at.location.appointments.confirm(made, events=event_bus)
        assert (written.status, written.polls) == ("failed", 1)
        assert written.record is not None


async def test_events_about_other_records_are_ignored() -> None:
    async with practice() as at:
        made, event_bus = await booked(at), EventBus()
        for event in (
            FakeEvents(
                event="appointment_insertion", outcome="failed", records=({"id": made.id + 1},)
            ),
            FakeEvents(event="appointment_updated", outcome="failed", records=({"id": made.id},)),
            FakeEvents(event="appointment_insertion", outcome="failed", records=()),
            FakeEvents(
                event="appointment_insertion",
                outcome="failed",
                records=({"id": made.id, "institution_id": -1},),
            ),
        ):
            event_bus.publish(event)
        written = await at.location.appointments.confirm(made, events=event_bus, timeout=100)
        assert written.status == "waiting"


async def test_a_lost_webhook_costs_only_time() -> None:
    async with practice() as at:
        made = await booked(at)
        after(90, at.sandbox.sync)
        start = asyncio.get_running_loop().time()
        written = await at.location.appointments.confirm(made, events=EventBus(), timeout=900)
        assert (written.status, written.source) == ("complete", "look")
        assert asyncio.get_running_loop().time() - start < 300
        assert written.polls <= 4


async def test_an_unknown_outcome_in_an_event_causes_one_poll() -> None:
    async with practice() as at:
        made, event_bus = await booked(at), EventBus()
        after(
            2,
            event_bus.publish,
            FakeEvents(event="appointment_insertion", outcome="new", records=(made,)),
        )
        written = await at.location.appointments.confirm(made, events=event_bus, timeout=20)
        assert (written.status, written.polls) == ("waiting", 3)


class FiniteEvents:
    """Events that end after the given ones."""

    def __init__(self, *events: WriteEvent) -> None:
        self.events = events

    @asynccontextmanager
    async def subscribe(
        self, condition: Callable[[WriteEvent], bool], /
    ) -> AsyncGenerator[AsyncIterator[WriteEvent]]:
        async def wanted_ones() -> AsyncIterator[WriteEvent]:
            for one in filter(condition, self.events):
                yield one

        yield wanted_ones()


async def test_polling_continues_after_the_events_end() -> None:
    async with practice() as at:
        made = await booked(at)
        after(90, at.sandbox.sync)
        written = await at.location.appointments.confirm(made, events=FiniteEvents())
        assert (written.status, written.source) == ("complete", "look")


@versions
async def test_confirmation_ends_when_the_booking_is_cancelled(version: str) -> None:
    async with practice(version) as at:
        made = await booked(at)
        at.sandbox.appointments.update(made.id, cancelled=True)
        written = await at.location.appointments.confirm(made)
        assert (written.status, written.polls) == ("cancelled", 1)
        at.sandbox.appointments.delete(made.id)
        assert (await at.location.appointments.confirm(made)).status == "gone"


@versions
async def test_a_location_that_accepts_no_bookings_holds_them(version: str) -> None:
    async with practice(version) as at:
        made = await booked(at)
        at.sandbox.practice.locations.update(at.sandbox.location_id, insert_appt_client=False)
        written = await at.location.appointments.confirm(made, timeout=None)
        assert written.status == "held"
        assert written.reason is not None
        assert "insert_appt_client" in written.reason


@versions
async def test_a_write_without_a_practice_system_ends_with_the_reason(version: str) -> None:
    async with practice(version) as at:
        at.sandbox.practice.connected = False
        made = await booked(at)
        assert at.sandbox.sync() == 0
        written = await at.location.appointments.confirm(made, timeout=None)
        assert (written.status, written.polls) == ("not connected", 2)
        assert written.record is not None
        assert written.record.foreign_id is None
        assert "no practice system is connected" in str(written.reason)
        assert written.final
        assert not written.complete


@versions
async def test_a_patient_without_a_practice_system_ends_with_the_reason(version: str) -> None:
    async with practice(version) as at:
        at.sandbox.practice.connected = False
        created = await at.location.patients.create(
            provider_id=at.sandbox.providers.ids[0],
            first_name="Ida",
            last_name="Moss",
            email="ida@example.com",
            bio={"date_of_birth": date(1990, 6, 5), "phone_number": "2065550124"},
        )
        written = await at.location.patients.confirm(created, timeout=None)
        assert written.status == "not connected"


async def test_a_payment_without_a_practice_system_ends_with_the_reason() -> None:
    async with practice("v3") as at:
        at.sandbox.practice.connected = False
        await pay(at, "pay-0")
        written = await at.location.payments.confirm(transaction_id="pay-0", timeout=None)
        assert written.status == "not connected"


@versions
async def test_a_practice_that_gets_its_system_later_receives_the_write(version: str) -> None:
    async with practice(version) as at:
        at.sandbox.practice.connected = False
        made = await booked(at)
        at.sandbox.practice.connected = True
        assert at.sandbox.sync() == 1
        assert (await at.location.appointments.confirm(made)).status == "complete"


@versions
async def test_an_unreachable_practice_is_given_as_the_reason(version: str) -> None:
    async with practice(version) as at:
        made = await booked(at)
        at.sandbox.practice.write_status = "red"
        written = await at.location.appointments.confirm(made, timeout=60)
        assert written.status == "waiting"
        assert "write_status is red" in str(written.reason)


@versions
async def test_transient_failures_of_polls_end_nothing(version: str) -> None:
    async with practice(version) as at:
        made = await booked(at)
        at.sandbox.fail_next(503, times=8, path="/appointments/{id}", method="GET")
        after(30, at.sandbox.sync)
        assert (await at.location.appointments.confirm(made)).complete
        other = await booked(at, slot=1)
        at.sandbox.fail_next(500, times=999, path="/appointments/{id}", method="GET")
        written = await at.location.appointments.confirm(other, timeout=60)
        assert written.status == "waiting"
        assert "failed" in str(written.reason)


async def test_a_rejected_key_is_raised() -> None:
    async with practice() as at:
        made = await booked(at)
        after(7, at.sandbox.revoke_key)
        with pytest.raises(InvalidAPIKeyError):
            await at.location.appointments.confirm(made)


@pytest.mark.parametrize("event_bus", [None, EventBus()])
async def test_cancelling_leaves_nothing_behind(event_bus: EventBus | None) -> None:
    async with practice() as at:
        made = await booked(at)
        before = asyncio.all_tasks()
        waiting = asyncio.create_task(at.location.appointments.confirm(made, events=event_bus))
        await asyncio.sleep(20)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before
        assert event_bus is None or "0 listening" in repr(event_bus)


async def test_a_timeout_below_zero_is_refused() -> None:
    async with practice() as at:
        made = await booked(at)
        with pytest.raises(InvalidArgumentError):
            await at.location.appointments.confirm(made, timeout=-1)


@versions
async def test_a_patient_can_be_confirmed_too(version: str) -> None:
    async with practice(version) as at:
        made = await at.location.patients.create(
            provider_id=at.sandbox.providers.ids[0],
            first_name="Ada",
            last_name=SENTINEL,
            email="ada@example.com",
            bio={"date_of_birth": "1990-01-02", "phone_number": "2125550133"},  # type: ignore[typeddict-item]  # text is what the wire has
        )
        after(100, at.sandbox.sync)
        written = await at.location.patients.confirm(made)
        assert written.complete
        assert SENTINEL not in repr(written)
        at.sandbox.patients.delete(made.id)
        gone = await at.location.patients.confirm(made.id)
        assert gone.status == "gone"
        assert "another id" in str(gone.reason)


async def pay(at: Any, transaction_id: str, splits: dict[int, Decimal] | None = None) -> None:
    await at.location.payments.create(
        patient_id=at.sandbox.patients.ids[0],
        amount=Decimal(-50),
        transaction_id=transaction_id,
        **({"charge_splits": splits} if splits else {}),
    )


async def test_a_payment_is_complete_once_the_ledger_shows_all_of_it() -> None:
    async with practice("v3") as at:
        await pay(at, "pay-1", {at.sandbox.practice.charges.ids[0]: Decimal(-20)})
        after(60, at.sandbox.sync)
        written = await at.location.payments.confirm(transaction_id="pay-1", amount=Decimal(-50))
        assert written.complete
        assert written.record is not None
        assert len(written.record) == 2
        short = await at.location.payments.confirm(
            transaction_id="pay-1", amount=Decimal(-70), timeout=60
        )
        assert short.status == "waiting"
        assert "add up" in str(short.reason)


async def test_a_failed_payment_is_never_complete() -> None:
    async with practice("v3") as at:
        await pay(at, "pay-2")
        assert at.sandbox.sync(fail=["pay-2"]) == 0
        at.sandbox.sync()
        confirm = at.location.payments.confirm
        assert (await confirm(transaction_id="pay-2", timeout=600)).status == "waiting"
        event_bus = EventBus()
        record = {"transaction_id": "pay-2"}
        event_bus.publish(
            FakeEvents(event="payment_insertion", outcome="failed", records=(record,))
        )
        written = await confirm(transaction_id="pay-2", events=event_bus)
        assert (written.status, written.record) == ("failed", None)
        with pytest.raises(InvalidArgumentError):
            await confirm(transaction_id=" ")


async def test_an_adjustment_is_confirmed_by_its_transaction() -> None:
    async with practice("v3") as at:
        patient_id = at.sandbox.patients.ids[0]
        await at.location.adjustments.create(
            patient_id=patient_id,
            amount=Decimal(-10),
            transaction_id="adj-1",
            adjustment_type_id=2_201,
        )
        after(60, at.sandbox.sync)
        written = await at.location.adjustments.confirm(
            transaction_id="adj-1", patient_id=patient_id, amount=Decimal(-10)
        )
        assert written.complete
        assert written.record is not None
        assert [one.transaction_id for one in written.record] == ["adj-1"]


def test_the_repr_of_a_tracked_write_shows_no_record() -> None:
    record = Appointment(id=1, note=SENTINEL)
    assert SENTINEL not in repr(WriteResult(status="complete", record=record))


async def test_an_event_bus_keeps_the_latest_events_and_publishes_to_all_listeners() -> None:
    event_bus = EventBus(history_size=2)
    for id in (1, 2, 3):
        event_bus.publish(
            FakeEvents(event="appointment_insertion", outcome=str(id), records=(SENTINEL,))
        )
    assert repr(event_bus) == "<EventBus: 2 kept, 0 listening>"
    async with (
        event_bus.subscribe(lambda event: event.outcome != "3") as some,
        event_bus.subscribe(lambda _: True) as every,
    ):
        event_bus.publish(FakeEvents(event="appointment_insertion", outcome="4", records=()))
        assert [(await anext(some)).outcome for _ in range(2)] == ["2", "4"]
        assert [(await anext(every)).outcome for _ in range(3)] == ["2", "3", "4"]
