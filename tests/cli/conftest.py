from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from nexhealth_async.sandbox import Sandbox


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=700, seed=3) as running:
        yield running


@pytest_asyncio.fixture
async def chain() -> AsyncIterator[Sandbox]:
    """Two practices with two locations each."""
    async with Sandbox(patients=10, practices=2, locations=2) as running:
        yield running
