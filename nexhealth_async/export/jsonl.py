"""JSON lines target: files with one record per line, as sent by the server.

::

    async with NexHealth() as nex:
        report = await nex.bulk.copy(["patients"], to=JsonLinesTarget("out", compression="gzip"))

The records of a shard are in ``patients/<practice>/<location>.jsonl``. ``all`` stands for the whole
practice, and a time window follows the location. Lists of the whole account are in ``<resource>/``.
A shard without records has no file.
"""

from __future__ import annotations

import gzip
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, cast

from nexhealth_async._protocol.extras import extra_missing
from nexhealth_async.errors import TargetError, UsageError
from nexhealth_async.export.folder_target import (
    FolderTarget,
    directory_of,
    stem_of,
    truncated_error,
)
from nexhealth_async.export.record_ids import has_numbers, id_of

if TYPE_CHECKING:
    from nexhealth_async.bulk import Batch, Shard, ShardState

__all__ = ["Compression", "JsonLinesTarget"]

Compression: TypeAlias = Literal["gzip", "zstd"]
"""Compression of JSON lines files; ``"zstd"`` needs the extra ``zstd``."""

_ENDINGS: Final = {None: "jsonl", "gzip": "jsonl.gz", "zstd": "jsonl.zst"}
_GZIP_LEVEL: Final = 3


class JsonLinesTarget(FolderTarget):
    """Copies a pull to JSON lines files, plain or compressed.

    A compressed file has one member per batch, which every tool reads as one file. So the end that
    a killed process wrote can be cut off.

    Args:
        path: Directory of the files, which is created if it is missing.
        compression: ``"gzip"``, ``"zstd"`` (needs the extra ``zstd``) or None.
        clock: Clock of the checkpoints; for tests.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        compression: Compression | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(path, clock=clock)
        if compression not in _ENDINGS:
            raise UsageError('compression must be None, "gzip" or "zstd"')
        self.format: str = _ENDINGS[compression]
        self._compression = _compression_for(compression)

    def _path_of(self, shard: Shard) -> Path:
        return self._directory(shard) / f"{stem_of(shard)}.{self.format}"

    def _directory(self, shard: Shard) -> Path:
        return directory_of(self._path, shard, "")

    def _append(self, batch: Batch, state: ShardState) -> None:
        shard = batch.shard
        if batch.raw:
            self._make_directory(shard)
            path = self._path_of(shard)
            content = self._compression.compress(_lines(batch.raw))
            self._sizes[shard.name] = _append(path, content, self._sizes.get(shard.name, 0))
            self._unsafe.add(path)
        self._states[shard.name] = state

    def _end(self, shard: Shard, state: ShardState) -> None:
        """Do nothing; all records are already written."""

    def _release_files(self) -> None:
        """Do nothing; no file stays open."""

    def _cut(self, shard: Shard, size: int) -> None:
        path = self._path_of(shard)
        try:
            length = path.stat().st_size
        except FileNotFoundError:
            length = 0
        if length < size:
            raise truncated_error(shard)
        if length == size:
            return
        if size:
            os.truncate(path, size)
            self._unsafe.add(path)
        else:
            path.unlink()
            self._unsafe.discard(path)
            self._unsafe.add(path.parent)

    def _ids(self, shard: Shard) -> Iterator[int | str]:
        numbers = has_numbers(shard)
        with self._path_of(shard).open("rb") as file, self._compression.open_reader(file) as lines:
            for line in lines:
                id = id_of(line, numbers=numbers)
                if id is not None:
                    yield id


class _LineCompression(Protocol):
    """Conversion of lines to a file's content, and back."""

    def compress(self, lines: bytes) -> bytes: ...
    def open_reader(self, file: IO[bytes]) -> IO[bytes]: ...


class _NoCompression:
    def compress(self, lines: bytes) -> bytes:
        return lines

    def open_reader(self, file: IO[bytes]) -> IO[bytes]:
        return file


class _GzipCompression:
    def compress(self, lines: bytes) -> bytes:
        return gzip.compress(lines, _GZIP_LEVEL, mtime=0)

    def open_reader(self, file: IO[bytes]) -> IO[bytes]:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...


class _Decompressor(Protocol):
    def stream_reader(self, source: IO[bytes], *, read_across_frames: bool) -> io.RawIOBase: ...


class _ZstdLibrary(Protocol):
    def ZstdCompressor(self) -> _Compressor: ...  # noqa: N802 - the library's name
    def ZstdDecompressor(self) -> _Decompressor: ...  # noqa: N802 - as above


class _ZstdCompression:
    def __init__(self) -> None:
        try:
            library = cast("_ZstdLibrary", import_module("zstandard"))
        except ModuleNotFoundError:
            raise extra_missing("zstd compression", "zstandard", "zstd") from None
        self._compressor = library.ZstdCompressor()
        self._decompressor = library.ZstdDecompressor()

    def compress(self, lines: bytes) -> bytes:
        return self._compressor.compress(lines)

    def open_reader(self, file: IO[bytes]) -> IO[bytes]:
        reader = self._decompressor.stream_reader(file, read_across_frames=True)
        return cast("IO[bytes]", io.BufferedReader(reader))


def _compression_for(compression: Compression | None) -> _LineCompression:
    if compression == "zstd":
        return _ZstdCompression()
    return _GzipCompression() if compression == "gzip" else _NoCompression()


def _lines(records: Sequence[bytes]) -> bytes:
    # Line breaks in JSON are only possible between tokens.
    return b"".join(
        (record if b"\n" not in record and b"\r" not in record else _replace_line_breaks(record))
        + b"\n"
        for record in records
    )


def _replace_line_breaks(record: bytes) -> bytes:
    return record.replace(b"\r", b" ").replace(b"\n", b" ")


def _append(path: Path, content: bytes, size: int) -> int:
    """Append to a file of the given size; return its new size."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.fstat(handle).st_size != size:
            raise TargetError(
                f"{path.name} was changed by another program; start over in another directory"
            )
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[os.write(handle, remaining) :]
    finally:
        os.close(handle)
    return size + len(content)
