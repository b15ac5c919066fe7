"""A fleet reads only from the origin for which its pull was planned."""

from __future__ import annotations

from typing import cast
from uuid import uuid4

import pytest

from nexhealth_async.errors import OriginError
from nexhealth_async.export.postgres import PostgresTarget
from nexhealth_async.fleet import (
    FleetQueue,
    fleet_pull,
    fleet_status,
    fleet_work,
    requeue,
    run_shard,
)
from tests.bulk.fake_accounts import account, session
from tests.export.postgres_server import connected

_LISTS = ("patients", "providers")


async def _rows(database: str) -> int | None:
    async with connected(database) as db:
        return cast("int | None", await db.fetchval("select count(*) from patients"))


def _queue(redis_url: str) -> FleetQueue:
    return FleetQueue(url=redis_url, name=uuid4().hex, takeover=2.0)


async def test_a_worker_of_another_account_is_refused_and_writes_nothing(
    database: str, redis_url: str
) -> None:
    target, queue = PostgresTarget(database), _queue(redis_url)
    async with account(1) as mine, account(2) as other:
        async with session(mine) as nex:
            pull = await fleet_pull(nex, _LISTS, to=target, redis=queue)
        async with session(other) as nex:
            with pytest.raises(OriginError):
                await fleet_work(nex, to=target, redis=queue, until_empty=True)
            status = await fleet_status(to=target)
            assert status is not None
            with pytest.raises(OriginError):
                await run_shard(
                    status.shards[0].shard.name,
                    target,
                    nex,
                    pull=pull,
                    owner="a worker that is wrong",
                )
        assert await _rows(database) == 0
        async with session(mine) as nex:
            await fleet_work(nex, to=target, redis=queue, until_empty=True)
        status = await fleet_status(to=target)
        assert status is not None
        assert status.finished
        assert await _rows(database) == 20


async def test_a_worker_uses_the_version_of_the_pull_and_refuses_another(
    database: str, redis_url: str
) -> None:
    target, queue = PostgresTarget(database), _queue(redis_url)
    async with account(1) as sandbox:
        async with session(sandbox, "v2") as nex:
            (await nex.bulk.copy(_LISTS, to=target)).raise_if_partial()
        async with session(sandbox, "v3") as nex:
            with pytest.raises(OriginError):
                await fleet_pull(nex, _LISTS, to=target, redis=queue)
            await fleet_pull(nex, _LISTS, to=target, redis=queue, recopy=True)
        assert await _rows(database) == 0
        async with session(sandbox, "v2") as nex:
            with pytest.raises(OriginError, match=r"v3\.0\.0"):
                await fleet_work(nex, to=target, redis=queue, until_empty=True)
        async with session(sandbox, "auto") as nex:
            await fleet_work(nex, to=target, redis=queue, until_empty=True)
        status = await fleet_status(to=target)
        assert status is not None
        assert status.finished
        assert await _rows(database) == 20


async def test_a_pull_of_an_earlier_release_is_restarted_by_adopting_its_records(
    database: str, redis_url: str
) -> None:
    target, queue = PostgresTarget(database), _queue(redis_url)
    async with account(1) as sandbox, session(sandbox) as nex:
        await nex.bulk.copy(["patients"], to=target)
        await fleet_pull(nex, _LISTS, to=target, redis=queue)
        async with connected(database) as db:
            await db.execute("alter table _nexhealth_pulls drop column origin")
        with pytest.raises(OriginError):
            await fleet_work(nex, to=target, redis=queue, until_empty=True)
        with pytest.raises(OriginError):
            await requeue(to=target, redis=queue)
        with pytest.raises(OriginError):
            await fleet_pull(nex, _LISTS, to=target, redis=queue, replace=True)
        await fleet_pull(nex, _LISTS, to=target, redis=queue, replace=True, adopt=True)
        await fleet_work(nex, to=target, redis=queue, until_empty=True)
        status = await fleet_status(to=target)
        assert status is not None
        assert status.finished
