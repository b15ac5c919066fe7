"""Each example, run as a process and called over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import aiohttp
import pytest

from nexhealth_async.sandbox import Sandbox
from nexhealth_async.testing import SandboxThread
from tests.apps.helpers import APPS, WEBHOOK_SECRET, running, unlogged


@pytest.mark.parametrize("name", APPS)
async def test_an_example_searches_shows_and_rejects_patients(name: str, sandbox: Sandbox) -> None:
    patient = sandbox.patients.row(sandbox.patients.ids[3])
    async with running(name, sandbox) as app, aiohttp.ClientSession(app.url) as http:
        async with http.get("/patients", params={"name": str(patient["last_name"])}) as reply:
            assert reply.status == 200
            assert patient["id"] in [one["id"] for one in await reply.json()]
        async with http.get(f"/patients/{patient['id']}") as reply:
            assert reply.status == 200
            shown = await reply.json()
            assert (shown["id"], shown["email"]) == (patient["id"], patient["email"])
        async with http.get("/patients/1") as reply:
            assert (reply.status, (await reply.json())["error"]) == (404, "NotFoundError")
        sandbox.fail_next(503, times=4)
        async with http.get(f"/patients/{patient['id']}") as reply:
            assert reply.status == 503
            assert int(reply.headers["Retry-After"]) >= 1
        async with http.get("/patients") as reply:
            assert reply.status in {400, 422}
        code, said = await app.terminate()
    assert (code, unlogged(said)) == (0, "")
    if name == "fastapi_app":
        assert said.startswith("answered 503: GET /patients/{id}: the API failed (503)")


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("name", APPS)
async def test_an_example_works_unchanged_with_accounts_of_either_version(
    name: str, version: Literal["v2", "v3"]
) -> None:
    with SandboxThread(Sandbox(patients=5, seed=7, versions={version})) as thread:
        id = thread.sandbox.patients.ids[3]
        own = running(name, thread.sandbox, OWN_SESSION="yes", NEXHEALTH_API_VERSION="")
        async with own as app, session(app.url) as http:
            async with http.get(f"/patients/{id}") as reply:
                assert (reply.status, (await reply.json())["id"]) == (200, id)
            assert await app.terminate() == (0, "")


@pytest.mark.parametrize("name", APPS)
async def test_200_concurrent_requests_get_their_own_responses(name: str, sandbox: Sandbox) -> None:
    ids = [sandbox.patients.ids[nth % 60] for nth in range(200)]
    sandbox.latency = 0.05
    async with running(name, sandbox) as app, session(app.url) as http:

        async def ask(id: int) -> int:
            async with http.get(f"/patients/{id}") as reply:
                assert reply.status == 200
                shown: dict[str, Any] = await reply.json()
                return int(shown["id"])

        assert await asyncio.gather(*map(ask, ids)) == ids
        assert sandbox.most_in_flight > 20
        assert sandbox.logins == 1
        assert await app.terminate() == (0, "")


def session(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0))


async def test_the_booking_example_handles_signed_webhooks_once_and_no_others(
    thread: SandboxThread,
) -> None:
    sandbox = thread.sandbox
    id = sandbox.appointments.ids[0]
    async with running("fastapi_app", sandbox, LOGS="1") as app:

        async def deliver(secret: str) -> list[int | None]:
            sent = await sandbox.deliver(
                "appointment_updated", id, to=f"{app.url}/webhooks", secret=secret
            )
            return [delivery.status for delivery in sent]

        for _ in range(3):
            assert await asyncio.to_thread(thread.call, deliver, WEBHOOK_SECRET) == [200]
        assert await asyncio.to_thread(thread.call, deliver, "another-secret") == [401]
        code, said = await app.terminate()
    assert code == 0
    assert said.count("webhook appointment_updated") == 1
