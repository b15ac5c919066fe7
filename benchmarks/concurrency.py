"""Asking ahead: how near a walk comes to what latency alone allows."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from contextlib import ExitStack

from attrs import evolve, frozen

from benchmarks.pull import WrongRecordsError, office
from benchmarks.report import middle, spread, table
from benchmarks.server import Served, Stock, serving

__all__ = ["concurrency_report"]

_PER_PAGE = 300
_PREFETCHES = (0, 1, 2, 4, 8, 16)


@frozen(kw_only=True)
class Setting:
    """A server's stock, and the prefetches it is walked with."""

    stock: Stock
    prefetches: tuple[int, ...]


def ideal(latency: float, pages: int, prefetch: int) -> float:
    """Return the seconds that latency alone takes.

    With a prefetch of 2 and more, pages 1 and 2 leave together; the others need page 1's count, and
    go ``prefetch`` at a time. Below that, page follows page. The session is logged in before.
    """
    if prefetch <= 1:
        return latency * pages
    return latency * (1 + math.ceil(max(0, pages - 2) / prefetch))


@frozen
class Sample:
    """What one walk took, in seconds."""

    wall: float
    cpu: float


async def _walk(served: Served, prefetch: int) -> Sample:
    ids: list[int] = []
    gc.collect()
    async with office(served, warm=True) as at:
        wall, cpu = time.perf_counter(), time.process_time()
        async for patient in at.patients.walk(per_page=_PER_PAGE, prefetch=prefetch):
            ids.append(patient.id)  # noqa: PERF401 - a loop, as users write it
        sample = Sample(time.perf_counter() - wall, time.process_time() - cpu)
    if (len(ids), sum(ids)) != (served.records, served.sum_of_ids):
        raise WrongRecordsError("the sum of ids is wrong")
    return sample


def concurrency_report(*, records: int, latency: float, jitter: float, rounds: int) -> str:
    """Measure walks at several prefetches, with and without jitter, and draw the tables."""
    even = Stock(records=records, per_page=(_PER_PAGE,), latency=latency)
    settings = [
        Setting(stock=even, prefetches=_PREFETCHES),
        Setting(stock=evolve(even, jitter=jitter), prefetches=_PREFETCHES),
    ]
    samples: dict[tuple[int, int], list[Sample]] = {}
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(setting.stock)) for setting in settings]
        for served in servers:
            asyncio.run(_walk(served, 16))  # builds what is built once
        for _ in range(rounds):
            for prefetch in _PREFETCHES:
                for at, (setting, served) in enumerate(zip(settings, servers, strict=True)):
                    if prefetch in setting.prefetches:
                        sample = asyncio.run(_walk(served, prefetch))
                        samples.setdefault((at, prefetch), []).append(sample)
    text = [
        (
            f"{_PER_PAGE} a page, {rounds} interleaved rounds: medians (least-greatest) in "
            "seconds, in a session that is logged in; every walk checked by the sum of ids. The "
            "ideal is `latency x (1 + ceil((pages - 2) / prefetch))`, and `latency x pages` for 0 "
            "and 1. `Rates.unlimited()`.\n"
        )
    ]
    for at, (setting, served) in enumerate(zip(settings, servers, strict=True)):
        of = {prefetch: samples[at, prefetch] for prefetch in setting.prefetches}
        text.append(f"### {_title(setting.stock, served)}\n\n{_table(setting, served, of)}\n")
    return "\n".join(text)


def _title(stock: Stock, served: Served) -> str:
    varies = f" +/- {stock.jitter * 1000:.0f}" if stock.jitter else ""
    pages = served.pages(_PER_PAGE)
    return (
        f"{stock.records:,} patients ({pages} pages), latency {stock.latency * 1000:.0f}{varies} ms"
    )


def _table(setting: Setting, served: Served, of: dict[int, list[Sample]]) -> str:
    heads = (
        "prefetch",
        "wall s",
        "CPU s",
        "records/s",
        "ideal s",
        "ideal / wall",
        "wall / prefetch=1",
    )
    rows: list[tuple[str, ...]] = []
    alone = [sample.wall for sample in of[1]]
    for prefetch, samples in of.items():
        walls = [sample.wall for sample in samples]
        best = ideal(setting.stock.latency, served.pages(_PER_PAGE), prefetch)
        rows.append(
            (
                str(prefetch),
                spread(walls),
                middle([sample.cpu for sample in samples]),
                middle([served.records / wall for wall in walls], 0),
                f"{best:.2f}",
                middle([best / wall for wall in walls]),
                middle([wall / one for wall, one in zip(walls, alone, strict=True)], 3),
            )
        )
    return table(heads, rows)
