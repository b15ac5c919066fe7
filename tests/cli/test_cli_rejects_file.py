"""What the command line says of a target before it is copied to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from nexhealth_async.bulk import KeepsRejected, Progress, Shard, ShardState
from nexhealth_async.bulk.target_protocol import ReadsPages
from nexhealth_async.cli.exit_status import Quit
from nexhealth_async.cli.rejects_file import Aside
from nexhealth_async.export.duckdb import DuckDBTarget
from tests.bulk.memory_target import Copybook

if TYPE_CHECKING:
    from pathlib import Path

ONE = Shard(resource="patients", version="v2", subdomain="demo", location_id=1, compares=True)
TWO = evolve(ONE, location_id=2)
OTHER = evolve(ONE, resource="procedures", compares=False)
PLAN = Progress(
    id="a", started=datetime(2026, 1, 1, tzinfo=UTC), options="{}", shards=(ONE, TWO, OTHER),
    states={},
)  # fmt: skip


async def test_only_resuming_asks_for_something_to_resume() -> None:
    book = Copybook(merges=True)
    aside = Aside(book, only_resume="x.duckdb")
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


def test_what_a_target_can_do_it_goes_on_doing(tmp_path: Path) -> None:
    able = Aside(DuckDBTarget(tmp_path / "a.duckdb"))
    assert isinstance(able, ReadsPages)
    assert isinstance(able, KeepsRejected)
    assert not isinstance(Aside(Copybook(merges=True)), ReadsPages | KeepsRejected)
