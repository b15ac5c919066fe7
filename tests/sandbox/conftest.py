from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest_asyncio

from nexhealth_async.sandbox import Sandbox
from tests.sandbox.raw_client import RawClient

Dial = Callable[[Sandbox], Awaitable[RawClient]]


@pytest_asyncio.fixture
async def dial() -> AsyncIterator[Dial]:
    """Start a sandbox and log in to it; both end with the test."""
    async with AsyncExitStack() as stack:

        async def start(sandbox: Sandbox) -> RawClient:
            await stack.enter_async_context(sandbox)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return await RawClient(sandbox, http).login()

        yield start


@pytest_asyncio.fixture
async def v3(dial: Dial) -> RawClient:
    return (await dial(Sandbox())).as_v3()


@pytest_asyncio.fixture
async def wire(dial: Dial) -> RawClient:
    return await dial(Sandbox())
