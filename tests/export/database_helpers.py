"""Helpers for tests of database targets: databases to inspect, batches, and a small pull."""

from __future__ import annotations

import json
import shutil
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs
import duckdb
import pytest
from attrs import define, field

from nexhealth_async import models
from nexhealth_async.bulk import Batch, Group, Progress, Shard, ShardState
from nexhealth_async.codec import Codec
from nexhealth_async.errors import UsageError
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.postgres import PostgresTarget
from tests.bulk.example_shards import planned_shard
from tests.bulk.memory_target import KilledError
from tests.export.postgres_server import PostgresServer, connected, new_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from nexhealth_async.bulk import Target

__all__ = [
    "DAY",
    "DuckDBStage",
    "KillPoints",
    "KilledError",
    "MergingStage",
    "PostgresStage",
    "batch_of",
    "opened",
    "plan_of",
    "pull",
    "shard_of",
    "stage",
]

DAY = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
_CODEC = Codec()


class MergingStage(Protocol):
    """One kind of database."""

    kind: str

    def target(self) -> Target:
        """Return another target for the same database."""
        ...

    async def query(self, sql: str) -> list[dict[str, Any]]:
        """Query or change the database while no target has it open."""
        ...

    async def kill(self, target: Target) -> None:
        """Leave the database as a killed process would."""
        ...


@define
class DuckDBStage:
    """A DuckDB file. A kill continues with copies of the files as they are at that moment."""

    path: Path
    kind: str = "duckdb"
    left: list[Target] = field(factory=list["Target"])

    def target(self) -> DuckDBTarget:
        return DuckDBTarget(self.path)

    async def query(self, sql: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.path)) as db:
            found = db.execute(sql)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    async def kill(self, target: Target) -> None:
        after = self.path.with_name(f"after-{self.path.name}")
        shutil.copy(self.path, after)
        shutil.copy(f"{self.path}.wal", f"{after}.wal")
        self.path = after
        self.left.append(target)


@define
class PostgresStage:
    """A PostgreSQL database. A kill drops the connection without closing it."""

    url: str
    kind: str = "postgres"

    def target(self) -> PostgresTarget:
        return PostgresTarget(self.url)

    async def query(self, sql: str) -> list[dict[str, Any]]:
        async with connected(self.url) as db:
            return [dict(cast("Any", row)) for row in await db.fetch(sql)]

    async def kill(self, target: Target) -> None:
        connection = cast("PostgresTarget", target)._link._connection
        assert connection is not None
        connection.terminate()


@pytest.fixture(params=["duckdb", "postgres"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MergingStage]:
    """An empty database; runs the test once for each kind."""
    if request.param == "duckdb":
        files = DuckDBStage(tmp_path / "copy.duckdb")
        yield files
        for target in files.left:
            await target.aclose()
        return
    server = cast("PostgresServer", request.getfixturevalue("postgres_server"))
    async with new_database(server) as url:
        yield PostgresStage(url)


@asynccontextmanager
async def opened(target: Target) -> AsyncGenerator[Target]:
    await target.open()
    try:
        yield target
    finally:
        await target.aclose()


def shard_of(
    resource: str = "patients", location: int | None = None, version: str = "v2", **more: Any
) -> Shard:
    """A shard of one practice; a planned one, if the version has the resource."""
    with suppress(UsageError):
        planned = planned_shard(resource, version, location_id=location, **more)
        return attrs.evolve(planned, subdomain="demo")
    return Shard(resource=resource, version=version, subdomain="demo", location_id=location, **more)


def plan_of(*shards: Shard, id: str = "pull-1") -> Progress:
    return Progress(id=id, started=DAY, options='{"all":true}', shards=shards, states={})


def batch_of(
    shard: Shard, records: Sequence[Mapping[str, object] | bytes], model: str = "Patient"
) -> Batch:
    """A batch of records as the vendor's JSON, or as values to encode."""
    raw = tuple(
        record if isinstance(record, bytes) else json.dumps(record).encode() for record in records
    )
    kind = cast("type[attrs.AttrsInstance]", getattr(models, model))
    made = tuple(_CODEC.decode(kind, text)[0] for text in raw)
    return Batch(shard=shard, model=model, records=made, raw=raw)


@define
class KillPoints:
    """Counts calls to a target and kills the process before one of them."""

    target: Target
    left: int = 1_000
    settled: set[str] = field(factory=set[str])

    def __call__(self) -> Target:
        if not self.left:
            raise KilledError
        self.left -= 1
        return self.target


async def pull(
    call: KillPoints, world: Sequence[tuple[Shard, str, Sequence[Any]]], id: str
) -> None:
    """Copy shards, with the model and the records of each, as the engine would."""
    progress = await call().load()
    if progress is None or progress.finished:
        progress = plan_of(*(shard for shard, _, _ in world), id=id)
        await call().begin(progress)
    for shard, model, records in world:
        state = progress.states.get(shard.name)
        if state is None or state.status != "done":
            await _read(call, shard, state, model, records)
    for group in dict.fromkeys(shard.group for shard in progress.shards):
        await call().complete(group, watermark=DAY, whole=True)
    await call().finish()


async def _read(
    call: KillPoints, shard: Shard, state: ShardState | None, model: str, records: Sequence[Any]
) -> None:
    has_cursor = shard.resource == "appointments"
    await call().rewind(shard, state)
    state = state if state and state.position else ShardState()
    begin = int(state.position.removeprefix("0:")) if state.position else 0
    for at in range(begin, len(records), 2):
        page = records[at : at + 2]
        place = f"0:{at + 2}" if has_cursor else None
        state = attrs.evolve(state, position=place, records=at + len(page), pages=state.pages + 1)
        await call().write(batch_of(shard, page, model), state)
    await call().settle(shard, attrs.evolve(state, status="done", position=None))
    call.settled.add(shard.name)


def group_of(resource: str) -> Group:
    return Group(resource=resource, subdomain="demo")
