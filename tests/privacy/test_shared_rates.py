"""Limits shared in Redis: Redis, its connection, logs and errors show nothing more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from nexhealth_async import APITimeoutError, InvalidArgumentError, Limit, NexHealthError, Rates
from nexhealth_async.stores import RedisRates
from tests.privacy.calls import open_context
from tests.privacy.outputs import under_watch
from tests.redis_server import running_redis
from tests.stores.tokens.helpers import CuttableNetwork, client_of

if TYPE_CHECKING:
    from nexhealth_async.stores.redis_rates import _Member
    from tests.privacy.calls import ActContext
    from tests.privacy.sentinel_search import SentinelScanner
    from tests.privacy.sentinel_server import PrivacyServer

PASSWORD = "zq7password"
TIGHT = Rates(overall=Limit(6, 0.4), slow=None, people=Limit(4, 0.4), other=None)


class RecordingNetwork(CuttableNetwork):
    """A connection that keeps all its traffic."""

    def __init__(self, target: Path) -> None:
        super().__init__(target)
        self.carried = bytearray()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            self.carried += data
            sink.write(data)
            await sink.drain()
        raise OSError("closed")


def _member(at: ActContext) -> _Member:
    return cast("_Member", at.nex._client.state.rate_limiter._shared)


def _look_at_member(at: ActContext) -> None:
    member = _member(at)
    for one in (member, member.hand, member._line, member.hand._recent, member._task):
        at.watch.thing(one)
    now = asyncio.get_running_loop().time()
    at.watch.text("what Redis is told", repr(member.hand.message(now, {})))


async def _look_into(redis: str, watch: SentinelScanner) -> set[bytes]:
    """Scan every key and value; return the types of the values."""
    kinds = set[bytes]()
    async with client_of(redis) as client:
        keys = [key async for key in client.scan_iter()]
        for key in keys:
            kind: bytes = await client.type(key)
            held: Any = (
                await client.hgetall(key)
                if kind == b"hash"
                else await client.zrange(key, 0, -1, withscores=True)
            )
            assert held
            watch.text("Redis", f"{key!r} {held!r}")
            kinds.add(kind)
    return kinds


async def _use(at: ActContext) -> None:
    """Call, list, wait for a permit, and be rejected by the server."""
    for _ in range(4):
        with suppress(NexHealthError):
            await at.scope.patients.get(at.privacy_server.person)
        _look_at_member(at)
    with suppress(NexHealthError):
        async for patient in at.scope.patients.walk(**at.filters):
            at.watch.thing(patient)
    at.privacy_server.do(
        lambda: at.privacy_server.sandbox.fail_next(429, headers={"Retry-After": "0"})
    )
    with suppress(NexHealthError):
        await at.scope.patients.get(at.privacy_server.person)
    _look_at_member(at)


async def test_redis_receives_times_and_numbers_only(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    with running_redis() as redis, under_watch(watch, "sharing limits"):
        line = RecordingNetwork(Path(redis.removeprefix("unix://")))
        await line.mend()
        async with open_context(
            privacy_server, watch, tmp_path, rates=RedisRates(line.url, TIGHT)
        ) as desk:
            await _use(desk)
            assert _member(desk).turns >= 2
            assert _member(desk).hand.alone is None
            assert await _look_into(redis, watch) >= {b"hash", b"zset"}
        await _look_into(redis, watch)
        await line.cut()
    assert len(line.carried) > 5_000
    watch.text("the line to Redis", line.carried.decode("latin-1"))
    assert watch.handed, "records were there to be told of"
    watch.clean()


@pytest.mark.parametrize("how", ["away", "wrong password", "lent"])
async def test_an_unusable_redis_is_reported_without_its_password(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path, how: str
) -> None:
    watch.marks.know("secret", "password", PASSWORD)
    with running_redis() as redis, under_watch(watch, "sharing limits"):
        async with client_of(redis) as client:
            await client.config_set("requirepass", "another, right one")
        host = "redis://:{}@127.0.0.1:1" if how == "away" else redis.replace("//", "//:{}@")
        url = host.format(PASSWORD)
        async with client_of(url) as client:
            rates = RedisRates(client if how == "lent" else url, TIGHT, processes=2)
            watch.thing(rates)
            async with open_context(privacy_server, watch, tmp_path, rates=rates) as desk:
                await _use(desk)
                assert _member(desk).hand.alone is not None
    assert any("nexhealth_async" in where for where in watch.looked_at), "it was said in the log"
    watch.clean()


async def test_a_timed_out_waiter_is_told_so_without_key_or_records(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    rates = Rates(overall=Limit(2, 60.0), slow=None, people=None, other=None)
    with running_redis() as redis, under_watch(watch, "waiting for shared limits"):
        async with open_context(
            privacy_server, watch, tmp_path, rates=RedisRates(redis, rates)
        ) as desk:
            await desk.scope.patients.get(privacy_server.person)  # a login and a call
            with pytest.raises(APITimeoutError) as caught:
                await desk.scope.patients.get(privacy_server.person)
            watch.error(caught.value)
        await _look_into(redis, watch)
    watch.clean()


@pytest.mark.parametrize("address", ["http://:{}@redis.invented.example", "redis://:{}@host:port"])
def test_an_invalid_url_is_refused_without_being_shown(
    watch: SentinelScanner, address: str
) -> None:
    watch.marks.know("secret", "password", PASSWORD)
    with pytest.raises(InvalidArgumentError) as caught:
        RedisRates(address.format(PASSWORD))
    watch.error(caught.value)
    watch.found = {one for one in watch.found if "test_shared_rates_too" not in one}
    watch.clean()
    assert not watch.behind
