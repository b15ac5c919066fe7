"""Every store: one claimant wins, seen keys stay seen, claims expire."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from nexhealth_async import InvalidArgumentError, SessionStateError, stores
from nexhealth_async.stores import Claim, MemorySeen, RedisSeen, SqliteSeen
from nexhealth_async.webhooks.store_protocols import SeenStore
from tests.hostile_redis import forgetful_client, hostile_server

KINDS = ("memory", "sqlite", "redis")
SHORT = timedelta(milliseconds=80)
Opener: TypeAlias = Callable[..., SeenStore]


@pytest.fixture(params=KINDS)
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Open stores of one kind on the same memory, file or server; all are closed in the end."""
    async with AsyncExitStack() as stack:
        prefix = f"{uuid4()}:"
        held = MemorySeen()

        def opened(**options: Any) -> SeenStore:
            store: SeenStore
            match request.param:
                case "memory":
                    store = MemorySeen(**options) if options else held
                case "sqlite":
                    store = SqliteSeen(tmp_path / "seen.db", **options)
                case _:
                    url: str = request.getfixturevalue("redis_url")
                    store = RedisSeen(url, prefix=prefix, **options)
            stack.push_async_callback(store.aclose)
            return store

        yield opened


async def test_a_key_goes_from_new_to_seen(opener: Opener) -> None:
    store = opener()
    assert await store.claim("a") == "new"
    assert await store.claim("a") == "busy"
    assert await store.claim("b") == "new"
    await store.confirm("a")
    assert await store.claim("a") == "seen"
    assert await store.claim("b") == "busy"


async def test_a_released_key_is_new_again(opener: Opener) -> None:
    store = opener()
    await store.claim("a")
    await store.release("a")
    assert await store.claim("a") == "new"
    await store.confirm("a")
    await store.release("a")  # too late: it was done
    assert await store.claim("a") == "seen"


async def test_failures_are_counted_across_users_of_the_store(opener: Opener) -> None:
    first, second = opener(), opener()
    assert await first.claim("a") == "new"
    assert await first.fail("a") == 1
    assert await second.claim("a") == "new"
    assert await second.fail("a") == 2
    assert await first.fail("b") == 1
    assert await first.claim("a") == "new"
    await first.confirm("a")
    await second.fail("a")  # too late: it was done
    assert await second.claim("a") == "seen"


async def until_new(store: SeenStore, before: Claim) -> None:
    """Claim repeatedly until the key is new, which must happen on any machine."""
    async with asyncio.timeout(20):
        while (claim := await store.claim("a")) != "new":
            assert claim == before
            await asyncio.sleep(0.01)


async def test_an_abandoned_claim_expires(opener: Opener) -> None:
    store = opener(lease=SHORT)
    assert await store.claim("a") == "new"
    await until_new(store, "busy")


async def test_seen_keys_are_forgotten_finally(opener: Opener) -> None:
    store = opener(keep=SHORT)
    await store.claim("a")
    await store.confirm("a")
    await until_new(store, "seen")


async def test_one_of_many_concurrent_claims_succeeds(opener: Opener) -> None:
    several = [opener() for _ in range(3)]
    claims = await asyncio.gather(*(several[at % 3].claim("a") for at in range(60)))
    assert sorted(claims) == ["busy"] * 59 + ["new"]


async def test_another_store_on_the_same_data_knows_the_seen_keys(opener: Opener) -> None:
    first, second = opener(), opener()
    await first.claim("a")
    await first.confirm("a")
    assert await second.claim("a") == "seen"
    await first.claim("b")
    assert await second.claim("b") == "busy"


@pytest.mark.parametrize("opener", KINDS[1:], indirect=True)
async def test_a_claim_of_another_store_is_not_released(opener: Opener) -> None:
    first, second = opener(), opener()
    await first.claim("a")
    await second.release("a")
    assert await second.claim("a") == "busy"


async def test_a_store_can_be_closed_twice(opener: Opener) -> None:
    store = opener()
    await store.claim("a")
    await store.aclose()
    await store.aclose()


@pytest.mark.parametrize("options", [{"keep": timedelta(0)}, {"lease": timedelta(-1)}])
async def test_times_must_be_above_zero(opener: Opener, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="must be above zero"):
        opener(**options)


async def test_memory_keeps_the_newest() -> None:
    store = MemorySeen(max_keys=3)
    for key in "abcde":
        await store.claim(key)
        await store.confirm(key)
    assert [await store.claim(key) for key in "edc"] == ["seen"] * 3
    assert await store.claim("a") == "new"
    assert len(store) == 3
    with pytest.raises(InvalidArgumentError):
        MemorySeen(max_keys=0)


async def test_claims_in_memory_expire() -> None:
    now = 0.0
    store = MemorySeen(max_keys=10, lease=timedelta(seconds=1), clock=lambda: now)
    for at in range(200):
        now = at * 1.0
        assert await store.claim(str(at)) == "new"
    assert len(store._claimed) <= 12


async def test_sqlite_keeps_about_the_newest_keys_and_forgets_the_old(tmp_path: Path) -> None:
    now = 0.0
    store = SqliteSeen(tmp_path / "seen.db", max_keys=500, clock=lambda: now)
    for at in range(2_001):
        now = at / 1000
        await store.claim(str(at))
        await store.confirm(str(at))
    assert 500 <= await store.count() <= 1_501
    assert await store.claim("2000") == "seen"
    assert await store.claim("0") == "new"
    now += timedelta(days=4).total_seconds()
    for at in range(1_000):
        await store.claim(f"later {at}")
    assert await store.count() <= 1_001
    await store.aclose()


async def test_sqlites_file_is_private_and_contains_hashes(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    store = SqliteSeen(path)
    await store.claim("a")
    for file in tmp_path.iterdir():  # noqa: ASYNC240 - a look at a small folder
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    await store.aclose()
    assert str(tmp_path) not in repr(store)


async def test_sqlite_waits_for_another_process_that_sets_up_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        store = SqliteSeen(path)
        claim = asyncio.create_task(store.claim("key"))
        await asyncio.wait({claim}, timeout=0.1)
        assert not claim.done()
        other.execute("commit")
        assert await claim == "new"
        await store.aclose()


async def test_a_closed_sqlite_store_raises_with_the_reason(tmp_path: Path) -> None:
    store = SqliteSeen(tmp_path / "seen.db")
    await store.aclose()
    with pytest.raises(SessionStateError, match="closed"):
        await store.claim("a")
    with pytest.raises(InvalidArgumentError):
        SqliteSeen(tmp_path / "seen.db", max_keys=0)


_CLAIM_ALL = """
import asyncio, sys
from nexhealth_async.stores import SqliteSeen

async def main():
    store = SqliteSeen(sys.argv[1])
    mine = [key for key in map(str, range(300)) if await store.claim(key) == "new"]
    for key in mine:
        await store.confirm(key)
    await store.aclose()
    print(*mine)

asyncio.run(main())
"""


def test_processes_on_one_file_never_share_a_key(tmp_path: Path) -> None:
    path = str(tmp_path / "seen.db")
    running = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _CLAIM_ALL, path], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    claimed = [key for one in running for key in one.communicate(timeout=60)[0].split()]
    assert all(one.returncode == 0 for one in running)
    assert sorted(claimed) == sorted(map(str, range(300)))


async def test_claims_of_a_killed_process_expire(tmp_path: Path) -> None:
    code = _CLAIM_ALL.replace("await store.confirm(key)", "__import__('os')._exit(9)")
    path = tmp_path / "seen.db"
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
    assert await done.wait() == 9
    store = SqliteSeen(path)
    assert await store.claim("7") == "busy"
    await store.aclose()
    import time

    later = SqliteSeen(path, clock=lambda: time.time() + stores.LEASE.total_seconds() + 1)
    assert await later.claim("7") == "new"
    await later.aclose()


async def test_a_redis_client_of_the_user_stays_open(redis_url: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(redis_url, decode_responses=True) as client:  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
        prefix = f"{uuid4()}:"
        store = RedisSeen(client, prefix=prefix)
        assert await store.claim("a") == "new"
        await store.confirm("a")
        assert await store.claim("a") == "seen"
        await store.aclose()
        assert await client.exists(f"{prefix}a") == 1


async def test_a_key_in_redis_expires(redis_url: str) -> None:
    from redis.asyncio import Redis

    prefix = f"{uuid4()}:"
    store = RedisSeen(redis_url, prefix=prefix)
    await store.claim("a")
    await store.claim("b")
    await store.confirm("b")
    async with Redis.from_url(redis_url) as client:  # pyright: ignore[reportUnknownMemberType] - as above
        left = [await client.pttl(f"{prefix}{key}") for key in "ab"]
    await store.aclose()
    assert 0 < left[0] <= stores.LEASE.total_seconds() * 1000
    assert left[0] < left[1] <= stores.KEEP.total_seconds() * 1000


@pytest.mark.parametrize("value", ["seen", "another's"])
@pytest.mark.parametrize("ends", [None, 400 * 24 * 3600])
async def test_a_key_in_redis_without_a_valid_expiry_is_ignored(
    redis_url: str, value: str, ends: int | None
) -> None:
    from redis.asyncio import Redis

    prefix = f"{uuid4()}:"
    store = RedisSeen(redis_url, prefix=prefix)
    async with Redis.from_url(redis_url) as client:  # pyright: ignore[reportUnknownMemberType] - as above
        await client.set(f"{prefix}a", value, ex=ends)
        assert await store.claim("a") == "new"
        assert await store.claim("a") == "busy"
        assert 0 < await client.ttl(f"{prefix}a") <= stores.LEASE.total_seconds()
    await store.aclose()


@pytest.mark.parametrize("method", ["claim", "confirm", "release", "fail"])
async def test_a_cancelled_call_ends_although_redis_py_loses_the_cancellation(
    method: str,
) -> None:
    async with hostile_server(b"") as silent:
        client = forgetful_client(silent)
        try:
            call = asyncio.ensure_future(getattr(RedisSeen(client), method)("key"))
            await asyncio.sleep(0.05)
            call.cancel()
            done, _ = await asyncio.wait((call,), timeout=1.0)
            assert done
            assert call.cancelled()
        finally:
            await client.aclose()


def test_without_redis_py_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(InvalidArgumentError, match=r"nexhealth-async\[redis\]"):
        RedisSeen("redis://localhost")


def test_the_package_exports_its_public_names() -> None:
    assert {getattr(stores, name).__name__ for name in stores._MODULES} == set(stores._MODULES)
    missing = "NothingSeen"
    with pytest.raises(AttributeError, match=missing):
        getattr(stores, missing)
