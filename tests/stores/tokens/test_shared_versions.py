"""Sessions that share a token share the API version too, and do not look it up again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest

from nexhealth_async import InvalidAPIKeyError, NexHealth, VersionNotEnabledError
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.stores import RedisTokens
from nexhealth_async.stores.sealing import Seal
from tests.stores.tokens.helpers import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stores.tokens.helpers import RestartableRedis

LOGIN = "/authenticates"
PROBE = "/institutions"


@pytest.fixture
async def new_account() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=3, versions={"v3"}) as sandbox:
        yield sandbox


def made(
    sandbox: Sandbox, redis: str, version: str = "auto", api_key: str | None = None
) -> NexHealth:
    return NexHealth(
        api_key or sandbox.api_key, base_url=sandbox.url, version=version, tokens=RedisTokens(redis)
    )


def seen(sandbox: Sandbox) -> list[tuple[str, str | None]]:
    return [(request.path, request.headers.get("nex-api-version")) for request in sandbox.requests]


async def read(nex: NexHealth, sandbox: Sandbox) -> None:
    here = nex.practice(sandbox.subdomain).location(sandbox.location_id)
    assert len([patient async for patient in here.patients.walk()]) == 3


async def test_a_received_token_brings_the_version(
    new_account: Sandbox, server: RestartableRedis
) -> None:
    sandbox = new_account
    async with made(sandbox, server.url) as first:
        assert seen(sandbox) == [(LOGIN, "v2"), (LOGIN, "v3.0.0")]
        async with made(sandbox, server.url) as second:
            assert second.version == first.version == "v3.0.0"
            assert len(sandbox.requests) == 2
            await read(second, sandbox)
    assert seen(sandbox)[2:] == [("/patients", "v3.0.0")]


async def test_of_concurrent_starts_one_finds_the_version(
    new_account: Sandbox, server: RestartableRedis
) -> None:
    sandbox = new_account
    sandbox.latency = 0.05
    sessions = [made(sandbox, server.url) for _ in range(5)]
    try:
        await asyncio.gather(*(nex.open() for nex in sessions))
        assert {nex.version for nex in sessions} == {"v3.0.0"}
    finally:
        await asyncio.gather(*(nex.aclose() for nex in sessions))
    assert seen(sandbox) == [(LOGIN, "v2"), (LOGIN, "v3.0.0")]


async def test_the_version_of_an_old_account_is_shared_too(server: RestartableRedis) -> None:
    async with Sandbox(patients=3, versions={"v2"}) as sandbox, made(sandbox, server.url):
        async with made(sandbox, server.url) as second:
            assert second.version == "v2"
            await read(second, sandbox)
        assert seen(sandbox) == [(LOGIN, "v2"), ("/patients", "v2")]


async def test_a_version_found_later_is_shared_with_the_next_token(
    new_account: Sandbox, server: RestartableRedis
) -> None:
    """A login in v2 may succeed although reads are refused: the others then find out too."""
    sandbox = new_account
    sandbox.assumptions.any_version_logs_in = True
    async with made(sandbox, server.url) as first, made(sandbox, server.url) as second:
        await read(first, sandbox)
        await read(second, sandbox)
        assert first.version == second.version == "v3.0.0"
        assert sandbox.logins == 1
        sandbox.expire_tokens()
        async with asyncio.timeout(10):
            await first._client.state.token_manager.replace(1, None)
        async with made(sandbox, server.url) as third:
            before = len(sandbox.requests)
            await read(third, sandbox)
        assert seen(sandbox)[before:] == [("/patients", "v3.0.0")]


@pytest.mark.parametrize("pinned", ["v2", "v3"])
async def test_a_token_of_a_pinned_session_causes_one_probe(
    server: RestartableRedis, pinned: Literal["v2", "v3"]
) -> None:
    async with Sandbox(patients=3, versions={pinned}) as sandbox:
        async with made(sandbox, server.url, version=pinned) as first:
            await first.log_in()
        async with made(sandbox, server.url) as second:
            assert second.version is None
            await asyncio.gather(*(read(second, sandbox) for _ in range(3)))
        requests = seen(sandbox)
    spoken = "v2" if pinned == "v2" else "v3.0.0"
    assert requests == [(LOGIN, spoken), (PROBE, "v2"), *[("/patients", spoken)] * 3]


@pytest.mark.parametrize(
    "version", ["v1", "v4", "v3.0.0\r\nX: 1", "v2 v3.0.0", "", "x" * 1000, "V2", " "]
)
async def test_an_invalid_version_is_ignored_and_the_token_used(
    server: RestartableRedis, version: str
) -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        client_of(server.url) as client,
        made(sandbox, server.url) as first,
    ):
        await first.log_in()
        token = first._client.state.token_manager.held
        assert token is not None
        (place,) = await client.keys("nexhealth:token:*}")
        asked = int(await client.hget(place, "asked"))
        seal = Seal(sandbox.api_key, first._client.state.transport.base_url)
        text = f"{version} {token.value}"
        sealed = seal.close(text, generation=token.shared, asked=asked)
        await client.hset(place, "box", sealed)
        before = len(sandbox.requests)
        async with made(sandbox, server.url) as second:
            versions = [second.version]
            await read(second, sandbox)
            versions.append(second.version)
        assert versions == [None, "v2"]
    assert seen(sandbox)[before:] == [(PROBE, "v2"), ("/patients", "v2")]


async def test_an_encrypted_version_cannot_be_read_in_redis(
    new_account: Sandbox, server: RestartableRedis
) -> None:
    async with made(new_account, server.url), client_of(server.url) as client:
        for key in await client.keys("*"):
            kind = await client.type(key)
            stored = await (client.hgetall(key) if kind == b"hash" else client.get(key))
            assert b"v3.0.0" not in repr(stored).encode()


async def test_a_rejected_version_is_not_shared_as_a_failure(server: RestartableRedis) -> None:
    async with Sandbox(versions={"v3"}) as sandbox, client_of(server.url) as client:
        async with made(sandbox, server.url):
            assert seen(sandbox)[0] == (LOGIN, "v2")
        assert not await client.keys("*:lock")
        assert not await client.keys("*:failures")


async def test_a_rejected_key_is_still_shared_with_all(
    new_account: Sandbox, server: RestartableRedis
) -> None:
    sandbox = new_account
    for _ in range(2):
        with pytest.raises(InvalidAPIKeyError):
            await made(sandbox, server.url, api_key="not-the-key").open()
    assert seen(sandbox) == [(LOGIN, "v2"), (LOGIN, "v3.0.0")]


async def test_an_account_without_any_version_is_not_shared_in_redis(
    server: RestartableRedis,
) -> None:
    refusal = b'{"code": false, "error": ["This API version is no longer supported"]}'
    async with Sandbox() as sandbox, client_of(server.url) as client:
        sandbox.fail_next(403, path=LOGIN, body=refusal, times=2)
        with pytest.raises(VersionNotEnabledError):
            await made(sandbox, server.url).open()
        assert not await client.keys("*:lock")
        assert not await client.keys("*:failures")
