"""Records as Arrow tables, for pandas, polars, DuckDB and Parquet files.

::

    table = await to_arrow(nex.patients.walk(location_id=7))
    frame = table.to_pandas()
    frame = polars.from_arrow(table)

`nexhealth_async.export.columns` describes the columns. This module needs pyarrow, which the extra
``parquet`` installs.
"""

from __future__ import annotations

from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import define, field

from nexhealth_async.bulk import Pull
from nexhealth_async.errors import UsageError
from nexhealth_async.export.arrow_arrays import money_columns, type_of
from nexhealth_async.export.arrow_from_json import FastArrays, read_page
from nexhealth_async.export.arrow_from_models import arrays_of
from nexhealth_async.export.columns import EXTRA, PRACTICE, PULL, ColumnKind, FieldColumn, fields_of
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.pyarrow_types import arrow

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Collection, Sequence

    from nexhealth_async.bulk import Batch
    from nexhealth_async.export.pyarrow_types import Array, ArrowTable, Field, Schema
    from nexhealth_async.pagination.walk import Walk

__all__ = ["schema_of", "table_of", "table_of_batch", "tables_of", "to_arrow"]

T = TypeVar("T")

_CHUNK_ROWS: Final = 512
"""Records converted in one turn of the event loop: about two milliseconds."""
_MAX_CHUNKS: Final = 64
"""Chunks of a table before they are merged; each costs some hundred bytes per column."""


def schema_of(model: type) -> Schema:
    """Return the Arrow schema of a model's table, with ``_practice``, ``_extra`` and ``_pull``."""
    return _schema(model, practice=True, pull=True)


@cache
def _schema(model: type, *, practice: bool, pull: bool) -> Schema:
    columns = [*[PRACTICE] * practice, *fields_of(model), EXTRA, *[PULL] * pull]
    return arrow().schema([part for column in columns for part in _table_fields(column)])


def _table_fields(column: FieldColumn) -> tuple[Field, ...]:
    if column.kind is ColumnKind.MONEY:
        return money_columns(column.name)
    return (arrow().field(column.name, type_of(column), not column.required),)


def table_of(
    model: type,
    records: Sequence[object],
    raw: Sequence[bytes] | None = None,
    *,
    practice: str | None = None,
    pull: str | None = None,
    repaired: Collection[object] = (),
) -> ArrowTable:
    """Build a table from records of one model.

    Args:
        model: Class of the records.
        records: Records of the model.
        raw: JSON of each record as the server sent it. Without it, ``_extra`` holds only values of
            the records that do not fit their columns.
        practice: Value of the column ``_practice``; None omits the column.
        pull: Value of the column ``_pull``; None omits the column.
        repaired: Ids of records with repaired fields, which may have been read as None.
    """
    arrays = arrays_of(model, records, raw, repaired)
    return _add_framing_columns(model, arrays, len(records), practice, pull)


def _add_framing_columns(
    model: type,
    arrays: Sequence[Array],
    size: int,
    practice: str | None,
    pull: str | None,
    *,
    names_practice: bool = False,
) -> ArrowTable:
    pa = arrow()
    columns: list[Array] = []
    if practice is not None:
        columns.append(pa.repeat(practice, size))
    for column, array in zip((*fields_of(model), EXTRA), arrays, strict=True):
        if names_practice and column.name == "subdomain":
            columns[0] = array.fill_null(practice)
        columns += array.flatten() if column.kind is ColumnKind.MONEY else [array]
    if pull is not None:
        columns.append(pa.repeat(pull, size))
    schema = _schema(model, practice=practice is not None, pull=pull is not None)
    return pa.Table.from_arrays(columns, schema=schema)


def table_of_batch(batch: Batch, *, pull: str) -> ArrowTable:
    """Build a table with all columns of `schema_of` from a batch of a pull."""
    model, practice = model_of(batch.model), batch.shard.subdomain
    if isinstance(batch.fast_arrow, FastArrays):
        arrays = batch.fast_arrow.arrays
    else:
        repaired = {repair.record_id for repair in batch.repairs}
        arrays = arrays_of(model, batch.records, batch.raw, repaired)
    return _add_framing_columns(
        model, arrays, batch.size, practice or "", pull, names_practice=practice is None
    )


async def to_arrow(walk: Walk[T]) -> ArrowTable:
    """Read a walk to its end and return the records as a table of their fields and ``_extra``.

    ``table.to_pandas()`` and ``polars.from_arrow(table)`` convert it to data frames. All records
    are held in memory; pull larger lists into files or a database.

    Raises:
        WalkClosedError: The walk has already begun.
        UsageError: The walk returns no models, or pyarrow is not installed.
    """
    model = _model_of(walk)
    buffer = _TableBuffer()
    records: list[object] = []
    raw: list[bytes] = []
    async with aclosing(walk.with_json()) as pairs:
        async for record, data in pairs:
            records.append(record)
            raw.append(data)
            if len(records) == _CHUNK_ROWS:
                buffer.add(table_of(model, records, raw))
                records, raw = [], []
    buffer.add(table_of(model, records, raw))
    return buffer.table()


async def tables_of(batches: AsyncIterable[Batch], *, pull: str = "") -> dict[str, ArrowTable]:
    """Read a whole pull and return a table for each resource that had records.

    The tables have all columns of `schema_of`.

    Args:
        batches: A pull, or its batches.
        pull: Value of the column ``_pull``.
    """
    buffers: dict[str, _TableBuffer] = {}
    if isinstance(batches, Pull):
        batches.decode_with(read_page)
    async for batch in batches:
        buffers.setdefault(batch.shard.resource, _TableBuffer()).add(
            table_of_batch(batch, pull=pull)
        )
    return {resource: buffer.table() for resource, buffer in buffers.items()}


def _model_of(walk: Walk[T]) -> type:
    name = walk.endpoint.model
    if name is None:
        raise UsageError("this walk returns no models; use a walk that returns models")
    return model_of(name)


@define
class _TableBuffer:
    """Tables of one schema, merged step by step."""

    merged: list[ArrowTable] = field(factory=list["ArrowTable"])
    pending: list[ArrowTable] = field(factory=list["ArrowTable"])

    def add(self, table: ArrowTable) -> None:
        self.pending.append(table)
        if len(self.pending) == _MAX_CHUNKS:
            self.merged.append(arrow().concat_tables(self.pending).combine_chunks())
            self.pending = []

    def table(self) -> ArrowTable:
        if self.pending:
            self.merged.append(arrow().concat_tables(self.pending).combine_chunks())
        return arrow().concat_tables(self.merged)
