"""A worker as a separate process: ``python -m tests.fleet.fleet_process '{"redis": ...}'``."""

from __future__ import annotations

import asyncio
import sys

import msgspec
from attrs import frozen

from nexhealth_async import NexHealth, Rates
from nexhealth_async.export.postgres import PostgresTarget
from nexhealth_async.fleet import FleetQueue, fleet_work

__all__ = ["WorkerArguments"]


@frozen(kw_only=True)
class WorkerArguments:
    """Arguments of a worker."""

    api: str
    key: str
    database: str
    redis: str
    queue: str
    takeover: float = 2.0
    concurrency: int = 2
    grace: float = 5.0
    tries: int = 100
    until_empty: bool = False


async def _work(setting: WorkerArguments) -> None:
    queue = FleetQueue(
        url=setting.redis,
        name=setting.queue,
        takeover=setting.takeover,
        concurrency=setting.concurrency,
        grace=setting.grace,
        max_attempts=setting.tries,
    )
    async with NexHealth(setting.key, base_url=setting.api, rates=Rates.unlimited()) as nex:
        await fleet_work(
            nex,
            to=PostgresTarget(setting.database),
            redis=queue,
            until_empty=setting.until_empty,
        )


if __name__ == "__main__":
    asyncio.run(_work(msgspec.json.decode(sys.argv[1], type=WorkerArguments)))
