"""Rate limits: against a server that enforces them, and fairness among tasks."""

from __future__ import annotations

import asyncio
import time

from benchmarks.measure import Figures, Scale, open_location
from benchmarks.records import FIRST_ID
from benchmarks.report import Table, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData, ServerWindow
from nexhealth_async import Rates
from nexhealth_async._protocol.rate_limits import Limit

__all__ = ["measure", "tables"]

_COUNT, _SECONDS = 20, 1.0
_SLACK = 0.25
_RATES = Rates(overall=None, slow=None, other=None, people=Limit(_COUNT, _SECONDS))
_TASKS = 10
_CASES = {
    "fixed.10": "fixed windows of unknown phase, answers after 10 ms",
    "sliding.10": "sliding windows, answers after 10 ms",
    "sliding.200": "sliding windows, answers after 200 ms",
}


async def _crowd(served: RunningServer, per_task: int) -> dict[str, float]:
    """Let tasks call as fast as they can; return what the server saw, and each task's share."""
    done = [0] * _TASKS
    shares: list[float] = []
    async with open_location(served, warm=True, rates=_RATES) as at:

        async def work(mine: int) -> None:
            for _ in range(per_task):
                await at.patients.get(FIRST_ID)
                done[mine] += 1
                # As long as all are still at it, everybody should have had as much as the others.
                if max(done) < per_task:
                    shares.append(max(done) - min(done))

        begin = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for mine in range(_TASKS):
                group.create_task(work(mine))
        wall = time.perf_counter() - begin
        seen = await asyncio.to_thread(served.seen)
    arrivals = seen["arrivals"]
    if len(arrivals) < _TASKS * per_task:
        raise ValueError("the server has not seen every request")
    # The first N leave at once; what follows them is the pace.
    pace = (len(arrivals) - _COUNT) / (arrivals[-1] - arrivals[0])
    return {
        "too_many": len(seen["too_many"]),
        "pace": pace,
        "reached": pace * (_SECONDS + _SLACK) / _COUNT,
        "unequal": max(shares, default=0.0),
        "wall": wall,
    }


async def _beside_a_pull(served: RunningServer, calls: int) -> float:
    """Return the mean milliseconds that a single call waits beside a pull at full speed."""
    waits: list[float] = []
    async with open_location(served, warm=True, rates=_RATES) as at:

        async def pull() -> None:
            async for _patient in at.patients.walk(per_page=10, prefetch=8):
                pass

        pulling = asyncio.create_task(pull())
        await asyncio.sleep(0.3)
        for _ in range(calls):
            begin = time.perf_counter()
            await at.patients.get(FIRST_ID)
            waits.append(time.perf_counter() - begin)
            await asyncio.sleep(0.1)
        pulling.cancel()
        await asyncio.wait((pulling,))
    return max(waits) * 1000


def _stock(case: str) -> ServerData:
    kind, _, latency = case.partition(".")
    window = ServerWindow(_COUNT, _SECONDS, kind == "sliding")
    return ServerData(records=5_000, per_page=(10,), latency=int(latency) / 1000, window=window)


def measure(scale: Scale, figures: Figures) -> None:
    """Measure requests a second, rejections, and the spread among tasks."""
    per_task = scale.of(12, 4)
    for name in scale.of(tuple(_CASES), ("sliding.10",)):
        for _ in range(scale.some(4)):
            with serving(_stock(name)) as served:
                found = asyncio.run(_crowd(served, per_task))
            for what, value in found.items():
                figures.add(f"limiter.{name}.{what}", value)
    for _ in range(scale.some(4)):
        with serving(_stock("sliding.10")) as served:
            figures.add("limiter.call", asyncio.run(_beside_a_pull(served, scale.of(10, 2))))


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    rows = [
        (
            f"**{label}**",
            range_text(figures[f"limiter.{name}.too_many"], 0),
            range_text(figures[f"limiter.{name}.pace"]),
            range_text(figures[f"limiter.{name}.reached"]),
            range_text(figures[f"limiter.{name}.unequal"], 0),
        )
        for name, label in _CASES.items()
        if f"limiter.{name}.pace" in figures
    ]
    return [
        Table(
            title="10 tasks and a server that allows 20 requests a second",
            note="The pace is of what follows the first 20, which leave at once; the bound is "
            "N / (W + 0.25 s) = 16 a second. Unequal: the most by which one task was ever ahead of "
            "another.",
            heads=("server", "429s", "requests/s", "x N / (W + 0.25 s)", "unequal by"),
            rows=rows,
        ),
        Table(
            title="A single call beside a pull that takes all the limit gives",
            note="The longest of ten waits in a run; the limit frees places once a second.",
            heads=("case", "wait ms"),
            rows=[
                (
                    "**`patients.get` beside `walk(prefetch=8)`**",
                    range_text(figures["limiter.call"], 0),
                )
            ],
        ),
    ]
