"""Unreadable records in pulls of many workers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, cast

from nexhealth_async.bulk import RejectedCount
from nexhealth_async.export.postgres import PostgresTarget
from nexhealth_async.fleet import FleetStatus, fleet_status, run_shard, shard_tasks
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.bulk.helpers import scene
from tests.cli.helpers import nexhealth
from tests.export.postgres_server import connected

if TYPE_CHECKING:
    from nexhealth_async import NexHealth


async def _pulled(
    nex: NexHealth, url: str, *, since: Literal["last"] | None = "last"
) -> FleetStatus:
    """Let workers read parts of a pull in turn."""
    target = PostgresTarget(url)
    progress = await nex.bulk.begin(["appointments"], to=target, since=since, compare=None)
    expected = list(shard_tasks(progress))
    while expected:
        order = expected.pop()
        outcome = await run_shard(
            order.shard, target, nex, pull=order.pull, owner=f"w{len(expected)}"
        )
        assert outcome.status == "done", outcome
        expected += order.following(outcome)
    status = await fleet_status(to=target)
    assert status is not None
    assert status.finished
    return status


async def _ids(url: str) -> list[int]:
    async with connected(url) as db:
        rows = await db.fetch("select id from appointments order by id")
        return [int(str(row[0])) for row in rows]


async def test_a_fleet_keeps_unreadable_records_and_reads_them_again(database: str) -> None:
    async with scene(practices=1, locations=2) as (sandbox, nex):
        table, id = sandbox.appointments, sandbox.appointments.ids[4]
        name = f"appointments/{sandbox.subdomain}"
        await _pulled(nex, database, since=None)
        assert await _ids(database) == sorted(table.ids)
        good = dict(table.row(id))
        table.update(id, cancelled_at="yesterday", updated_at=format_timestamp(sandbox.clock.now()))
        status = await _pulled(nex, database)
        assert status.rejected == {name: RejectedCount(total=1, new=1)}
        assert f"1 rejected in {name}" in repr(status)
        assert id not in await _ids(database)
        async with connected(database) as db:
            [row] = await db.fetch("select id, path, record from _rejected")
            kept = cast("Any", row)
            assert (kept[0], kept[1]) == (str(id), "cancelled_at")
            assert json.loads(kept[2])["cancelled_at"] == "yesterday"
        for options, expected in (((), 3), (("--allow-rejected", "known"), 3)):
            ran = await nexhealth("fleet", "status", "--to", database, *options)
            assert ran.status == expected
            output = f"{ran.out.decode()}{ran.err}"
            assert "yesterday" not in output
            assert f"rejected: {name}, 1 record" in output
        again = await _pulled(nex, database)
        assert again.rejected == {name: RejectedCount(total=1, new=0)}
        for options, expected in (((), 3), (("--allow-rejected", "known"), 0)):
            assert (
                await nexhealth("fleet", "status", "--to", database, *options)
            ).status == expected
        table.update(id, cancelled_at=good["cancelled_at"], updated_at="2020-01-01T00:00:00.000Z")
        assert not (await _pulled(nex, database)).rejected
        assert id in await _ids(database)


async def test_a_deleted_rejected_record_is_forgotten_by_a_fleet(database: str) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        id = sandbox.appointments.ids[4]
        sandbox.appointments.update(id, cancelled_at="yesterday")
        assert (await _pulled(nex, database, since=None)).rejected
        sandbox.appointments.delete(id)
        assert not (await _pulled(nex, database)).rejected
