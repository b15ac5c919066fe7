"""Helpers for tests of fleets: a sandbox, a database, a queue, and workers to be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec
from attrs import define, evolve, field

from nexhealth_async import NexHealth, Rates
from nexhealth_async.export.postgres import PostgresTarget
from nexhealth_async.fleet import FleetQueue, FleetStatus, ReadOptions, fleet_pull, fleet_status
from nexhealth_async.sandbox import Sandbox
from tests.bulk.helpers import truth
from tests.export.postgres_server import connected
from tests.fleet.fleet_process import WorkerArguments

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Sequence

__all__ = ["RESOURCES", "WorkerGroup", "worker_group"]

RESOURCES: Final = ("patients", "appointments", "procedures", "providers", "operatories")
_ROOT: Final = Path(__file__).parents[2]


@define
class WorkerGroup:
    """All parts of a fleet."""

    sandbox: Sandbox
    nex: NexHealth
    database: str
    redis: str
    name: str
    processes: list[Process] = field(factory=list["Process"])

    @property
    def target(self) -> PostgresTarget:
        return PostgresTarget(self.database)

    @property
    def queue(self) -> FleetQueue:
        return FleetQueue(url=self.redis, name=self.name, takeover=2.0)

    async def begin(self, resources: Sequence[str] = RESOURCES, *, per_page: int = 25) -> str:
        reading = ReadOptions(per_page=per_page, concurrency=2, drift="watch")
        return await fleet_pull(
            self.nex, resources, to=self.target, redis=self.queue, reading=reading
        )

    async def start_workers(self, setting: WorkerArguments | None = None) -> Process:
        """Start a worker."""
        setting = evolve(
            setting or _ANY,
            api=self.sandbox.url,
            key=self.sandbox.api_key,
            database=self.database,
            redis=self.redis,
            queue=(setting and setting.queue) or self.name,
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fleet.fleet_process"),
            msgspec.json.encode(setting).decode(),
            cwd=_ROOT,
        )
        self.processes.append(process)
        return process

    async def work_off(self, queue: FleetQueue | None = None) -> None:
        """Let one worker process the whole queue."""
        name = self.name if queue is None else queue.name
        worker = await self.start_workers(evolve(_ANY, until_empty=True, queue=name))
        assert await asyncio.wait_for(worker.wait(), 60) == 0

    async def status(self) -> FleetStatus:
        found = await fleet_status(to=self.target, redis=self.queue)
        assert found is not None
        return found

    async def until_finished(self, seconds: float) -> FleetStatus:
        until = time.monotonic() + seconds
        while not (status := await self.status()).finished:
            assert time.monotonic() < until, status
            await asyncio.sleep(0.2)
        return status

    async def stop_workers(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()

    async def rows(self, table: str) -> dict[str, list[int]]:
        """Ids of the records of each practice."""
        found: dict[str, list[int]] = {}
        async with connected(self.database) as db:
            for practice, id in await db.fetch(f"select _practice, id from {table} order by id"):  # noqa: S608 - ours
                found.setdefault(str(practice), []).append(int(str(id)))
        return found

    async def everything(self, tables: Sequence[str] = RESOURCES) -> list[list[tuple[object, ...]]]:
        """All rows of all tables, without the pull that saw them."""
        async with connected(self.database) as db:
            return [
                [
                    tuple(row)
                    for row in await db.fetch(
                        f"select to_jsonb(one) - '_pull' - '_shard' from {table} "  # noqa: S608 - ours
                        "as one order by _practice, id"
                    )
                ]
                for table in tables
            ]

    async def check_truth(self, resources: Sequence[str] = RESOURCES) -> int:
        """Compare with the sandbox's records; return their number."""
        total = 0
        for resource in resources:
            true = truth(self.sandbox, resource)
            assert await self.rows(resource) == {k: v for k, v in true.items() if v}, resource
            total += sum(map(len, true.values()))
        return total


_ANY: Final = WorkerArguments(api="", key="", database="", redis="", queue="")


@asynccontextmanager
async def worker_group(
    database: str,
    redis: str,
    *,
    patients: int = 300,
    practices: int = 3,
    latency: float = 0.0,
) -> AsyncGenerator[WorkerGroup]:
    async with Sandbox(
        patients=patients,
        practices=practices,
        locations=2,
        appointments=patients,
        procedures=patients,
    ) as sandbox:
        sandbox.latency = latency
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, rates=Rates.unlimited()) as nex:
            made = WorkerGroup(
                sandbox, nex, database, redis, f"test-{os.getpid()}-{uuid4().hex[:8]}"
            )
            try:
                yield made
            finally:
                await made.stop_workers()
