"""A cancelled write continues in its thread, and closing waits for it."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import TYPE_CHECKING

import pytest

from nexhealth_async.bulk import ShardState
from nexhealth_async.export import duckdb_sql
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.jsonl import JsonLinesTarget
from nexhealth_async.export.worker_thread import SingleThreadExecutor
from tests.export.database_helpers import batch_of, plan_of, shard_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nexhealth_async.bulk import Target

DONE = ShardState(status="done", records=1, pages=1)


async def test_the_next_write_waits_for_a_cancelled_one() -> None:
    thread, begun, go_on, done = SingleThreadExecutor(), Event(), Event(), list[str]()

    def slow() -> None:
        begun.set()
        go_on.wait(5)
        done.append("slow")

    first = asyncio.create_task(thread.run(slow))
    await asyncio.to_thread(begun.wait, 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(thread.run(lambda: done.append("next")))
    await asyncio.sleep(0.01)
    assert done == []
    go_on.set()
    await second
    assert done == ["slow", "next"]
    thread.end()


def _slowed(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> tuple[Event, Event]:
    """Block a function until it is released."""
    usual: Callable[..., object] = getattr(owner, name)
    begun, go_on = Event(), Event()

    def held(*args: object) -> object:
        begun.set()
        go_on.wait(5)
        return usual(*args)

    monkeypatch.setattr(owner, name, held)
    return begun, go_on


@pytest.mark.parametrize("kind", ["duckdb", "jsonl"])
async def test_closing_waits_for_a_cancelled_write(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> Target:
        if kind == "duckdb":
            return DuckDBTarget(tmp_path / "copy.duckdb")
        return JsonLinesTarget(tmp_path / "out")

    target, shard = made(), shard_of()
    await target.open()
    await target.begin(plan_of(shard))
    held = (duckdb_sql, "save_state") if kind == "duckdb" else (JsonLinesTarget, "_append")
    begun, go_on = _slowed(monkeypatch, *held)
    writing = asyncio.create_task(target.write(batch_of(shard, [{"id": 1}]), DONE))
    await asyncio.to_thread(begun.wait, 5)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    closing = asyncio.create_task(target.aclose())
    await asyncio.sleep(0.01)
    assert not closing.done()
    go_on.set()
    await closing
    monkeypatch.undo()

    again = made()
    await again.open()
    progress = await again.load()
    assert progress is not None
    assert progress.states[shard.name].records == 1
    await again.aclose()
