"""The sandbox tells who subscribed of what changes, and comes again as the vendor does."""

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
    """An address that takes deliveries, and answers what it is told to."""

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
    box = Inbox()
    app = web.Application()
    app.router.add_post("/hook", box.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        box.url = f"http://{host}:{port}/hook"
        yield box
    finally:
        await runner.cleanup()


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    clock = Clock(datetime(2026, 6, 1, 12, tzinfo=UTC))
    async with Sandbox(patients=5, appointments=5, clock=clock) as sandbox:
        yield sandbox


def subscribed(
    box: Sandbox, url: str, *events: str, version: str = "v3", secret: str = SECRET
) -> int:
    """Subscribe in the sandbox's own tables; returns the endpoint's id."""
    endpoint = box.world.webhook_endpoints.add(
        {"target_url": url, "secret_key": secret, "active": True}
    )
    for event in events:
        box.world.webhook_subscriptions.add(
            {
                "webhook_endpoint_id": endpoint,
                "institution_id": box.practice.institution_id,
                "event": event,
                "active": True,
                "version": version,
            }
        )
    return endpoint


def active(box: Sandbox, endpoint: int) -> object:
    return box.world.webhook_endpoints.row(endpoint)["active"]


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_client_subscribes_and_hears_what_becomes_of_its_booking(
    box: Sandbox, inbox: Inbox, version: str
) -> None:
    async with NexHealth(box.api_key, base_url=box.url, version=version) as nex:
        practice = nex.practice(box.subdomain)
        office = practice.location(box.location_id)
        endpoint = await nex.webhook_endpoints.create(target_url=inbox.url)
        names = ("appointment_insertion", "appointment_created", "appointment_updated")
        for event in names:
            await practice.webhook_endpoints.subscriptions.create(
                endpoint.id, resource_type="Appointment", event=event
            )
        start = box.clock.today() + timedelta(days=400)
        made = await office.appointments.create(
            patient_id=box.patients.ids[0],
            provider_id=box.providers.ids[0],
            operatory_id=box.operatories.ids[0],
            start_time=start,
            end_time=start + timedelta(minutes=30),
        )
        await box.webhooks.settled()
        assert inbox.got == []  # accepted is not written
        box.sync()
        await office.appointments.update(made.id, cancelled=True)
        await box.webhooks.settled()
        events = inbox.events(str(endpoint.secret_key))
    assert sorted(one.name for one in events) == [
        "appointment_created",
        "appointment_insertion.complete",
        "appointment_updated",
    ]
    assert {one.of(Appointment)[0].id for one in events} == {made.id}
    told = {one.event: one.of(Appointment)[0] for one in events}
    assert told["appointment_insertion"].foreign_id is not None
    assert told["appointment_updated"].cancelled is True
    assert {one.subdomain for one in events} == {box.subdomain}
    data: Any = {one.event: one.raw["data"] for one in events}
    assert isinstance(data["appointment_created"]["appointments"], list)
    assert isinstance(data["appointment_updated"]["appointment"], dict)


async def test_a_write_that_the_practices_system_refuses_is_told(
    box: Sandbox, inbox: Inbox
) -> None:
    subscribed(box, inbox.url, "appointment_insertion", "appointment_created")
    made = box.appointments.insert(foreign_id=None, foreign_id_type="nex")
    box.sync(fail=[made], outcome="timed_out")
    await box.webhooks.settled()
    (event,) = inbox.events(SECRET)
    assert (event.event, event.outcome) == ("appointment_insertion", "timed_out")
    assert event.of(Appointment)[0].id == made


async def test_changes_by_the_practice_are_told(box: Sandbox, inbox: Inbox) -> None:
    subscribed(box, inbox.url, "patient_created", "patient_updated", "payment_deleted")
    made = box.patients.insert(first_name="Ada")
    box.patients.update(made, email="ada@example.com")
    payment = box.practice.payments.ids[0]
    box.practice.payments.delete(payment)
    await box.webhooks.settled()
    events = {one.event: one for one in inbox.events(SECRET)}
    assert events["patient_created"].of(Patient)[0].first_name == "Ada"
    (changed,) = events["patient_updated"].of(Patient)
    assert (changed.id, changed.email) == (made, "ada@example.com")
    assert changed.updated_at == box.clock.today()
    assert events["payment_deleted"].of(Payment)[0].id == payment
    assert len(events) == len(inbox.got) == 3


async def test_a_payment_is_told_of_when_the_ledger_has_it(box: Sandbox, inbox: Inbox) -> None:
    subscribed(box, inbox.url, "payment_insertion", "payment_created")
    async with NexHealth(box.api_key, base_url=box.url, version="v3") as nex:
        office = nex.practice(box.subdomain).location(box.location_id)
        await office.payments.create(
            patient_id=box.patients.ids[0], amount=-20, transaction_id="an-id-of-ours"
        )
    await box.webhooks.settled()
    assert inbox.got == []
    box.sync()
    await box.webhooks.settled()
    events = inbox.events(SECRET)
    assert sorted(one.name for one in events) == ["payment_created", "payment_insertion.complete"]
    assert {one.of(Payment)[0].transaction_id for one in events} == {"an-id-of-ours"}


async def test_each_subscription_gets_the_shape_of_its_version_and_one_key(
    box: Sandbox, inbox: Inbox
) -> None:
    subscribed(box, inbox.url, "patient_updated", version="v2")
    subscribed(box, inbox.url, "patient_updated", version="v3")
    box.patients.update(box.patients.ids[0], email="new@example.com")
    await box.webhooks.settled()
    events = inbox.events(SECRET)
    shapes: list[Any] = [one.raw["data"] for one in events]
    assert sorted("hipaa" in shape["patients"][0] for shape in shapes) == [False, True]
    assert len({one.key for one in events}) == 1


async def test_only_who_subscribed_and_is_active_hears(box: Sandbox, inbox: Inbox) -> None:
    off = subscribed(box, inbox.url, "patient_updated")
    box.world.webhook_endpoints.update(off, active=False)
    subscribed(box, inbox.url, "patient_created")
    deaf = subscribed(box, inbox.url, "patient_updated")
    subscription = box.world.webhook_subscriptions.where("webhook_endpoint_id", deaf)[0]
    box.world.webhook_subscriptions.update(subscription, active=False)
    box.patients.update(box.patients.ids[0], email="new@example.com")
    await box.webhooks.settled()
    assert inbox.got == []
    assert len(box.webhooks) == 0


@pytest.mark.parametrize("name", sorted(event for events in EVENTS.values() for event in events))
async def test_every_event_can_be_delivered_on_request(
    box: Sandbox, inbox: Inbox, name: str
) -> None:
    data = None
    if name.startswith(("message", "form", "procedure_code", "document", "onboarding")):
        data = {"id": 7}
    (sent,) = await box.deliver(name, data=data, to=inbox.url, secret=SECRET)
    assert (sent.status, sent.taken, sent.attempt) == (200, True, 0)
    (event,) = inbox.events(SECRET)
    assert event.event == name
    assert len(event.records) == 1
    assert event.is_known
    assert not event.faults
    assert SECRET not in repr(sent) + repr(box.webhooks)


async def test_what_nobody_knows_can_be_delivered_too(box: Sandbox, inbox: Inbox) -> None:
    await box.deliver(
        "chair_polished.twice", data={"id": 1}, to=inbox.url, secret=SECRET, resource_type="Chair"
    )
    (event,) = inbox.events(SECRET)
    assert (event.resource_type, event.name) == ("Chair", "chair_polished.twice")
    with pytest.raises(ValueError, match="give data"):
        await box.deliver("chair_polished", to=inbox.url, secret=SECRET)
    with pytest.raises(ValueError, match="secret"):
        await box.deliver("patient_created", to=inbox.url)


async def test_a_refused_change_is_delivered_with_what_was_before(
    box: Sandbox, inbox: Inbox
) -> None:
    subscribed(box, inbox.url, "appointment_updated")
    visit = box.appointments.ids[2]
    (sent,) = await box.deliver(
        "appointment_updated.failed", visit, previous_attributes={"note": "old"}
    )
    assert sent.taken
    (event,) = inbox.events(SECRET)
    assert (event.outcome, event.previous_attributes) == ("failed", {"note": "old"})
    assert event.of(Appointment)[0].id == visit


async def test_the_status_of_a_sync_is_delivered_as_it_is(box: Sandbox, inbox: Inbox) -> None:
    box.practice.read_status = "red"
    await box.deliver("sync_status_read_change.red", to=inbox.url, secret=SECRET)
    (event,) = inbox.events(SECRET)
    (status,) = event.of(SyncStatus)
    assert (event.outcome, status.read_status, status.write_status) == ("red", "red", "green")


async def test_what_is_not_taken_comes_again_on_schedule_and_ends_the_endpoint(
    box: Sandbox, inbox: Inbox
) -> None:
    inbox.status = 500
    endpoint = subscribed(box, inbox.url, "patient_updated")
    box.patients.update(box.patients.ids[0], email="new@example.com")
    await box.webhooks.settled()
    start, passed = box.clock.now(), 0.0
    for attempt, seconds in enumerate(RETRIES, start=1):
        box.clock.advance(seconds - passed - 1)
        await box.webhooks.settled()
        assert len(inbox.got) == attempt, "it came too early"
        box.clock.advance(1)
        passed = seconds
        assert active(box, endpoint) is True
        await box.webhooks.settled()
        assert len(inbox.got) == attempt + 1
    assert active(box, endpoint) is False
    assert [round(one.at - start) for one in box.webhooks.sent] == [0, *RETRIES]
    assert [one.attempt for one in box.webhooks.sent] == list(range(11))
    assert len({one.body for one in box.webhooks.sent}) == 1
    assert len({one.headers["Timestamp"] for one in box.webhooks.sent}) == 11
    assert len({event.key for event in inbox.events(SECRET)}) == 1
    box.patients.update(box.patients.ids[0], email="newer@example.com")
    await box.webhooks.settled()
    assert len(inbox.got) == 11


async def test_an_endpoint_is_revived_by_a_client(box: Sandbox, inbox: Inbox) -> None:
    endpoint = subscribed(box, inbox.url, "patient_updated")
    box.world.webhook_endpoints.update(endpoint, active=False)
    async with NexHealth(box.api_key, base_url=box.url) as nex:
        await nex.webhook_endpoints.update(endpoint, active=True)
    box.patients.update(box.patients.ids[0], email="new@example.com")
    await box.webhooks.settled()
    assert len(inbox.got) == 1


async def test_a_delivery_taken_on_the_second_try_is_sent_no_more(
    box: Sandbox, inbox: Inbox
) -> None:
    inbox.status = 503
    subscribed(box, inbox.url, "patient_updated")
    box.patients.update(box.patients.ids[0], email="new@example.com")
    await box.webhooks.settled()
    inbox.status = 204
    box.clock.advance(30)
    await box.webhooks.settled()
    box.clock.advance(90_000)
    await box.webhooks.settled()
    assert [one.status for one in box.webhooks.sent] == [503, 204]
    assert len(box.webhooks) == 0


async def test_nobody_listening_is_an_attempt_without_status(box: Sandbox) -> None:
    endpoint = subscribed(box, "http://127.0.0.1:9/hook", "patient_updated")
    box.patients.update(box.patients.ids[0], email="new@example.com")
    await box.webhooks.settled()
    assert len(box.webhooks) == 1
    box.world.webhook_endpoints.delete(endpoint)
    box.clock.advance(30)
    await box.webhooks.settled()
    assert len(box.webhooks) == 0
    assert [one.status for one in box.webhooks.sent] == [None]


async def test_a_redirect_is_not_followed(box: Sandbox, inbox: Inbox) -> None:
    inbox.status = 302
    (sent,) = await box.deliver("patient_updated", to=inbox.url, secret=SECRET)
    assert not sent.taken


@pytest.mark.parametrize("server", SERVERS)
async def test_a_receiver_hears_a_practice_through_an_outage(box: Sandbox, server: str) -> None:
    """Down at first, then up again: every change arrives, each once."""
    got: list[Event] = []

    async def handle(event: Event) -> None:
        got.append(event)

    async with SERVERS[server](Receiver(SECRET, handle)) as url:
        down = url.replace("/nexhealth", "/nobody-here")
        first = subscribed(box, down, "patient_updated", version="v2")
        second = subscribed(box, down, "patient_updated", version="v3")
        for at, id in enumerate(box.patients.ids):
            box.patients.update(id, email=f"new{at}@example.com")
        await box.webhooks.settled()
        assert len(box.webhooks) == 10
        for endpoint in (first, second):
            box.world.webhook_endpoints.update(endpoint, target_url=url)
        box.clock.advance(30)
        await box.webhooks.settled()
        assert len(box.webhooks) == 0
    changed = [event.of(Patient)[0].id for event in got]
    assert sorted(changed) == sorted(box.patients.ids)


async def test_a_body_says_what_the_pages_say(box: Sandbox, inbox: Inbox) -> None:
    await box.deliver("patient_created", to=inbox.url, secret=SECRET)
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


async def test_what_was_on_its_way_when_the_sandbox_stopped_is_sent_by_the_next_start(
    inbox: Inbox,
) -> None:
    box = Sandbox(patients=5, appointments=5, clock=Clock(datetime(2026, 6, 1, 12, tzinfo=UTC)))
    inbox.hold = asyncio.Event()
    async with box:
        subscribed(box, inbox.url, "patient_created")
        box.patients.insert()
        while not inbox.got:
            await asyncio.sleep(0.01)
    inbox.hold.set()
    assert len(box.webhooks) == 1
    async with box:
        await box.webhooks.settled()
    assert len(box.webhooks) == 0
    assert {event.name for event in inbox.events(SECRET)} == {"patient_created"}
    assert len(inbox.got) == 2
