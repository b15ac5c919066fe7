"""The sandbox delivers changes to subscribers, and retries as the vendor does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from attrs import Factory, define

from nexhealth_async import NexHealth
from nexhealth_async.models import Appointment, Patient, Payment, SyncStatus
from nexhealth_async.sandbox import Clock, Sandbox
from nexhealth_async.sandbox.handlers.webhooks import EVENTS
from nexhealth_async.sandbox.webhook_deliveries import RETRIES
from nexhealth_async.webhooks import Event, Receiver, receive
from tests.webhooks.servers import SERVERS

SECRET = "an-invented-secret"


@define
class Inbox:
    """An endpoint that receives deliveries, and responds as configured."""

    url: str = ""
    status: int = 200
    hold: asyncio.Event | None = None
    got: list[tuple[dict[str, str], bytes]] = Factory(list[tuple[dict[str, str], bytes]])

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(status=self.status)

    def events(self, secret: str) -> list[Event]:
        found = [receive(secret, headers, body) for headers, body in self.got]
        assert None not in found, "a delivery is not signed as the client asks"
        return [one for one in found if one is not None]


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    sandbox = Inbox()
    app = web.Application()
    app.router.add_post("/hook", sandbox.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        sandbox.url = f"http://{host}:{port}/hook"
        yield sandbox
    finally:
        await runner.cleanup()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    clock = Clock(datetime(2026, 6, 1, 12, tzinfo=UTC))
    async with Sandbox(patients=5, appointments=5, clock=clock) as sandbox:
        yield sandbox


def subscribed(
    sandbox: Sandbox, url: str, *events: str, version: str = "v3", secret: str = SECRET
) -> int:
    """Subscribe in the sandbox's own tables; returns the endpoint's id."""
    endpoint = sandbox.world.webhook_endpoints.add(
        {"target_url": url, "secret_key": secret, "active": True}
    )
    for event in events:
        sandbox.world.webhook_subscriptions.add(
            {
                "webhook_endpoint_id": endpoint,
                "institution_id": sandbox.practice.institution_id,
                "event": event,
                "active": True,
                "version": version,
            }
        )
    return endpoint


def active(sandbox: Sandbox, endpoint: int) -> object:
    return sandbox.world.webhook_endpoints.row(endpoint)["active"]


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_client_receives_the_outcome_of_its_booking(
    sandbox: Sandbox, inbox: Inbox, version: str
) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, version=version) as nex:
        practice = nex.practice(sandbox.subdomain)
        location = practice.location(sandbox.location_id)
        endpoint = await nex.webhook_endpoints.create(target_url=inbox.url)
        names = ("appointment_insertion", "appointment_created", "appointment_updated")
        for event in names:
            await practice.webhook_endpoints.subscriptions.create(
                endpoint.id, resource_type="Appointment", event=event
            )
        start = sandbox.clock.today() + timedelta(days=400)
        made = await location.appointments.create(
            patient_id=sandbox.patients.ids[0],
            provider_id=sandbox.providers.ids[0],
            operatory_id=sandbox.operatories.ids[0],
            start_time=start,
            end_time=start + timedelta(minutes=30),
        )
        await sandbox.webhooks.wait_until_settled()
        assert inbox.got == []  # accepted is not written
        sandbox.sync()
        await location.appointments.update(made.id, cancelled=True)
        await sandbox.webhooks.wait_until_settled()
        events = inbox.events(str(endpoint.secret_key))
    assert sorted(one.name for one in events) == [
        "appointment_created",
        "appointment_insertion.complete",
        "appointment_updated",
    ]
    assert {one.of(Appointment)[0].id for one in events} == {made.id}
    appointments = {one.event: one.of(Appointment)[0] for one in events}
    assert appointments["appointment_insertion"].foreign_id is not None
    assert appointments["appointment_updated"].cancelled is True
    assert {one.subdomain for one in events} == {sandbox.subdomain}
    data: Any = {one.event: one.raw["data"] for one in events}
    assert isinstance(data["appointment_created"]["appointments"], list)
    assert isinstance(data["appointment_updated"]["appointment"], dict)


async def test_a_write_rejected_by_the_practices_system_is_delivered(
    sandbox: Sandbox, inbox: Inbox
) -> None:
    subscribed(sandbox, inbox.url, "appointment_insertion", "appointment_created")
    made = sandbox.appointments.insert(foreign_id=None, foreign_id_type="nex")
    sandbox.sync(fail=[made], outcome="timed_out")
    await sandbox.webhooks.wait_until_settled()
    (event,) = inbox.events(SECRET)
    assert (event.event, event.outcome) == ("appointment_insertion", "timed_out")
    assert event.of(Appointment)[0].id == made


async def test_changes_by_the_practice_are_delivered(sandbox: Sandbox, inbox: Inbox) -> None:
    subscribed(sandbox, inbox.url, "patient_created", "patient_updated", "payment_deleted")
    made = sandbox.patients.insert(first_name="Ada")
    sandbox.patients.update(made, email="ada@example.com")
    payment = sandbox.practice.payments.ids[0]
    sandbox.practice.payments.delete(payment)
    await sandbox.webhooks.wait_until_settled()
    events = {event.event: event for event in inbox.events(SECRET)}
    assert events["patient_created"].of(Patient)[0].first_name == "Ada"
    (changed,) = events["patient_updated"].of(Patient)
    assert (changed.id, changed.email) == (made, "ada@example.com")
    assert changed.updated_at == sandbox.clock.today()
    assert events["payment_deleted"].of(Payment)[0].id == payment
    assert len(events) == len(inbox.got) == 3


async def test_a_payment_is_delivered_when_it_is_in_the_ledger(
    sandbox: Sandbox, inbox: Inbox
) -> None:
    subscribed(sandbox, inbox.url, "payment_insertion", "payment_created")
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, version="v3") as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        await location.payments.create(
            patient_id=sandbox.patients.ids[0], amount=-20, transaction_id="an-id-of-ours"
        )
    await sandbox.webhooks.wait_until_settled()
    assert inbox.got == []
    sandbox.sync()
    await sandbox.webhooks.wait_until_settled()
    events = inbox.events(SECRET)
    assert sorted(event.name for event in events) == [
        "payment_created",
        "payment_insertion.complete",
    ]
    assert {event.of(Payment)[0].transaction_id for event in events} == {"an-id-of-ours"}


async def test_each_subscription_gets_the_form_of_its_version_with_one_key(
    sandbox: Sandbox, inbox: Inbox
) -> None:
    subscribed(sandbox, inbox.url, "patient_updated", version="v2")
    subscribed(sandbox, inbox.url, "patient_updated", version="v3")
    sandbox.patients.update(sandbox.patients.ids[0], email="new@example.com")
    await sandbox.webhooks.wait_until_settled()
    events = inbox.events(SECRET)
    shapes: list[Any] = [event.raw["data"] for event in events]
    assert sorted("hipaa" in shape["patients"][0] for shape in shapes) == [False, True]
    assert len({event.key for event in events}) == 1


async def test_only_active_subscribers_receive_events(sandbox: Sandbox, inbox: Inbox) -> None:
    off = subscribed(sandbox, inbox.url, "patient_updated")
    sandbox.world.webhook_endpoints.update(off, active=False)
    subscribed(sandbox, inbox.url, "patient_created")
    deaf = subscribed(sandbox, inbox.url, "patient_updated")
    subscription = sandbox.world.webhook_subscriptions.where("webhook_endpoint_id", deaf)[0]
    sandbox.world.webhook_subscriptions.update(subscription, active=False)
    sandbox.patients.update(sandbox.patients.ids[0], email="new@example.com")
    await sandbox.webhooks.wait_until_settled()
    assert inbox.got == []
    assert len(sandbox.webhooks) == 0


@pytest.mark.parametrize("name", sorted(event for events in EVENTS.values() for event in events))
async def test_every_event_can_be_delivered_on_request(
    sandbox: Sandbox, inbox: Inbox, name: str
) -> None:
    data = None
    if name.startswith(("message", "form", "procedure_code", "document", "onboarding")):
        data = {"id": 7}
    (sent,) = await sandbox.deliver(name, data=data, to=inbox.url, secret=SECRET)
    assert (sent.status, sent.is_accepted, sent.attempt) == (200, True, 0)
    (event,) = inbox.events(SECRET)
    assert event.event == name
    assert len(event.records) == 1
    assert event.is_known
    assert not event.faults
    assert SECRET not in repr(sent) + repr(sandbox.webhooks)


async def test_unknown_events_can_be_delivered_too(sandbox: Sandbox, inbox: Inbox) -> None:
    await sandbox.deliver(
        "chair_polished.twice", data={"id": 1}, to=inbox.url, secret=SECRET, resource_type="Chair"
    )
    (event,) = inbox.events(SECRET)
    assert (event.resource_type, event.name) == ("Chair", "chair_polished.twice")
    with pytest.raises(ValueError, match="add data"):
        await sandbox.deliver("chair_polished", to=inbox.url, secret=SECRET)
    with pytest.raises(ValueError, match="secret"):
        await sandbox.deliver("patient_created", to=inbox.url)


async def test_a_rejected_change_is_delivered_with_the_previous_values(
    sandbox: Sandbox, inbox: Inbox
) -> None:
    subscribed(sandbox, inbox.url, "appointment_updated")
    visit = sandbox.appointments.ids[2]
    (sent,) = await sandbox.deliver(
        "appointment_updated.failed", visit, previous_attributes={"note": "old"}
    )
    assert sent.is_accepted
    (event,) = inbox.events(SECRET)
    assert (event.outcome, event.previous_attributes) == ("failed", {"note": "old"})
    assert event.of(Appointment)[0].id == visit


async def test_the_status_of_a_sync_is_delivered(sandbox: Sandbox, inbox: Inbox) -> None:
    sandbox.practice.read_status = "red"
    await sandbox.deliver("sync_status_read_change.red", to=inbox.url, secret=SECRET)
    (event,) = inbox.events(SECRET)
    (status,) = event.of(SyncStatus)
    assert (event.outcome, status.read_status, status.write_status) == ("red", "red", "green")


async def test_a_failed_delivery_is_retried_on_schedule_until_the_endpoint_is_disabled(
    sandbox: Sandbox, inbox: Inbox
) -> None:
    inbox.status = 500
    endpoint = subscribed(sandbox, inbox.url, "patient_updated")
    sandbox.patients.update(sandbox.patients.ids[0], email="new@example.com")
    await sandbox.webhooks.wait_until_settled()
    start, passed = sandbox.clock.now(), 0.0
    for attempt, seconds in enumerate(RETRIES, start=1):
        sandbox.clock.advance(seconds - passed - 1)
        await sandbox.webhooks.wait_until_settled()
        assert len(inbox.got) == attempt, "it came too early"
        sandbox.clock.advance(1)
        passed = seconds
        assert active(sandbox, endpoint) is True
        await sandbox.webhooks.wait_until_settled()
        assert len(inbox.got) == attempt + 1
    assert active(sandbox, endpoint) is False
    assert [round(delivery.at - start) for delivery in sandbox.webhooks.sent] == [0, *RETRIES]
    assert [delivery.attempt for delivery in sandbox.webhooks.sent] == list(range(11))
    assert len({delivery.body for delivery in sandbox.webhooks.sent}) == 1
    assert len({delivery.headers["Timestamp"] for delivery in sandbox.webhooks.sent}) == 11
    assert len({event.key for event in inbox.events(SECRET)}) == 1
    sandbox.patients.update(sandbox.patients.ids[0], email="newer@example.com")
    await sandbox.webhooks.wait_until_settled()
    assert len(inbox.got) == 11


async def test_an_endpoint_is_revived_by_a_client(sandbox: Sandbox, inbox: Inbox) -> None:
    endpoint = subscribed(sandbox, inbox.url, "patient_updated")
    sandbox.world.webhook_endpoints.update(endpoint, active=False)
    async with NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
        await nex.webhook_endpoints.update(endpoint, active=True)
    sandbox.patients.update(sandbox.patients.ids[0], email="new@example.com")
    await sandbox.webhooks.wait_until_settled()
    assert len(inbox.got) == 1


async def test_a_delivery_accepted_on_the_second_try_is_not_repeated(
    sandbox: Sandbox, inbox: Inbox
) -> None:
    inbox.status = 503
    subscribed(sandbox, inbox.url, "patient_updated")
    sandbox.patients.update(sandbox.patients.ids[0], email="new@example.com")
    await sandbox.webhooks.wait_until_settled()
    inbox.status = 204
    sandbox.clock.advance(30)
    await sandbox.webhooks.wait_until_settled()
    sandbox.clock.advance(90_000)
    await sandbox.webhooks.wait_until_settled()
    assert [delivery.status for delivery in sandbox.webhooks.sent] == [503, 204]
    assert len(sandbox.webhooks) == 0


async def test_an_unreachable_endpoint_is_an_attempt_without_status(sandbox: Sandbox) -> None:
    endpoint = subscribed(sandbox, "http://127.0.0.1:9/hook", "patient_updated")
    sandbox.patients.update(sandbox.patients.ids[0], email="new@example.com")
    await sandbox.webhooks.wait_until_settled()
    assert len(sandbox.webhooks) == 1
    sandbox.world.webhook_endpoints.delete(endpoint)
    sandbox.clock.advance(30)
    await sandbox.webhooks.wait_until_settled()
    assert len(sandbox.webhooks) == 0
    assert [delivery.status for delivery in sandbox.webhooks.sent] == [None]


async def test_a_redirect_is_not_followed(sandbox: Sandbox, inbox: Inbox) -> None:
    inbox.status = 302
    (sent,) = await sandbox.deliver("patient_updated", to=inbox.url, secret=SECRET)
    assert not sent.is_accepted


@pytest.mark.parametrize("server", SERVERS)
async def test_a_receiver_hears_a_practice_through_an_outage(sandbox: Sandbox, server: str) -> None:
    """Down at first, then up again: every change arrives exactly once."""
    got: list[Event] = []

    async def handle(event: Event) -> None:
        got.append(event)

    async with SERVERS[server](Receiver(SECRET, handle)) as url:
        down = url.replace("/nexhealth", "/nobody-here")
        first = subscribed(sandbox, down, "patient_updated", version="v2")
        second = subscribed(sandbox, down, "patient_updated", version="v3")
        for at, id in enumerate(sandbox.patients.ids):
            sandbox.patients.update(id, email=f"new{at}@example.com")
        await sandbox.webhooks.wait_until_settled()
        assert len(sandbox.webhooks) == 10
        for endpoint in (first, second):
            sandbox.world.webhook_endpoints.update(endpoint, target_url=url)
        sandbox.clock.advance(30)
        await sandbox.webhooks.wait_until_settled()
        assert len(sandbox.webhooks) == 0
    changed = [event.of(Patient)[0].id for event in got]
    assert sorted(changed) == sorted(sandbox.patients.ids)


async def test_bodies_match_the_vendors_pages(sandbox: Sandbox, inbox: Inbox) -> None:
    await sandbox.deliver("patient_created", to=inbox.url, secret=SECRET)
    ((headers, body),) = inbox.got
    assert headers["Content-Type"] == "application/json"
    said: dict[str, Any] = msgspec.json.decode(body)
    assert list(said) == [
        "resource_type",
        "event_name",
        "event_time",
        "subdomain",
        "institution_id",
        "data",
        "delivery_errors",
    ]
    assert said["resource_type"] == "Patient"
    assert said["event_time"] == "2026-06-01T12:00:00.000Z"


async def test_deliveries_pending_at_shutdown_are_sent_after_the_next_start(
    inbox: Inbox,
) -> None:
    sandbox = Sandbox(patients=5, appointments=5, clock=Clock(datetime(2026, 6, 1, 12, tzinfo=UTC)))
    inbox.hold = asyncio.Event()
    async with sandbox:
        subscribed(sandbox, inbox.url, "patient_created")
        sandbox.patients.insert()
        while not inbox.got:
            await asyncio.sleep(0.01)
    inbox.hold.set()
    assert len(sandbox.webhooks) == 1
    async with sandbox:
        await sandbox.webhooks.wait_until_settled()
    assert len(sandbox.webhooks) == 0
    assert {event.name for event in inbox.events(SECRET)} == {"patient_created"}
    assert len(inbox.got) == 2
