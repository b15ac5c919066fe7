"""No file is accessible to others at any moment between its creation and its end."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import duckdb
import pytest

from nexhealth_async.bulk import Batch, CheckpointFile, RejectedRecord, ShardState
from nexhealth_async.cli.output import open_writer
from nexhealth_async.errors import TargetError
from nexhealth_async.export import duckdb_file
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.jsonl import JsonLinesTarget
from nexhealth_async.stores import SqliteSeen
from tests.bulk.helpers import scene
from tests.export.database_helpers import batch_of, opened, plan_of, shard_of
from tests.export.file_permissions import watched
from tests.export.folder_helpers import KINDS, FileKind

if TYPE_CHECKING:
    from pathlib import Path

    from nexhealth_async.bulk import Target

EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
OPEN = ShardState(records=1, pages=1)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def _copied(path: Path) -> None:
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        await target.write(batch_of(shard_of(), [{"id": 1}]), OPEN)


async def test_a_new_duckdb_file_is_never_accessible_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(tmp_path, monkeypatch) as seen:
        await _copied(tmp_path / "copy.duckdb")
    assert seen == {}
    assert names_in(tmp_path) == ["copy.duckdb"]


async def test_a_duckdb_file_behind_a_dangling_link_is_never_accessible_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy.duckdb").symlink_to(tmp_path / "real.duckdb")
    with watched(tmp_path, monkeypatch) as seen:
        await _copied(tmp_path / "copy.duckdb")
    assert seen == {}
    assert (tmp_path / "copy.duckdb").is_symlink()
    with duckdb.connect(str(tmp_path / "real.duckdb")) as db:
        assert db.execute("select id from patients").fetchall() == [(1,)]


async def test_the_log_of_a_linked_duckdb_file_is_as_private_as_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real.duckdb"
    duckdb.connect(str(real)).close()
    real.chmod(0o600)
    (tmp_path / "copy.duckdb").symlink_to(real)
    with watched(tmp_path, monkeypatch) as seen:
        await _copied(tmp_path / "copy.duckdb")
    assert seen == {}


async def test_a_new_duckdb_file_does_not_replace_one_created_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "copy.duckdb"
    move = duckdb_file._move_without_replacing

    def too_late(source: Path, to: Path) -> None:
        with duckdb.connect(str(path)) as db:
            db.execute("create table theirs as select 7 as id")
        move(source, to)

    monkeypatch.setattr(duckdb_file, "_move_without_replacing", too_late)
    await _copied(path)
    with duckdb.connect(str(path)) as db:
        assert db.execute("select id from theirs").fetchall() == [(7,)]
        assert db.execute("select id from patients").fetchall() == [(1,)]
    assert names_in(tmp_path) == ["copy.duckdb"]


async def test_a_new_duckdb_file_needs_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    with watched(tmp_path, monkeypatch) as seen, monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        await _copied(tmp_path / "copy.duckdb")
    assert seen == {}
    assert names_in(tmp_path) == ["copy.duckdb"]


async def test_the_log_of_a_deleted_duckdb_file_is_not_applied_to_the_next(
    tmp_path: Path,
) -> None:
    path, log = tmp_path / "copy.duckdb", tmp_path / "copy.duckdb.wal"
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        await target.write(batch_of(shard_of(), [{"id": 5}]), OPEN)
        left = log.read_bytes()
    path.unlink()
    log.write_bytes(left)
    await _copied(path)
    with duckdb.connect(str(path)) as db:
        assert db.execute("select id from patients").fetchall() == [(1,)]


async def test_a_read_only_folder_gives_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "denied", str(tmp_path))

    monkeypatch.setattr(duckdb_file, "mkdtemp", refuse)
    with pytest.raises(TargetError, match="its directory is writable"):
        await DuckDBTarget(tmp_path / "copy.duckdb").open()


@EACH
async def test_the_files_of_a_folder_are_never_accessible_to_others(
    kind: FileKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10**6))  # a checkpoint at every step
    async with scene(practices=1, locations=1, patients=20) as (_, nex):
        with watched(tmp_path, monkeypatch) as seen:
            target = kind.make(tmp_path / "out", clock=lambda: float(next(ticks)))
            await nex.bulk.copy(["patients"], to=target, per_page=7)
    assert seen == {}


async def test_a_checkpoint_ignores_the_mode_of_a_leftover_file(tmp_path: Path) -> None:
    async with opened(KINDS[0].make(tmp_path)) as target:
        await target.begin(plan_of(shard_of()))
        planted = tmp_path / ".nexhealth-pull.json.new"
        planted.touch(mode=0o644)
        planted.chmod(0o644)
        with planted.open("rb") as reader:
            await target.finish()
            assert reader.read() == b""
    assert stat.S_IMODE((tmp_path / ".nexhealth-pull.json").stat().st_mode) == 0o600


async def test_a_checkpoint_is_not_written_through_a_link(tmp_path: Path) -> None:
    async with opened(KINDS[0].make(tmp_path / "out")) as target:
        await target.begin(plan_of(shard_of()))
        (tmp_path / "out" / ".nexhealth-pull.json.new").symlink_to(tmp_path / "elsewhere")
        await target.finish()
    assert names_in(tmp_path) == ["out"]
    assert not (tmp_path / "out" / ".nexhealth-pull.json").is_symlink()


async def test_a_checkpoint_file_is_never_accessible_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(practices=1, locations=1, patients=5) as (_, nex):
        with watched(tmp_path, monkeypatch) as seen:
            async with nex.bulk.pull(["patients"]) as pull:
                await CheckpointFile(tmp_path / "pull.json").save(pull)
    assert seen == {}
    assert (tmp_path / "pull.json").exists()


async def test_an_open_file_of_rejected_records_shows_no_later_ones(
    tmp_path: Path,
) -> None:
    path, shard = tmp_path / "out" / "_rejected.jsonl", shard_of()

    async def write(target: Target, raw: bytes, id: int) -> None:
        refused = RejectedRecord(record_id=id, path="bio", expected="object", raw_json=raw)
        batch = Batch(shard=shard, model="Patient", records=(), raw=(), refused=(refused,))
        await target.write(batch, ShardState())

    async with opened(JsonLinesTarget(tmp_path / "out")) as target:
        await target.begin(plan_of(shard))
        await write(target, b'{"id":1}', 1)
    path.chmod(0o644)
    with path.open("rb") as reader:
        async with opened(JsonLinesTarget(tmp_path / "out")) as target:
            await target.load()
            await write(target, b'{"id":2,"name":"Ada"}', 2)
        assert b"Ada" not in reader.read()
    assert b"Ada" in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_pulled_file_is_never_accessible_to_others_until_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "patients.jsonl"
    path.touch(mode=0o644)
    path.chmod(0o600)
    with watched(tmp_path, monkeypatch) as seen, open_writer(path) as pen:
        await pen.write(b"{}\n" * 10**6)
    assert seen == {}
    assert path.stat().st_size == 3 * 10**6


@pytest.mark.parametrize("linked", [False, True])
async def test_a_store_of_seen_events_is_never_accessible_to_others(
    linked: bool,  # noqa: FBT001 - whether the name is a link to nothing
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "seen.sqlite"
    if linked:
        path.symlink_to(tmp_path / "real.sqlite")
    with watched(tmp_path, monkeypatch) as seen:
        store = SqliteSeen(path)
        for at in range(50):
            assert await store.claim(str(at)) == "new"
        await store.aclose()
    assert seen == {}
