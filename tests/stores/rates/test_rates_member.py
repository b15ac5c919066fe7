"""One session's share of shared limits, with a real Redis."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from nexhealth_async import APITimeoutError, InvalidArgumentError, Limit, NexHealth, Rates
from nexhealth_async._client.rate_limiter import RateLimiter
from nexhealth_async._protocol.key_fingerprint import fingerprint
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.stores import RedisRates
from nexhealth_async.stores.hand import LEASE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FIVE = Rates(overall=None, slow=None, people=None, other=Limit(5, 1.0))
OTHER = RateClass.OTHER


@asynccontextmanager
async def open_limiter(url: str, key: str, rates: Rates = FIVE) -> AsyncGenerator[RateLimiter]:
    limiter = RateLimiter(RedisRates(url, rates, patience=5.0), key)
    try:
        yield limiter
    finally:
        limiter.close()
        await limiter.aclose()


async def take(
    limiter: RateLimiter,
    *,
    background: bool = False,
    timeout: float | None = None,  # noqa: ASYNC109 - handed on
) -> float:
    loop = asyncio.get_running_loop()
    departure = await limiter.acquire(
        OTHER, background=background, deadline=None if timeout is None else loop.time() + timeout
    )
    limiter.complete(departure, answered=True)
    return departure.left


async def test_two_sessions_never_exceed_the_limit_together(redis_url: str) -> None:
    key = uuid4().hex
    async with open_limiter(redis_url, key) as one, open_limiter(redis_url, key) as other:
        takes = (take(limiter) for limiter in (one, other) for _ in range(8))
        left = sorted(await asyncio.gather(*takes))
    assert all(later - left[at] >= 1.0 for at, later in enumerate(left[5:]))
    assert left[-1] - left[0] <= 4.0


async def test_an_impossible_deadline_is_refused_after_one_look_at_redis(redis_url: str) -> None:
    rates = Rates(overall=None, slow=None, people=None, other=Limit(2, 60.0))
    async with open_limiter(redis_url, uuid4().hex, rates) as limiter:
        await asyncio.gather(take(limiter), take(limiter))
        began = asyncio.get_running_loop().time()
        with pytest.raises(APITimeoutError, match="nothing was sent"):
            await take(limiter, timeout=30)
        assert asyncio.get_running_loop().time() - began < 5


async def test_single_calls_precede_pages_with_shared_limits_too(redis_url: str) -> None:
    async with open_limiter(redis_url, uuid4().hex) as limiter:
        await asyncio.gather(*(take(limiter) for _ in range(5)))
        pages = [asyncio.create_task(take(limiter, background=True)) for _ in range(3)]
        await asyncio.sleep(0.05)
        calls = [asyncio.create_task(take(limiter)) for _ in range(3)]
        assert max(await asyncio.gather(*calls)) <= min(await asyncio.gather(*pages))


async def test_cancelled_waiters_cost_no_permit(redis_url: str) -> None:
    async with open_limiter(redis_url, uuid4().hex) as limiter:
        await asyncio.gather(*(take(limiter) for _ in range(5)))
        gone = [asyncio.create_task(take(limiter)) for _ in range(20)]
        await asyncio.sleep(0.5)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(take(limiter) for _ in range(5)))
        assert asyncio.get_running_loop().time() - began < 1.5


async def test_closing_returns_unused_permits(redis_url: str) -> None:
    key = uuid4().hex
    async with open_limiter(redis_url, key) as limiter:
        departures = [
            await limiter.acquire(OTHER, background=False, deadline=None) for _ in range(5)
        ]
        for departure in departures:
            limiter.release(departure)
    async with open_limiter(redis_url, key) as limiter:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(take(limiter) for _ in range(5)))
        assert asyncio.get_running_loop().time() - began < LEASE


async def test_neither_the_key_nor_the_password_is_shown_or_stored(redis_url: str) -> None:
    shown = repr(RedisRates("redis://:invented-password@127.0.0.1:1/0"))
    assert "invented-password" not in shown
    async with (
        Sandbox() as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url, rates=RedisRates(redis_url)) as nex,
    ):
        await nex.request("GET", "/institutions")
        client = cast("Any", Redis).from_url(redis_url)
        names: list[bytes] = await client.keys(f"*{fingerprint(sandbox.api_key)}*")
        values = [await client.dump(name) for name in names]
        await client.aclose()
        assert len(names) >= 4
        for text in (*names, *values):
            assert sandbox.api_key.encode() not in text


def test_an_invalid_url_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RedisRates("http://:invented-password@127.0.0.1/0")
    assert "invented-password" not in str(caught.value)
