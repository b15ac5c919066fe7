"""Bulk pulls: memory and CPU of a copy to Parquet, pace, and two other ways to pull."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import orjson

from benchmarks.alone import alone
from benchmarks.bulk_pace import (
    cell,
    check,
    limits_table,
    measure_limits,
    measure_pace,
    pace_table,
    pulled,
    session,
)
from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave
from benchmarks.report import Table
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData
from nexhealth_async.export.arrow import schema_of
from nexhealth_async.export.parquet import ParquetTarget
from nexhealth_async.export.pyarrow_types import parquet
from nexhealth_async.models import Patient

__all__ = ["measure", "tables"]

_STATM = Path("/proc/self/statm")
_WAYS = {
    "ours": "**`nex.bulk.pull`, models**",
    "asyncio": "by hand: asyncio + httpx + orjson, dicts",
    "dlt": "dlt's REST source, dicts",
}


# Memory and CPU


def _resident() -> int:
    pages = int(_STATM.read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def measure_copy(url: str, records: int, way: str) -> dict[str, float]:
    """Walk everything, or copy it to Parquet; return CPU and bytes. Runs in a process."""
    served = RunningServer(
        url=url, stock=ServerData(records=records), record_bytes=0, body_bytes={}
    )
    with TemporaryDirectory() as folder:
        return asyncio.run(_walk_all(served) if way == "walk" else _copy_all(served, folder))


async def _walk_all(served: RunningServer) -> dict[str, float]:
    count = total = 0
    async with session(served) as nex:
        at = nex.practice(served.subdomain).location(served.location_id)
        begin = time.process_time()
        async for patient in at.patients.walk(per_page=1000, prefetch=8):
            count += 1
            total += patient.id
        cpu = time.process_time() - begin
    check(served, count, total)
    return {"cpu": cpu}


async def _copy_all(served: RunningServer, folder: str) -> dict[str, float]:
    target = ParquetTarget(folder)
    schema_of(Patient)
    parquet()  # a library to be loaded, as the walk's is
    held: list[int] = []
    async with session(served) as nex:
        gc.collect()
        start, begin = _resident(), time.process_time()
        report = await nex.bulk.copy(
            ["patients"],
            to=target,
            practices={served.subdomain: [served.location_id]},
            per_page=1000,
            drift="watch",
            on_event=lambda _: held.append(_resident()),
        )
        cpu = time.process_time() - begin
    if report.records != served.records or not report.complete:
        raise WrongRecordsError("records are missing")
    half = max(held[: len(held) // 2])
    return {"cpu": cpu, "rise": max(held) - start, "crept": max(held) - half}


def _measure_copies(scale: Scale, figures: Figures) -> None:
    if not _STATM.exists():
        return
    records = scale.of(1_000_000, 4_000)
    with serving(ServerData(records=records, fleeting=True)) as served:
        for round_ in range(scale.some(4)):
            for way in interleave(("walk", "parquet"), round_):
                found = alone("bulk", "measure_copy", url=served.url, records=records, way=way)
                figures.add(f"bulk.{way}.cpu", found["cpu"])
                if way == "parquet":
                    kept = 10.0 * records  # ids, by which each record is delivered once
                    figures.add("bulk.parquet.rise", (found["rise"] - kept) / 1e6)
                    figures.add("bulk.parquet.crept", (found["crept"] - kept / 2) / 1e6)


# Other ways


def _by_bulk(served: RunningServer) -> None:
    asyncio.run(pulled(served, 8, 1000))


def _by_gather(served: RunningServer) -> None:
    asyncio.run(_gather_all(served))


async def _gather_all(served: RunningServer) -> None:
    """Pull as handwritten code does: read the count from the first page, then bound concurrency."""
    semaphore = asyncio.Semaphore(8)
    async with httpx.AsyncClient(base_url=served.url) as http:
        login = await http.post("/authenticates")
        token = orjson.loads(login.content)["data"]["token"]

        async def page(number: int) -> dict[str, object]:
            async with semaphore:
                answer = await http.get(
                    "/patients",
                    params={"page": number, "per_page": 1000},
                    headers={"Authorization": f"Bearer {token}"},
                )
            answer.raise_for_status()
            found: dict[str, object] = orjson.loads(answer.content)
            return found

        first = await page(1)
        pages = -(-int(str(first["count"])) // 1000)
        rest = await asyncio.gather(*(page(number) for number in range(2, pages + 1)))
    ids = [one["id"] for body in (first, *rest) for one in body["data"]["patients"]]  # type: ignore[index]  # pyright: ignore[reportIndexIssue, reportUnknownVariableType, reportUnknownArgumentType]
    check(served, len(ids), sum(ids))  # pyright: ignore[reportUnknownArgumentType]


def _by_dlt(served: RunningServer) -> None:
    """Extract with dlt's REST source, which reads the pages sequentially."""
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    from dlt.sources.rest_api import (  # pyright: ignore[reportMissingTypeStubs]
        rest_api_source,
    )

    source = rest_api_source(
        {
            "client": {"base_url": served.url},
            "resources": [
                {
                    "name": "patients",
                    "endpoint": {
                        "path": "patients",
                        "params": {"per_page": 1000},
                        "data_selector": "data.patients",
                        "paginator": {
                            "type": "page_number",
                            "base_page": 1,
                            "total_path": None,
                            "maximum_page": 1 + -(-served.records // 1000),
                        },
                    },
                }
            ],
        }
    )
    ids = [record["id"] for record in source.resources["patients"]]
    check(served, len(ids), sum(ids))


_PULLERS: dict[str, Callable[[RunningServer], None]] = {
    "ours": _by_bulk,
    "asyncio": _by_gather,
    "dlt": _by_dlt,
}


def _measure_ways(scale: Scale, figures: Figures) -> None:
    with ExitStack() as stack:
        stock = ServerData(records=scale.of(30_000, 2_000), latency=0.02)
        served = stack.enter_context(serving(stock))
        stack.enter_context(redirect_stdout(StringIO()))  # dlt may show its progress
        for pull in _PULLERS.values():  # what is built once
            pull(served)
        for round_ in range(scale.some(2)):
            for name in interleave(tuple(_PULLERS), round_):
                gc.collect()
                wall, cpu = time.perf_counter(), time.process_time()
                _PULLERS[name](served)
                figures.add(f"bulk.{name}.wall", (time.perf_counter() - wall) * 1e6 / stock.records)
                figures.add(f"bulk.{name}.spent", (time.process_time() - cpu) * 1e6 / stock.records)


def measure(scale: Scale, figures: Figures) -> None:
    """Measure copies, pace and other ways."""
    _measure_copies(scale, figures)
    measure_pace(scale, figures)
    measure_limits(scale, figures)
    _measure_ways(scale, figures)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    copies = Table(
        title="A million light records to Parquet, 1,000 a page",
        note="Each in a fresh process. The rise and the growth in the second half are resident "
        "megabytes above 10 bytes an id.",
        heads=("way", "CPU s", "rise MB", "second half MB"),
        rows=[
            (label, *(cell(figures, f"bulk.{way}.{what}") for what in ("cpu", "rise", "crept")))
            for way, label in (("walk", "walk, models"), ("parquet", "**copy to Parquet**"))
        ],
    )
    ways = Table(
        title="Ways to pull, latency 20 ms, 1,000 a page",
        note="Microseconds a record. dlt only extracts; it reads page after page.",
        heads=("way", "wall", "CPU"),
        rows=[
            (label, cell(figures, f"bulk.{way}.wall"), cell(figures, f"bulk.{way}.spent"))
            for way, label in _WAYS.items()
        ],
    )
    return [copies, pace_table(figures), limits_table(figures), ways]
