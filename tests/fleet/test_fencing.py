"""Fencing numbers of shards in PostgreSQL, and their use in `run_shard`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import pytest
from attrs import evolve

from nexhealth_async.bulk import Group, Progress, Shard, ShardState
from nexhealth_async.errors import TargetError
from nexhealth_async.export import postgres_connection
from nexhealth_async.export import postgres_fencing as fences
from nexhealth_async.export.postgres import PostgresTarget
from nexhealth_async.fleet import ShardOutcome, ShardTask, run_shard, shard_tasks, task_from_json
from tests.bulk.example_shards import planned_shard
from tests.export.database_helpers import DAY, batch_of
from tests.export.postgres_server import connected
from tests.fleet.helpers import worker_group

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from nexhealth_async.bulk import Batch, ShardClaim, SharedTarget
    from nexhealth_async.export.postgres_connection import Connection
    from nexhealth_async.export.postgres_shared import SharedPostgres
    from nexhealth_async.export.state_tables import Row

T = TypeVar("T")

SHARD = planned_shard("patients", "v3.0.0", location_id=7)
OTHER = evolve(SHARD, location_id=8)
SWEEP = planned_shard("patients", "v3.0.0", location_id=7, sweep=True)
PLAN = Progress(id="pull", started=DAY, options="{}", shards=(SHARD, OTHER, SWEEP), states={})


class _Preparing(Protocol):
    async def prepare(self, query: str) -> object: ...


@asynccontextmanager
async def sharing(url: str, number: int = 2) -> AsyncGenerator[Sequence[SharedTarget]]:
    """Targets of several workers, open at once."""
    targets = [PostgresTarget(url).shared() for _ in range(number)]
    for target in targets:
        await target.open()
    try:
        yield targets
    finally:
        for target in targets:
            await target.aclose()


async def _planned(url: str, plan: Progress = PLAN) -> None:
    alone = PostgresTarget(url)
    await alone.open()
    await alone.begin(plan)
    await alone.aclose()


def _batch(shard: Shard, ids: Sequence[int]) -> Batch:
    return batch_of(shard, [{"id": id} for id in ids])


async def _ids(url: str) -> list[int]:
    async with connected(url) as db:
        return [int(str(row[0])) for row in await db.fetch("select id from patients order by id")]


async def test_a_fenced_worker_cannot_write(database: str) -> None:
    await _planned(database)
    async with sharing(database) as (slow, fast):
        first = await slow.inspect("pull", SHARD.name)
        assert first is not None
        mine = await slow.claim(first, "slow")
        assert mine is not None
        assert await slow.write(mine, _batch(SHARD, [1]), ShardState(records=1, position="0:a"))
        theirs = await fast.inspect("pull", SHARD.name)
        assert theirs is not None
        assert theirs.holder.owner == "slow"
        theirs = await fast.claim(theirs, "fast")
        assert theirs is not None
        assert theirs.state == ShardState(records=1, position="0:a")
        assert not await slow.write(mine, _batch(SHARD, [2]), ShardState(records=2))
        assert not await slow.settle(mine, ShardState(status="done"))
        assert await _ids(database) == [1]
        assert await fast.write(theirs, _batch(SHARD, [3]), ShardState(records=2))
        assert await fast.settle(theirs, ShardState(status="done", records=2))
        assert await _ids(database) == [1, 3]


@pytest.mark.parametrize(
    ("resource", "model"), [("patients", "Patient"), ("sync_status", "SyncStatus")]
)
async def test_a_worker_that_hangs_while_sending_rows_blocks_nobody(
    resource: str, model: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL waits for the rest without limit: its idle timeouts do not apply."""
    shard = planned_shard(resource, "v3.0.0")
    await _planned(database, evolve(PLAN, shards=(shard,)))
    still, onward = asyncio.Event(), asyncio.Event()
    kind = cast("type[Connection]", import_module("asyncpg").Connection)
    copy = kind.copy_records_to_table

    async def stands_still(
        db: Connection, table: str, *, records: Sequence[Row], columns: Sequence[str]
    ) -> str:
        async def sent() -> AsyncGenerator[Row]:
            still.set()
            await onward.wait()
            for record in records:
                yield record

        return await copy(db, table, records=cast("Sequence[Row]", sent()), columns=columns)

    async with sharing(database) as (slow, fast):
        mine = await _taken(slow, shard)
        with monkeypatch.context() as patched:
            patched.setattr(kind, "copy_records_to_table", stands_still)
            writing = asyncio.create_task(
                slow.write(
                    mine,
                    batch_of(shard, [{"id": 1}, {"id": 2}], model),
                    ShardState(records=2, position="0:a"),
                )
            )
            await still.wait()
        async with asyncio.timeout(5):
            theirs = await _taken(fast, shard)
            assert await fast.write(
                theirs, batch_of(shard, [{"id": 3}], model), ShardState(records=1)
            )
        onward.set()
        assert not await writing
    async with connected(database) as db:
        assert await db.fetchval(f"select count(*) from {resource}") == 1  # noqa: S608 - ours


@pytest.mark.parametrize("between", ["statements", "messages"])
async def test_a_worker_that_hangs_within_a_transaction_loses_its_locks(
    between: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the messages of a statement, no timeout of PostgreSQL ends that."""
    await _planned(database)
    monkeypatch.setattr(
        postgres_connection, "_MAX_UNRESPONSIVE", 0.5 if between == "statements" else 60.0
    )
    async with sharing(database) as (slow, fast):
        monkeypatch.setattr(
            postgres_connection, "_MAX_UNRESPONSIVE", 60.0 if between == "statements" else 0.2
        )
        monkeypatch.setattr(postgres_connection, "_WATCH_INTERVAL", 0.1)
        mine = await _taken(slow)
        still, onward = asyncio.Event(), asyncio.Event()

        async def stands_still(db: Connection) -> bool:
            held = await fences.lock_claim(db, mine)
            if held and between == "messages":
                await cast("_Preparing", db).prepare("select cast($1 as text)")
            still.set()
            await onward.wait()
            await db.fetchval("select 1")
            return held

        holding = asyncio.create_task(_transact(slow, stands_still))
        await still.wait()
        async with asyncio.timeout(20):
            await _taken(fast)
        onward.set()
        assert not await holding


@pytest.mark.parametrize("busy", ["the server", "the worker"])
async def test_a_slow_worker_keeps_its_locks_while_it_progresses(
    busy: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    transact = postgres_connection.DatabaseLink.transact

    async def counted(
        link: postgres_connection.DatabaseLink, act: Callable[[Connection], Awaitable[T]]
    ) -> T:
        looks.append(link._lock)
        return await transact(link, act)

    await _planned(database)
    async with sharing(database) as (slow, fast):
        monkeypatch.setattr(
            postgres_connection, "_MAX_UNRESPONSIVE", 0.3 if busy == "the server" else 60.0
        )
        monkeypatch.setattr(postgres_connection, "_WATCH_INTERVAL", 0.1)
        mine = await _taken(slow)
        held = asyncio.Event()

        async def takes_its_time(db: Connection) -> bool:
            mine_still = await fences.lock_claim(db, mine)
            held.set()
            if busy == "the server":
                await db.execute("select pg_sleep(1)")
            else:
                await cast("_Preparing", db).prepare("select cast($1 as text)")
                await asyncio.sleep(1)
            return mine_still

        holding = asyncio.create_task(_transact(slow, takes_its_time))
        await held.wait()
        monkeypatch.setattr(postgres_connection.DatabaseLink, "transact", counted)
        await _taken(fast)
        assert await holding
        assert looks.count("none") > 1


async def _taken(worker: SharedTarget, shard: Shard = SHARD) -> ShardClaim:
    seen = await worker.inspect("pull", shard.name)
    assert seen is not None
    mine = await worker.claim(seen, "me")
    assert mine is not None
    return mine


async def _transact(worker: SharedTarget, act: Callable[[Connection], Awaitable[T]]) -> T:
    return await cast("SharedPostgres", worker)._link.transact(act)


async def test_of_two_concurrent_claims_of_a_shard_one_succeeds(database: str) -> None:
    await _planned(database)
    async with sharing(database, 4) as targets:
        seen = [await target.inspect("pull", SHARD.name) for target in targets]
        taken = await asyncio.gather(
            *(
                one.claim(it, str(at))
                for at, (one, it) in enumerate(zip(targets, seen, strict=True))
                if it
            )
        )
        assert len([one for one in taken if one is not None]) == 1


async def test_a_shard_without_a_position_restarts_and_its_rows_count_as_unseen(
    database: str,
) -> None:
    await _planned(database)
    async with sharing(database) as (slow, fast):
        for target, ids in ((slow, [1, 2]), (fast, [2])):
            seen = await target.inspect("pull", SHARD.name)
            assert seen is not None
            claim = await target.claim(seen, "me")
            assert claim is not None
            assert claim.state is None
            assert await target.write(claim, _batch(SHARD, ids), ShardState(records=len(ids)))
        async with connected(database) as db:
            pulls = [
                tuple(row) for row in await db.fetch("select id, _pull from patients order by id")
            ]
        assert pulls == [(1, ""), (2, "pull")]


async def test_a_claimed_shard_continues_behind_its_last_stored_page(database: str) -> None:
    await _planned(database)
    async with sharing(database) as (slow, fast):
        seen = await slow.inspect("pull", SHARD.name)
        assert seen is not None
        mine = await slow.claim(seen, "slow")
        theirs = await fast.inspect("pull", SHARD.name)
        assert mine is not None
        assert theirs is not None
        await slow.write(mine, _batch(SHARD, [1]), ShardState(records=1, position="0:a"))
        taken = await fast.claim(theirs, "fast")
        assert taken is not None
        assert taken.state == ShardState(records=1, position="0:a")
        theirs = await slow.inspect("pull", SHARD.name)
        assert theirs is not None
        assert await fast.settle(taken, ShardState(status="done", records=1))
        assert await slow.claim(theirs, "slow") is None


async def test_a_group_is_completed_once_by_any_worker(database: str) -> None:
    await _planned(database)
    async with sharing(database, 3) as targets:
        for target, shard, id in zip(targets, PLAN.shards, (1, 2, 3), strict=True):
            seen = await target.inspect("pull", shard.name)
            assert seen is not None
            claim = await target.claim(seen, "me")
            assert claim is not None
            await target.write(claim, _batch(shard, [id]), ShardState(records=1))
            assert not await target.finish("pull")
            await target.settle(claim, ShardState(status="done", records=1))
        async with connected(database) as db:
            await db.execute("update patients set _pull = 'before' where id = 2")
        last = await targets[0].inspect("pull", SWEEP.name)
        assert last is not None
        watermark = DAY - timedelta(minutes=15)
        found = await asyncio.gather(
            *(one.complete(last, SHARD.group, watermark=watermark, whole=True) for one in targets)
        )
        assert sorted(found, key=str) == [1, None, None]
        assert await targets[0].finish("pull")
        assert await _ids(database) == [1, 3]
        async with connected(database) as db:
            assert await db.fetchval("select count(*) from _nexhealth_groups") == 1


async def test_exclusive_and_shared_users_exclude_each_other(
    database: str,
) -> None:
    await _planned(database)
    alone = PostgresTarget(database)
    async with sharing(database, 1):
        with pytest.raises(TargetError, match="another pull is writing"):
            await alone.open()
    await alone.open()
    with pytest.raises(TargetError, match="another pull is writing"):
        await alone.shared().open()
    assert await alone.shared().overview() is not None
    await alone.aclose()


async def test_a_single_process_pull_fences_all_workers(
    database: str,
) -> None:
    await _planned(database)
    async with sharing(database, 1) as (worker,):
        seen = await worker.inspect("pull", SHARD.name)
        assert seen is not None
        claim = await worker.claim(seen, "me")
        assert claim is not None
    alone = PostgresTarget(database)
    await alone.open()
    assert await alone.load() is not None
    await alone.aclose()
    async with sharing(database, 1) as (worker,):
        assert not await worker.write(claim, _batch(SHARD, [1]), ShardState(records=1))


async def test_a_shard_of_a_replaced_pull_does_not_exist(database: str) -> None:
    async with connected(database) as db:
        await db.execute("select 1")
    async with sharing(database, 1) as (worker,):
        assert await worker.inspect("pull", SHARD.name) is None
        assert await worker.overview() is None
    await _planned(database)
    async with sharing(database, 1) as (worker,):
        assert await worker.inspect("another", SHARD.name) is None
        seen = await worker.inspect("pull", SHARD.name)
        assert seen is not None
    alone = PostgresTarget(database)
    await alone.open()
    await alone.begin(evolve(PLAN, id="next", started=datetime.now(UTC)))
    await alone.aclose()
    async with sharing(database, 1) as (worker,):
        assert await worker.claim(seen, "me") is None
        late = await worker.complete(seen, SHARD.group, watermark=DAY, whole=True)
        assert late is None


async def test_a_database_of_an_earlier_release_is_migrated(database: str) -> None:
    await _planned(database)
    async with connected(database) as db:
        await db.execute("drop index _nexhealth_shards_names")
        for column in ("fence", "owner", "touched"):
            await db.execute(f"alter table _nexhealth_shards drop column {column}")
    async with sharing(database, 1) as (worker,):
        assert await worker.inspect("pull", SHARD.name) is None
    alone = PostgresTarget(database)
    await alone.open()
    await alone.aclose()
    async with sharing(database, 1) as (worker,):
        assert await worker.inspect("pull", SHARD.name) is not None


async def test_run_shard_completes_a_pull_with_any_queue(database: str, redis_url: str) -> None:
    async with worker_group(database, redis_url, patients=30, practices=1) as fleet:
        progress = await fleet.nex.bulk.begin(["patients"], to=fleet.target)
        waiting = list(shard_tasks(progress))
        assert not any(one.shard.endswith("/sweep") for one in waiting)
        outcomes: list[ShardOutcome] = []
        while waiting:
            order = task_from_json(waiting.pop().to_json())
            outcome = await run_shard(
                order.shard, fleet.target, fleet.nex, pull=order.pull, owner="me"
            )
            assert outcome.status == "done"
            outcomes.append(outcome)
            waiting += order.following(outcome)
        assert len(outcomes) == len(progress.shards)
        assert [one.finished for one in outcomes] == [*[False] * (len(outcomes) - 1), True]
        await fleet.check_truth(["patients"])
        requests = len(fleet.sandbox.requests)
        shard = progress.shards[0].name
        again = await run_shard(shard, fleet.target, fleet.nex, pull=progress.id, owner="me")
        assert again.status == "done"
        assert len(fleet.sandbox.requests) == requests
        gone = await run_shard(shard, fleet.target, fleet.nex, pull="another", owner="me")
        assert gone.status == "replaced"


async def test_a_shard_is_left_to_a_live_worker_and_taken_from_a_dead_one(
    database: str, redis_url: str
) -> None:
    owners: list[str] = []

    async def lives(owner: str) -> bool:
        owners.append(owner)
        return len(owners) == 1

    async with worker_group(database, redis_url, patients=5, practices=1) as fleet:
        progress = await fleet.nex.bulk.begin(["providers"], to=fleet.target)
        shard = progress.shards[0].name
        async with sharing(database, 1) as (other,):
            seen = await other.inspect(progress.id, shard)
            assert seen is not None
            assert await other.claim(seen, "other") is not None
        found = [
            await run_shard(
                shard, fleet.target, fleet.nex, pull=progress.id, owner="me", alive=lives
            )
            for _ in range(3)
        ]
        assert [one.status for one in found] == ["busy", "done", "done"]
        assert owners == ["other", "other"]


def test_finished_and_waiting_shards_are_not_queued() -> None:
    done = ShardState(status="done")

    def due(*names: Shard, finished: bool = False) -> set[str]:
        states = {name.name: done for name in names}
        progress = evolve(PLAN, states=states, finished=finished)
        return {task.shard for task in shard_tasks(progress)}

    assert due() == {SHARD.name, OTHER.name}
    assert due(OTHER) == {SHARD.name}
    assert due(SHARD, OTHER) == {SWEEP.name}
    assert due(SHARD, OTHER, SWEEP) == {SWEEP.name}  # its reader completes the group
    assert due(SHARD, OTHER, SWEEP, finished=True) == set()


def test_a_message_has_one_id_and_names_only_its_shard() -> None:
    order = ShardTask(pull="pull", shard=SHARD.name)
    assert task_from_json(order.to_json()) == order
    assert order.id == ShardTask(pull="pull", shard=SHARD.name).id
    assert order.id != ShardTask(pull="pull", shard=OTHER.name).id
    assert order.id != ShardTask(pull="other", shard=SHARD.name).id
    assert SHARD.group == Group(resource="patients", subdomain="demo")
