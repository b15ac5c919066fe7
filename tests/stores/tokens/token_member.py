"""One process of a fleet: tasks that call until a deadline, and a report as JSON.

It reads one line of JSON from standard input, prints that it is ready, and starts at the next line.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from datetime import timedelta
from typing import Any

from nexhealth_async import NexHealth
from nexhealth_async._protocol import token_life
from nexhealth_async.stores import RedisTokens


async def _work(nex: NexHealth, until: float, pause: float, seen: dict[str, Any]) -> None:
    while time.monotonic() < until:
        before = time.monotonic()
        try:
            await nex.request("GET", "/institutions")
        except Exception as error:  # noqa: BLE001 - the report tells
            seen["errors"].append(type(error).__name__)
        seen["calls"] += 1
        seen["slowest"] = max(seen["slowest"], time.monotonic() - before)
        await asyncio.sleep(random.uniform(0.0, 2 * pause))


async def main() -> None:
    order = json.loads(sys.stdin.readline())
    token_life._YOUNG_SECONDS = order["young"]  # so that tests need not wait
    if shift := order["wall_shift"]:
        real = time.time
        time.time = lambda: real() + shift
    tokens = RedisTokens(order["redis"], lease=timedelta(seconds=order["lease"]))
    seen: dict[str, Any] = {"calls": 0, "errors": [], "slowest": 0.0}
    options = order.get("options", {})
    async with NexHealth(order["key"], base_url=order["url"], tokens=tokens, **options) as nex:
        print("ready", flush=True)  # noqa: T201 - read by the test
        await asyncio.to_thread(sys.stdin.readline)
        until = time.monotonic() + order["seconds"]
        async with asyncio.TaskGroup() as group:
            for _ in range(order["tasks"]):
                group.create_task(_work(nex, until, order["pause"], seen))
        seen["logins"] = nex.stats.logins
        seen["refused"] = nex.stats.failures["AuthenticationError"]
        print(json.dumps(seen), flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    asyncio.run(main())
