"""Kinds of files a pull is copied to, their contents, and killed processes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

import zstandard

from nexhealth_async.bulk import Batch, Group, GroupState, Progress, Shard, ShardState
from nexhealth_async.export.folder_target import FolderTarget
from nexhealth_async.export.jsonl import JsonLinesTarget
from nexhealth_async.export.parquet import ParquetTarget
from tests.bulk.memory_target import KilledError

__all__ = ["KINDS", "DyingTarget", "FileKind", "KilledError", "ids_in", "kill_at"]

pq: Any = import_module("pyarrow.parquet")  # which declares no types


class FileKind(NamedTuple):
    name: str
    make: Callable[..., FolderTarget]
    read: Callable[[Path], list[dict[str, Any]]]
    ending: str


def _lines(data: bytes) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", json.loads(line)) for line in data.splitlines()]


def _plain(path: Path) -> list[dict[str, Any]]:
    return _lines(path.read_bytes())


def _gzip(path: Path) -> list[dict[str, Any]]:
    return _lines(gzip.decompress(path.read_bytes()))


def _zstd(path: Path) -> list[dict[str, Any]]:
    reader = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True)
    return _lines(reader.read())


def _parquet(path: Path) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", pq.read_table(path, partitioning=None).to_pylist())


def _jsonl_gz(path: Path, **options: Any) -> FolderTarget:
    return JsonLinesTarget(path, compression="gzip", **options)


def _jsonl_zst(path: Path, **options: Any) -> FolderTarget:
    return JsonLinesTarget(path, compression="zstd", **options)


def _small_parts(path: Path, **options: Any) -> FolderTarget:
    return ParquetTarget(path, part_rows=9, **options)


KINDS = [
    FileKind("jsonl", JsonLinesTarget, _plain, ".jsonl"),
    FileKind("gzip", _jsonl_gz, _gzip, ".jsonl.gz"),
    FileKind("zstd", _jsonl_zst, _zstd, ".jsonl.zst"),
    FileKind("parquet", ParquetTarget, _parquet, ".parquet"),
    FileKind("small parts", _small_parts, _parquet, ".parquet"),
]


def ids_in(kind: FileKind, folder: Path, resource: str) -> dict[str, list[int]]:
    """Ids by practice, duplicates included."""
    found: dict[str, list[int]] = {}
    for path in (folder / resource).rglob("*"):
        if path.is_file():
            assert path.name.endswith(kind.ending), path.name
            practice = path.parent.name.removeprefix("practice=")
            found.setdefault(practice, []).extend(row["id"] for row in kind.read(path))
    return {practice: sorted(ids) for practice, ids in found.items()}


def kill_at(target: FolderTarget) -> None:
    """Release the locks as the system does when a process is killed, and nothing else."""
    lock, target._lock = target._lock, None
    assert lock is not None
    lock.release()


class DyingTarget:
    """A target in a process that is killed at its nth call, before or after it took effect."""

    merges = False

    def __init__(self, target: FolderTarget, *, at: int, after: bool) -> None:
        self._target = target
        self._left = at
        self._after = after

    async def _call(self, call: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            kill_at(self._target)
            raise KilledError
        made = await call()
        if self._left == 0:
            kill_at(self._target)
            raise KilledError
        return made

    async def open(self) -> None:
        await self._target.open()

    async def aclose(self) -> None:
        if self._left > 0:
            await self._target.aclose()

    async def load(self) -> Progress | None:
        return cast("Progress | None", await self._call(self._target.load))

    async def groups(self) -> Mapping[Group, GroupState]:
        return cast("Mapping[Group, GroupState]", await self._call(self._target.groups))

    async def begin(self, progress: Progress) -> None:
        await self._call(lambda: self._target.begin(progress))

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        await self._call(lambda: self._target.rewind(shard, state))

    async def known(self, group: Group) -> Iterable[int | str]:
        return cast("Iterable[int | str]", await self._call(lambda: self._target.known(group)))

    async def write(self, batch: Batch, state: ShardState) -> None:
        await self._call(lambda: self._target.write(batch, state))

    async def settle(self, shard: Shard, state: ShardState) -> None:
        await self._call(lambda: self._target.settle(shard, state))

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        call = self._target.complete
        return cast("int", await self._call(lambda: call(group, watermark=watermark, whole=whole)))

    async def finish(self) -> None:
        await self._call(self._target.finish)
