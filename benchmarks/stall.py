"""Event loop stalls during a walk, in a fresh process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from attrs import frozen

from benchmarks.alone import alone
from benchmarks.measure import Client, Figures, Scale, interleave
from benchmarks.ours import OURS
from benchmarks.records import RecordKind
from benchmarks.report import Table, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["heartbeat", "measure", "tables"]

_BEAT = 0.001
_KINDS: tuple[RecordKind, ...] = ("light", "wide")
_LABELS = {
    "bytes": "aiohttp, bytes only",
    "dicts": "aiohttp + orjson, dicts",
    "generated": "generated client (httpx, attrs)",
    "walk": "**walk, models**",
    "pages": "**walk `.pages()`, models**",
    "walk-heap": "**walk, models, beside 500,000 live objects**",
    "dicts-heap": "aiohttp + orjson, dicts, beside 500,000 live objects",
}
_HEAP = 500_000
_METRICS = {
    "cpu": "p99 CPU ms",
    "cpu-max": "max CPU ms",
    "p99": "p99 late ms",
    "max": "max late ms",
    "first": "first call, max late ms",
}


@frozen
class _Heartbeat:
    """One heartbeat: its time, its delay, and the CPU time of others since the last one."""

    at: float
    late: float
    cpu: float


async def _beats(beats: list[_Heartbeat]) -> None:
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(_BEAT)
        cpu = time.process_time() - cpu - _BEAT
        now = time.perf_counter()
        beats.append(_Heartbeat(now, max(0.0, now - wall - _BEAT), max(0.0, cpu)))


def heartbeat(
    url: str, kind: RecordKind, records: int, client: str, heap: int, first_seconds: float
) -> dict[str, float]:
    """Pull a list beside a heartbeat, and return the delays in milliseconds; runs in a process."""
    stock = ServerData(kind=kind, records=records)
    served = RunningServer(url=url, stock=stock, record_bytes=0, body_bytes={})
    # What a web backend has in its memory: tracked objects that the collector must look through.
    others = [[place] for place in range(heap)]
    return asyncio.run(_pulled(served, client, first_seconds), debug=False) | {
        "others": float(len(others))
    }


async def _pulled(served: RunningServer, client: str, first_seconds: float) -> dict[str, float]:
    beats: list[_Heartbeat] = []
    pull = _client(client, served.stock.kind)
    beating = asyncio.create_task(_beats(beats))
    await asyncio.sleep(0.01)
    beats.clear()
    begin = time.perf_counter()
    haul = await pull(served, 1000)
    await asyncio.sleep(2 * _BEAT)
    beating.cancel()
    with suppress(asyncio.CancelledError):
        await beating
    if haul.records not in (None, served.records):
        raise ValueError("records are missing")
    return _summarize(beats, begin + first_seconds)


def _summarize(beats: list[_Heartbeat], first_until: float) -> dict[str, float]:
    first = [beat.late for beat in beats if beat.at <= first_until]
    return {
        "cpu": _p99([beat.cpu for beat in beats]) * 1000,
        "cpu-max": max(beat.cpu for beat in beats) * 1000,
        "p99": _p99([beat.late for beat in beats]) * 1000,
        "max": max(beat.late for beat in beats) * 1000,
        "first": max(first, default=0.0) * 1000,
    }


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _client(name: str, kind: RecordKind) -> Client:
    if name in OURS:
        return OURS[name][1]
    from benchmarks.peers import peer_clients  # not beside our own: it would fill the heap

    return peer_clients(kind)[name]


async def _idle(seconds: float) -> dict[str, float]:
    beats: list[_Heartbeat] = []
    beating = asyncio.create_task(_beats(beats))
    await asyncio.sleep(seconds)
    beating.cancel()
    return _summarize(beats, 0.0)


def measure(scale: Scale, figures: Figures) -> None:
    """Measure delays in milliseconds."""
    for kind in _KINDS:
        records = scale.of({"light": 100_000, "wide": 40_000}[kind], 2_000)
        names = scale.of(tuple(_LABELS), ("dicts", "walk"))
        with serving(ServerData(kind=kind, records=records)) as served:
            for name in scale.of((names[0], "walk"), ()):
                _measure_one(Figures(), served, name)  # compiles the modules, and is not counted
            for round_ in range(scale.some(2)):
                for name in interleave(names, round_):
                    if name == "generated" and kind == "wide":
                        continue
                    _measure_one(figures, served, name)
    for _ in range(scale.some(2)):
        idle = asyncio.run(_idle(scale.of(1.0, 0.1)))
        for what in _METRICS:
            figures.add(f"stall.idle.{what}", idle[what])


def _measure_one(figures: Figures, served: RunningServer, name: str) -> None:
    client, _, heap = name.partition("-")
    kind = served.stock.kind
    found = alone(
        "stall",
        "heartbeat",
        url=served.url,
        kind=kind,
        records=served.records,
        client=client,
        heap=_HEAP if heap else 0,
        first_seconds=0.15,
    )
    for what in _METRICS:
        figures.add(f"stall.{kind}.{name}.{what}", found[what])


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [_table(figures, kind) for kind in _KINDS]


def _table(figures: Figures, kind: RecordKind) -> Table:
    cases = {f"{kind}.{name}": label for name, label in _LABELS.items()}
    rows = [
        (label, *(range_text(figures[f"stall.{case}.{what}"], 1) for what in _METRICS))
        for case, label in {**cases, "idle": "an idle loop"}.items()
        if f"stall.{case}.p99" in figures
    ]
    return Table(
        title=f"Stall of the event loop, {kind} records, 1,000 a page",
        note="A task sleeps 1 ms again and again beside a pull in a fresh process; the session, "
        "its login and the first decoder are inside. Late: milliseconds of wall time beyond the 1. "
        "CPU: what this process worked beyond 1 ms between two beats, which leaves out what other "
        "processes took from the machine. First: the latest of the first 150 ms. An idle loop "
        "shows what the machine adds.",
        heads=("client", *_METRICS.values()),
        rows=rows,
    )
