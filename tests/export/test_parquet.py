"""Parquet files: complete or absent, one table for each resource, bounded memory."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import duckdb
import polars as pl
import pytest

from nexhealth_async.bulk import Batch, Progress, Shard, ShardState
from nexhealth_async.codec import Codec
from nexhealth_async.export import parquet as module
from nexhealth_async.export.arrow import schema_of
from nexhealth_async.export.parquet import ParquetTarget
from nexhealth_async.models import Patient
from tests.bulk.example_shards import planned_shard
from tests.bulk.helpers import scene, truth

ds: Any = import_module("pyarrow.dataset")  # which declares no types
pq: Any = import_module("pyarrow.parquet")  # as it does not either
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHARDS = tuple(planned_shard("patients", "v3", location_id=id) for id in range(8))
PLAN = Progress(id="p", started=NOW, options="{}", shards=SHARDS, states={})


def batch(shard: Shard, first: int, count: int = 10) -> Batch:
    raw = tuple(b'{"id":%d,"name":"Ida Moss","new":1}' % (first + at) for at in range(count))
    records = tuple(Codec().decode(Patient, one)[0] for one in raw)
    return Batch(shard=shard, model="Patient", records=records, raw=raw)


async def opened(path: Path, **options: Any) -> ParquetTarget:
    target = ParquetTarget(path, **options)
    await target.open()
    await target.begin(PLAN)
    return target


def parts(path: Path) -> list[str]:
    return sorted(one.name for one in (path / "patients" / "practice=demo").iterdir())


async def test_a_folder_reads_as_one_table(tmp_path: Path) -> None:
    async with scene(practices=2, locations=2) as (sandbox, nex):
        await nex.bulk.copy(["patients"], to=ParquetTarget(tmp_path, part_rows=9), per_page=5)
        expected = sorted(
            (name, id) for name, ids in truth(sandbox, "patients").items() for id in ids if name
        )
    folder = tmp_path / "patients"
    sql = f"from read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    found = cast("Any", duckdb.sql(f"select practice, _practice, id {sql}")).fetchall()
    assert sorted((name, id) for name, _, id in found) == expected
    assert all(name == inside for name, inside, _ in found)
    table = ds.dataset(folder, partitioning="hive").to_table()
    assert sorted(table["id"].to_pylist()) == sorted(id for _, id in expected)
    frame = pl.scan_parquet(folder, hive_partitioning=True).collect()
    assert sorted(frame["id"].to_list()) == sorted(id for _, id in expected)
    for path in folder.rglob("*.parquet"):
        assert pq.read_schema(path).remove_metadata().equals(schema_of(Patient))


async def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = await opened(tmp_path, part_rows=20)
    shard = SHARDS[3]
    await target.write(batch(shard, 0), ShardState(records=10, position="a"))
    assert not [name for name in parts(tmp_path) if not name.startswith(".")]
    await target.write(batch(shard, 10), ShardState(records=20, position="b"))
    assert parts(tmp_path) == ["3-0000.parquet"]
    await target.write(batch(shard, 20), ShardState(records=30, position="c"))
    await target.settle(shard, ShardState(status="done", records=30))
    assert parts(tmp_path) == ["3-0000.parquet", "3-0001.parquet"]
    assert sorted(cast("list[int]", await target.known(shard.group))) == list(range(30))
    await target.aclose()


async def test_the_position_advances_with_complete_files_only(tmp_path: Path) -> None:
    target = await opened(tmp_path, part_rows=20)
    shard = SHARDS[0]
    for at, place in enumerate(("0:a", "0:b", "0:c")):
        await target.write(batch(shard, at * 10), ShardState(records=at * 10 + 10, position=place))
    assert target._states[shard.name].position == "0:b"
    await target.aclose()  # which makes the last file whole, so that nothing is read again
    again = ParquetTarget(tmp_path)
    await again.open()
    loaded = await again.load()
    assert loaded is not None
    assert loaded.states[shard.name].position == "0:c"
    await again.aclose()
    assert parts(tmp_path) == ["0-0000.parquet", "0-0001.parquet"]


async def test_a_restarted_shard_leaves_no_partial_file(tmp_path: Path) -> None:
    target = await opened(tmp_path)
    await target.write(batch(SHARDS[0], 0), ShardState(records=10))
    await target.aclose()
    assert parts(tmp_path) == []


async def test_rows_that_duplicates_rely_on_are_written_with_them(tmp_path: Path) -> None:
    target = await opened(tmp_path)
    first, second, _ = SHARDS[:3]
    await target.write(batch(first, 0), ShardState(records=10, position="a"))
    await target.write(batch(second, 10), ShardState(records=10, position="b", duplicates=3))
    await target.settle(second, ShardState(status="done", records=10, duplicates=3))
    assert target._states[first.name].position == "a"
    assert parts(tmp_path) == ["0-0000.parquet", "1-0000.parquet"]
    await target.aclose()


async def test_pending_rows_are_bounded_over_all_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ALL_BYTES", 60_000)
    target = await opened(tmp_path)
    most = 0
    for page in range(10):
        for at, shard in enumerate(SHARDS):
            first = at * 10_000 + page * 10
            await target.write(batch(shard, first), ShardState(records=page * 10 + 10))
            most = max(most, target._waiting_bytes)
            waiting = sum(part.pending_bytes for part in target._parts.values())
            assert waiting == target._waiting_bytes
    assert 0 < most <= 60_000
    for shard in SHARDS:
        await target.settle(shard, ShardState(status="done", records=100))
    assert target._waiting_bytes == 0
    assert len(list(await target.known(SHARDS[0].group))) == 800
    assert len(parts(tmp_path)) == len(SHARDS)
    await target.aclose()


async def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GROUP_ROWS", 20)
    target = await opened(tmp_path)
    for page in range(5):
        await target.write(batch(SHARDS[0], page * 10), ShardState(records=page * 10 + 10))
    await target.settle(SHARDS[0], ShardState(status="done", records=50))
    await target.aclose()
    file = pq.ParquetFile(tmp_path / "patients" / "practice=demo" / "0-0000.parquet")
    assert [file.metadata.row_group(at).num_rows for at in range(3)] == [20, 20, 10]
    assert file.metadata.row_group(0).column(1).compression == "ZSTD"


async def test_a_file_with_many_row_groups_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GROUP_ROWS", 10)
    monkeypatch.setattr(module, "_MAX_GROUPS", 2)
    target = await opened(tmp_path)
    for page in range(5):
        state = ShardState(records=page * 10 + 10, position=f"{page}")
        await target.write(batch(SHARDS[0], page * 10), state)
    assert target._states[SHARDS[0].name].position == "3"
    await target.settle(SHARDS[0], ShardState(status="done", records=50))
    assert parts(tmp_path) == ["0-0000.parquet", "0-0001.parquet", "0-0002.parquet"]
    assert sorted(cast("list[int]", await target.known(SHARDS[0].group))) == list(range(50))
    await target.aclose()


async def test_ids_that_fit_no_column_are_tracked_too(tmp_path: Path) -> None:
    target = await opened(tmp_path)
    raw = b'{"id":%d}' % 2**70
    huge = Batch(shard=SHARDS[0], model="Patient", records=(Patient(id=2**70),), raw=(raw,))
    await target.write(huge, ShardState(records=1))
    await target.settle(SHARDS[0], ShardState(status="done", records=1))
    assert list(await target.known(SHARDS[0].group)) == [2**70]
    await target.aclose()
