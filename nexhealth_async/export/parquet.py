"""Parquet target: typed columns and nested structs, one folder for each resource.

::

    async with NexHealth() as nex:
        report = await nex.bulk.copy(["patients", "appointments"], to=ParquetTarget("out"))

The files of a shard are ``patients/practice=<practice>/<location>-0000.parquet`` and so on; lists
of the whole account are in ``<resource>/``. All files of a resource have the columns of
`nexhealth_async.export.columns`, so its folder can be read as one table::

    duckdb.sql("from read_parquet('out/patients/**/*.parquet', hive_partitioning = true)")
    polars.scan_parquet("out/patients/", hive_partitioning=True)
    pyarrow.dataset.dataset("out/patients", partitioning="hive")

A resource without records has no file. The target needs pyarrow, which the extra ``parquet``
installs.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from attrs import define, field

from nexhealth_async.bulk.target_support import new_private_file
from nexhealth_async.export.arrow import schema_of, table_of_batch
from nexhealth_async.export.arrow_from_json import read_page, warm_up
from nexhealth_async.export.folder_target import (
    FolderTarget,
    directory_of,
    stem_of,
    truncated_error,
)
from nexhealth_async.export.model_classes import model_of_shard
from nexhealth_async.export.pyarrow_types import arrow, parquet
from nexhealth_async.export.record_ids import has_numbers, id_of

if TYPE_CHECKING:
    from msgspec import Raw

    from nexhealth_async.bulk import Batch, Shard, ShardState
    from nexhealth_async.export.arrow_from_json import Steps
    from nexhealth_async.export.pyarrow_types import ArrowTable, ParquetWriter

__all__ = ["ParquetTarget"]

_PART_ROWS: Final = 250_000
_GROUP_ROWS: Final = 65_536
_GROUP_BYTES: Final = 16 * 2**20
_ALL_BYTES: Final = 32 * 2**20
_MAX_GROUPS: Final = 64
"""Row groups of a file; their metadata stay in memory until the file is complete."""


@define(kw_only=True)
class _PartFile:
    """A file that is being written, with the rows of its next row group."""

    shard: Shard
    final: Path
    number: int
    state: ShardState
    """State of the shard after the rows of this file, written and pending."""
    writer: ParquetWriter | None = None
    rows: int = 0
    groups: int = 0
    pending: list[ArrowTable] = field(factory=list["ArrowTable"])
    pending_rows: int = 0
    pending_bytes: int = 0

    @property
    def temporary_path(self) -> Path:
        """Path of the file until it is complete."""
        return self.final.with_name(f".{self.final.name}.part")

    def writer_for(self, table: ArrowTable) -> ParquetWriter:
        """Return the writer of the file; create it with the schema of a table."""
        if self.writer is None:
            os.close(new_private_file(self.temporary_path))
            self.writer = parquet().ParquetWriter(
                str(self.temporary_path), table.schema, compression="zstd"
            )
        return self.writer


class ParquetTarget(FolderTarget):
    """Copies a pull to Parquet files.

    A file appears when it is complete: with ``part_rows`` records, with 64 row groups, or at the
    end of its shard. Until then its records are not stored. A resumed pull reads them again: a
    shard with cursors from its last complete file, other shards from their start.

    Pending rows take 32 MiB at most, regardless of the number of shards.

    Args:
        path: Directory of the files, which is created if it is missing.
        part_rows: Rows of a file, at most.
        clock: Clock of the checkpoints; for tests.

    Raises:
        UsageError: pyarrow is not installed.
    """

    format = "parquet"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        part_rows: int = _PART_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(path, clock=clock)
        arrow()  # raises if pyarrow is missing
        self._part_rows = part_rows
        self._parts: dict[str, _PartFile] = {}
        self._waiting_bytes = 0

    def read_page(self, model: str, records: Sequence[Raw]) -> Steps:
        """Build columns of a page without models, if they would be the same.

        :meta private:
        """
        return read_page(model, records)

    def _open(self) -> None:
        warm_up()
        super()._open()

    def _directory(self, shard: Shard) -> Path:
        return directory_of(self._path, shard, "practice=")

    def _append(self, batch: Batch, state: ShardState) -> None:
        shard = batch.shard
        part = self._parts.get(shard.name)
        if not batch.size:
            if part is None:
                self._states[shard.name] = state
            else:
                part.state = state
            return
        if part is None:
            part = self._parts[shard.name] = self._new_part(shard, state)
        part.state = state
        self._add(part, batch)
        if part.rows + part.pending_rows >= self._part_rows or part.groups >= _MAX_GROUPS:
            self._close_part(shard, state)

    def _new_part(self, shard: Shard, state: ShardState) -> _PartFile:
        number = self._sizes.get(shard.name, 0)
        final = self._make_directory(shard) / f"{stem_of(shard)}-{number:04}.parquet"
        return _PartFile(shard=shard, final=final, number=number, state=state)

    def _add(self, part: _PartFile, batch: Batch) -> None:
        pull = self._pull.id if self._pull else ""
        table = table_of_batch(batch, pull=pull)
        size = table.nbytes
        part.pending.append(table)
        part.pending_rows += table.num_rows
        part.pending_bytes += size
        self._waiting_bytes += size
        if part.pending_rows >= _GROUP_ROWS or part.pending_bytes >= _GROUP_BYTES:
            self._write_group(part)
        while self._waiting_bytes > _ALL_BYTES:
            self._write_group(max(self._parts.values(), key=lambda part: part.pending_bytes))

    def _write_group(self, part: _PartFile) -> None:
        """Write the pending rows as one row group."""
        if not part.pending:
            return
        table = arrow().concat_tables(part.pending)
        part.writer_for(table).write_table(table, row_group_size=table.num_rows)
        part.rows += table.num_rows
        part.groups += 1
        self._waiting_bytes -= part.pending_bytes
        part.pending, part.pending_rows, part.pending_bytes = [], 0, 0

    def _close_part(self, shard: Shard, state: ShardState) -> None:
        """Complete a shard's file and store the shard's state.

        If records were left out because other shards of the group had brought them, the files of
        those shards are completed, too.
        """
        if state.duplicates:
            for other in [part for part in self._parts.values() if part.shard.group == shard.group]:
                self._complete_file(other)
        elif shard.name in self._parts:
            self._complete_file(self._parts[shard.name])

    def _complete_file(self, part: _PartFile) -> None:
        name = part.shard.name
        self._write_group(part)
        if part.writer is not None:
            part.writer.close()
            part.temporary_path.replace(part.final)
            self._unsafe.update((part.final, part.final.parent))
            self._sizes[name] = part.number + 1
        del self._parts[name]
        self._states[name] = part.state

    def _end(self, shard: Shard, state: ShardState) -> None:
        self._close_part(shard, state)

    def _release_files(self) -> None:
        for part in list(self._parts.values()):
            if self._broken or part.state.position is None:
                self._drop(part)
            else:
                self._complete_file(part)

    def _drop(self, part: _PartFile) -> None:
        """Discard an incomplete file, whose shard starts again."""
        with suppress(OSError):
            if part.writer is not None:
                part.writer.close()
            part.temporary_path.unlink(missing_ok=True)
        self._waiting_bytes -= part.pending_bytes
        del self._parts[part.shard.name]

    def _cut(self, shard: Shard, size: int) -> None:
        if shard.name in self._parts:
            self._drop(self._parts[shard.name])
        directory = self._directory(shard)
        pattern = re.compile(rf"(\.)?{re.escape(stem_of(shard))}-(\d{{4,}})\.parquet(?(1)\.part)")
        numbers = set[int]()
        with suppress(FileNotFoundError):
            for path in directory.iterdir():
                match = pattern.fullmatch(path.name)
                if match is None:
                    continue
                if match[1] or int(match[2]) >= size:
                    path.unlink()
                    self._unsafe.discard(path)
                    self._unsafe.add(directory)
                else:
                    numbers.add(int(match[2]))
        if len(numbers) < size:
            raise truncated_error(shard)

    def _ids(self, shard: Shard) -> Iterator[int | str]:
        if "id" not in schema_of(model_of_shard(shard)).names:
            return
        for number in range(self._sizes[shard.name]):
            path = self._directory(shard) / f"{stem_of(shard)}-{number:04}.parquet"
            yield from _ids_in(path, numbers=has_numbers(shard))


def _ids_in(path: Path, *, numbers: bool) -> Iterator[int | str]:
    table = parquet().read_table(path, columns=["id", "_extra"], partitioning=None)
    ids = cast("list[int | str | None]", table.column("id").to_pylist())
    yield from (id for id in ids if id is not None)
    if table.column("id").null_count:  # ids that no column can hold
        extras = cast("list[str | None]", table.column("_extra").to_pylist())
        for id, extra in zip(ids, extras, strict=True):
            found = id_of(extra.encode(), numbers=numbers) if id is None and extra else None
            if found is not None:
                yield found
