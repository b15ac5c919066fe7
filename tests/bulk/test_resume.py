"""Checkpoints: as text at every batch, and as a file that is replaced atomically."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from nexhealth_async.bulk import CheckpointFile, Shard, ShardState, scheduler
from nexhealth_async.bulk.checkpoint_json import progress_from_json, progress_to_json, resumable
from nexhealth_async.bulk.pull_state import Progress
from nexhealth_async.errors import UsageError
from nexhealth_async.pagination.prefetching import RawPage
from tests.bulk.example_shards import planned_shard
from tests.bulk.helpers import VERSIONS, by_group, scene, truth
from tests.bulk.test_planning import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.bulk import Batch

RESOURCES = ["patients", "appointments"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_pull_resumes_from_the_checkpoint_of_any_batch(version: str) -> None:
    """The batches before the checkpoint and the resumed pull together are complete."""
    async with scene(version, patients=24, appointments=12) as (sandbox, nex):
        before: list[Batch] = []
        at_each: list[tuple[str, int]] = []
        async with nex.bulk.pull(RESOURCES, per_page=6) as pull:
            async for batch in pull:
                at_each.append((pull.checkpoint(), len(before)))
                before.append(batch)
            at_each.append((pull.checkpoint(), len(before)))
        for text, handed in at_each:
            kept = before[:handed]
            async with nex.bulk.pull(RESOURCES, per_page=6, resume=text) as again:
                rest = [batch async for batch in again]
                again.report.raise_if_partial()
            for resource in RESOURCES:
                merged = by_group(kept + rest, resource)
                assert {name: sorted({*ids}) for name, ids in merged.items()} == truth(
                    sandbox, resource
                )
            assert handed < len(before) or not rest


async def test_cursor_lists_of_one_location_repeat_nothing() -> None:
    async with scene("v3", patients=40, practices=1, locations=1) as (sandbox, nex):
        taken: list[Batch] = []
        text = None
        while True:
            async with nex.bulk.pull(["patients"], per_page=10, resume=text) as pull:
                try:
                    taken.append(await anext(pull))
                except StopAsyncIteration:
                    break
                try:
                    await anext(pull)
                except StopAsyncIteration:
                    break
                text = pull.checkpoint()
        assert by_group(taken, "patients") == truth(sandbox, "patients")


async def test_finished_shards_are_not_read_again() -> None:
    async with scene(practices=2, locations=1) as (sandbox, nex):
        sandbox.fail_next(403, path="/patients?page=1")
        async with nex.bulk.pull(["patients"], concurrency=1) as pull:
            async for _ in pull:
                pass
        [failed] = pull.report.failed
        sandbox.requests.clear()
        async with nex.bulk.pull(resume=pull.checkpoint()) as again:
            batches = [batch async for batch in again]
        assert {batch.shard.subdomain for batch in batches} == {failed.shard.subdomain}
        assert {request.param("subdomain") for request in sandbox.requests} == {
            failed.shard.subdomain
        }
        assert again.report.complete
        assert again.report.records == 80


async def test_a_checkpoint_of_another_pull_is_refused() -> None:
    async with scene(practices=1) as (_, nex):
        async with nex.bulk.pull(["patients"]) as pull:
            text = pull.checkpoint()
        for wrong in ("", "{}", text[:-9], '{"format":2}'):
            with pytest.raises(UsageError, match="invalid checkpoint"):
                async with nex.bulk.pull(["patients"], resume=wrong):
                    pass
        with pytest.raises(UsageError, match="other resources"):
            async with nex.bulk.pull(["providers"], resume=text):
                pass
        with pytest.raises(UsageError, match="this session speaks v3"):
            async with nex.with_options(version="v3").bulk.pull(resume=text):
                pass


async def test_a_checkpoint_contains_no_personal_data() -> None:
    async with (
        scene(practices=1) as (sandbox, nex),
        nex.bulk.pull(["patients"], per_page=10) as pull,
    ):
        async for _ in pull:
            text = pull.checkpoint()
            for row in sandbox.patients:
                assert str(row["email"]) not in text
                assert str(row["id"]) not in text


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_checkpoint_file_is_readable_for_its_owner_only(tmp_path: Path) -> None:
    kept = CheckpointFile(tmp_path / "pull.json")
    assert kept.load() is None
    async with (
        scene(practices=1) as (_, nex),
        nex.bulk.pull(["patients"], per_page=10) as pull,
    ):
        async for _ in pull:
            await kept.save(pull)
        await kept.save(pull)
        assert kept.load() == pull.checkpoint()
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "pull.json").stat().st_mode) == 0o600
    assert names(tmp_path) == ["pull.json"]
    kept.remove()
    kept.remove()
    assert kept.load() is None


async def test_a_file_that_cannot_be_replaced_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pull.json"
    path.write_text("before")

    def refuse(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", refuse)
    async with scene(practices=1) as (_, nex), nex.bulk.pull(["patients"]) as pull:
        with pytest.raises(OSError, match="no space"):
            await CheckpointFile(path).save(pull)
    assert names(tmp_path) == ["pull.json"]
    assert path.read_text() == "before"


def test_progress_survives_being_written() -> None:
    shard = planned_shard("patients", "v3.0.0")
    progress = Progress(
        id="x",
        started=NOW,
        options="{}",
        shards=(shard, planned_shard("patients", "v3.0.0", sweep=True)),
        states={shard.name: ShardState(status="done", records=3, position="0:n")},
    )
    assert progress_from_json(progress_to_json(progress)) == progress


def plan(*states: ShardState | None, sweep: bool) -> Progress:
    shards = [
        Shard(resource="procedures", version="v2", subdomain="a", location_id=at + 1)
        for at in range(len(states))
    ]
    more = [evolve(shards[0], sweep=True)] if sweep else []
    return Progress(
        id="x",
        started=NOW,
        options="{}",
        shards=(*shards, *more),
        states={
            one.name: state for one, state in zip(shards, states, strict=True) if state is not None
        },
    )


@pytest.mark.parametrize(
    ("cursor", "resume", "place"),
    [
        ("abc", "c:10:abc", "1:c:10:abc"),
        (None, None, "2:"),
        ("", None, "2:"),
        ("x" * 5_000, None, None),  # more follows, but this cannot be kept: only the start is left
    ],
)
def test_resume_positions_of_cursor_lists(
    cursor: str | None, resume: str | None, place: str | None
) -> None:
    page = RawPage(number=1, records=(), count=None, cursor=cursor, resume=resume, warnings=())
    assert scheduler._next_position(1, page) == place


DONE = ShardState(status="done", records=5)
RELYING = ShardState(status="done", records=3, duplicates=2)
NUMBERED = ShardState(records=4, pages=1)
FAILED = ShardState(status="failed", records=4, position="0:c", error="NotFoundError: gone")


@pytest.mark.parametrize(
    ("states", "sweep", "kept"),
    [
        ((DONE, NUMBERED), False, {1: DONE}),
        ((DONE, FAILED), False, {1: DONE, 2: ShardState(records=4, position="0:c")}),
        # Left out what the second had delivered, which starts again: read both again.
        ((RELYING, NUMBERED), False, {}),
        ((RELYING, NUMBERED), True, {1: RELYING}),
        ((RELYING, DONE, None), False, {1: RELYING, 2: DONE}),
        ((RELYING, FAILED), False, {1: RELYING, 2: ShardState(records=4, position="0:c")}),
    ],
)
def test_resume_conditions_of_a_run(
    states: tuple[ShardState | None, ...], *, sweep: bool, kept: dict[int, ShardState]
) -> None:
    progress = plan(*states, sweep=sweep)
    found = resumable(progress).states
    assert found == {progress.shards[number - 1].name: state for number, state in kept.items()}
