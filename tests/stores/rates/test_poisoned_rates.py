"""Arbitrary values in Redis under the keys of the limits: calls continue, the limits hold.

These tests know the prefix of the keys and nothing else about the contents of Redis.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import Limit, NexHealth, Rates, RetryPolicy
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.stores import RedisRates
from tests.hostile_redis import ANSWERS, KINDS, TEXTS, hostile_server, overwrite, parts_of
from tests.stores.tokens.helpers import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

COUNT, SECONDS = 20, 0.4
RATES = Rates(overall=None, slow=None, people=None, other=Limit(COUNT, SECONDS))
SOON = 6.0
"""Seconds for some calls, with any Redis contents: a few windows on a busy machine."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(remember=100_000) as sandbox:
        for name, (count, seconds) in {"all": (10**6, 1.0), "other": (COUNT, SECONDS)}.items():
            window = sandbox.limits.windows[name]
            window.limit, window.seconds = count, seconds
        sandbox.rate_limits, sandbox.retry_after = "sliding", "exact"
        yield sandbox


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    async with client_of(redis_url) as client:
        await client.flushall()
        yield client


async def keys_of(client: Any) -> list[bytes]:
    return sorted([key async for key in client.scan_iter("nexhealth:rates:*")])


@asynccontextmanager
async def sessions(sandbox: Sandbox, redis: str, count: int) -> AsyncGenerator[list[NexHealth]]:
    """Logged-in sessions that stand for processes, each with a separate client."""
    async with AsyncExitStack() as stack:
        made = [
            NexHealth(
                sandbox.api_key,
                base_url=sandbox.url,
                rates=RedisRates(redis, RATES, processes=count),
                retry=RetryPolicy(attempts=10),
            )
            for _ in range(count)
        ]
        for nex in made:
            await stack.enter_async_context(nex)
        await asyncio.gather(*(nex.log_in() for nex in made))
        yield made


async def work(nex: NexHealth, number: int) -> None:
    await asyncio.gather(*(nex.request("GET", "/institutions") for _ in range(number)))


async def works(nex: NexHealth, number: int = COUNT + 5) -> float:
    before = time.monotonic()
    async with asyncio.timeout(SOON):
        await work(nex, number)
    return time.monotonic() - before


@pytest.mark.parametrize("ends", [True, False], ids=["for an hour", "without end"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_value_of_the_wrong_type_blocks_nobody_and_admits_nothing(
    sandbox: Sandbox, redis_url: str, client: Any, kind: str, *, ends: bool
) -> None:
    async with sessions(sandbox, redis_url, 1) as (nex,):
        await works(nex)
        keys = await keys_of(client)
        assert len(keys) >= 2
        for some in (*([key] for key in keys), keys):
            for key in some:
                await overwrite(client, key, KINDS[kind], ends=ends)
            await works(nex)
        # A request that a busy machine delays longer than the slack may be refused; it is repeated.
        assert sandbox.rejected <= 0.1 * len(sandbox.requests)


@pytest.mark.parametrize("text", TEXTS)
async def test_any_single_value_may_be_corrupt(
    sandbox: Sandbox, redis_url: str, client: Any, text: str
) -> None:
    async with sessions(sandbox, redis_url, 1) as (nex,):
        sandbox.fail_next(429, headers={"Retry-After": "0"})
        await works(nex)
        for key in await keys_of(client):
            for put in await parts_of(client, key):
                await put(TEXTS[text])
                await works(nex, 3)
        await works(nex, 2 * COUNT)
    assert sandbox.rejected == 0


@pytest.mark.parametrize("text", ["far future", "not a number", "binary"])
async def test_processes_that_share_a_poisoned_redis_keep_the_limits(
    sandbox: Sandbox, redis_url: str, client: Any, text: str
) -> None:
    async with sessions(sandbox, redis_url, 3) as many:
        running = [asyncio.create_task(work(nex, 5 * COUNT)) for nex in many]
        for key in await keys_of(client):
            for put in await parts_of(client, key):
                if all(task.done() for task in running):
                    break
                await put(TEXTS[text])
                await asyncio.sleep(SECONDS)
        await asyncio.gather(*running)
    assert sandbox.rejected <= 0.1 * len(sandbox.requests), (
        "those of a moment, which are waited out"
    )


@pytest.mark.parametrize("score", [1e18, 1e300, float("inf"), float("-inf"), -1e18])
async def test_forged_permits_and_scores_block_nobody(
    sandbox: Sandbox, redis_url: str, client: Any, score: float
) -> None:
    async with sessions(sandbox, redis_url, 1) as (nex,):
        await works(nex)
        for key in await keys_of(client):
            if await client.type(key) == b"zset":
                await client.zadd(key, {b"forged:%d" % nth: score for nth in range(3 * COUNT)})
                await works(nex)
                members = await client.zrange(key, 0, -1)
                await client.zadd(key, dict.fromkeys(members, score))
                await works(nex)
    assert sandbox.rejected == 0


@pytest.mark.parametrize("milliseconds", [None, 1, 10**12])
async def test_a_key_may_have_any_expiry(
    sandbox: Sandbox, redis_url: str, client: Any, milliseconds: int | None
) -> None:
    async with sessions(sandbox, redis_url, 1) as (nex,):
        for _ in range(2):
            await works(nex)
            for key in await keys_of(client):
                if milliseconds is None:
                    await client.persist(key)
                else:
                    await client.pexpire(key, milliseconds)
                await works(nex, 3)
        await works(nex)  # enough calls for the script to run once more
        lives = [await client.pttl(key) for key in await keys_of(client)]
        assert -1 not in lives, "a key without end; one that has just ended is -2"
    assert sandbox.rejected == 0


@pytest.mark.parametrize("far", [2e5, 1e9, 1e12])
async def test_a_class_closed_without_end_is_reopened(
    sandbox: Sandbox, redis_url: str, client: Any, far: float
) -> None:
    """Every number under the keys that is a time is moved to the future."""
    async with sessions(sandbox, redis_url, 1) as (nex,):
        sandbox.fail_next(429, headers={"Retry-After": "0"})
        await works(nex)
        for key in await keys_of(client):
            if await client.type(key) != b"hash":
                continue
            for name, value in (await client.hgetall(key)).items():
                if value.isdigit() and len(value) > 10:
                    await client.hset(key, name, int(value) + int(far * 1e6))
                    await works(nex, 3)
    assert sandbox.rejected == 0


async def test_more_processes_than_there_can_be_are_not_believed(
    sandbox: Sandbox, redis_url: str, client: Any
) -> None:
    """Otherwise each would continue with a tiny share when Redis is unavailable."""
    async with sessions(sandbox, redis_url, 1) as (nex,):
        await works(nex)
        for key in await keys_of(client):
            if await client.type(key) == b"hash":
                await client.hset(key, mapping={f"forged {nth}": "9" * 15 for nth in range(5_000)})
        await works(nex)
        member: Any = nex._client.state.rate_limiter._shared
        assert member.hand.fleet == 1


@pytest.mark.parametrize("answer", ANSWERS)
async def test_without_a_real_redis_a_share_of_the_limits_is_used(
    sandbox: Sandbox, answer: str
) -> None:
    async with hostile_server(ANSWERS[answer]) as address, sessions(sandbox, address, 2) as many:
        await asyncio.gather(*(works(nex, COUNT // 2 - 1) for nex in many))
    assert sandbox.rejected == 0


REPLIES = {
    "nothing is given": b'{"epoch": "a-1", "fleet": 1}',
    "places of no class": b'{"epoch": "a-1", "fleet": 1, "places": {"no class": [["a", 0]]}}',
    "again for no class": b'{"epoch": "a-1", "fleet": 1, "again": {"no class": 5}}',
    "always lost": b'{"epoch": "a-1", "fleet": 1, "lost": true}',
    "another memory each time": b'{"epoch": "", "fleet": -7, "lost": true}',
}


@pytest.mark.parametrize("reply", REPLIES)
async def test_a_server_with_impossible_answers_is_ignored(sandbox: Sandbox, reply: str) -> None:
    text = REPLIES[reply]
    answer = b"$%d\r\n%s\r\n" % (len(text), text)
    async with hostile_server(answer) as address, sessions(sandbox, address, 1) as (nex,):
        await works(nex)
    assert sandbox.rejected == 0


async def test_a_server_that_grants_too_many_permits_cannot_exceed_the_limits(
    sandbox: Sandbox,
) -> None:
    places = b",".join(b'["forged:%d", 0]' % nth for nth in range(500))
    text = b'{"epoch": "a-1", "fleet": 1, "tight": 1e-9, "places": {"other": [%s]}}' % places
    answer = b"$%d\r\n%s\r\n" % (len(text), text)
    async with hostile_server(answer) as address, sessions(sandbox, address, 1) as (nex,):
        assert await works(nex, 3 * COUNT) > 2 * SECONDS
    assert sandbox.rejected == 0


async def test_a_far_pause_of_one_process_does_not_block_the_others(
    sandbox: Sandbox, redis_url: str, client: Any
) -> None:
    del client
    async with sessions(sandbox, redis_url, 2) as (one, other):
        patient = one.with_options(retry=RetryPolicy(max_retry_after=86_400.0), timeout=2)
        sandbox.fail_next(429, headers={"Retry-After": "80000"})
        with pytest.raises(Exception, match="GET /institutions"):
            await patient.request("GET", "/institutions")
        member: Any = other._client.state.rate_limiter._shared
        await asyncio.gather(other.request("GET", "/locations"), return_exceptions=True)
        now = asyncio.get_running_loop().time()
        assert all(until - now <= 60.5 for until in member.hand._shut.values())
