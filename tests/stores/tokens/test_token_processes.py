"""Real processes: twelve with twenty tasks each act as one client, even if some die.

For longer than the suite has time: ``python -m tests.stores.tokens.test_token_processes 60``.
"""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from nexhealth_async.sandbox import Sandbox
from tests.stores.tokens.helpers import client_of, restartable_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.stores.tokens.helpers import RestartableRedis

LIFETIME = 5.0
PROCESSES, TASKS = 12, 20
JOURNEY = 0.25
"""Seconds allowed for a notice, and for requests sent before it came."""


@asynccontextmanager
async def run_sandbox(lifetime: float) -> AsyncGenerator[Sandbox]:
    """A sandbox whose tokens live as long as they say; otherwise it counts whole seconds."""
    async with Sandbox(
        patients=1, appointments=0, seed=1, token_lifetime=lifetime, remember=200_000
    ) as sandbox:
        keys = sandbox.keys
        plain = keys.login

        def login(authorization: str | None) -> str | None:
            token = plain(authorization)
            if token is not None:
                keys._live[token] = keys.clock.now() + lifetime
            return token

        keys.login = login  # type: ignore[method-assign]
        yield sandbox


@asynccontextmanager
async def members(
    sandbox: Sandbox, redis: RestartableRedis, count: int, **order: Any
) -> AsyncGenerator[list[asyncio.subprocess.Process]]:
    """Start processes that wait for a line; all are stopped in the end."""
    made: list[asyncio.subprocess.Process] = []
    try:
        for number in range(count):
            one = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-m", "tests.stores.tokens.token_member"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            made.append(one)
            told = {
                "key": sandbox.api_key, "url": sandbox.url, "redis": redis.url, "lease": 1.5,
                "tasks": TASKS, "pause": 1.0, "young": 0.3, "seconds": 5.0,
                "wall_shift": (0, 400, -400)[number % 3], **order,
            }  # fmt: skip
            assert one.stdin is not None
            one.stdin.write(json.dumps(told).encode() + b"\n")
        for one in made:
            assert one.stdout is not None
            assert await one.stdout.readline() == b"ready\n"
        yield made
    finally:
        for one in made:
            with suppress(ProcessLookupError):
                one.kill()
            await one.wait()


async def begin(processes: list[asyncio.subprocess.Process]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")


async def report(one: asyncio.subprocess.Process) -> dict[str, Any]:
    assert one.stdout is not None
    found: dict[str, Any] = json.loads(await one.stdout.readline())
    return found


async def notices(redis: RestartableRedis, heard: list[tuple[float, str]]) -> None:
    """Record the notices that the fleet received, with their times."""
    async with client_of(redis.url) as client, client.pubsub() as line:
        await line.psubscribe("*")
        while True:
            message = await line.get_message(timeout=1.0)
            if message is not None and message["type"] == "pmessage":
                heard.append((time.monotonic(), message["data"].decode()))


def refusals(sandbox: Sandbox) -> list[float]:
    return [seen.at for seen in sandbox.requests if seen.status == 401]


async def run_fleet(seconds: float) -> dict[str, Any]:
    """Let the fleet work; revoke its token twice; return the observations."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(restartable_redis())
        sandbox = await stack.enter_async_context(run_sandbox(LIFETIME))
        heard: list[tuple[float, str]] = []
        ear = asyncio.create_task(notices(redis, heard))
        processes = await stack.enter_async_context(
            members(sandbox, redis, PROCESSES, seconds=seconds)
        )
        started = time.monotonic()
        skew = sandbox.clock.now() - time.monotonic()
        await begin(processes)
        await asyncio.sleep(seconds * 0.4)
        before_revocation = len(refusals(sandbox))
        sandbox.expire_tokens()
        await asyncio.sleep(seconds * 0.3)
        sandbox.expire_tokens()
        reports = await asyncio.gather(*(report(process) for process in processes))
        ear.cancel()
        deaths = [at for at, text in heard if text.startswith("dead")]
        late = [
            at
            for at in refusals(sandbox)
            if not any(death - 2.0 <= at - skew <= death + JOURNEY for death in deaths)
        ]
        return {
            "seconds": round(time.monotonic() - started, 1),
            "calls": sum(one["calls"] for one in reports),
            "errors": [error for one in reports for error in one["errors"]],
            "logins": sandbox.logins,
            "logins asked for by processes": sum(one["logins"] for one in reports),
            "generations": len({text for _, text in heard if text.startswith("live")}),
            "refused before any revocation": before_revocation,
            "revocations told": len(deaths),
            "refused": len(refusals(sandbox)),
            "refused after the fleet learned": len(late),
            "last refusal after a notice": round(
                max(
                    (at - skew - min(deaths, key=lambda d: abs(at - skew - d)))
                    for at in refusals(sandbox)
                ),
                3,
            )
            if refusals(sandbox) and deaths
            else None,
            "slowest call": round(max(one["slowest"] for one in reports), 3),
        }


async def test_twelve_processes_log_in_once_for_each_generation() -> None:
    seen = await run_fleet(9.0)
    assert seen["errors"] == []
    assert seen["logins"] == seen["generations"] == seen["logins asked for by processes"]
    assert seen["generations"] <= math.ceil(seen["seconds"] / (LIFETIME * 0.8)) + 3
    assert seen["refused before any revocation"] == 0
    assert seen["revocations told"] == 2
    assert seen["refused after the fleet learned"] == 0


async def test_one_process_finds_the_version_for_all() -> None:
    async with restartable_redis() as redis, Sandbox(versions={"v3"}) as sandbox:
        order = {"options": {"version": "auto"}, "tasks": 2, "seconds": 0.5, "pause": 0.1}
        async with members(sandbox, redis, 3, **order) as processes:
            await begin(processes)
            reports = await asyncio.gather(*(report(process) for process in processes))
        spoken = [
            (request.path, request.headers["nex-api-version"]) for request in sandbox.requests
        ]
    assert all(one["errors"] == [] and one["calls"] for one in reports)
    assert spoken[:2] == [("/authenticates", "v2"), ("/authenticates", "v3.0.0")]
    assert set(spoken[2:]) == {("/institutions", "v3.0.0")}


async def test_a_process_killed_with_the_lock_delays_the_others_by_the_lease() -> None:
    async with restartable_redis() as redis, run_sandbox(600.0) as sandbox:
        async with (
            client_of(redis.url) as client,
            members(sandbox, redis, 1, tasks=1) as first,
            members(sandbox, redis, 3, tasks=3, seconds=3.0, pause=0.2) as others,
        ):
            sandbox.latency = 0.6
            await begin(first)
            async with asyncio.timeout(10):
                while not (locks := [key async for key in client.scan_iter("*:lock")]):
                    await asyncio.sleep(0.01)
            first[0].send_signal(signal.SIGKILL)
            await first[0].wait()
            assert await client.pttl(locks[0]) > 0, "it died with the lock in its hand"
            await begin(others)
            reports = await asyncio.gather(*(report(other) for other in others))
        assert all(one["errors"] == [] for one in reports)
        assert sum(one["logins"] for one in reports) == 1
        slowest = max(one["slowest"] for one in reports)
        assert slowest < 1.5 + 2 * 0.6 + 1.0, "the lease, a login, the call, and a busy machine"


if __name__ == "__main__":
    found = asyncio.run(run_fleet(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
    print(json.dumps(found, indent=1))  # noqa: T201 - run by hand
