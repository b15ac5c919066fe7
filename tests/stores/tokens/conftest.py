"""A Redis for each test, and a fleet that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.redis_server import redis_url
from tests.stores.tokens.helpers import Fleet, Line, RedisBox, fleet_on, redis_box

__all__ = ["fleet", "line", "redis_url", "server"]


@pytest.fixture
async def server() -> AsyncIterator[RedisBox]:
    async with redis_box() as sandbox:
        yield sandbox


@pytest.fixture
async def fleet(server: RedisBox) -> AsyncIterator[Fleet]:
    async with fleet_on(server.url) as fleet:
        yield fleet


@pytest.fixture
async def line(server: RedisBox) -> AsyncIterator[Line]:
    line = Line(server.path)
    await line.mend()
    yield line
    await line.cut()
