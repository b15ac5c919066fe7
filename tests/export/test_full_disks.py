"""A DuckDB file on a full disk, or at its size limit, raises a clear error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from nexhealth_async.errors import TargetError
from nexhealth_async.export.duckdb import DuckDBTarget
from tests.export.database_helpers import opened, plan_of, shard_of

SCRIPT = """
import asyncio, resource, sys
from nexhealth_async.bulk import ShardState
from nexhealth_async.errors import TargetError
from nexhealth_async.export.duckdb import DuckDBTarget
from tests.export.database_helpers import batch_of, opened, plan_of, shard_of

async def main():
    path, most = sys.argv[1], int(sys.argv[2])
    if most:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        for at in range(200):
            words = [f"{hash((at, n)):x}{hash((n, at)):x}@example.com" for n in range(500)]
            records = [{"id": at * 500 + n, "email": word} for n, word in enumerate(words)]
            await target.write(batch_of(shard_of(), records), ShardState(records=at, pages=at))

try:
    asyncio.run(main())
except TargetError as error:
    print(error)
"""
ROOT = Path(__file__).parents[2]


def _told(path: Path, *, most: int = 0, within: tuple[str, ...] = ()) -> str:
    words = [*within, sys.executable, "-c", SCRIPT, str(path), str(most)]
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - words of ours


def test_a_file_size_limit_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    message = _told(path, most=2_000_000)
    assert "copy.duckdb cannot be written: the system allows no larger file" in message
    with duckdb.connect(str(path)) as db:
        assert db.execute("select count(*) from patients").fetchall()[0][0] > 0


def test_a_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    """A small file system in memory, where the machine allows a private mount."""
    mount = 'mount -t tmpfs -o size=3m none "$0" && exec "$@"'
    within = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path))
    if shutil.which("unshare") is None or subprocess.run([*within, "true"], check=False).returncode:  # noqa: S603 - a tool of this machine
        pytest.skip("this machine mounts nothing for a test")
    message = _told(tmp_path / "copy.duckdb", within=within)
    assert "copy.duckdb cannot be written: the disk is full" in message


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("TransactionException", 'Could not write file "/x": No space left on device'),
        ("IOException", 'Could not write file "/x": No space left on device'),
        ("FatalException", "database has been invalidated: Disk quota exceeded"),
    ],
)
async def test_a_full_disk_is_recognized_for_every_error_class_of_duckdb(
    kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise getattr(duckdb, kind)(text)

    async with opened(DuckDBTarget(tmp_path / "copy.duckdb")) as target:
        await target.begin(plan_of(shard_of()))
        monkeypatch.setattr("nexhealth_async.export.duckdb_sql.load_progress", refuse)
        with pytest.raises(TargetError, match=r"the disk (is full|quota is used up)") as caught:
            await target.load()
    assert "/x" not in str(caught.value)
