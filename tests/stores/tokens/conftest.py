"""A Redis for each test, and a fleet that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.redis_server import redis_url
from tests.stores.tokens.helpers import (
    CuttableNetwork,
    RestartableRedis,
    TokenFleet,
    fleet_on,
    restartable_redis,
)

__all__ = ["fleet", "line", "redis_url", "server"]


@pytest.fixture
async def server() -> AsyncIterator[RestartableRedis]:
    async with restartable_redis() as sandbox:
        yield sandbox


@pytest.fixture
async def fleet(server: RestartableRedis) -> AsyncIterator[TokenFleet]:
    async with fleet_on(server.url) as fleet:
        yield fleet


@pytest.fixture
async def line(server: RestartableRedis) -> AsyncIterator[CuttableNetwork]:
    line = CuttableNetwork(server.path)
    await line.mend()
    yield line
    await line.cut()
