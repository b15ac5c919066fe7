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


async def test_a_new_file_and_its_log_are_its_owners_alone(tmp_path: Path) -> None:
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


async def test_a_log_that_was_written_into_the_file_is_made_again_as_private(
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


async def test_a_file_that_others_may_read_stays_so_and_so_does_its_log(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    duckdb.connect(str(path)).close()
    path.chmod(0o640)
    async with opened(DuckDBTarget(path)) as target:
        await target.begin(plan_of(shard_of()))
        assert set(modes(tmp_path).values()) == {0o640}


async def test_another_process_that_has_the_file_open_is_named_as_the_reason(
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
async def test_what_is_no_database_is_refused_and_left_as_it_is(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(TargetError, match=r"notes\.txt cannot be read"):
        await DuckDBTarget(path).open()
    assert path.read_bytes() == content


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"no folder to put copy\.duckdb in"):
        await DuckDBTarget(tmp_path / "missing" / "copy.duckdb").open()


async def test_a_missing_library_says_which_extra_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"nexhealth-async\[duckdb\]"):
        await DuckDBTarget(tmp_path / "copy.duckdb").open()


async def test_what_fails_in_the_middle_leaves_nothing_and_the_target_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(DuckDBTarget(tmp_path / "copy.duckdb")) as target:
        await target.begin(plan_of(shard_of()))
        with monkeypatch.context() as patch:
            patch.setattr(common_sql, "KEEP_STATE", "select * from nowhere where 'Ada' = 1")
            with pytest.raises(TargetError) as caught:
                await target.write(batch_of(shard_of(), [{"id": 1}]), OPEN)
        named = ("CatalogException", "InvalidInputException")  # the latter by DuckDB 1.3
        assert str(caught.value) in {f"DuckDB refused to do this: {name}" for name in named}
        assert caught.value.__cause__ is None
        assert list(await target.known(shard_of().group)) == []
        await target.write(batch_of(shard_of(), [{"id": 2}]), OPEN)
        assert list(await target.known(shard_of().group)) == [2]


async def test_a_printed_target_shows_the_file_alone(tmp_path: Path) -> None:
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
def test_a_type_takes_further_parts_and_nothing_else(
    have: str, want: str, wide: str | None
) -> None:
    assert widen_type(duckdb.sqltype(have), duckdb.sqltype(want)) == wide


def test_a_struct_that_has_all_parts_in_another_order_is_left_alone() -> None:
    have = {"bio": duckdb.sqltype('STRUCT("select" DATE, a BIGINT, more VARCHAR)')}
    want = {"bio": 'STRUCT("a" BIGINT, "select" DATE)'}
    assert changes("patients", have, want, duckdb.sqltype) == []


async def test_a_struct_gains_the_parts_it_lacks_and_keeps_those_it_has(tmp_path: Path) -> None:
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


async def test_json_that_duckdb_cannot_read_is_kept_as_a_text_in_json(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    odd = b'{"id":1,"guarantor":{"id":2},"unheard_of":1}'
    batch = batch_of(shard_of(), [odd])
    halved = Batch(
        shard=batch.shard,
        model=batch.model,
        records=batch.records,
        raw=(odd.replace(b'"unheard_of":1', b'"unheard_of":"\\ud83d\\ude00","more":1e999'),),
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


async def test_a_process_that_dies_leaves_what_it_was_told_and_its_rows(tmp_path: Path) -> None:
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
