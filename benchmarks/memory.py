"""Memory over a million records, each case in a fresh process."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path
from typing import Literal, cast

from benchmarks.alone import alone
from benchmarks.measure import Figures, Scale, interleave, open_location
from benchmarks.report import Table, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["CASES", "measure", "tables", "walked"]

CASES = {
    "watch.1": ('v2, ids kept (`drift="watch"`)', 1),
    "watch.8": ('v2, ids kept (`drift="watch"`)', 8),
    "ignore.1": ('v2, no ids kept (`drift="ignore"`)', 1),
    "ignore.8": ('v2, no ids kept (`drift="ignore"`)', 8),
    "cursor.1": ("v3, cursors", 1),
}

_STATM = Path("/proc/self/statm")


def _resident() -> int:
    """Return the resident memory of this process in bytes; Linux only."""
    pages = int(_STATM.read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def walked(url: str, records: int, case: str, prefetch: int) -> dict[str, float]:
    """Walk everything and drop it; return the bytes above the start. Runs in a process."""
    stock = ServerData(records=records, cursor=case == "cursor")
    served = RunningServer(url=url, stock=stock, record_bytes=0, body_bytes={})
    return asyncio.run(_walked(served, case, prefetch))


async def _walked(served: RunningServer, case: str, prefetch: int) -> dict[str, float]:
    drift = cast("Literal['watch', 'ignore']", "watch" if case == "cursor" else case)
    count = total = peak = half = 0
    async with open_location(served, warm=True) as at:
        await at.patients.get(1)  # the decoder and a connection are there at the start
        gc.collect()
        start = _resident()
        async for patient in at.patients.walk(per_page=1000, prefetch=prefetch, drift=drift):
            count += 1
            total += patient.id
            if count % 500 == 0:
                held = _resident()
                peak = max(peak, held)
                if count == served.records // 2:
                    half = held
        end = held = _resident()
    if (count, total) != (served.records, served.sum_of_ids):
        raise ValueError("records are missing")
    return {"rise": peak - start, "drift": end - half, "start": start}


def measure(scale: Scale, figures: Figures) -> None:
    """Measure megabytes, on systems that report them."""
    if not _STATM.exists():
        return
    records = scale.of(1_000_000, 4_000)
    stocks = {
        "v2": ServerData(records=records, fleeting=True),
        "v3": ServerData(records=records, fleeting=True, cursor=True),
    }
    with serving(stocks["v2"]) as two, serving(stocks["v3"]) as three:
        for round_ in range(scale.some(4)):
            for name in interleave(scale.of(tuple(CASES), ("watch.8",)), round_):
                case = name.partition(".")[0]
                served = three if case == "cursor" else two
                found = alone(
                    "memory",
                    "walked",
                    url=served.url,
                    records=served.records,
                    case=case,
                    prefetch=CASES[name][1],
                )
                for what in ("rise", "drift", "start"):
                    figures.add(f"memory.{name}.{what}", found[what] / 1e6)
                kept = 10.0 * records if case == "watch" else 0.0  # 10 bytes an id
                figures.add(f"memory.{name}.above", (found["rise"] - kept) / 1e6)
                figures.add(f"memory.{name}.crept", (found["drift"] - kept / 2) / 1e6)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [
        Table(
            title="Memory, 1,000,000 light records, 1,000 a page",
            note="Resident megabytes. Rise: the highest above the session before its first page, "
            "connected and with its decoder built. Drift: the end above the middle. Where ids are "
            "kept, their bytes are inside.",
            heads=("walk", "prefetch", "rise MB", "drift MB", "at the start MB"),
            rows=[
                (
                    label,
                    str(prefetch),
                    *(
                        range_text(figures[f"memory.{name}.{what}"], 1)
                        for what in ("rise", "drift", "start")
                    ),
                )
                for name, (label, prefetch) in CASES.items()
                if f"memory.{name}.rise" in figures
            ],
        )
    ]
