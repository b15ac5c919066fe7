"""A session that closes during its first login ends promptly, whatever redis-py does."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import NexHealth, SessionStateError
from nexhealth_async._client.redis_commands import end_task, run_command
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.stores import RedisRates, RedisTokens
from tests.hostile_redis import forgetful_client
from tests.stores.tokens.helpers import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.stores.tokens.helpers import RestartableRedis


def _left_since(before: set[asyncio.Task[Any]]) -> list[str]:
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks() - before]
    names: list[str] = [coroutine.__qualname__ for coroutine in coroutines]
    return [name for name in names if not name.startswith("RequestHandler.")]  # the sandbox's


async def _close_after(seconds: float, make: Callable[[], NexHealth]) -> float:
    """Close a session soon after its first call; return how long closing took."""
    before = asyncio.all_tasks()
    nex = await make().open()
    call = asyncio.create_task(nex.log_in())
    await asyncio.sleep(seconds)
    began = time.monotonic()
    await nex.aclose()
    took = time.monotonic() - began
    with pytest.raises(SessionStateError):
        await call
    async with asyncio.timeout(0.5):  # the other session has short tasks too
        while left := _left_since(before):
            await asyncio.sleep(0.005)
    assert left == []
    return took


@pytest.mark.parametrize("forgetful", [True, False], ids=["losing cancellations", "redis-py"])
async def test_a_session_closed_during_its_first_call_ends_promptly_and_leaves_no_task(
    server: RestartableRedis, *, forgetful: bool
) -> None:
    async with Sandbox() as sandbox:

        def made(store: Any) -> NexHealth:
            tokens, rates = RedisTokens(store), RedisRates(store, patience=1.0)
            return NexHealth(sandbox.api_key, base_url=sandbox.url, tokens=tokens, rates=rates)

        async with made(server.url) as other, client_of(server.url) as client:
            sandbox.latency = 60.0
            login = asyncio.create_task(other.log_in())
            async with asyncio.timeout(5):
                while not [key async for key in client.scan_iter("*:lock")]:
                    await asyncio.sleep(0.01)
            lent = forgetful_client(server.url) if forgetful else None
            took = [
                await _close_after(nth / 3_000, lambda: made(lent or server.url))
                for nth in range(25)
            ]
            if lent is not None:
                await lent.aclose()
            await other.aclose()
            with pytest.raises(SessionStateError):
                await login
    assert max(took) < 1.0


async def test_a_session_closed_as_it_acquires_the_lock_releases_it(
    server: RestartableRedis,
) -> None:
    """Otherwise the next process would wait for the lease."""
    async with Sandbox() as sandbox, client_of(server.url) as client:

        def made() -> NexHealth:
            return NexHealth(sandbox.api_key, base_url=sandbox.url, tokens=RedisTokens(server.url))

        for nth in range(25):
            sandbox.latency = 60.0
            await _close_after(nth / 3_000, made)
            assert [key async for key in client.scan_iter("*:lock")] == []


async def _ignores(times: int) -> str:
    for _ in range(times):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            continue
    return "carried out all the same"


@pytest.mark.parametrize("ignored", [0, 1, 5])
async def test_a_command_that_loses_cancellations_ends_with_its_caller(ignored: int) -> None:
    async def waits() -> None:
        await run_command(_ignores(ignored + 1), 30)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0.01)
    task.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait((task,))
    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_command_that_loses_its_timeout_ends_nevertheless() -> None:
    with pytest.raises(TimeoutError):
        await run_command(_forever_until_cancelled_twice(), 0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _forever_until_cancelled_twice() -> None:
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        await asyncio.sleep(100)


async def _fails() -> None:
    raise ConnectionError("no line")


@pytest.mark.parametrize("work", [_fails, lambda: asyncio.sleep(10)])
async def test_the_end_of_a_task_raises_no_error(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await end_task(task)
    assert task.done()
