"""DuckDB target: files, locks, struct columns, and a process that is really killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import cast

import duckdb
import pytest

from nexhealth_async.bulk import Batch, ShardState
from nexhealth_async.errors import TargetError, UsageError
from nexhealth_async.export import common_sql
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.duckdb_columns import changes, widen_type
from tests.export.database_helpers import batch_of, opened, plan_of, shard_of

OPEN = ShardState(records=1, pages=1)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def is_private(folder: Path) -> bool:
    return modes(folder) == {"copy.duckdb": 0o600, "copy.duckdb.wal": 0o600}


async def test_a_new_file_and_its_log_are_private(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    before = os.umask(0)
    try:
        async with opened(DuckDBTarget(path)) as target:
            await target.begin(plan_of(shard_of()))
            for at in range(3):
                await target.write(batch_of(shard_of(), [{"id": at}]), OPEN)
                assert is_private(tmp_path)
        assert modes(tmp_path) == {"copy.duckdb": 0o600}
    finally:
        os.umask(before)


async def test_a_recreated_log_is_private(
    tmp_path: Path,
) -> None:
    path = tmp_path / "copy.duckdb"
    before = os.umask(0)
    try:
        async with opened(DuckDBTarget(path)) as target:
            await target.begin(plan_of(shard_of()))
            connection = cast("DuckDBTarget", target)._connection
            assert connection is not None
            connection.execute("checkpoint")
            await target.write(batch_of(shard_of(), [{"id": 1}]), OPEN)
            assert is_private(tmp_path)
    finally:
        os.umask(before)


async def test_a_shared_file_and_its_log_keep_their_mode(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    duckdb.connect(str(path)).close()
    path.chmod(0o640)
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        assert set(modes(tmp_path).values()) == {0o640}


async def test_another_process_with_the_file_open_is_named_in_the_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "copy.duckdb"
    script = f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    other = subprocess.Popen(  # noqa: ASYNC220, S603 - nothing else runs; words of ours
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        target = DuckDBTarget(path)
        with pytest.raises(TargetError, match=r"copy\.duckdb is in use"):
            await target.open()
    finally:
        other.communicate(b"\n")
    async with opened(target):
        pass


@pytest.mark.parametrize("content", [b"not a database" * 100, b""])
async def test_a_file_that_is_not_a_database_is_refused_and_unchanged(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(TargetError, match=r"notes\.txt cannot be read"):
        await DuckDBTarget(path).open()
    assert path.read_bytes() == content


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"directory of copy\.duckdb does not exist"):
        await DuckDBTarget(tmp_path / "missing" / "copy.duckdb").open()


async def test_a_missing_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"nexhealth-async\[duckdb\]"):
        await DuckDBTarget(tmp_path / "copy.duckdb").open()


async def test_a_failed_batch_is_rolled_back_and_the_target_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(DuckDBTarget(tmp_path / "copy.duckdb")) as target:
        await target.begin(plan_of(shard_of()))
        with monkeypatch.context() as patch:
            patch.setattr(common_sql, "UPDATE_STATE", "select * from nowhere where 'Ada' = 1")
            with pytest.raises(TargetError) as caught:
                await target.write(batch_of(shard_of(), [{"id": 1}]), OPEN)
        named = ("CatalogException", "InvalidInputException")  # the latter by DuckDB 1.3
        assert str(caught.value) in {f"DuckDB raised {name}" for name in named}
        assert caught.value.__cause__ is None
        assert list(await target.known(shard_of().group)) == []
        await target.write(batch_of(shard_of(), [{"id": 2}]), OPEN)
        assert list(await target.known(shard_of().group)) == [2]


async def test_the_repr_of_a_target_shows_the_file_only(tmp_path: Path) -> None:
    assert repr(DuckDBTarget(tmp_path / "copy.duckdb")) == "<DuckDBTarget copy.duckdb>"


@pytest.mark.parametrize(
    ("have", "want", "wide"),
    [
        ("BIGINT", "BIGINT", "BIGINT"),
        ("BIGINT", "VARCHAR", None),
        ("JSON", "VARCHAR", None),
        ("DECIMAL(18,4)", "DECIMAL(18,2)", None),
        ("STRUCT(a BIGINT)", "STRUCT(a BIGINT, b DATE)", 'STRUCT("a" BIGINT, "b" DATE)'),
        ("STRUCT(z DATE, a BIGINT)", "STRUCT(a BIGINT)", 'STRUCT("z" DATE, "a" BIGINT)'),
        ("STRUCT(a BIGINT)", "STRUCT(a DATE)", None),
        ("STRUCT(a BIGINT)", "BIGINT", None),
        (
            "STRUCT(a STRUCT(b DATE))[]",
            "STRUCT(a STRUCT(c DATE))[]",
            'STRUCT("a" STRUCT("b" DATE, "c" DATE))[]',
        ),
        ("BIGINT[]", "VARCHAR[]", None),
        ("BIGINT[]", "BIGINT", None),
    ],
)
def test_a_type_may_gain_fields_and_nothing_else(have: str, want: str, wide: str | None) -> None:
    assert widen_type(duckdb.sqltype(have), duckdb.sqltype(want)) == wide


def test_a_struct_with_its_fields_in_another_order_is_unchanged() -> None:
    have = {"bio": duckdb.sqltype('STRUCT("select" DATE, a BIGINT, more VARCHAR)')}
    want = {"bio": 'STRUCT("a" BIGINT, "select" DATE)'}
    assert changes("patients", have, want, duckdb.sqltype) == []


async def test_a_struct_gains_missing_fields_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        await target.write(batch_of(shard_of(), [{"id": 1, "bio": {"city": "Anytown"}}]), OPEN)
    with duckdb.connect(str(path)) as db:
        db.execute("alter table patients alter bio set data type struct(city varchar, pet varchar)")
        db.execute("update patients set bio = {'city': 'Anytown', 'pet': 'cat'}")
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of(), id="pull-2"))
        await target.write(batch_of(shard_of(), [{"id": 2, "bio": {"state": "NY"}}]), OPEN)
    with duckdb.connect(str(path)) as db:
        kept = db.execute("select bio.city, bio.pet, bio.state from patients order by id")
        assert kept.fetchall() == [("Anytown", "cat", None), (None, None, "NY")]


async def test_json_that_duckdb_cannot_read_is_kept_as_a_json_string(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    raw = b'{"id":1,"guarantor":{"id":2},"unheard_of":1}'
    batch = batch_of(shard_of(), [raw])
    halved = Batch(
        shard=batch.shard,
        model=batch.model,
        records=batch.records,
        raw=(raw.replace(b'"unheard_of":1', b'"unheard_of":"\\ud83d\\ude00","more":1e999'),),
    )
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        await target.write(halved, OPEN)
    with duckdb.connect(str(path)) as db:
        kept = db.execute("select cast(_extra as varchar), json_valid(_extra) from patients")
        ((text, valid),) = kept.fetchall()
    assert valid
    assert "1e999" in text


SCRIPT = """
import asyncio, os, sys
from nexhealth_async.bulk import ShardState
from nexhealth_async.export.duckdb import DuckDBTarget
from tests.export.database_helpers import batch_of, plan_of, shard_of

async def main():
    target = DuckDBTarget(sys.argv[1])
    await target.open()
    if await target.load() is None:
        await target.begin(plan_of(shard_of()))
    await target.rewind(shard_of(), None)
    for at in range(int(sys.argv[2])):
        records = [{"id": at * 500 + n, "email": sys.argv[3]} for n in range(1000)]
        await target.write(batch_of(shard_of(), records), ShardState(records=at, pages=at))
    os._exit(9)

asyncio.run(main())
"""


async def test_a_killed_process_leaves_its_state_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    root = Path(__file__).parents[2]
    for mark, batches in (("first", 4), ("second", 3), ("third", 2)):
        words = [sys.executable, "-c", SCRIPT, str(path), str(batches), mark]
        ended = subprocess.run(words, cwd=root, check=False, capture_output=True)  # noqa: ASYNC221, S603 - as above
        assert ended.returncode == 9, ended.stderr.decode()
    async with opened(DuckDBTarget(path)) as target:
        progress = await target.load()
        assert progress is not None
        assert progress.states[shard_of().name] == ShardState(records=1, pages=1)
        assert sorted(cast("list[int]", await target.known(shard_of().group))) == [*range(1500)]
    with duckdb.connect(str(path)) as db:
        kept = db.execute("select email, count(*), count(distinct id) from patients group by 1")
        assert sorted(kept.fetchall()) == [
            ("first", 500, 500),
            ("second", 500, 500),
            ("third", 1500, 1500),
        ]
