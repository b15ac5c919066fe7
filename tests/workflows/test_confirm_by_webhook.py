"""From the practice's system to the result: signed deliveries, a receiver, a confirmation."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from nexhealth_async import EventBus, webhooks
from nexhealth_async.webhooks import Receiver
from nexhealth_async.webhooks.aiohttp import endpoint
from tests.session.transport_error_helpers import ErrorScene, LoopClock, scene
from tests.workflows.helpers import FakeEvents, booked, versions

if TYPE_CHECKING:
    from nexhealth_async.workflows import WriteEvent

EVENTS = ("appointment_insertion", "payment_insertion", "adjustment_insertion")


@asynccontextmanager
async def received(version: str) -> AsyncGenerator[tuple[ErrorScene, EventBus]]:
    """A sandbox whose deliveries arrive on an event bus."""
    board, ready = EventBus(), list[Receiver]()

    async def take(request: web.Request) -> web.Response:
        return await endpoint(ready[0])(request)

    app = web.Application()
    app.router.add_post("/hooks", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        async with scene(version=version, clock=LoopClock()) as at:
            done = await at.nex.webhooks.ensure(url, EVENTS, [at.sandbox.subdomain])
            assert done.endpoint is not None
            assert done.endpoint.secret_key is not None
            async with Receiver(done.endpoint.secret_key, board) as receiver:
                ready.append(receiver)
                yield at, board
    finally:
        await runner.cleanup()


@versions
async def test_bookings_are_confirmed_and_failed_by_webhooks(version: str) -> None:
    async with received(version) as (at, board):
        good, bad = await booked(at), await booked(at, slot=1)
        at.sandbox.sync(fail=[bad.id])
        confirm = at.location.appointments.confirm
        written = await confirm(good, events=board, timeout=30)
        assert written.complete
        assert written.record is not None
        assert written.record.foreign_id
        written = await confirm(bad, events=board, timeout=30)
        assert (written.status, written.source) == ("failed", "webhook")
        assert written.record is not None
        assert written.record.foreign_id is None


@versions
@pytest.mark.parametrize("outcome", ["timed_out", "incomplete"])
async def test_the_kinds_of_failure_are_distinguished(version: str, outcome: Any) -> None:
    async with received(version) as (at, board):
        made = await booked(at)
        at.sandbox.sync(fail=[made.id], outcome=outcome)
        written = await at.location.appointments.confirm(made, events=board, timeout=30)
        assert written.status == outcome.replace("_", " ")


async def test_ledger_entries_are_matched_by_their_transaction() -> None:
    async with received("v3") as (at, board):
        patient_id = at.sandbox.patients.ids[0]
        for name in ("good", "bad"):
            await at.location.payments.create(
                patient_id=patient_id, amount=Decimal(-5), transaction_id=name
            )
        at.sandbox.sync(fail=["bad"])
        confirm = at.location.payments.confirm
        good = await confirm(transaction_id="good", events=board, timeout=30)
        assert good.complete
        assert good.record is not None
        bad = await confirm(transaction_id="bad", events=board, timeout=30)
        assert (bad.status, bad.source) == ("failed", "webhook")


def test_a_parsed_event_can_be_published() -> None:
    """Checked by the type checkers: an event of `webhooks` is an event here."""
    board = EventBus()
    body = b'{"resource_type":"Patient","event_name":"patient_created","data":{"patients":[]}}'
    event: WriteEvent = webhooks.parse(body)
    board.publish(event)
    other: WriteEvent = FakeEvents(event="a", outcome=None, records=())
    board.publish(other)
    assert repr(board) == "<EventBus: 2 kept, 0 listening>"


async def test_a_rejected_write_stays_rejected() -> None:
    async with scene(clock=LoopClock()) as at:
        good, bad = await booked(at), await booked(at, slot=1)
        assert at.sandbox.sync(fail=[bad.id]) == 1
        assert at.sandbox.sync() == 0
        assert at.sandbox.appointments.row(bad.id)["foreign_id"] is None
        assert at.sandbox.appointments.row(good.id)["foreign_id"] is not None
        insertions = [
            (insertion.record["id"], insertion.outcome) for insertion in at.sandbox.insertions
        ]
        assert insertions == [(good.id, "complete"), (bad.id, "failed")]
