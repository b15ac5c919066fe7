"""Tokens shared in Redis: Redis, its errors and ours show no key, token or password."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import InvalidAPIKeyError, InvalidArgumentError, NexHealthError
from nexhealth_async.stores import RedisTokens
from tests.privacy.calls import open_context
from tests.privacy.outputs import under_watch
from tests.redis_server import running_redis
from tests.stores.tokens.helpers import client_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.privacy.calls import ActContext
    from tests.privacy.sentinel_search import SentinelScanner
    from tests.privacy.sentinel_server import PrivacyServer


async def _look_into(redis: str, watch: SentinelScanner) -> int:
    """Scan every key and value; return their number."""
    async with client_of(redis) as client:
        keys = [key async for key in client.scan_iter()]
        for key in keys:
            kind = await client.type(key)
            held = await (client.hgetall(key) if kind == b"hash" else client.get(key))
            watch.text("Redis", f"{key!r} {held!r}")
    return len(keys)


async def _use(at: ActContext) -> None:
    with suppress(NexHealthError):
        await at.scope.patients.get(at.privacy_server.person)
    keeper = at.nex._client.state.token_manager
    at.watch.thing(keeper.link)
    keeper._accepted = True
    await keeper.replace(keeper._generation, None)
    at.watch.thing(keeper.link)


async def test_redis_contains_nothing_that_reveals_key_or_token(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    with running_redis() as redis, under_watch(watch, "sharing a token"):
        async with open_context(privacy_server, watch, tmp_path, tokens=RedisTokens(redis)) as desk:
            await _use(desk)
            assert await _look_into(redis, watch) >= 2
            assert privacy_server.sandbox.logins == 2
    watch.clean()


@pytest.mark.parametrize("away", [True, False], ids=["away", "wrong password"])
async def test_an_unusable_redis_is_reported_without_its_password(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path, *, away: bool
) -> None:
    password = "zq7password"
    watch.marks.know("secret", "password", password)
    with running_redis() as redis, under_watch(watch, "sharing a token"):
        async with client_of(redis) as client:
            await client.config_set("requirepass", "another, right one")
        host = "redis://:{}@127.0.0.1:1" if away else redis.replace("unix://", "unix://:{}@")
        tokens = RedisTokens(host.format(password))
        watch.thing(tokens)
        async with open_context(privacy_server, watch, tmp_path, tokens=tokens) as desk:
            await _use(desk)
            assert "away" in repr(desk.nex._client.state.token_manager.link)
    watch.clean()


async def test_a_rejected_key_is_reported_without_being_shown(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    privacy_server.sandbox.revoke_key()
    with running_redis() as redis, under_watch(watch, "sharing a token"):
        for _ in range(2):  # the second is told by the first
            async with open_context(
                privacy_server, watch, tmp_path, tokens=RedisTokens(redis)
            ) as desk:
                with pytest.raises(InvalidAPIKeyError) as caught:
                    await desk.scope.patients.get(privacy_server.person)
                watch.error(caught.value)
        await _look_into(redis, watch)
    watch.clean()


def test_an_invalid_url_is_refused_without_being_shown(watch: SentinelScanner) -> None:
    watch.marks.know("secret", "password", "zq7password")
    with pytest.raises(InvalidArgumentError) as caught:
        RedisTokens("http://:zq7password@redis.invented.example")
    watch.error(caught.value)
    found = {one for one in watch.found if "test_shared_tokens_too" not in one}
    assert not found
