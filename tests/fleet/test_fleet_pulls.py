"""Pulls spread over worker processes, with a real Redis and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.asyncio import Redis

from nexhealth_async.bulk import resources
from nexhealth_async.errors import TargetError, UnfinishedPullError, UsageError
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.jsonl import JsonLinesTarget
from nexhealth_async.fleet import FleetQueue, fleet_pull, fleet_status, fleet_work, requeue
from tests.export.postgres_server import connected
from tests.fleet.fleet_process import WorkerArguments
from tests.fleet.helpers import RESOURCES, WorkerGroup, worker_group
from tests.redis_server import running_redis

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.export.postgres_connection import Connection
    from nexhealth_async.fleet import FleetStatus

RECORDS = int(os.environ.get("NEXHEALTH_FLEET_RECORDS", "3000"))
"""Records of the pull whose workers are killed; 100000 takes some minutes."""
KILL_EVERY = float(os.environ.get("NEXHEALTH_FLEET_KILL_EVERY", "1"))


async def _kill_workers_at_intervals(fleet: WorkerGroup, *, most: int) -> int:
    """Kill busy workers at intervals and start others; return the number of kills."""
    killed = 0
    while not (status := await asyncio.to_thread(_asked_elsewhere, fleet)).finished:
        busy = [
            process
            for process in fleet.processes
            if killed < most and _is_at_work(process.pid, status)
        ]
        for victim in busy[:1]:
            with suppress(ProcessLookupError):
                victim.kill()
            await victim.wait()
            killed += 1
            await fleet.start_workers()
            await asyncio.sleep(KILL_EVERY)
        await asyncio.sleep(0.1)
    return killed


def _asked_elsewhere(fleet: WorkerGroup) -> FleetStatus:
    """Ask in a separate loop: the test's loop runs the sandbox and is busy."""
    return asyncio.run(fleet.status())


def _is_at_work(pid: int, status: FleetStatus) -> bool:
    return any(one.pages and f"-{pid}-" in (one.owner or "") for one in status.of("reading"))


@pytest.mark.timeout(1800 if RECORDS > 10_000 else 120)
async def test_a_pull_with_killed_workers_is_complete_and_repeating_it_changes_nothing(
    database: str, redis_url: str
) -> None:
    big = RECORDS > 10_000
    patients = RECORDS // 9
    async with worker_group(
        database, redis_url, patients=patients, latency=0 if big else 0.05
    ) as fleet:
        began = time.monotonic()
        await fleet.begin(per_page=200 if big else 30)
        for _ in range(4):
            await fleet.start_workers()
        killed = await _kill_workers_at_intervals(fleet, most=1000 if big else 4)
        status = await fleet.status()
        assert status.is_over
        assert len(status.of("done")) == len(status.shards)
        records = await fleet.check_truth()
        seconds = time.monotonic() - began
        again = sum(shard.tries - 1 for shard in status.shards)
        print(f"{records} records, {seconds:.1f} s, {killed} killed, {again} taken over")  # noqa: T201
        assert killed >= 1
        assert again >= 1
        assert records >= RECORDS * 0.99

        rows = await fleet.everything()
        second = await fleet.begin(per_page=200)
        await fleet.until_finished(600 if big else 90)
        assert (await fleet.status()).pull == second != status.pull
        assert await fleet.everything() == rows


async def _written(fleet: WorkerGroup) -> list[list[tuple[object, ...]]]:
    """Transaction that wrote each row, the shards' states included: it reveals any write."""
    tables = (*RESOURCES, "_nexhealth_shards", "_nexhealth_groups")
    async with connected(fleet.database) as db:
        return [
            [tuple(row) for row in await db.fetch(f"select ctid, xmin from {table} order by 1")]  # noqa: S608 - ours
            for table in tables
        ]


async def test_a_worker_presumed_dead_that_returns_writes_nothing(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=60, practices=1, latency=0.15) as fleet:
        await fleet.begin(per_page=5)
        zombie = await fleet.start_workers()
        while not any(one.pages for one in (await fleet.status()).of("reading")):
            await asyncio.sleep(0.02)
        zombie.send_signal(signal.SIGSTOP)
        at = {one.shard.name for one in (await fleet.status()).of("reading")}
        fleet.sandbox.latency = 0.0
        await fleet.start_workers()
        status = await fleet.until_finished(90)
        overtaken = [shard for shard in status.shards if shard.shard.name in at]
        assert overtaken
        assert all(one.tries == 2 for one in overtaken if one.pages)

        before = await _written(fleet)
        zombie.send_signal(signal.SIGCONT)
        await asyncio.sleep(1.5)
        assert zombie.returncode is None
        assert await _written(fleet) == before
        await fleet.check_truth()


async def test_a_stopped_worker_returns_its_shard(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=60, practices=1, latency=0.2) as fleet:
        await fleet.begin(per_page=5)
        first = await fleet.start_workers(_setting(grace=0.0))
        while not any(one.pages for one in (await fleet.status()).of("reading")):
            await asyncio.sleep(0.05)
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), 10) == 0
        assert not (await fleet.status()).finished
        fleet.sandbox.latency = 0.0
        await fleet.start_workers()
        await fleet.until_finished(90)
        await fleet.check_truth()


async def test_an_unreadable_shard_becomes_a_dead_letter_that_can_be_queued_again(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=20, practices=2) as fleet:
        fleet.sandbox.fail_next(403, path="/procedures", times=10_000)
        pull = await fleet.begin()
        worker = await fleet.start_workers(_setting(tries=2))
        while not (status := await fleet.status()).is_over:
            await asyncio.sleep(0.2)
        assert not status.finished
        assert {one.shard.resource for one in status.dead} == {"procedures"}
        assert all(
            one.error and one.error.startswith("PermissionDeniedError") for one in status.dead
        )
        assert all(one.tries == 2 for one in status.dead)
        await fleet.check_truth([resource for resource in RESOURCES if resource != "procedures"])

        fleet.sandbox.faults.clear()
        assert await requeue(to=fleet.target, redis=fleet.queue) == pull
        await fleet.until_finished(90)
        await fleet.check_truth()
        assert worker.returncode is None
        assert await requeue(to=fleet.target, redis=fleet.queue) is None


async def test_the_queue_contains_no_secrets_and_no_patient_data(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=20, practices=1) as fleet:
        secret = {fleet.sandbox.api_key, fleet.database, "authenticates"}
        patients = list(fleet.sandbox.patients)
        names = {patient["last_name"] for patient in patients}
        fleet.sandbox.fail_next(
            500, path="/procedures", times=10_000, body=" ".join(names).encode()
        )
        await fleet.begin(["patients", "procedures"])
        before = await _values(fleet)
        worker = await fleet.start_workers(_setting(tries=1))
        while not (status := await fleet.status()).is_over:
            await asyncio.sleep(0.2)
        held = before | await _values(fleet)
        assert {one.error for one in status.dead if one.error}
        assert any("ServerError" in one for one in held)
        text = "\n".join(held)
        assert "sandbox-dental" in text
        assert not [one for one in secret | names if one in text]
        assert worker.returncode is None


async def _values(fleet: WorkerGroup) -> set[str]:
    """All data that Redis holds of a queue, keys included."""
    found: set[str] = set()
    client = cast("Any", Redis).from_url(fleet.redis, decode_responses=True)
    async with client as redis:
        for key in await redis.keys(f"streaq:{fleet.name}*"):
            match await redis.type(key):
                case "string":
                    value: object = await redis.get(key)
                case "stream":
                    value = await redis.xrange(key)
                case "zset":
                    value = await redis.zrange(key, 0, -1)
                case _:
                    value = await redis.smembers(key)
            found.add(f"{key!s} {value!s}")
    return found


async def test_a_redis_that_lost_its_data_costs_nothing_but_a_warning(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=20, practices=1) as fleet:
        await fleet.begin()
        lost = FleetQueue(url=fleet.redis, name=f"{fleet.name}-new", takeover=2.0)
        found = await fleet_status(to=fleet.target, redis=lost)
        assert found is not None
        assert len(found.dead) == len([shard for shard in found.shards if not shard.shard.sweep])
        assert found.is_over
        await requeue(to=fleet.target, redis=lost)
        await fleet.work_off(lost)
        await fleet.check_truth()
        found = await fleet_status(found.pull, to=fleet.target)
        assert found is not None
        assert found.finished


async def test_a_pull_of_every_list_equals_that_of_one_process(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=12, practices=2) as fleet:
        every = [
            resource for resource in resources("v2") if resource != "sync_status"
        ]  # it tells the time
        await fleet.begin(every)
        await fleet.work_off()
        assert (await fleet.status()).finished, (await fleet.status()).of("failed")
        async with connected(database) as db:
            tables = [
                str(row[0])
                for row in await db.fetch(
                    "select table_name from information_schema.tables where table_schema = 'public'"
                    " and table_name not like '\\_nexhealth%' order by 1"
                )
            ]
            mine = [await _content(db, table) for table in tables]
            marks = await db.fetch("select resource, subdomain from _nexhealth_groups order by 1,2")
        report = await fleet.nex.bulk.copy(every, to=fleet.target)
        report.raise_if_partial()
        async with connected(database) as db:
            for table, rows in zip(tables, mine, strict=True):
                assert await _content(db, table) == rows, table
            after = await db.fetch("select resource, subdomain from _nexhealth_groups order by 1,2")
        assert [tuple(mark) for mark in marks] == [tuple(one) for one in after]


async def _content(db: Connection, table: str) -> list[str]:
    row = "to_jsonb(one) - '_pull' - '_shard'"
    rows = await db.fetch(f"select cast({row} as text) from {table} as one order by 1")  # noqa: S608 - ours
    return [str(row[0]) for row in rows]


async def test_deleted_records_are_deleted_once_their_group_is_complete(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=20, practices=1) as fleet:
        await fleet.begin()
        await fleet.work_off()
        gone = fleet.sandbox.procedures.ids[0]
        fleet.sandbox.procedures.delete(gone)
        await fleet.begin()
        assert gone in (await fleet.rows("procedures"))[fleet.sandbox.subdomain]
        await fleet.work_off()
        await fleet.check_truth()


async def test_single_process_targets_are_refused_before_any_request(
    tmp_path: Path, redis_url: str, database: str
) -> None:
    async with worker_group(database, redis_url, patients=1, practices=1) as fleet:
        for target in (DuckDBTarget(tmp_path / "it.duckdb"), JsonLinesTarget(tmp_path / "out")):
            with pytest.raises(UsageError, match="can be used by one process only"):
                await fleet_pull(fleet.nex, ["patients"], to=target, redis=fleet.queue)
            with pytest.raises(UsageError, match="copy to PostgreSQL"):
                await fleet_work(fleet.nex, to=target, redis=fleet.queue)
        assert not fleet.sandbox.requests
        assert not os.listdir(tmp_path)  # noqa: PTH208 - in a test


@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")  # coredis's
async def test_an_unreachable_redis_is_reported_without_its_password(
    database: str, redis_url: str
) -> None:
    nowhere = "redis://user:geheim@127.0.0.1:1/0"
    assert "geheim" not in repr(FleetQueue(url=nowhere))
    async with worker_group(database, redis_url, patients=1, practices=1) as fleet:
        with pytest.raises(TargetError, match=r"in Redis at 127\.0\.0\.1:1 cannot") as caught:
            await fleet_pull(fleet.nex, ["patients"], to=fleet.target, redis=nowhere)
        assert "geheim" not in str(caught.value)
        assert "user" not in str(caught.value)
        with pytest.raises(TargetError, match="the queue in Redis"):
            await fleet_work(fleet.nex, to=fleet.target, redis=nowhere)
        with pytest.raises(UsageError, match="invalid Redis URL"):
            await fleet_work(fleet.nex, to=fleet.target, redis="http://nowhere")
        gc.collect()


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:geheim@host:port/0",
        "redis://me:1/geheim@host/0",
        "redis://me:1#geheim@host/0",
        "redis://[host/0",
        "host:6379",
    ],
)
def test_an_invalid_redis_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="invalid Redis URL") as caught:
        FleetQueue(url=url)
    assert "geheim" not in repr(caught.value)


@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")  # coredis's
async def test_a_missing_redis_password_and_an_unreachable_redis_are_distinguished() -> None:
    with running_redis() as url:
        client = cast("Any", Redis).from_url(url)
        async with client as redis:
            await redis.config_set("requirepass", "geheim")
        for wrong in (url, url.replace("unix://", "unix://:falsch@")):
            with pytest.raises(TargetError, match="rejected the login; check") as caught:
                async with FleetQueue(url=wrong).connected():
                    raise AssertionError("it was let in")
            assert url.removeprefix("unix://") in str(caught.value)
            assert "falsch" not in str(caught.value)
    gc.collect()


async def test_an_unfinished_pull_is_discarded_only_on_request(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        first = await fleet.begin(["patients", "procedures"])
        before = len(fleet.sandbox.requests)
        with pytest.raises(UnfinishedPullError, match="a pull of 2 lists is unfinished") as caught:
            await fleet.begin(["providers"])
        assert "0 of 5 shards are done" in str(caught.value)
        assert len(fleet.sandbox.requests) == before
        elsewhere = FleetQueue(url=fleet.redis, name=f"{fleet.name}-other")
        with pytest.raises(UnfinishedPullError, match="replace=True"):
            await fleet_pull(fleet.nex, ["providers"], to=fleet.target, redis=elsewhere)
        assert (await fleet.status()).pull == first
        await fleet.work_off()
        await fleet.check_truth(["patients", "procedures"])

        second = await fleet.begin(["providers"])
        third = await fleet_pull(
            fleet.nex, ["operatories"], to=fleet.target, redis=fleet.queue, replace=True
        )
        assert third != second
        await fleet.work_off()
        status = await fleet.status()
        assert (status.pull, status.finished) == (third, True)


def _setting(*, grace: float = 5.0, tries: int = 100) -> WorkerArguments:
    return WorkerArguments(
        api="", key="", database="", redis="", queue="", grace=grace, tries=tries
    )
