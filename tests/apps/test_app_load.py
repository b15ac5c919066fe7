"""Resources that an example holds after thousands of requests.

``NEXHEALTH_APP_REQUESTS=10000 pytest tests/apps/test_app_load.py`` runs the full figure.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.apps.helpers import APPS, RunningApp, running

if TYPE_CHECKING:
    from nexhealth_async.sandbox import Sandbox

REQUESTS = int(os.environ.get("NEXHEALTH_APP_REQUESTS", "1500"))
AT_ONCE = 200
MIB = 1024 * 1024


@pytest.mark.timeout(60 + REQUESTS // 20)
@pytest.mark.parametrize("name", APPS)
async def test_thousands_of_requests_leave_nothing_behind(name: str, sandbox: Sandbox) -> None:
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with running(name, sandbox) as app:
        async with aiohttp.ClientSession(app.url, connector=connector) as http:
            await press(http, sandbox, 3 * AT_ONCE)
            first = await quiet(app)
            await press(http, sandbox, REQUESTS)
            last = await quiet(app)
        assert last["requests"] - first["requests"] >= REQUESTS
        assert last["tasks"] <= first["tasks"]
        for what in ("library_tasks", "under_way", "connections_taken"):
            assert last[what] == 0, what
        assert last["files"] - first["files"] <= 100  # the pool of the library, at the most
        assert last["rss"] - first["rss"] < 12 * MIB
        assert last["objects"] - first["objects"] < max(3_000, first["objects"] // 50)
        assert await app.terminate() == (0, "")


async def press(http: aiohttp.ClientSession, sandbox: Sandbox, requests: int) -> None:
    """Request patients that exist, one that does not, and searches, all concurrently."""
    ids = sandbox.patients.ids
    left = iter(range(requests))

    async def visit() -> None:
        for nth in left:
            if nth % 10 == 0:
                path, status = "/patients/1", 404
            elif nth % 10 == 1:
                path, status = "/patients?name=a", 200
            else:
                path, status = f"/patients/{ids[nth % len(ids)]}", 200
            async with http.get(path) as reply:
                await reply.read()
                assert reply.status == status

    await asyncio.gather(*(visit() for _ in range(AT_ONCE)))


async def quiet(app: RunningApp) -> dict[str, int]:
    """Wait until no request is in flight, and count."""
    seen = await app.held()
    for _ in range(50):
        await asyncio.sleep(0.05)
        before, seen = seen, await app.held()
        if before["tasks"] == seen["tasks"] and not seen["connections_taken"]:
            break
    return seen
