"""Hostile writers to the queue cannot change what is read, or stop a worker."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from redis.asyncio import Redis

from nexhealth_async.errors import UsageError
from nexhealth_async.fleet import FleetQueue, requeue, shard_tasks, task_from_json
from tests.export.postgres_server import connected
from tests.fleet.fleet_process import WorkerArguments
from tests.fleet.helpers import WorkerGroup, worker_group

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from nexhealth_async.bulk import Shard

LATER = "2099-01-01T00:00:00Z"
PATIENTS = ["patients"]


@asynccontextmanager
async def redis_of(fleet: WorkerGroup) -> AsyncGenerator[Any]:
    async with cast("Any", Redis).from_url(fleet.redis) as redis:
        yield redis


def key(fleet: WorkerGroup, name: str) -> str:
    return f"streaq:{fleet.name}:{name}"


async def stream_of(fleet: WorkerGroup, redis: Any) -> str:
    for name in await redis.keys(key(fleet, "queues:*")):
        if await redis.type(name) == b"stream":
            return str(name.decode())
    raise AssertionError("nothing is queued")


async def change_messages(
    fleet: WorkerGroup, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Rewrite every queued message."""
    async with redis_of(fleet) as redis:
        for name in await redis.keys(key(fleet, "task:data:*")):
            task = json.loads(await redis.get(name))
            task["a"] = [json.dumps(change(json.loads(task["a"][0])))]
            await redis.set(name, json.dumps(task))


def poisoned(shard: Shard) -> dict[str, Any]:
    """Return a shard that is empty and claims to be complete."""
    made = cast("dict[str, Any]", msgspec.to_builtins(shard))
    lists = [{**one, "updated_since": LATER} for one in made["lists"]]
    return {**made, "lists": lists, "compares": True}


async def test_a_message_that_names_what_to_read_empties_no_table(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=60, practices=1) as fleet:
        await fleet.begin(PATIENTS)
        await fleet.work_off()
        await fleet.check_truth(PATIENTS)
        await fleet.begin(PATIENTS)
        shards = {one.shard.name: one.shard for one in (await fleet.status()).shards}

        def older(message: dict[str, Any]) -> dict[str, Any]:
            """Insert the whole shard, as earlier releases did."""
            name = message["shard"]
            if isinstance(name, dict):
                name = next(one for one, shard in shards.items() if not shard.sweep)
            return {**message, "shard": poisoned(shards[name])}

        await change_messages(fleet, older)
        await fleet.work_off()
        assert not (await fleet.status()).finished
        await fleet.check_truth(PATIENTS)
        assert any(
            "invalid fleet message" in (one.error or "") for one in (await fleet.status()).dead
        )

        await requeue(to=fleet.target, redis=fleet.queue)
        await change_messages(
            fleet, lambda message: {**poisoned(shards[message["shard"]]), **message}
        )
        await fleet.work_off()
        assert (await fleet.status()).finished
        await fleet.check_truth(PATIENTS)


async def test_a_message_cannot_change_how_a_list_is_read(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=30, practices=1) as fleet:
        await fleet.begin(PATIENTS, per_page=25)
        reading = {"drift": "ignore", "per_page": 1, "concurrency": 10**9}
        await change_messages(fleet, lambda message: {**message, "reading": reading})
        await fleet.work_off()
        await fleet.check_truth(PATIENTS)
        pages = {request.param("per_page") for request in fleet.sandbox.seen("GET", "/patients")}
        assert pages == {"25"}


async def test_a_plan_changed_in_the_database_deletes_nothing(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=40, practices=1) as fleet:
        await fleet.begin(PATIENTS)
        await fleet.work_off()
        pull = await fleet.begin(PATIENTS)
        shards = [one.shard for one in (await fleet.status()).shards]
        async with connected(database) as db:
            for shard in shards:
                text = json.dumps(poisoned(shard))
                await db.execute(
                    "update _nexhealth_shards set shard = $1 where name = $2", text, shard.name
                )
        worker = await fleet.start_workers(_setting(tries=1))
        found: list[int] = []
        async with asyncio.timeout(30):
            while len(found) < 1:
                await asyncio.sleep(0.2)
                async with redis_of(fleet) as redis:
                    found = await redis.keys(key(fleet, "task:results:*"))
        assert worker.returncode is None
        async with connected(database) as db:
            assert await db.fetchval("select count(*) from patients") == 40
            assert not await db.fetchval(
                "select finished from _nexhealth_pulls where id = $1", pull
            )


FOREIGN = (
    "{}",
    "[]",
    "null",
    "7",
    "",
    b"\xff\xfe",
    "[" * 100_000,
    '{"f":"read_shard"}',
    '{"f":"read_shard","a":[],"k":{},"t":1}',
    '{"f":"read_shard","a":["x","y"],"k":{},"t":1}',
    '{"f":"read_shard","a":[{"a":1}],"k":{},"t":1}',
    '{"f":"read_shard","a":["{}"],"k":{},"t":1}',
    '{"f":"read_shard","a":["{}"],"k":{"text":"{}"},"t":1}',
    '{"f":"read_shard","a":["{}"],"k":7,"t":"now"}',
    '{"f":"read_shard","a":["{}"],"k":{},"t":1,"A":"another","F":"another","T":"x","O":"y"}',
    '{"f":["read_shard"],"a":["{}"],"k":{},"t":1}',
    '{"f":"nothing","a":["{}"],"k":{},"t":1}',
)


async def test_no_foreign_message_stops_a_worker(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=20, practices=1) as fleet:
        await fleet.begin(PATIENTS)
        async with redis_of(fleet) as redis:
            stream = await stream_of(fleet, redis)
            for at, text in enumerate(FOREIGN):
                await redis.set(key(fleet, f"task:data:foreign-{at}"), text)
                await redis.xadd(stream, {"task_id": f"foreign-{at}", "enqueue_time": 1})
            await redis.xadd(stream, {"no": "task"})
            await redis.xadd(stream, {"task_id": "x", "enqueue_time": "soon"})
            await redis.xadd(stream, {"task_id": "", "enqueue_time": "1"})
            await redis.xadd(stream, {"task_id": "never-set", "enqueue_time": "1"})
            await redis.rpush(key(fleet, "task:data:a-list"), "x")
            await redis.xadd(stream, {"task_id": "a-list", "enqueue_time": "1"})
            await redis.set(key(fleet, "task:retry:uncounted"), "often")
            await redis.set(key(fleet, "task:data:uncounted"), FOREIGN[-1])
            await redis.xadd(stream, {"task_id": "uncounted", "enqueue_time": "1"})
            await redis.zadd(key(fleet, "cron:schedule"), {"nothing": 1})
            await redis.sadd(key(fleet, "aborted"), "foreign-0", "nobody")
        worker = await fleet.start_workers()
        again = await fleet.start_workers()
        assert (await fleet.until_finished(60)).records
        assert (worker.returncode, again.returncode) == (None, None)
        await fleet.check_truth(PATIENTS)
        async with asyncio.timeout(30), redis_of(fleet) as redis:
            while await redis.xlen(stream):
                await asyncio.sleep(0.1)


async def test_a_malformed_reason_does_not_prevent_the_status(
    database: str, redis_url: str
) -> None:
    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        await fleet.begin(["patients", "providers", "procedures"])
        reasons = [
            "{}",
            "[]",
            b"\xff",
            '{"s":false,"r":{"a":1}}',
            '{"s":false,"r":"%s"}' % ("x" * 10**6),
        ]
        async with redis_of(fleet) as redis:
            names = sorted(await redis.keys(key(fleet, "task:data:*")))
            for at, name in enumerate(names):
                id = name.decode().rpartition(":")[2]
                await redis.set(key(fleet, f"task:results:{id}"), reasons[at % len(reasons)])
                await redis.delete(name)
        status = await fleet.status()
        assert len(status.dead) == len(names)
        assert max(len(one.error or "") for one in status.dead) <= 1000


async def test_a_heartbeat_without_an_expiry_is_ignored(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=1, practices=1) as fleet:
        async with redis_of(fleet) as redis:
            await redis.set(key(fleet, "health:forged"), "x")
            await redis.set(key(fleet, "health:long"), "x", ex=3600)
            await redis.set(key(fleet, "health:alive"), "x", px=1500)
        async with fleet.queue.connected() as line:
            found = [await line.alive(name) for name in ("forged", "long", "alive", "gone")]
        assert found == [False, False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        b"\xff",
        '{"pull":"a","shard":{}}',
        '{"pull":"a"}',
        '{"pull":"","shard":"x"}',
        '{"pull":"a","shard":"x\\u0000"}',
        '{"pull":7,"shard":"x"}',
        json.dumps({"pull": "a", "shard": "x" * 10_000}),
    ],
)
def test_an_invalid_message_is_refused(text: str | bytes) -> None:
    with pytest.raises(UsageError, match="invalid fleet message"):
        task_from_json(text)


async def test_a_message_for_an_unplanned_shard_does_nothing(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=10, practices=1) as fleet:
        progress = await fleet.nex.bulk.begin(PATIENTS, to=fleet.target)
        order = shard_tasks(progress)[0]
        fleet.sandbox.requests.clear()
        messages = {
            "a": order.to_json().replace("patients", "procedures"),
            "b": order.to_json().replace(progress.id, "another"),
        }
        async with fleet.queue.connected() as line:
            await line.enqueue(messages)
        await fleet.work_off(FleetQueue(url=fleet.redis, name=fleet.name))
        assert {seen.path for seen in fleet.sandbox.requests} <= {"/authenticates"}
        assert not (await fleet.status()).finished


def _setting(*, tries: int) -> WorkerArguments:
    return WorkerArguments(api="", key="", database="", redis="", queue="", tries=tries)
