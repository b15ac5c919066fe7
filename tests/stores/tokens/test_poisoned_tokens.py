"""Arbitrary values and answers from Redis: sessions work promptly and report no false error.

These tests know the prefix of the keys and nothing else about the contents of Redis.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import InvalidAPIKeyError, NexHealth, ServerError
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.stores import RedisTokens
from tests.hostile_redis import ANSWERS, HOUR, KINDS, TEXTS, hostile_server, overwrite, parts_of
from tests.stores.tokens.helpers import FakeLogin, client_of, fleet_on

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from tests.conftest import MovableLoop
    from tests.stores.tokens.helpers import TokenFleet

LEASE = timedelta(seconds=0.3)
TASKS = 20
SOON = 3.0
"""Seconds; a lease, a second for a command, and a margin for a busy machine."""


def made(sandbox: Sandbox, redis: str, key: str | None = None) -> NexHealth:
    tokens = RedisTokens(redis, lease=LEASE)
    return NexHealth(key or sandbox.api_key, base_url=sandbox.url, tokens=tokens)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    async with client_of(redis_url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def fleet(redis_url: str, client: Any) -> AsyncIterator[TokenFleet]:
    async with fleet_on(redis_url) as fleet:
        yield fleet


async def keys_of(client: Any) -> set[bytes]:
    return {key async for key in client.scan_iter("nexhealth:token:*")}


@pytest.fixture
async def keys(sandbox: Sandbox, redis_url: str, client: Any) -> list[bytes]:
    """All keys that sessions ever use: after a failed login, during one, and after a good one."""
    sandbox.fail_next(503, times=10, path="/authenticates")
    async with made(sandbox, redis_url) as nex:
        with pytest.raises(ServerError):
            await nex.log_in()
    seen = await keys_of(client)
    await client.delete(*seen)
    sandbox.clear()
    async with made(sandbox, redis_url) as nex:
        sandbox.latency = 0.1
        login = asyncio.create_task(nex.log_in())
        while not login.done():
            seen |= await keys_of(client)
            await asyncio.sleep(0.01)
        sandbox.latency = 0.0
    return sorted(seen | await keys_of(client))


async def works(sandbox: Sandbox, redis: str) -> float:
    """Let many tasks of a new session call; return the duration."""
    before, logins = time.monotonic(), sandbox.logins
    async with made(sandbox, redis) as nex, asyncio.timeout(SOON):
        await asyncio.gather(*(nex.request("GET", "/institutions") for _ in range(TASKS)))
        took = time.monotonic() - before
    assert sandbox.logins - logins <= 2
    return took


async def shares(sandbox: Sandbox, redis: str) -> None:
    """Check that two sessions share one login again."""
    async with made(sandbox, redis) as one, made(sandbox, redis) as other:
        await one.log_in()
        logins = sandbox.logins
        await other.log_in()
    assert sandbox.logins == logins


@pytest.mark.parametrize("ends", [True, False], ids=["for an hour", "without end"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_value_of_the_wrong_type_delays_nobody(
    sandbox: Sandbox, redis_url: str, client: Any, keys: list[bytes], kind: str, *, ends: bool
) -> None:
    assert len(keys) >= 2
    for some in (*([key] for key in keys), keys):
        for key in some:
            await overwrite(client, key, KINDS[kind], ends=ends)
        await works(sandbox, redis_url)
        await shares(sandbox, redis_url)


@pytest.mark.parametrize("text", TEXTS)
async def test_a_string_under_any_key_delays_nobody(
    sandbox: Sandbox, redis_url: str, client: Any, keys: list[bytes], text: str
) -> None:
    for key in keys:
        for milliseconds in (HOUR, None):
            await client.delete(key)
            await client.set(key, TEXTS[text], px=milliseconds)
            await works(sandbox, redis_url)
    await shares(sandbox, redis_url)


@pytest.mark.parametrize("text", TEXTS)
async def test_any_single_value_may_be_corrupt(
    sandbox: Sandbox, redis_url: str, client: Any, keys: list[bytes], text: str
) -> None:
    await works(sandbox, redis_url)
    for key in keys:
        for put in await parts_of(client, key):
            await put(TEXTS[text])
            await works(sandbox, redis_url)
    await shares(sandbox, redis_url)


@pytest.mark.parametrize("ends", [True, False], ids=["for an hour", "without end"])
async def test_a_lock_that_does_not_end_delays_by_the_lease(
    sandbox: Sandbox, redis_url: str, client: Any, *, ends: bool
) -> None:
    """The lock is one that a session left there when it was killed."""
    sandbox.latency = 60.0
    async with made(sandbox, redis_url) as nex:
        login = asyncio.create_task(nex.log_in())
        while not (held := await keys_of(client)):
            await asyncio.sleep(0.01)
        left = {key: await client.dump(key) for key in held}
    await asyncio.gather(login, return_exceptions=True)
    sandbox.latency = 0.0
    for key, value in left.items():
        await client.restore(key, HOUR if ends else 0, value, replace=True)
    assert await works(sandbox, redis_url) < LEASE.total_seconds() + 1.5
    await shares(sandbox, redis_url)


@pytest.mark.parametrize("ends", [True, False], ids=["for an hour", "without end"])
async def test_a_forged_rejection_does_not_reject_a_valid_key(
    sandbox: Sandbox, redis_url: str, client: Any, *, ends: bool
) -> None:
    """A real rejection of another key, stored in the place of the good key's."""
    async with made(sandbox, redis_url) as nex:
        await nex.log_in()
    good = await keys_of(client)
    async with made(sandbox, redis_url, "another-invented-key") as nex:
        with pytest.raises(InvalidAPIKeyError):
            await nex.log_in()
    theirs = await keys_of(client) - good
    (name,) = {key[key.index(b"{") : key.index(b"}")] for key in good}
    (other,) = {key[key.index(b"{") : key.index(b"}")] for key in theirs}
    values = {key.replace(other, name): await client.dump(key) for key in theirs}
    await client.delete(*good)
    for key, value in values.items():
        await client.restore(key, 200_000 if ends else 0, value, replace=True)
    await works(sandbox, redis_url)
    await shares(sandbox, redis_url)


@pytest.mark.parametrize(
    "text",
    [b"key 401", b"quiet key 401", b"quiet server 503", b"quiet " + b"A" * 200, b"quiet "],
)
@pytest.mark.parametrize("milliseconds", [200_000, HOUR, None])
async def test_an_unauthenticated_rejection_is_ignored(
    sandbox: Sandbox,
    redis_url: str,
    client: Any,
    keys: list[bytes],
    text: bytes,
    milliseconds: int | None,
) -> None:
    for key in keys:
        await client.delete(*keys)
        await client.set(key, text, px=milliseconds)
        await works(sandbox, redis_url)


async def test_a_rejection_lasts_for_its_own_time_and_not_for_its_keys_expiry(
    fleet: TokenFleet, client: Any
) -> None:
    failing = FakeLogin(failure=ServerError("failing", status=503))
    (one,) = fleet.add(1, issuer=failing)
    with pytest.raises(ServerError):
        await one.get(None)
    for key in await keys_of(client):
        await client.pexpire(key, 250_000)
    (two,) = fleet.add(1)
    with pytest.raises(ServerError):
        await two.get(None)
    now = asyncio.get_running_loop().time()
    assert 0 < two._backoff_until - now <= 5.1


@asynccontextmanager
async def heard(
    sandbox: Sandbox, redis: str, client: Any
) -> AsyncGenerator[tuple[NexHealth, bytes]]:
    """A session that listens, and its channel."""
    async with made(sandbox, redis) as nex, asyncio.timeout(10):
        await nex.log_in()
        while not (channels := await client.pubsub_channels("nexhealth:token:*")):
            await asyncio.sleep(0.01)
        yield nex, channels[0]


@pytest.mark.parametrize("text", TEXTS)
async def test_no_notice_breaks_a_session_or_stops_its_listener(
    sandbox: Sandbox, redis_url: str, client: Any, text: str
) -> None:
    async with (
        heard(sandbox, redis_url, client) as (nex, channel),
        made(sandbox, redis_url) as other,
    ):
        await other.log_in()
        logins = sandbox.logins
        for word in (b"", b"dead ", b"live ", b"free ", b"dead 1 "):
            await client.publish(channel, word + TEXTS[text])
        await asyncio.gather(*(nex.request("GET", "/institutions") for _ in range(TASKS)))
        assert sandbox.logins == logins
        token = nex._client.state.token_manager.held
        assert token is not None
        await other._client.state.token_manager.replace(1, None)
        async with asyncio.timeout(5):
            while nex._client.state.token_manager.held == token:
                await asyncio.sleep(0.01)


async def test_a_flood_of_notices_causes_no_flood_of_logins(
    sandbox: Sandbox, redis_url: str, client: Any
) -> None:
    async with heard(sandbox, redis_url, client) as (nex, channel):
        for number in range(500):
            await client.publish(channel, b"dead %d" % number)
            await client.publish(channel, b"live %d" % number)
        await nex.request("GET", "/institutions")
    assert sandbox.logins == 1


@pytest.mark.parametrize("answer", ANSWERS)
async def test_without_a_real_redis_each_process_logs_in(sandbox: Sandbox, answer: str) -> None:
    async with hostile_server(ANSWERS[answer]) as address:
        await works(sandbox, address)


FORGED: dict[str, list[bytes]] = {
    "found": [b"found", b"9" * 15, b"QUJD" * 20, b"1", b"2"],
    "found of huge numbers": [b"found", b"9" * 400, b"QUJD", b"9" * 400, b"9" * 400],
    "found of thousands of digits": [b"found", b"9" * 5_000, b"QUJD", b"1", b"2"],
    "a refusal": [b"quiet", b"key 401", b"200000", b"5"],
    "a refusal of thousands of digits": [b"quiet", b"key 401", b"9" * 5_000, b"9" * 5_000],
    "a turn": [b"turn", b"5", b"1", b"0"],
    "a turn without numbers": [b"turn", b"x", b"y", b"z"],
    "a turn after many failures": [b"turn", b"5", b"1", b"9" * 400],
}


@pytest.mark.parametrize("answer", FORGED)
async def test_a_server_with_a_constant_answer_is_ignored(sandbox: Sandbox, answer: str) -> None:
    parts = FORGED[answer]
    sent = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    async with hostile_server(b"*%d\r\n%s" % (len(parts), sent)) as address:
        await works(sandbox, address)


async def test_an_endless_wait_ends_in_a_local_login(fleet: TokenFleet, loop: MovableLoop) -> None:
    busy = b"*2\r\n$4\r\nbusy\r\n$3\r\n500\r\n"
    async with hostile_server(busy) as address:
        (one,) = fleet.add(1, url=address)
        task = asyncio.create_task(one.get(None))
        await asyncio.sleep(0.1)
        assert not task.done()
        loop.shift(31)
        async with asyncio.timeout(SOON):
            assert (await task).value
