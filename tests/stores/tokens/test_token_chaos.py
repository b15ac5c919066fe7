"""Redis dies, restarts empty, hangs or is cut off: no long wait, no stampede."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.stores.token_desk import TokenDesk
from tests.stores.tokens.helpers import client_of, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from nexhealth_async._client.token_manager import TokenManager
    from tests.stores.tokens.helpers import CuttableNetwork, RestartableRedis, TokenFleet


def numbers(fleet: TokenFleet) -> set[int]:
    return {0 if keeper.held is None else keeper.held.shared for keeper in fleet.keepers}


async def timed(work: Awaitable[object]) -> float:
    before = time.monotonic()
    await work
    return time.monotonic() - before


async def together(fleet: TokenFleet) -> None:
    """Wait until all hold the same, shared token again."""
    async with asyncio.timeout(15):
        while len(numbers(fleet)) != 1 or 0 in numbers(fleet):
            await asyncio.sleep(0.02)


async def test_without_redis_from_the_start_each_process_logs_in(
    fleet: TokenFleet, server: RestartableRedis, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    fleet.add(5)
    with caplog.at_level(logging.WARNING, "nexhealth_async"):
        assert await timed(fleet.get()) < 2.5
    assert fleet.issuer.logins == 5
    assert len(caplog.records) == 5, "said once by each"
    assert "redis.sock" not in caplog.text


async def test_an_emptied_redis_gets_the_existing_token(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.add(8)
    await fleet.get()
    await fleet.listening()
    await together(fleet)
    (before,) = numbers(fleet)
    values, logins = fleet.values(), fleet.issuer.logins
    server.kill()
    assert await timed(fleet.get()) < 0.2
    server.start()
    async with asyncio.timeout(15):
        while numbers(fleet) == {before}:
            await asyncio.sleep(0.02)
    await together(fleet)
    assert min(numbers(fleet)) > before, "numbers never go back"
    assert fleet.issuer.logins == logins
    assert fleet.values() == values, "it is the same token"


async def test_state_read_before_a_login_is_discarded_after_it(
    fleet: TokenFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the token would be shared again under a number that nobody else has."""
    look, told = TokenDesk.look, asyncio.Event()
    (keeper,) = fleet.add()

    async def late(desk: TokenDesk) -> tuple[int, bool]:
        seen = await look(desk)
        await eventually(lambda: keeper.held is not None)
        told.set()
        return seen

    monkeypatch.setattr(TokenDesk, "look", late)
    fleet.issuer.takes = 0.3
    await fleet.get()
    assert keeper.held is not None
    number = keeper.held.shared
    await told.wait()
    for _ in range(10):
        await asyncio.sleep(0.02)
        assert keeper.held.shared == number


async def test_separate_logins_are_merged_without_a_stampede(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    server.kill()
    fleet.add(8)
    assert len(await fleet.get()) == 8
    server.start()
    await together(fleet)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 8, "none after Redis was back"
    await fleet.listening()
    await fleet.keepers[3].replace(fleet.keepers[3]._generation, None)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 9


async def test_an_outage_shorter_than_the_renewal_margin_costs_no_login(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.issuer.lifetime = 10.0  # due after 8 seconds; at the earliest alone after 8.45
    fleet.add(6)
    await fleet.get()
    await fleet.listening()
    server.kill()
    for keeper in fleet.keepers:
        assert keeper.held is not None
        moved = keeper.held.requested_at - 7.9
        keeper._token = type(keeper.held)(
            value=keeper.held.value,
            generation=1,
            shared=keeper.held.shared,
            requested_at=moved,
            lifetime=10.0,
        )
    await asyncio.sleep(0.3)
    assert None not in fleet.values()
    assert fleet.issuer.logins == 1


async def test_a_401_without_redis_causes_a_local_login(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    (one,) = fleet.add(1)
    await one.get(None)
    await fleet.listening()
    server.kill()
    assert await timed(one.replace(1, None)) < 2.5
    assert fleet.issuer.logins == 2


async def test_a_hanging_redis_delays_nobody_longer_than_one_command(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.add(6)
    await fleet.get()
    await fleet.listening()
    await server.pause(3.0)
    late = fleet.add(3)
    waits = await asyncio.gather(*(timed(keeper.get(None)) for keeper in late))
    assert max(waits) < 2.0
    assert fleet.issuer.logins == 4
    await together(fleet)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 4


async def test_a_cut_connection_is_reestablished(fleet: TokenFleet, line: CuttableNetwork) -> None:
    near = fleet.add(3)
    far = fleet.add(3, url=line.url)
    (dead,) = await fleet.get()
    await fleet.listening()
    await line.cut()
    await near[0].replace(1, None)
    assert far[0].current(asyncio.get_running_loop().time()) is not None, "it cannot know"
    await line.mend()
    await eventually(lambda: dead not in fleet.values(), 10)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 2


async def test_a_silent_connection_is_detected(fleet: TokenFleet, line: CuttableNetwork) -> None:
    near = fleet.add(2)
    far = fleet.add(2, url=line.url)
    (dead,) = await fleet.get()
    await fleet.listening()
    line.is_silent = True
    await near[0].replace(1, None)
    waiting: list[TokenManager] = [*far]
    assert await timed(waiting[0].replace(1, None)) < 2.0
    await asyncio.sleep(4.5)  # two heartbeats: now both know that Redis is away
    assert "away" in repr(far[1].link)
    line.is_silent = False
    await eventually(lambda: dead not in fleet.values(), 10)
    await fleet.get()  # one that heard of the revocation has not asked for another token yet
    await together(fleet)
    assert fleet.issuer.logins == 3


async def test_a_process_killed_in_its_login_delays_the_others_by_the_lease(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    async with client_of(server.url) as client:
        (one,) = fleet.add(1, lease=1.0)
        await one.get(None)
        (name,) = [key async for key in client.scan_iter("*}")]
        await client.delete(name)
        await client.set(name + b":lock", "of one who is dead 1", px=1_000)
    fleet.add(6, lease=1.0)
    assert 0.5 < await timed(fleet.get()) < 2.0
    assert fleet.issuer.logins == 2


async def test_a_process_that_overslept_its_lease_stores_nothing(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.issuer.takes = 0.6
    (one,) = fleet.add(1)
    slow = asyncio.create_task(one.get(None))
    async with client_of(server.url) as client:
        await asyncio.sleep(0.2)
        (lock,) = [key async for key in client.scan_iter("*:lock")]
        await client.delete(lock)  # as if the lease had ended
        (two,) = fleet.add(1)
        fast = asyncio.create_task(two.get(None))
        late, good = await slow, await fast
        assert late.shared == 0
        assert good.shared > 0
        (three,) = fleet.add(1)
        assert (await three.get(None)).value == good.value
    await eventually(lambda: one.held is not None and one.held.value == good.value)
    assert fleet.issuer.logins == 2


async def test_a_read_only_redis_blocks_nobody(fleet: TokenFleet, server: RestartableRedis) -> None:
    async with client_of(server.url) as client:
        await client.config_set("maxmemory", "1")
        fleet.add(3)
        assert await timed(fleet.get()) < 2.0
        await client.config_set("maxmemory", "0")
    await together(fleet)
    assert len(await fleet.get()) == 1
    assert fleet.issuer.logins == 3


async def test_flushed_scripts_are_loaded_again(
    fleet: TokenFleet, server: RestartableRedis
) -> None:
    fleet.add(2)
    await fleet.get()
    async with client_of(server.url) as client:
        await client.script_flush()
    await fleet.keepers[0].replace(1, None)
    assert fleet.issuer.logins == 2
    assert fleet.keepers[0].held is not None
    assert fleet.keepers[0].held.shared > 0
