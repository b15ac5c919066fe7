"""Connection faults of the sandbox, seen by a client without retries."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import aiohttp
import pytest

from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

LOGIN = "/authenticates"


@asynccontextmanager
async def line() -> AsyncGenerator[tuple[Sandbox, aiohttp.ClientSession]]:
    async with (
        Sandbox(patients=1, appointments=0) as sandbox,
        aiohttp.ClientSession(headers={"Nex-Api-Version": "v2"}) as http,
    ):
        yield sandbox, http


async def log_in(sandbox: Sandbox, http: aiohttp.ClientSession) -> bytes:
    headers = {"Authorization": sandbox.api_key}
    async with http.post(sandbox.url + LOGIN, headers=headers) as reply:
        return await reply.read()


async def test_connections_are_refused_until_they_are_accepted_again() -> None:
    async with line() as (sandbox, http):
        await log_in(sandbox, http)
        sandbox.refuse_connections()
        for _ in range(2):
            await asyncio.sleep(0.01)
            with pytest.raises(aiohttp.ClientConnectorError):
                await log_in(sandbox, http)
        url = sandbox.url
        await sandbox.accept_connections()
        assert b"token" in await log_in(sandbox, http)
        assert (sandbox.url, sandbox.logins) == (url, 2)


async def test_new_connections_are_reset_as_often_as_configured() -> None:
    async with line() as (sandbox, http):
        await log_in(sandbox, http)
        sandbox.reset_next(2)
        await asyncio.sleep(0.01)
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await log_in(sandbox, http)
        assert b"token" in await log_in(sandbox, http)
        assert sandbox.logins == 2


@pytest.mark.parametrize(("when", "logins"), [("before", 0), ("after", 1), ("mid_body", 1)])
async def test_a_silence_lasts_until_it_is_cleared(
    when: Literal["before", "after", "mid_body"], logins: int
) -> None:
    async with line() as (sandbox, http):
        sandbox.hang_next(when=when, path=LOGIN)
        waiting = asyncio.create_task(log_in(sandbox, http))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert sandbox.logins == logins
        sandbox.clear()
        with pytest.raises(aiohttp.ClientError):
            await waiting


async def test_a_slow_response_arrives_completely_byte_by_byte() -> None:
    async with line() as (sandbox, http):
        whole = await log_in(sandbox, http)
        sandbox.slow_next(0.0001, path=LOGIN)
        dripped = await log_in(sandbox, http)
        assert (len(dripped), sandbox.logins) == (len(whole), 2)


async def test_a_response_is_altered_after_the_work_was_done() -> None:
    async with line() as (sandbox, http):
        sandbox.alter_next(
            lambda body: body[::-1], status=418, headers={"X-Seen": "yes"}, chunked=True, path=LOGIN
        )
        headers = {"Authorization": sandbox.api_key}
        async with http.post(sandbox.url + LOGIN, headers=headers) as reply:
            assert (reply.status, reply.headers["X-Seen"]) == (418, "yes")
            assert reply.headers["Transfer-Encoding"] == "chunked"
            assert b"token" in (await reply.read())[::-1]
        assert sandbox.logins == 1


async def test_a_sandbox_stops_despite_a_silent_connection() -> None:
    async with line() as (sandbox, http):
        sandbox.hang_next(path=LOGIN)
        waiting = asyncio.create_task(log_in(sandbox, http))
        await asyncio.sleep(0.02)
        async with asyncio.timeout(3):
            await sandbox.stop()
        with pytest.raises(aiohttp.ClientError):
            await waiting
