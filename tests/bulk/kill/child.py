"""The process that is killed: one run of a copy, resumed if there is an unfinished one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import frozen

from nexhealth_async import NexHealth, OriginError, Rates
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.export.jsonl import JsonLinesTarget
from nexhealth_async.export.parquet import ParquetTarget
from nexhealth_async.export.postgres import PostgresTarget

if TYPE_CHECKING:
    from nexhealth_async.bulk import Report, Target

__all__ = ["KINDS", "CopyArguments", "run", "target_of"]

KINDS = ("jsonl", "gzip", "zstd", "parquet", "duckdb", "postgres")


@frozen(kw_only=True)
class CopyArguments:
    """Arguments of the process: what to copy, and where to."""

    url: str
    api_key: str
    version: str
    kind: str
    """One of `KINDS`."""
    place: str
    """Path or address of the target."""
    resources: tuple[str, ...]
    per_page: int
    concurrency: int
    recopies: bool = False
    """True to replace a copy of another version."""


def target_of(kind: str, place: str) -> Target:
    """Return a target; its Parquet files are so short that many are completed."""
    match kind:
        case "jsonl":
            return JsonLinesTarget(place)
        case "gzip":
            return JsonLinesTarget(place, compression="gzip")
        case "zstd":
            return JsonLinesTarget(place, compression="zstd")
        case "parquet":
            return ParquetTarget(place, part_rows=12)
        case "duckdb":
            return DuckDBTarget(place)
        case _:
            return PostgresTarget(place)


def run(order: CopyArguments) -> None:
    """Copy; exit with an error unless the copy is complete."""
    asyncio.run(_copy(order))


async def _copy(order: CopyArguments) -> None:
    async with NexHealth(
        order.api_key,
        base_url=order.url,
        version=order.version,
        rates=Rates.unlimited(),
    ) as nex:
        try:
            report = await _run(nex, order, resume=True)
        except OriginError as error:
            if not order.recopies or error.option != "recopy":
                raise
            report = await _run(nex, order, recopy=True)
    report.raise_if_partial()


async def _run(
    nex: NexHealth, order: CopyArguments, *, resume: bool = False, recopy: bool = False
) -> Report:
    return await nex.bulk.copy(
        order.resources,
        to=target_of(order.kind, order.place),
        resume=resume,
        recopy=recopy,
        per_page=order.per_page,
        concurrency=order.concurrency,
        allow_rejected="all",
    )
