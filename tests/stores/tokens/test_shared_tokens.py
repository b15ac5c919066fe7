"""A shared token: one login, one renewal, one revocation; each tenant has a separate token."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import InvalidAPIKeyError, ServerError
from nexhealth_async._protocol.token_life import AuthAction
from tests.stores.tokens.helpers import PLACE, FakeLogin, client_of, eventually, wall_shift

if TYPE_CHECKING:
    from tests.conftest import MovableLoop
    from tests.stores.tokens.helpers import RestartableRedis, TokenFleet


async def test_concurrent_starts_cause_one_login(fleet: TokenFleet) -> None:
    fleet.issuer.takes = 0.05
    fleet.add(12)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 1


async def test_a_later_process_gets_the_existing_token(fleet: TokenFleet) -> None:
    fleet.add(1)
    await fleet.get()
    fleet.add(5)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 1


async def test_a_valid_token_needs_no_redis_call(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    (keeper,) = fleet.add(1)
    await keeper.get(None)
    await fleet.listening()
    await asyncio.sleep(0.05)
    async with client_of(server.url) as client:
        before = (await client.info("stats"))["total_commands_processed"]
        for _ in range(10_000):
            await keeper.get(None)
        after = (await client.info("stats"))["total_commands_processed"]
    assert after - before <= 3, "our own INFO, and at most a heartbeat"


async def test_one_process_renews_ahead_while_the_others_use_the_valid_token(
    fleet: TokenFleet,
) -> None:
    fleet.issuer.lifetime = 2.0  # due after 1.6 seconds, sent for 1.9
    fleet.issuer.takes = 0.1
    fleet.add(8)
    await fleet.get()
    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        assert None not in fleet.values(), "somebody had to wait"
        await asyncio.sleep(0.01)
    assert 2 <= fleet.issuer.logins <= 4
    assert len(set(fleet.values())) <= 2


async def test_a_401_revokes_the_token_for_all_exactly_once(
    fleet: TokenFleet, loop: MovableLoop
) -> None:
    fleet.add(10)
    (first,) = await fleet.get()
    await fleet.listening()
    await asyncio.gather(*(keeper.replace(1, None) for keeper in fleet.keepers))
    assert fleet.issuer.logins == 2
    assert first not in await fleet.get()


async def test_other_processes_learn_of_a_401_before_their_next_request(fleet: TokenFleet) -> None:
    one, *_ = fleet.add(10)
    (dead,) = await fleet.get()
    await fleet.listening()
    fleet.issuer.takes = 0.3
    work = asyncio.create_task(one.replace(1, None))
    await eventually(lambda: dead not in fleet.values(), 0.3)
    assert fleet.values() == [None] * 10, "the new login is still under way"
    await work
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 2


async def test_a_late_401_for_an_older_token_revokes_nothing(fleet: TokenFleet) -> None:
    one, two = fleet.add(2)
    await fleet.get()
    await fleet.listening()
    renewed = await one.replace(1, None)
    assert (await two.replace(1, None)).value == renewed.value
    assert (await one.replace(1, None)).value == renewed.value
    assert two.action_after_401(1) is AuthAction.USE_CURRENT
    assert fleet.issuer.logins == 2


async def test_keys_and_environments_are_kept_apart(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    issuers = [FakeLogin() for _ in range(3)]
    for number, issuer in enumerate(issuers):
        issuer.logins = 100 * number  # so that all values differ
    fleet.add(2, issuer=issuers[0])
    fleet.add(2, issuer=issuers[1], api_key="another-invented-key")
    fleet.add(2, issuer=issuers[2], environment=PLACE + "/other")
    await fleet.get()
    assert [issuer.logins for issuer in issuers] == [1, 101, 201]
    values = fleet.values()
    assert len(set(values)) == 3
    assert values[::2] == values[1::2]
    await fleet.listening()
    await fleet.keepers[0].replace(1, None)
    assert [issuer.logins for issuer in issuers] == [2, 101, 201]
    assert fleet.values()[2:] == values[2:]


async def test_a_tampered_value_causes_a_login(fleet: TokenFleet, server: RestartableRedis) -> None:
    fleet.add(1)
    await fleet.get()
    await fleet.listening()
    async with client_of(server.url) as client:
        (name,) = [key async for key in client.scan_iter("*}")]
        for change in ("box", "asked", "generation"):
            value = await client.hget(name, change)
            changed = b"A" + value[1:] if change == "box" else b"%d" % (int(value) + 1)
            await client.hset(name, change, changed)
            before = fleet.issuer.logins
            (keeper,) = fleet.add(1)
            assert (await keeper.get(None)).value
            assert fleet.issuer.logins == before + 1
            await fleet.listening()
        await client.delete(name)
        await client.set(name, "of another type")
        (keeper,) = fleet.add(1)
        assert (await keeper.get(None)).value


async def test_a_value_of_another_tenant_cannot_be_decrypted(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    theirs, ours = FakeLogin(), FakeLogin(logins=100)
    fleet.add(1, issuer=theirs, environment=PLACE + "/other")
    await fleet.get()
    fleet.add(1, issuer=ours)
    await fleet.get()
    async with client_of(server.url) as client:
        one, two = [key async for key in client.scan_iter("*}")]
        first, second = await client.hgetall(one), await client.hgetall(two)
        await client.hset(one, mapping=second)
        await client.hset(two, mapping=first)
    (keeper,) = fleet.add(1, issuer=ours)
    assert (await keeper.get(None)).value != fleet.values()[0]
    assert ours.logins == 102


async def test_redis_reveals_no_key_token_or_address(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.add(2)
    (token,) = await fleet.get()
    seen = b""
    async with client_of(server.url) as client:
        async for key in client.scan_iter():
            kind = await client.type(key)
            held = await (client.hgetall(key) if kind == b"hash" else client.get(key))
            seen += key + repr(held).encode()
    for secret in ("an-invented-key", token, token.split(".")[1], "invented.example"):
        assert secret.encode() not in seen
    shown = repr([fleet.keepers, [keeper.link for keeper in fleet.keepers]])
    assert token not in shown
    assert "invented" not in shown


async def test_the_token_expires_in_redis_when_it_is_no_longer_used(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.issuer.lifetime = 100.0
    fleet.add(1)
    await fleet.get()
    async with client_of(server.url) as client:
        (name,) = [key async for key in client.scan_iter("*}")]
        assert 90_000 < await client.pttl(name) <= 95_000
        assert [key async for key in client.scan_iter() if await client.pttl(key) < 0] == []


async def test_ages_follow_the_clock_of_redis(
    fleet: TokenFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.issuer.lifetime = 100.0
    for seconds in (0.0, 600.0, -600.0):
        with monkeypatch.context() as patch:
            patch.setattr("time.time", wall_shift(seconds))
            (keeper,) = fleet.add(1)
            token = await keeper.get(None)
            now = asyncio.get_running_loop().time()
            assert 90 < token.expires_at - now <= 95
            assert abs(token.requested_wall_time - time.time()) < 5
    assert fleet.issuer.logins == 1


async def test_a_rejected_key_is_tried_once_for_all(fleet: TokenFleet) -> None:
    fleet.issuer.failure = InvalidAPIKeyError("refused", status=401)
    fleet.add(12)
    answers = await asyncio.gather(
        *(keeper.get(None) for keeper in fleet.keepers), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {InvalidAPIKeyError}
    assert fleet.issuer.refused == 1


async def test_after_the_backoff_one_process_tries_and_the_others_follow(
    fleet: TokenFleet, loop: MovableLoop, server: RestartableRedis
) -> None:
    fleet.issuer.failure = ServerError("failing", status=503)
    one, two = fleet.add(2)
    for keeper in (one, two):
        with pytest.raises(ServerError) as caught:
            await keeper.get(None)
        assert caught.value.status == 503
    assert fleet.issuer.refused == 1
    await fleet.listening()
    fleet.issuer.failure = None
    async with client_of(server.url) as client:
        (lock,) = [key async for key in client.scan_iter("*:lock")]
        assert 4_000 < await client.pttl(lock) <= 5_000
        await client.delete(lock)
    three = fleet.add(1)[0]
    await three.get(None)
    await eventually(lambda: one._failure is None and two._failure is None)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 1


async def test_after_a_local_failure_the_next_process_tries(fleet: TokenFleet) -> None:
    broken = FakeLogin(failure=ConnectionError("no network here"))
    (one,) = fleet.add(1, issuer=broken)
    with pytest.raises(ConnectionError):
        await one.get(None)
    (two,) = fleet.add(1)
    assert (await two.get(None)).value


async def test_a_session_closed_during_its_login_releases_the_lock_at_once(
    fleet: TokenFleet,
) -> None:
    slow = FakeLogin(takes=30)
    (one,) = fleet.add(1, issuer=slow)
    waiting = asyncio.create_task(one.get(None))
    await asyncio.sleep(0.1)
    (two,) = fleet.add(1)
    other = asyncio.create_task(two.get(None))
    await asyncio.sleep(0.1)
    waiting.cancel()
    for task in one.close():
        task.cancel()
    async with asyncio.timeout(1):
        assert (await other).value


async def test_a_slow_login_keeps_the_lock(fleet: TokenFleet) -> None:
    fleet.issuer.takes = 1.0
    fleet.add(4, lease=0.3)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 1
