"""JSON lines files: the vendor's own bytes, one record a line."""

from __future__ import annotations

import gzip
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from nexhealth_async.bulk import Batch, Progress, Shard, ShardState
from nexhealth_async.codec import Codec
from nexhealth_async.errors import TargetError, UsageError
from nexhealth_async.export.folder_target import CHECKPOINT
from nexhealth_async.export.jsonl import Compression, JsonLinesTarget
from nexhealth_async.models import Patient

SHARD = Shard(resource="patients", version="v2", subdomain="demo", location_id=7)
PLAN = Progress(
    id="p", started=datetime(2026, 1, 1, tzinfo=UTC), options="{}", shards=(SHARD,), states={}
)


def batch(*raw: bytes) -> Batch:
    records = tuple(Codec().decode(Patient, one)[0] for one in raw)
    return Batch(shard=SHARD, model="Patient", records=records, raw=raw)


async def opened(path: Path, compression: Compression | None = None) -> JsonLinesTarget:
    target = JsonLinesTarget(path, compression=compression)
    await target.open()
    await target.begin(PLAN)
    return target


async def test_a_line_is_the_original_record(tmp_path: Path) -> None:
    target = await opened(tmp_path)
    raw = (b'{"id":1, "odd": 1.50, "name":"\xc3\xa9\\n"}', b'{\r\n "id": 2\n}')
    await target.write(batch(*raw), ShardState(records=2))
    await target.aclose()
    found = (tmp_path / "patients" / "demo" / "7.jsonl").read_bytes()
    assert found == raw[0] + b"\n" + b'{   "id": 2 }\n'


async def test_gzip_files_of_several_members_read_as_one(tmp_path: Path) -> None:
    target = await opened(tmp_path, "gzip")
    for id in range(3):
        await target.write(batch(b'{"id":%d}' % id), ShardState(records=id + 1))
    await target.aclose()
    path = tmp_path / "patients" / "demo" / "7.jsonl.gz"
    assert gzip.decompress(path.read_bytes()) == b'{"id":0}\n{"id":1}\n{"id":2}\n'


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
async def test_ids_are_read_back_as_the_models_have_them(
    compression: str | None, tmp_path: Path
) -> None:
    target = await opened(tmp_path, cast("Compression | None", compression))
    await target.write(batch(b'{"id": "17", "x": {"id": 4}}', b'{"id":18}'), ShardState(records=2))
    await target.write(batch(b'{"id":19}'), ShardState(records=3))
    assert list(await target.known(SHARD.group)) == [17, 18, 19]
    await target.rewind(SHARD, None)
    assert list(await target.known(SHARD.group)) == []
    await target.aclose()


async def test_a_checkpoint_is_written_once_a_second_at_most(tmp_path: Path) -> None:
    now = 0.0
    target = JsonLinesTarget(tmp_path, clock=lambda: now)
    await target.open()
    await target.begin(PLAN)
    written = (tmp_path / CHECKPOINT).stat().st_ino
    await target.write(batch(b'{"id":1}'), ShardState(records=1))
    assert (tmp_path / CHECKPOINT).stat().st_ino == written
    now = 1.0
    await target.write(batch(b'{"id":2}'), ShardState(records=2))
    assert (tmp_path / CHECKPOINT).stat().st_ino != written
    await target.aclose()


async def test_a_file_changed_by_another_writer_is_detected(tmp_path: Path) -> None:
    target = await opened(tmp_path)
    await target.write(batch(b'{"id":1}'), ShardState(records=1))
    with (tmp_path / "patients" / "demo" / "7.jsonl").open("ab") as file:
        file.write(b"mine\n")
    with pytest.raises(TargetError, match="changed by another program"):
        await target.write(batch(b'{"id":2}'), ShardState(records=2))
    await target.aclose()


async def test_an_unknown_position_is_refused(tmp_path: Path) -> None:
    target = await opened(tmp_path)
    await target.write(batch(b'{"id":1}'), ShardState(records=1, position="a"))
    with pytest.raises(TargetError, match="end before the position to resume from"):
        await target.rewind(SHARD, ShardState(records=1, position="b"))
    await target.rewind(SHARD, ShardState(records=1, position="a"))
    assert list(await target.known(SHARD.group)) == [1]
    await target.aclose()


def test_without_zstandard_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match=r"nexhealth-async\[zstd\]"):
        JsonLinesTarget(tmp_path, compression="zstd")


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compression must be"):
        JsonLinesTarget(tmp_path, compression=cast("Compression", "rar"))
