"""The side file of records that cannot be read."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from nexhealth_async.bulk import Batch, Progress, Refused, Shard, ShardState
from nexhealth_async.bulk.targets import ReadsPages
from nexhealth_async.cli.aside import Aside
from nexhealth_async.cli.life import Quit
from nexhealth_async.export.duckdb import DuckDBTarget
from tests.bulk.copybook import Copybook

ONE = Shard(resource="patients", version="v2", subdomain="demo", location_id=1, compares=True)
TWO = evolve(ONE, location_id=2)
OTHER = evolve(ONE, resource="procedures", compares=False)
PLAN = Progress(
    id="a", started=datetime(2026, 1, 1, tzinfo=UTC), options="{}", shards=(ONE, TWO, OTHER),
    states={},
)  # fmt: skip


def batch(shard: Shard, *raw: bytes) -> Batch:
    refused = tuple(
        Refused(record_id=number, path="bio", expected="object", raw=one)
        for number, one in enumerate(raw)
    )
    return Batch(shard=shard, model="Patient", records=(), raw=(), refused=refused)


def shards(path: Path) -> list[str]:
    return [json.loads(line)["shard"] for line in path.read_text().splitlines()]


async def opened(path: Path) -> Aside:
    aside = Aside(Copybook(merges=True), path)
    await aside.open()
    return aside


async def test_a_record_is_one_line_whatever_breaks_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    aside = await opened(path)
    await aside.begin(PLAN)
    assert not path.exists()
    await aside.write(batch(ONE, b'{"id":\r\n 0, "name": "a\\nb"}', b'{"id": 1}'), ShardState())
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {
        "resource": "patients", "practice": "demo", "shard": "patients/demo/1", "id": 0,
        "path": "bio", "expected": "object", "record": {"id": 0, "name": "a\nb"},
    }  # fmt: skip
    assert second["record"] == {"id": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_was_read_before_a_kill_is_not_said_twice(tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    book = Copybook(merges=True)
    first = Aside(book, path)
    await first.open()
    await first.begin(PLAN)
    await first.write(batch(ONE, b'{"id":0}', b'{"id":1}'), ShardState())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])  # killed while it wrote
    await first.aclose()
    second = Aside(book, path)
    await second.open()
    await second.write(batch(ONE, b'{"id":0}', b'{"id":1}', b'{"id":2}'), ShardState())
    assert path.read_bytes()[: len(whole)] == whole
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [0, 1, 2]


async def test_a_shard_that_starts_again_says_anew_what_it_refuses(tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    aside = await opened(path)
    await aside.begin(PLAN)
    for shard in (ONE, TWO, OTHER):
        await aside.write(batch(shard, b'{"id":0}'), ShardState())
    await aside.rewind(TWO, ShardState(place="1:abc"))
    assert shards(path) == [ONE.name, TWO.name, OTHER.name]
    await aside.rewind(ONE, None)
    assert shards(path) == [TWO.name, OTHER.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await aside.write(batch(ONE, b'{"id":0}'), ShardState())
    assert shards(path) == [TWO.name, OTHER.name, ONE.name]


async def test_a_new_pull_forgets_only_what_it_reads_whole(tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    aside = await opened(path)
    await aside.begin(PLAN)
    for shard in (ONE, TWO, OTHER):
        await aside.write(batch(shard, b'{"id":0}'), ShardState())
    await aside.begin(evolve(PLAN, id="b"))
    assert shards(path) == [OTHER.name]
    await aside.begin(evolve(PLAN, id="c", shards=(evolve(OTHER, compares=True),)))
    assert not path.exists()


async def test_only_resuming_asks_for_something_to_resume(tmp_path: Path) -> None:
    book = Copybook(merges=True)
    aside = Aside(book, tmp_path / "x", only_resume="x.duckdb")
    await aside.open()
    with pytest.raises(Quit, match="no pull to resume"):
        await aside.load()
    book.progress = PLAN
    assert await aside.load() == PLAN
    failed = {one.name: ShardState(status="done") for one in PLAN.shards}
    failed[TWO.name] = ShardState(status="failed")
    book.progress = evolve(PLAN, states=failed, finished=True)
    assert await aside.load() == book.progress
    failed[TWO.name] = ShardState(status="done")
    with pytest.raises(Quit):
        await aside.load()


def test_a_target_that_reads_pages_itself_goes_on_doing_so(tmp_path: Path) -> None:
    able = Aside(DuckDBTarget(tmp_path / "a.duckdb"), tmp_path / "x")
    assert isinstance(able, ReadsPages)
    assert not isinstance(Aside(Copybook(merges=True), tmp_path / "x"), ReadsPages)
