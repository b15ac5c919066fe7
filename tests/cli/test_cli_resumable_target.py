"""Checks of a target before a copy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from nexhealth_async.bulk import Progress, RejectedStore, Shard, ShardState
from nexhealth_async.bulk.target_protocol import PageReader
from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.cli.resumable_target import ResumableTarget
from nexhealth_async.export.duckdb import DuckDBTarget
from tests.bulk.memory_target import RecordingTarget

if TYPE_CHECKING:
    from pathlib import Path

ONE = Shard(resource="patients", version="v2", subdomain="demo", location_id=1, compares=True)
TWO = evolve(ONE, location_id=2)
OTHER = evolve(ONE, resource="procedures", compares=False)
PLAN = Progress(
    id="a", started=datetime(2026, 1, 1, tzinfo=UTC), options="{}", shards=(ONE, TWO, OTHER),
    states={},
)  # fmt: skip


async def test_only_resuming_requires_an_unfinished_pull() -> None:
    book = RecordingTarget(merges=True)
    target = ResumableTarget(book, only_resume="x.duckdb")
    await target.open()
    with pytest.raises(CliError, match="no pull to resume"):
        await target.load()
    book.progress = PLAN
    assert await target.load() == PLAN
    failed = {shard.name: ShardState(status="done") for shard in PLAN.shards}
    failed[TWO.name] = ShardState(status="failed")
    book.progress = evolve(PLAN, states=failed, finished=True)
    assert await target.load() == book.progress
    failed[TWO.name] = ShardState(status="done")
    with pytest.raises(CliError):
        await target.load()


def test_capabilities_of_a_target_are_kept_by_its_wrapper(tmp_path: Path) -> None:
    wrapped = ResumableTarget(DuckDBTarget(tmp_path / "a.duckdb"))
    assert isinstance(wrapped, PageReader)
    assert isinstance(wrapped, RejectedStore)
    assert not isinstance(ResumableTarget(RecordingTarget(merges=True)), PageReader | RejectedStore)
