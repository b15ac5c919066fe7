"""Prefetching: how close a walk comes to what latency alone allows."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import ExitStack

import aiohttp

from benchmarks.ideal import ideal
from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave, open_location
from benchmarks.peers import aiohttp_page
from benchmarks.report import Table, median_text, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["LATENCIES", "PREFETCHES", "measure", "pages_for", "tables"]

PER_PAGE = 300
LATENCIES = (0, 20, 100, 300)
PREFETCHES = (1, 2, 4, 8, 16)
_JITTER = 0.8


def pages_for(prefetch: int, *, quick: bool = False) -> int:
    """Return the number of records to walk: 30,000, or 6,000 if pages are read sequentially."""
    if quick:
        return 6
    return 100 if prefetch >= 4 else 20


async def _walk(served: RunningServer, prefetch: int, pages: int) -> tuple[float, float]:
    ids: list[int] = []
    gc.collect()
    limit = pages * PER_PAGE
    async with open_location(served, warm=True) as at:
        await at.patients.get(1)  # builds the model's decoder, and opens a connection
        wall, cpu = time.perf_counter(), time.process_time()
        async for patient in at.patients.walk(
            per_page=PER_PAGE,
            prefetch=prefetch,
            limit=limit if limit < served.records else None,
        ):
            ids.append(patient.id)  # noqa: PERF401 - a loop, as users write it
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if len(ids) != limit or sum(ids) != limit * ids[0] + limit * (limit - 1) // 2:
        raise WrongRecordsError("the sum of ids is wrong")
    return wall, cpu


async def _bytes_only(served: RunningServer, prefetch: int, pages: int) -> float:
    """Read the pages' bytes with this many workers, pages 1 and 2 first and together."""
    left = iter(range(3, pages + 1))
    async with aiohttp.ClientSession() as http:

        async def read(page: int) -> None:
            await aiohttp_page(http, served, "1.x.x", page, PER_PAGE)

        async def work() -> None:
            for page in left:
                await read(page)

        await read(1)
        begin = time.perf_counter()
        if prefetch <= 1:
            await read(1)
            await read(2)
            await work()
        else:
            second = asyncio.create_task(read(2))
            await read(1)
            others = [asyncio.create_task(work()) for _ in range(prefetch - 1)]
            await second
            await work()
            await asyncio.gather(*others)
        return time.perf_counter() - begin


def _stocks(scale: Scale) -> dict[str, ServerData]:
    records = PER_PAGE * pages_for(16, quick=scale.quick)
    made: dict[str, ServerData] = {}
    for latency in scale.of(LATENCIES, (0, 20)):
        for jitter in (0.0, _JITTER) if latency else (0.0,):
            made[_name(latency, jitter)] = ServerData(
                records=records,
                per_page=(PER_PAGE,),
                latency=latency / 1000,
                jitter=jitter * latency / 1000,
            )
    return made


def _name(latency: int, jitter: float) -> str:
    return f"{latency}{'j' if jitter else ''}"


def measure(scale: Scale, figures: Figures) -> None:
    """Measure seconds, and the share of them that is latency."""
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(stock)) for name, stock in _stocks(scale).items()
        }
        asyncio.run(_walk(servers["0"], 16, 2))
        for round_ in range(scale.some(3)):
            for prefetch in interleave(PREFETCHES, round_):
                for name, served in servers.items():
                    _measure_one(scale, figures, name, served, prefetch)


def _measure_one(
    scale: Scale, figures: Figures, name: str, served: RunningServer, prefetch: int
) -> None:
    pages = pages_for(prefetch, quick=scale.quick)
    base = f"ahead.{name}.{prefetch}"
    wall, cpu = asyncio.run(_walk(served, prefetch, pages))
    figures.add(f"{base}.wall", wall)
    figures.add(f"{base}.cpu", cpu)
    figures.add(f"{base}.rate", pages * PER_PAGE / wall)
    if served.stock.latency:
        figures.add(f"{base}.reached", ideal(served.stock, pages, prefetch) / wall)
        if name.startswith(("20", "100")):
            plain = asyncio.run(_bytes_only(served, prefetch, pages))
            figures.add(f"{base}.bytes", ideal(served.stock, pages, prefetch) / plain)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    made: list[Table] = []
    for latency in LATENCIES:
        for jitter in (0.0, _JITTER) if latency else (0.0,):
            name = _name(latency, jitter)
            if f"ahead.{name}.1.wall" in figures:
                made.append(_table(figures, name, latency, jitter))
    return made


def _table(figures: Figures, name: str, latency: int, jitter: float) -> Table:
    varies = f" ± {latency * jitter:.0f}" if jitter else ""
    rows: list[tuple[str, ...]] = []
    for prefetch in PREFETCHES:
        base = f"ahead.{name}.{prefetch}"
        rows.append(
            (
                str(prefetch),
                range_text(figures[f"{base}.wall"]),
                median_text(figures[f"{base}.cpu"]),
                median_text(figures[f"{base}.rate"], 0),
                *(
                    median_text(figures[f"{base}.{what}"], 3) if f"{base}.{what}" in figures else ""
                    for what in ("reached", "bytes")
                ),
            )
        )
    return Table(
        title=f"Asking ahead, latency {latency}{varies} ms",
        note="300 a page; 30,000 records with a prefetch of 4 and more, 6,000 below. The ideal is "
        "a replay of the very latencies the server drew, with no computing at all: `ideal / wall`.",
        heads=("prefetch", "wall s", "CPU s", "records/s", "ideal / wall", "the same, bytes only"),
        rows=rows,
    )
