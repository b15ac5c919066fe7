"""The examples and claims of docs/webhooks.md, executed."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from aiohttp import web
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from nexhealth_async import (
    EventBus,
    InvalidArgumentError,
    LocationScope,
    NexHealth,
    errors,
    stores,
    webhooks,
)
from nexhealth_async.models import Appointment, Patient
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.webhook_deliveries import RETRIES
from nexhealth_async.stores import SqliteQueue
from nexhealth_async.webhooks.aiohttp import Receiver, add_receiver
from nexhealth_async.workflows import WriteStatus
from tests.cli.helpers import nexhealth

PAGE = Path(__file__).parents[2] / "docs/webhooks.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECRET = "an-invented-secret"
URL = "https://hooks.example.com/nexhealth"
EVENTS = ["appointment_updated", "patient_updated"]
UPDATED = b'{"resource_type":"Patient","event_name":"patient_updated","data":{"patients":[]}}'


def blocks(language: str = "python") -> list[str]:
    """Return the page's blocks of one language."""
    parser = CodeBlockParser(language, evaluator=lambda _: None)
    return [str(example.parsed) for example in Document.parse(str(PAGE), parser).examples()]


def block(mark: str) -> dict[str, Any]:
    """Run the one Python block that contains a mark, and return its names."""
    (code,) = [text for text in blocks() if mark in text]
    names: dict[str, Any] = {"__name__": "webhooks_page"}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    below = TEXT.split(f" {heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=5, practices=2, seed=1) as sandbox:
        monkeypatch.setenv("NEXHEALTH_API_KEY", sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", sandbox.url)
        monkeypatch.setenv("NEXHEALTH_WEBHOOK_SECRET", SECRET)
        yield sandbox


@pytest.fixture
async def nex(sandbox: Sandbox) -> AsyncIterator[NexHealth]:
    async with NexHealth(version="v3") as session:
        assert sandbox.url
        yield session


@pytest.fixture
def location(sandbox: Sandbox, nex: NexHealth) -> LocationScope:
    return nex.practice(sandbox.subdomain).location(sandbox.location_id)


@asynccontextmanager
async def served(app: web.Application) -> AsyncGenerator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/nexhealth"
    finally:
        await runner.cleanup()


def soon(sandbox: Sandbox) -> date:
    return sandbox.clock.today().date() + timedelta(days=3)


async def slots(location: LocationScope, sandbox: Sandbox) -> list[Any]:
    search = location.available_slots.flat(
        start_date=soon(sandbox), days=7, pids=[sandbox.providers.ids[0]]
    )
    return [slot async for slot in search]


def test_every_block_is_run_here() -> None:
    assert len(blocks()) == 11
    assert len(blocks("sh")) == 1


async def test_setting_up_returns_the_secret_once(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    names = block("async def set_up")
    secret = await names["set_up"](URL)
    endpoints = sandbox.world.webhook_endpoints
    assert secret == endpoints.row(endpoints.ids[0])["secret_key"]
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(names["EVENTS"])
    assert await names["set_up"](URL) is None
    assert capsys.readouterr().out == ""
    assert len(sandbox.world.webhook_subscriptions) == 2 * len(names["EVENTS"])


async def test_the_commands_set_up_and_list(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("sh")
    shown: list[str] = []
    for line in text.splitlines():
        name, *arguments = shlex.split(line)
        assert name == "nexhealth"
        ran = await nexhealth(*arguments, sandbox=sandbox)
        assert (ran.status, ran.err) == (0, "")
        shown.append(ran.out.decode())
    secret = tmp_path / "nexhealth.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in "".join(shown)
    assert shown[1].count("example.com") == 4


async def test_an_unknown_name_is_refused_and_a_new_one_is_given_as_a_pair(
    sandbox: Sandbox, nex: NexHealth
) -> None:
    for events, practices in ((["recall_created"], [sandbox.subdomain]), (EVENTS, ["nobody"])):
        with pytest.raises(InvalidArgumentError):
            await nex.webhooks.ensure(URL, events, practices)
    pair = re.search(r'`\("(\w+)", "(\w+)"\)`', TEXT)
    assert pair
    changes = await nex.webhooks.ensure(
        URL, [(pair[1], pair[2])], [sandbox.subdomain], dry_run=True
    )
    assert [
        (subscription.resource_type, subscription.event)
        for subscription in changes.created_subscriptions
    ] == [pair.groups()]
    assert not sandbox.world.webhook_endpoints.ids


async def test_moving_creates_everything_anew_in_the_other_version(sandbox: Sandbox) -> None:
    async with NexHealth(version="v2") as old:
        await old.webhooks.ensure(URL, EVENTS, [sandbox.subdomain])
    await asyncio.sleep(0.002)  # the page's moment must come after
    done = await block("async def move_to_v3")["move_to_v3"](URL, EVENTS, [sandbox.subdomain])
    assert len(done.renewed) == 2
    assert [row["version"] for row in sandbox.world.webhook_subscriptions] == ["v3", "v3"]


async def test_the_aiohttp_application_keeps_a_calendar(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = block("add_receiver(app")
    id = sandbox.appointments.ids[0]
    async with served(names["make_app"]()) as url:
        for secret, status in ((SECRET, 200), (SECRET, 200), ("another", 401)):
            (sent,) = await sandbox.deliver("appointment_updated", id, to=url, secret=secret)
            assert sent.status == status
        async with asyncio.timeout(10):
            while not names["CALENDAR"]:
                await asyncio.sleep(0.01)
    assert list(names["CALENDAR"]) == [id]
    assert (tmp_path / "events.db").exists()


async def test_parked_events_can_be_inspected_and_retried(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / "events.db")
    for key in ("a", "b"):
        await queue.put(key, UPDATED)
        await queue.park(key)
    assert await block("async def look_after")["look_after"](queue, {"a"}) == ["patient_updated"]
    counts = await queue.counts()
    assert (counts["waiting"], counts["parked"], counts["handled"]) == (1, 0, 1)
    await queue.aclose()


async def test_the_fastapi_application_accepts_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXHEALTH_WEBHOOK_SECRET", SECRET)
    names = block("FastAPI(lifespan")
    app = names["make_app"]()
    headers = webhooks.sign(SECRET, UPDATED, datetime.now(UTC))
    there = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=there, base_url="http://here") as client,
    ):
        for body, status in ((UPDATED, 200), (UPDATED, 200), (UPDATED + b" ", 401)):
            reply = await client.post("/nexhealth", content=body, headers=headers)
            assert (reply.status_code, reply.content) == (status, b"")
    assert names["HEARD"] == ["patient_updated"]


def test_the_pure_functions_are_sufficient() -> None:
    take: Callable[..., int] = block("webhooks.receive")["take"]
    seen: dict[str, webhooks.Event] = {}

    def taken(body: bytes, signed: bytes) -> int:
        headers = webhooks.sign(SECRET, signed, datetime.now(UTC))
        return take(SECRET, headers, body, seen)

    assert [taken(UPDATED, UPDATED) for _ in range(2)] == [200, 200]
    assert taken(UPDATED + b" ", UPDATED) == 401
    assert taken(b"no JSON", b"no JSON") == 200
    assert [event.name for event in seen.values()] == ["patient_updated"]


async def test_the_mirror_keeps_the_newest_of_each_record(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = block("class Mirror")["Mirror"]()
    appointment, patient = sandbox.appointments.ids[0], sandbox.patients.ids[0]
    app = web.Application()
    add_receiver(app, "/nexhealth", Receiver(SECRET, mirror.handle))
    async with served(app) as url:

        async def deliver(event: str, id: int | None = None, **more: Any) -> None:
            (sent,) = await sandbox.deliver(event, id, to=url, secret=SECRET, **more)
            assert sent.status == 200

        late = {"id": patient, "email": "late@example.com", "updated_at": "2001-01-01T00:00:00Z"}
        await deliver("appointment_created", appointment)
        await deliver("patient_created", patient)
        await deliver("patient_updated", data={"patients": [late]})
        await deliver("sync_status_write_change.red")
        await deliver("moon_risen", data={"moons": [{"id": 1}]})
    assert list(mirror.appointments) == [appointment]
    assert mirror.patients[patient].email == sandbox.patients.row(patient)["email"]
    assert len(mirror.reachable) == 1
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "an event this version does not know"
    ]


@asynccontextmanager
async def told(sandbox: Sandbox, nex: NexHealth, board: EventBus) -> AsyncGenerator[None]:
    """Deliver the outcomes of writes to an event bus."""
    names = ["appointment_insertion", "payment_insertion"]
    done = await nex.webhooks.ensure(URL, names, [sandbox.subdomain])
    assert done.endpoint
    assert done.endpoint.secret_key
    app = web.Application()
    add_receiver(app, "/nexhealth", Receiver(done.endpoint.secret_key, board))
    async with served(app) as url:
        await nex.webhook_endpoints.update(done.endpoint.id, target_url=url)
        yield


async def test_bookings_end_as_the_practices_system_decides(
    sandbox: Sandbox, nex: NexHealth, location: LocationScope
) -> None:
    names = block("board = EventBus()")
    free = await slots(location, sandbox)
    said: list[str] = []
    async with told(sandbox, nex, names["board"]):
        for slot, refused in ((free[0], False), (free[2], True)):
            known = set(sandbox.appointments.ids)
            waiting = asyncio.create_task(names["book"](location, slot, sandbox.patients.ids[0]))
            while not (made := set(sandbox.appointments.ids) - known):
                await asyncio.sleep(0.01)
            sandbox.sync(fail=made if refused else ())
            said.append(await waiting)
    assert said == ["booked", "not booked: failed, reported by a webhook; the API gives no reason"]


async def test_a_payment_is_followed_into_the_ledger(
    sandbox: Sandbox, nex: NexHealth, location: LocationScope
) -> None:
    board = EventBus()
    pay = block("async def pay")["pay"]
    async with told(sandbox, nex, board):
        waiting = asyncio.create_task(
            pay(location, sandbox.patients.ids[0], Decimal(-5), "visit-1", board)
        )
        while not sandbox.practice.pending:
            await asyncio.sleep(0.01)
        sandbox.sync()
        assert await waiting == "complete"


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_an_appointment_is_moved_to_the_first_free_time(
    sandbox: Sandbox, version: str
) -> None:
    move = block("async def move(")["move"]
    async with NexHealth(version=version) as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        free = await slots(location, sandbox)
        old = await location.appointments.book(free[-1], patient_id=sandbox.patients.ids[0])
        sandbox.sync()
        moved = await move(location, old, soon(sandbox))
    assert moved.start_time == free[0].start
    assert not sandbox.appointments.row(moved.id)["cancelled"]
    assert moved.id == old.id or sandbox.appointments.row(old.id)["cancelled"]


async def test_changes_during_an_outage_are_read(sandbox: Sandbox, location: LocationScope) -> None:
    since = sandbox.clock.today()
    sandbox.clock.advance(49 * 3600)
    now = sandbox.clock.today().isoformat()
    patient, (kept, dropped) = sandbox.patients.ids[0], sandbox.appointments.ids[:2]
    start = (since + timedelta(days=3)).isoformat()
    sandbox.patients.update(patient, email="new@example.com", updated_at=now)
    sandbox.appointments.update(kept, start_time=start, cancelled=False, updated_at=now)
    sandbox.appointments.update(dropped, start_time=start, cancelled=True, updated_at=now)
    changed = block("async def changed")["changed"]
    found: list[tuple[type, int]] = [(type(one), one.id) async for one in changed(location, since)]
    assert found == [(Patient, patient), (Appointment, kept), (Appointment, dropped)]


async def test_an_inactive_endpoint_is_found_and_activated(
    sandbox: Sandbox, nex: NexHealth
) -> None:
    done = await nex.webhooks.ensure(URL, EVENTS, [sandbox.subdomain])
    assert done.endpoint
    sandbox.world.webhook_endpoints.update(done.endpoint.id, active=False)
    assert [endpoint.id async for endpoint in nex.webhook_endpoints.walk(active=False)] == [
        done.endpoint.id
    ]
    assert (await nex.webhooks.ensure(URL, EVENTS, [sandbox.subdomain])).reactivated


def test_the_table_of_outcomes_is_complete() -> None:
    named = [row[0].strip("`") for row in rows("Writes followed to the end")]
    assert tuple(named) == get_args(WriteStatus)


def test_the_errors_named_exist() -> None:
    named = {row[0].strip("`") for row in rows("Booked once, moved without a gap")}
    assert len(named) == 5
    assert named <= set(errors.__all__)


def test_the_stores_named_exist() -> None:
    named = {re.findall(r"`(\w+)", row[0])[0] for row in rows("Duplicates")}
    assert named == {name for name in stores.__all__ if name.endswith(("Seen", "SqliteQueue"))}


def test_the_schedule_matches_the_sandbox() -> None:
    (said,) = re.findall(r"from the first attempt after (.*)\.", TEXT)
    units = {"s": 1, "min": 60, "h": 3600}
    times = [int(count) * units[unit] for count, unit in re.findall(r"(\d+) (s|min|h)", said)]
    assert tuple(times) == RETRIES
