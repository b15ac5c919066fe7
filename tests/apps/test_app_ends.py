"""Example applications with an invalid key, and shut down with requests in flight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.apps.helpers import APPS, environment, python, running

if TYPE_CHECKING:
    from nexhealth_async.sandbox import Sandbox


@pytest.mark.parametrize("name", APPS)
async def test_requests_in_flight_are_finished_at_shutdown(name: str, sandbox: Sandbox) -> None:
    sandbox.latency = 0.6
    id = sandbox.patients.ids[0]
    async with running(name, sandbox) as app, aiohttp.ClientSession(app.url) as http:

        async def ask() -> int:
            async with http.get(f"/patients/{id}") as reply:
                await reply.read()
                return reply.status

        tasks = [asyncio.create_task(ask()) for _ in range(20)]
        while sandbox.in_flight < 20:
            await asyncio.sleep(0.01)
        ended = asyncio.create_task(app.terminate())
        assert await asyncio.gather(*tasks) == [200] * 20
        assert await ended == (0, "")


@pytest.mark.parametrize("name", APPS)
async def test_a_wrong_key_fails_at_startup_with_a_clear_error(name: str, sandbox: Sandbox) -> None:
    wrong = "invented-wrong-key"
    async with running(name, sandbox, starts=False, NEXHEALTH_API_KEY=wrong) as app:
        code, said = await app.ended()
    assert code not in {0, None}
    sentence = next(line for line in said.splitlines() if "InvalidAPIKeyError" in line)
    assert "API key" in sentence
    assert wrong not in said


@pytest.mark.parametrize("script", ["aiohttp_app.py", "worker.py"])
async def test_a_script_with_a_wrong_key_prints_only_the_error(
    script: str, sandbox: Sandbox
) -> None:
    wrong = "invented-wrong-key"
    env = environment(sandbox, NEXHEALTH_API_KEY=wrong)
    process = await python(f"docs/examples/{script}", env=env)
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    (sentence,) = said.decode().splitlines()
    assert "API key" in sentence
    assert wrong not in sentence
