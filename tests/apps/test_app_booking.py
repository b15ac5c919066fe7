"""The booking example under faults: no double booking, no false success."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest.mock import Mock

import aiohttp
import pytest

from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.handlers import appointment_checks
from nexhealth_async.testing import SandboxThread
from tests.apps.helpers import RunningApp, running, unlogged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Wish: TypeAlias = dict[str, Any]

LATE_COMMIT = 3.0
"""Seconds for which the application expects a booking that is carried out late."""


@pytest.fixture
def thread() -> Iterator[SandboxThread]:
    with SandboxThread(Sandbox(patients=60, seed=7, appointments=0)) as running:
        yield running


@pytest.fixture
async def app(sandbox: Sandbox) -> AsyncIterator[RunningApp]:
    async with running(
        "fastapi_app",
        sandbox,
        NEXHEALTH_TIMEOUT="1.5",
        NO_BACKOFF="1",
        LATE_COMMIT=str(LATE_COMMIT),
    ) as app:
        yield app
        code, said = await app.terminate()
        assert code == 0
        assert unlogged(said).count("\n") == 1  # that back-off is off


@pytest.fixture
async def http(app: RunningApp) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(app.url, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def wishes(http: aiohttp.ClientSession, sandbox: Sandbox, count: int) -> list[Wish]:
    """Ask for free slots, and give each to another patient."""
    made: list[Wish] = []
    day = (sandbox.clock.today() + timedelta(days=3)).date()
    for provider in sandbox.providers.ids:
        query: dict[str, str | int] = {
            "provider_id": provider,
            "start_date": day.isoformat(),
            "days": 14,
        }
        async with http.get("/slots", params=query) as reply:
            assert reply.status == 200
            made += [
                {
                    "provider_id": slot["provider_id"],
                    "operatory_id": slot["operatory_id"],
                    "start": slot["start"],
                    "end": slot["end"],
                }
                for slot in await reply.json()
            ]
    made = made[:: max(1, len(made) // count)][:count]
    return [{**wish, "patient_id": sandbox.patients.ids[nth % 60]} for nth, wish in enumerate(made)]


async def ask(http: aiohttp.ClientSession, wish: Wish) -> tuple[int, dict[str, Any]]:
    async with http.post("/appointments", json=wish) as reply:
        return reply.status, await reply.json()


def booked(sandbox: Sandbox) -> Counter[tuple[object, object, datetime]]:
    """Count the appointments of the practice by patient, provider and time."""
    return Counter(
        (
            appointment["patient_id"],
            appointment["provider_id"],
            datetime.fromisoformat(str(appointment["start_time"])),
        )
        for appointment in sandbox.appointments
        if not appointment["cancelled"]
    )


def key(wish: Wish) -> tuple[object, object, datetime]:
    return wish["patient_id"], wish["provider_id"], datetime.fromisoformat(wish["start"])


async def test_the_same_request_returns_the_same_appointment(
    http: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    (wish,) = await wishes(http, sandbox, 1)
    answers = await asyncio.gather(*(ask(http, wish) for _ in range(8)))
    assert [status for status, _ in answers] == [201] * 8
    assert len({answer["id"] for _, answer in answers}) == 1
    assert booked(sandbox) == Counter([key(wish)])


async def test_a_taken_slot_is_a_conflict(http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    (wish,) = await wishes(http, sandbox, 1)
    other = {**wish, "patient_id": sandbox.patients.ids[30]}
    assert (await ask(http, wish))[0] == 201
    status, answer = await ask(http, other)
    assert (status, answer["error"]) == (409, "SlotTakenError")
    assert booked(sandbox) == Counter([key(wish)])


async def test_a_booking_with_a_lost_response_is_looked_up(
    http: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    (wish,) = await wishes(http, sandbox, 1)
    sandbox.drop_next(when="after", method="POST", path="/appointments")
    status, answer = await ask(http, wish)
    assert status == 201
    assert list(sandbox.appointments.ids) == [answer["id"]]


async def test_a_booking_that_never_arrived_is_a_502_while_it_may_still_come(
    http: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    (wish,) = await wishes(http, sandbox, 1)
    sandbox.drop_next(when="before", method="POST", path="/appointments")
    status, answer = await ask(http, wish)
    assert (status, answer["error"]) == (502, "OutcomeUnknownError")
    assert (await ask(http, wish))[0] == 502
    assert not booked(sandbox)
    await asyncio.sleep(LATE_COMMIT)
    assert (await ask(http, wish))[0] == 201
    assert booked(sandbox) == Counter([key(wish)])


async def test_an_unknown_booking_is_a_502_and_may_be_retried(
    http: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    (wish,) = await wishes(http, sandbox, 1)
    sandbox.drop_next(when="after", method="POST", path="/appointments")
    sandbox.alter_next(method="GET", path="/appointments")  # the look before the booking
    sandbox.fail_next(503, times=40, method="GET", path="/appointments")
    status, answer = await ask(http, wish)
    assert (status, answer["error"]) == (502, "OutcomeUnknownError")
    sandbox.faults.clear()
    assert (await ask(http, wish))[0] == 201
    assert booked(sandbox) == Counter([key(wish)])


async def test_a_booking_without_a_patient_or_with_an_unknown_type_is_refused(
    http: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    (wish,) = await wishes(http, sandbox, 1)
    assert (await ask(http, {**wish, "patient_id": 1}))[0] == 404
    assert (await ask(http, {**wish, "start": "tomorrow"}))[0] == 422
    assert (await ask(http, {**wish, "end": wish["start"]}))[0] == 422
    assert not booked(sandbox)


def misbehave(sandbox: Sandbox, rng: random.Random, *, late: bool) -> None:
    """Inject a fault into the booking or the reads around it.

    ``late`` allows that a booking is carried out after its caller got an error.
    """
    at = "/appointments"
    match rng.randrange(9):
        case 0:
            sandbox.hang_next(when="before", method="POST", path=at)
        case 1:
            sandbox.hang_next(when="after", method="POST", path=at)
        case 2:
            sandbox.drop_next(when="before", method="POST", path=at)
        case 3:
            sandbox.drop_next(when=rng.choice(["after", "mid_body"]), method="POST", path=at)
        case 4:
            sandbox.fail_next(rng.choice([500, 503]), method="POST", path=at)
        case 5:
            sandbox.truncate_next(method="POST", path=at)
        case 6 if late:
            sandbox.delay_next(1.8, method="POST", path=at)  # carried out after the caller was told
        case 7:
            sandbox.fail_next(503, times=rng.randint(1, 6), method="GET", path=at)
        case _:
            sandbox.hang_next(when="after", method="GET", path=at)


@pytest.mark.parametrize(("seed", "clashes"), [(1, "refused"), (2, "taken as they come")])
async def test_under_faults_no_request_is_booked_twice_and_every_success_exists(
    http: aiohttp.ClientSession,
    sandbox: Sandbox,
    seed: int,
    clashes: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parameter: the server itself refuses a second appointment at the same time, or accepts it."""
    if clashes != "refused":
        monkeypatch.setattr(appointment_checks, "_check_conflicts", Mock())
    rng = random.Random(seed)
    requested = await wishes(http, sandbox, 60)
    left = list(requested)
    results: list[tuple[Wish, int]] = []
    for round_ in range(12):
        if not left:
            break
        if round_ < 5:
            for _ in range(20):
                misbehave(sandbox, rng, late=clashes == "refused")
        else:
            sandbox.faults.clear()
            await asyncio.sleep(LATE_COMMIT)
        again: list[Wish] = []
        answers = await asyncio.gather(*(ask(http, wish) for wish in left))
        there = booked(sandbox)
        assert max(there.values(), default=1) == 1
        for wish, (status, answer) in zip(left, answers, strict=True):
            results.append((wish, status))
            if status == 201:
                assert answer["id"] in sandbox.appointments
                assert there[key(wish)] == 1
            else:
                assert status in {409, 422, 502, 503}, answer
                again.append(wish)
        left = again
    assert not left
    statuses = Counter(status for _, status in results)
    assert statuses[502] + statuses[503] > 10
    await asyncio.sleep(2)  # what was delayed arrives now, and finds its time taken
    assert booked(sandbox) == Counter(map(key, requested))
