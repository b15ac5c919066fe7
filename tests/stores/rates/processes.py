"""The programs of the fleet tests: ``python -m tests.stores.rates.processes ROLE JSON``.

Each prints one line when it is ready, waits for a line, and prints a report as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, cast

from nexhealth_async import Limit, NexHealth, NexHealthError, Rates, RetryPolicy
from nexhealth_async._protocol.rate_limits import Permit
from nexhealth_async.stores import RedisRates

_TICK, _STALL = 0.05, 0.1


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def serve(options: dict[str, Any]) -> None:
    """Enforce limits; then report the requests with their times and statuses."""
    from nexhealth_async.sandbox import Sandbox  # The many that work need not load it.

    async with Sandbox(remember=100_000) as sandbox:
        for name, (count, seconds) in options["limits"].items():
            window = sandbox.limits.windows[name]
            window.limit, window.seconds = count, seconds
        sandbox.rate_limits, sandbox.rate_phase = options["kind"], options.get("phase", 0.0)
        sandbox.retry_after = "exact"
        _say({"url": sandbox.url, "key": sandbox.api_key})
        while command := (await _line()).strip():
            if command == "refuse":  # one answer 429 that asks for a pause
                sandbox.fail_next(429, headers={"Retry-After": str(options["pause"])})
                _say({})
            else:
                seen = [
                    (request.at, request.status, request.headers["user-agent"])
                    for request in sandbox.requests
                ]
                _say({"seen": seen, "now": sandbox.clock.now()})


def _watched(nex: NexHealth) -> list[tuple[float, float]]:
    """Record when each request got its permit, and when its response arrived, for the limits.

    A busy machine may let time pass between that and its sending: then it arrives later.
    """
    limiter = cast("Any", nex)._client.state.rate_limiter
    complete, trips = limiter.complete, list[tuple[float, float]]()

    def watched(permit: Permit, *, answered: bool) -> None:
        trips.append((permit.left, time.monotonic()))
        complete(permit, answered=answered)

    limiter.complete = watched
    return trips


async def _measure_stalls(stalls: list[float]) -> None:
    """Record long periods in which this process was not scheduled."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_TICK)
        late = time.monotonic() - before - _TICK
        if late > _STALL:
            stalls.append(late)


async def work(options: dict[str, Any]) -> None:
    """Call without pause from several tasks until the time is over."""
    limits = {name: Limit(*limit) for name, limit in options["limits"].items()}
    nothing: dict[str, Limit | None] = dict.fromkeys(("overall", "slow", "people", "other"))
    rates = RedisRates(options["redis"], Rates(**{**nothing, **limits}))
    calls, waits, failures = 0, [0.0], 0
    paces = options.get("pace")
    async with NexHealth(
        options["key"],
        base_url=options["url"],
        rates=rates if options.get("shared", True) else Rates(**{**nothing, **limits}),
        user_agent=options["name"],
        retry=RetryPolicy(attempts=20),
        timeout=60,
    ) as nex:
        await nex.log_in()
        trips = _watched(nex)
        _say("ready")
        await _line()
        start = time.monotonic()
        end = start + options["seconds"]
        stalls = list[float]()
        stall_meter = asyncio.create_task(_measure_stalls(stalls))

        async def call(late: float) -> None:
            nonlocal calls, failures
            await asyncio.sleep(late)  # Connections made at once would keep each other waiting.
            while (began := time.monotonic()) < end:
                try:
                    async with asyncio.timeout(end - began):
                        await nex.request("GET", "/institutions")
                        calls += 1
                except TimeoutError:
                    pass
                except NexHealthError:
                    failures += 1
                waits.append(time.monotonic() - began)
                if paces:
                    await asyncio.sleep(paces)

        async with asyncio.TaskGroup() as group:
            for at in range(options["tasks"]):
                group.create_task(call(at / options["tasks"]))
        stall_meter.cancel()
        member = cast("Any", nex)._client.state.rate_limiter._shared
        _say(
            {
                "trips": trips,
                "name": options["name"],
                "start": start,
                "end": end,
                "stalled": sum(stalls),
                "calls": calls,
                "failures": failures,
                "requests": nex.stats.requests,
                "refused": nex.stats.rate_limited,
                "turns": member.turns if member else 0,
                "longest": max(waits),
                "alone": bool(member and member.hand.alone),
            }
        )


if __name__ == "__main__":
    role = {"serve": serve, "work": work}[sys.argv[1]]
    asyncio.run(role(json.loads(sys.argv[2])))
