"""Cursor pages (v3): requesting the next page before its records are decoded, and after."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import ExitStack

from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave, open_location
from benchmarks.records import RecordKind
from benchmarks.report import Table, median_text, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["measure", "tables"]

_KINDS: tuple[RecordKind, ...] = ("light", "wide")
_WAYS = {"ahead": 1, "plain": 0}
_LATENCY = 0.02


async def _walk(served: RunningServer, prefetch: int) -> float:
    ids: list[int] = []
    gc.collect()
    async with open_location(served, warm=True) as at:
        await at.patients.get(1)
        begin = time.perf_counter()
        async for patient in at.patients.walk(prefetch=prefetch):
            ids.append(patient.id)  # noqa: PERF401 - a loop, as users write it
        wall = time.perf_counter() - begin
    if (len(ids), sum(ids)) != (served.records, served.sum_of_ids):
        raise WrongRecordsError("the sum of ids is wrong")
    return wall


def measure(scale: Scale, figures: Figures) -> None:
    """Measure seconds for pages of 1,000 records at 20 ms each."""
    pages = scale.of(30, 2)
    with ExitStack() as stack:
        servers = {
            kind: stack.enter_context(
                serving(ServerData(kind=kind, records=pages * 1000, latency=_LATENCY, cursor=True))
            )
            for kind in _KINDS
        }
        for round_ in range(scale.rounds):
            for kind, served in servers.items():
                for way in interleave(tuple(_WAYS), round_):
                    wall = asyncio.run(_walk(served, _WAYS[way]))
                    figures.add(f"cursor.{kind}.{way}", wall)
                    figures.add(f"cursor.{kind}.{way}.reached", pages * _LATENCY / wall)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    labels = {
        "plain": "plain: the next page is asked for when the last is consumed (`prefetch=0`)",
        "ahead": "**walk: asked for before it is decoded** (`prefetch=1`)",
    }
    return [
        Table(
            title="Cursor pages, latency 20 ms, 1,000 a page",
            note="Wall seconds of a walk in API v3; the ideal is latency alone.",
            heads=("records", "way", "wall s", "rate x plain", "ideal / wall"),
            rows=[
                (
                    kind,
                    label,
                    range_text(figures[f"cursor.{kind}.{way}"]),
                    median_text(figures.ratios(f"cursor.{kind}.plain", f"cursor.{kind}.{way}")),
                    median_text(figures[f"cursor.{kind}.{way}.reached"]),
                )
                for kind in _KINDS
                for way, label in labels.items()
            ],
        )
    ]
