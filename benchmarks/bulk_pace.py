"""Pace of a bulk pull, compared with what latency and the rate limits allow."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from attrs import evolve, frozen

from benchmarks.ideal import ideal
from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave
from benchmarks.report import Table, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData, ServerWindow
from nexhealth_async import NexHealth, Rates
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import ANSWER_SLACK, Limit
from nexhealth_async.bulk.estimate import min_seconds

__all__ = [
    "CONCURRENCIES",
    "LATENCIES",
    "LIMITED",
    "PullLimits",
    "cell",
    "check",
    "limits_table",
    "measure_limits",
    "measure_pace",
    "pace_table",
    "pulled",
    "session",
]

LATENCIES = (20, 100, 300)
CONCURRENCIES = (4, 8, 16)


@frozen(kw_only=True)
class PullLimits:
    """Rate limits for a pull that they hold up; client and server use the same ones."""

    label: str
    rates: Rates
    window: ServerWindow
    pages: int
    latency: float = 0.02
    concurrency: int = 8

    @property
    def stock(self) -> ServerData:
        """Records that the server holds: ten a page."""
        return ServerData(
            records=10 * self.pages, per_page=(10,), latency=self.latency, window=self.window
        )

    @property
    def ideal(self) -> float:
        """Return the seconds that a client without any computation takes."""
        return ideal(self.stock, self.pages, self.concurrency, self.rates)

    @property
    def least(self) -> float:
        """Return the lower bound in seconds: the rate limits, and one response."""
        return min_seconds({RateClass.PEOPLE: self.pages}, self.rates) + self.latency


LIMITED = {
    "small": PullLimits(
        label="20 a second",
        rates=Rates(overall=None, people=Limit(20, 1.0)),
        window=ServerWindow(20, 1.0, sliding=True),
        pages=100,
    ),
    "documented": PullLimits(
        label="the documented ones",
        rates=Rates(),
        window=ServerWindow(100, 1.0, sliding=True),
        pages=300,
    ),
}
"""The 100 requests a second of the documented limits; 1,000 a minute would take minutes."""


@asynccontextmanager
async def session(
    served: RunningServer, rates: Rates | None = None
) -> AsyncGenerator[NexHealth, None]:
    """Open a session that is logged in and has built its decoders."""
    async with NexHealth(
        "invented-key", base_url=served.url, rates=rates or Rates.unlimited(), version="v2"
    ) as nex:
        await nex.log_in()
        await nex.practice(served.subdomain).location(served.location_id).patients.get(1)
        yield nex


def check(served: RunningServer, records: int, total: int) -> None:
    """Compare the records with the server's; raises `WrongRecordsError`."""
    if (records, total) != (served.records, served.sum_of_ids):
        raise WrongRecordsError("records are missing")


async def pulled(
    served: RunningServer, concurrency: int, per_page: int, rates: Rates | None = None
) -> float:
    """Pull everything; return the wall-clock seconds."""
    gc.collect()
    count = total = 0
    async with session(served, rates) as nex:
        if served.stock.window is not None:  # the permits of the first requests must be free again
            await asyncio.sleep(served.stock.window.seconds + 2 * ANSWER_SLACK)
        begin = time.perf_counter()
        async with nex.bulk.pull(
            ["patients"],
            practices={served.subdomain: [served.location_id]},
            concurrency=concurrency,
            per_page=per_page,
            drift="watch",
        ) as pull:
            async for batch in pull:
                count += len(batch.records)
                total += sum(record.id for record in batch.records)  # type: ignore[attr-defined]
        wall = time.perf_counter() - begin
        pull.report.raise_if_partial()
    check(served, count, total)
    return wall


def measure_pace(scale: Scale, figures: Figures) -> None:
    """Measure pulls that only latency holds up."""
    pages = scale.of(100, 6)
    for latency in scale.of(LATENCIES, LATENCIES[:1]):
        stock = ServerData(records=300 * pages, per_page=(300,), latency=latency / 1000)
        with serving(stock) as served:
            for round_ in range(scale.some(2)):
                for concurrency in interleave(CONCURRENCIES, round_):
                    wall = asyncio.run(pulled(served, concurrency, 300))
                    best = ideal(stock, pages, concurrency)
                    figures.add(f"bulk.pace.{latency}.{concurrency}.reached", best / wall)
                    figures.add(f"bulk.pace.{latency}.{concurrency}.rate", served.records / wall)


def measure_limits(scale: Scale, figures: Figures) -> None:
    """Measure pulls that the rate limits hold up, each round with a fresh server."""
    for name in scale.of(tuple(LIMITED), ("small",)):
        case = scale.of(LIMITED[name], evolve(LIMITED[name], pages=30))
        for _ in range(scale.some(3)):
            with serving(case.stock) as served:
                wall = asyncio.run(pulled(served, case.concurrency, 10, case.rates))
                refused = len(served.seen()["too_many"])
            figures.add(f"bulk.limits.{name}.pace", case.pages / wall)
            figures.add(f"bulk.limits.{name}.reached", case.ideal / wall)
            figures.add(f"bulk.limits.{name}.least", case.least / wall)
            figures.add(f"bulk.limits.{name}.too_many", refused)


def pace_table(figures: Figures) -> Table:
    """Format how close to the ideal the pulls came that only latency held up."""
    return Table(
        title="Pace of a bulk pull, 300 a page",
        note="Ideal / wall: the ideal is what the server's latency alone takes.",
        heads=("latency ms", *(f"{one} at once" for one in CONCURRENCIES)),
        rows=[
            (
                str(latency),
                *(cell(figures, f"bulk.pace.{latency}.{one}.reached") for one in CONCURRENCIES),
            )
            for latency in LATENCIES
        ],
    )


def limits_table(figures: Figures) -> Table:
    """Format how close to the rate limits the pulls came, and what the server refused."""
    return Table(
        title="Pace of a bulk pull within limits that the server enforces, latency 20 ms",
        note="The ideal is what latency and the library's own log of departures take together, in "
        "which a place is free again W after the answer. The least time is that of the limits "
        "alone: no client that is never refused is faster. Of the documented limits the server "
        "enforces the 100 a second.",
        heads=("limits", "requests/s", "ideal / wall", "least time / wall", "429s"),
        rows=[
            (
                case.label,
                *(
                    cell(figures, f"bulk.limits.{name}.{what}")
                    for what in ("pace", "reached", "least", "too_many")
                ),
            )
            for name, case in LIMITED.items()
        ],
    )


def cell(figures: Figures, name: str) -> str:
    """Format a figure; empty if it was not measured."""
    return range_text(figures[name]) if name in figures else ""
