"""Pulls copied to files: complete, private, exclusive; killed at any moment and resumed."""

from __future__ import annotations

import errno
import json
import os
import random
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexhealth_async.bulk import Group, Progress, Shard, ShardState, private_files
from nexhealth_async.errors import SessionStateError, TargetError, UsageError
from nexhealth_async.export import folder_target
from nexhealth_async.export.folder_target import CHECKPOINT, directory_of, stem_of
from tests.bulk.example_shards import planned_shard
from tests.bulk.helpers import VERSIONS, scene, truth
from tests.export.folder_helpers import KINDS, DyingTarget, FileKind, KilledError, ids_in, kill_at

RESOURCES = ["patients", "appointments", "providers", "procedures", "institutions"]
EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def assert_true(kind: FileKind, path: Path, sandbox: Any) -> None:
    for resource in RESOURCES[:-1]:
        expected = {name: ids for name, ids in truth(sandbox, resource).items() if ids}
        assert ids_in(kind, path, resource) == expected, resource
    assert len(ids_in(kind, path, "institutions")["institutions"]) == len(sandbox.practices)


@EACH
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_copy_contains_every_record_once(
    kind: FileKind, version: str, tmp_path: Path
) -> None:
    async with scene(version) as (sandbox, nex):
        report = await nex.bulk.copy(RESOURCES, to=kind.make(tmp_path / "out"), per_page=7)
        report.raise_if_partial()
        assert_true(kind, tmp_path / "out", sandbox)


@EACH
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(3))
async def test_a_copy_killed_at_random_moments_and_resumed_is_complete(
    kind: FileKind, version: str, seed: int, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    ticks = draw.choice([0.0, 0.3, 5.0])  # seconds that each look at the clock takes
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += ticks
        return now

    async with scene(version, patients=60) as (sandbox, nex):
        report, kill = None, 0
        for kill in range(12):
            at = 0 if kill == 11 else draw.randrange(1, 50)
            dying = DyingTarget(kind.make(tmp_path, clock=clock), at=at or 10**6, after=at % 2 == 1)
            try:
                report = await nex.bulk.copy(
                    RESOURCES, to=dying, resume=True, per_page=7, concurrency=draw.randrange(1, 5)
                )
            except KilledError:
                if _is_finished(tmp_path):  # killed at the end: there is nothing to resume
                    break
                _scribble(kind, tmp_path, draw)
                continue
            break
        assert kill
        assert report is not None or _is_finished(tmp_path)
        assert_true(kind, tmp_path, sandbox)
    assert not files_in(tmp_path, "*.part")


def _is_finished(path: Path) -> bool:
    kept = path / CHECKPOINT
    return kept.exists() and json.loads(kept.read_bytes())["progress"]["finished"] is True


def files_in(path: Path, pattern: str) -> list[str]:
    return [one.name for one in path.rglob(pattern)]


def _scribble(kind: FileKind, path: Path, draw: random.Random) -> None:
    """Leave what a process may leave whose last writes were not recorded."""
    if not (path / CHECKPOINT).exists():
        return
    plan = json.loads((path / CHECKPOINT).read_bytes())["progress"]["shards"]
    for shard in msgspec.convert(plan, list[Shard]):
        if draw.random() < 0.5:
            continue
        prefix = "practice=" if kind.ending == ".parquet" else ""
        directory = directory_of(path, shard, prefix)
        directory.mkdir(parents=True, exist_ok=True)
        if prefix:
            (directory / f".{stem_of(shard)}-{draw.randrange(9):04}.parquet.part").write_bytes(b"?")
        else:
            with (directory / f"{stem_of(shard)}{kind.ending}").open("ab") as out:
                out.write(draw.randbytes(40))


@EACH
async def test_data_behind_the_checkpoint_are_truncated(kind: FileKind, tmp_path: Path) -> None:
    async with scene("v3", practices=1, locations=1, patients=50) as (sandbox, nex):
        dying = DyingTarget(kind.make(tmp_path, clock=lambda: 0.0), at=6, after=True)
        with pytest.raises(KilledError):
            await nex.bulk.copy(["patients"], to=dying, per_page=10, resume=True)
        target = kind.make(tmp_path)
        await target.open()
        progress = await target.load()
        assert progress is not None
        assert not progress.states
        assert not list(await target.known(progress.shards[0].group))
        await target.aclose()
        assert not files_in(tmp_path, f"*{kind.ending}")
        await nex.bulk.copy(["patients"], to=kind.make(tmp_path), resume=True)
        assert ids_in(kind, tmp_path, "patients") == truth(sandbox, "patients")


@EACH
async def test_a_cursor_list_continues_behind_its_stored_data(
    kind: FileKind, tmp_path: Path
) -> None:
    async with scene("v3", practices=1, locations=1, patients=50) as (sandbox, nex):
        dying = DyingTarget(kind.make(tmp_path), at=6, after=True)
        dying.aclose = dying._target.aclose  # type: ignore[method-assign]  # an orderly end

        async def call(work: Any) -> Any:
            dying._left -= 1
            made = await work()
            if dying._left == 0:
                raise KilledError
            return made

        dying._call = call  # type: ignore[method-assign, assignment]  # which keeps the lock
        with pytest.raises(KilledError):
            await nex.bulk.copy(["patients"], to=dying, per_page=10, resume=True)
        kept = sum(map(len, ids_in(kind, tmp_path, "patients").values()))
        assert 0 < kept < 50
        sandbox.requests.clear()
        await nex.bulk.copy(["patients"], to=kind.make(tmp_path), per_page=10, resume=True)
        assert sandbox.seen("GET", "/patients")[0].param("end_cursor")
        assert ids_in(kind, tmp_path, "patients") == truth(sandbox, "patients")


@EACH
async def test_files_and_directories_are_private(kind: FileKind, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with scene(practices=1, locations=1) as (_, nex):
            await nex.bulk.copy(["patients"], to=kind.make(tmp_path / "new" / "out"))
    finally:
        os.umask(old)
    for path in (tmp_path / "new", *(tmp_path / "new").rglob("*")):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path.name


@EACH
async def test_a_second_writer_is_refused_until_the_first_is_closed(
    kind: FileKind, tmp_path: Path
) -> None:
    first, second = kind.make(tmp_path), kind.make(tmp_path)
    await first.open()
    with pytest.raises(TargetError, match="another pull is writing"):
        await second.open()
    with pytest.raises(SessionStateError, match="already open"):
        await first.open()
    await first.aclose()
    await second.open()
    kill_at(second)  # a lock is never left behind
    await first.open()
    await first.aclose()


@EACH
async def test_another_pull_is_refused_and_the_same_one_is_resumed(
    kind: FileKind, tmp_path: Path
) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        sandbox.fail_next(403, path="/providers?page=1")
        first = await nex.bulk.copy(["patients", "providers"], to=kind.make(tmp_path))
        assert not first.complete
        with pytest.raises(UsageError, match="an unfinished pull; resume it"):
            await nex.bulk.copy(["patients", "providers"], to=kind.make(tmp_path))
        second = await nex.bulk.copy(to=kind.make(tmp_path), resume=True)
        assert second.complete
        assert 0 < second.new_records < second.records
        with pytest.raises(UsageError, match="a complete pull; choose an empty one"):
            await nex.bulk.copy(["patients", "providers"], to=kind.make(tmp_path), resume=True)
        assert ids_in(kind, tmp_path, "patients") == truth(sandbox, "patients")
        assert ids_in(kind, tmp_path, "providers") == truth(sandbox, "providers")


@EACH
async def test_a_directory_with_other_files_is_refused(kind: FileKind, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    async with scene(practices=1, locations=1) as (_, nex):
        with pytest.raises(UsageError, match="other files"):
            await nex.bulk.copy(["patients"], to=kind.make(tmp_path))
    assert (tmp_path / "letter.txt").read_text() == "mine"


async def test_files_of_another_format_are_not_resumed(tmp_path: Path) -> None:
    first, *others = KINDS[:-1]
    async with scene(practices=1, locations=1) as (_, nex):
        await nex.bulk.copy(["providers"], to=first.make(tmp_path))
        for other in others:
            with pytest.raises(UsageError, match="holds a pull as jsonl, not"):
                await nex.bulk.copy(["providers"], to=other.make(tmp_path), resume=True)


@EACH
async def test_an_unreadable_checkpoint_is_refused(kind: FileKind, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b'{"format": "jso')
    with pytest.raises(UsageError, match="is not a checkpoint"):
        await kind.make(tmp_path).open()
    (tmp_path / CHECKPOINT).unlink()
    target = kind.make(tmp_path)
    await target.open()  # and the lock was given back
    await target.aclose()


@EACH
async def test_truncated_files_are_detected(kind: FileKind, tmp_path: Path) -> None:
    async with scene(practices=1, locations=1) as (sandbox, nex):
        sandbox.fail_next(403, path="/providers?page=1")
        await nex.bulk.copy(["patients", "providers"], to=kind.make(tmp_path))
        for path in (tmp_path / "patients").rglob(f"*{kind.ending}"):
            path.unlink()
        with pytest.raises(TargetError, match="less than the checkpoint says"):
            await nex.bulk.copy(to=kind.make(tmp_path), resume=True)


@EACH
async def test_a_full_disk_gives_a_clear_error_and_loses_nothing(
    kind: FileKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(practices=1, locations=1, patients=60) as (sandbox, nex):
        full = OSError(errno.ENOSPC, "full")
        written = 0
        flush = private_files.flush_to_disk

        def fail(path: Path) -> None:
            nonlocal written
            written += 1
            if written > 4:
                raise full
            flush(path)

        with monkeypatch.context() as patch:
            patch.setattr(folder_target, "flush_to_disk", fail)
            ticks = iter(range(10**6))
            target = kind.make(tmp_path, clock=lambda: float(next(ticks)))
            with pytest.raises(TargetError, match="No space left on device") as caught:
                await nex.bulk.copy(["patients", "procedures"], to=target, per_page=7)
            assert caught.value.__cause__ is None
        report = await nex.bulk.copy(to=kind.make(tmp_path), resume=True)
        report.raise_if_partial()
        assert ids_in(kind, tmp_path, "patients") == truth(sandbox, "patients")


@EACH
async def test_a_closed_target_raises_a_clear_error(kind: FileKind, tmp_path: Path) -> None:
    with pytest.raises(SessionStateError, match="not open"):
        await kind.make(tmp_path).load()


@EACH
async def test_the_checkpoint_contains_no_personal_data(kind: FileKind, tmp_path: Path) -> None:
    async with scene(practices=1, locations=1) as (_, nex):
        await nex.bulk.copy(["patients"], to=kind.make(tmp_path))
        text = (tmp_path / CHECKPOINT).read_text()
        files = list((tmp_path / "patients").rglob(f"*{kind.ending}"))
        names = {row["last_name"] for path in files for row in kind.read(path)}
        assert names
        assert not [name for name in names if name in text]
        assert json.loads(text)["progress"]["finished"] is True
        assert str(tmp_path.parent) not in repr(kind.make(tmp_path))


async def test_groups_and_watermarks_are_kept(tmp_path: Path) -> None:
    shard = planned_shard("patients")
    progress = Progress(id="1", started=NOW, options="{}", shards=(shard,), states={})
    target = KINDS[0].make(tmp_path)
    await target.open()
    await target.begin(progress)
    await target.settle(shard, ShardState(status="done"))
    assert await target.complete(shard.group, watermark=NOW, whole=True) == 0
    await target.finish()
    await target.aclose()
    again = KINDS[0].make(tmp_path)
    await again.open()
    (state,) = (await again.groups()).items()
    loaded = await again.load()
    await again.aclose()
    assert state[0] == Group(resource="patients", subdomain="demo")
    assert state[1].watermark == state[1].compared == NOW
    assert loaded is not None
    assert loaded.finished
    assert loaded.states[shard.name].status == "done"


@pytest.mark.parametrize(
    ("shard", "directory", "stem"),
    [
        (Shard(resource="patients", version="v2", subdomain="demo"), "patients/demo", "all"),
        (Shard(resource="institutions", version="v2"), "institutions", "all"),
        (
            Shard(resource="a.b", version="v3", subdomain="demo", location_id=7, sweep=True),
            "a.b/demo",
            "7_sweep",
        ),
        (
            Shard(
                resource="appointments",
                version="v3",
                subdomain="../x y",
                location_id=7,
                window=("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ),
            "appointments/..%2Fx%20y",
            "7_2026-01-01..2027-01-01",
        ),
        (Shard(resource="patients", version="v2", subdomain=".."), "patients/%2E%2E", "all"),
    ],
)
def test_file_names_are_derived_from_the_shard(shard: Shard, directory: str, stem: str) -> None:
    assert directory_of(Path(), shard, "").as_posix() == directory
    assert stem_of(shard) == stem
