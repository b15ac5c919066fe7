"""Pulls of a whole list over HTTP: the library's walks and the alternatives, in one process."""

from __future__ import annotations

import asyncio
import gc
from contextlib import ExitStack

from benchmarks.measure import Client, Figures, Scale, interleave, run
from benchmarks.ours import OURS, ids_of_raw_json
from benchmarks.peers import PEERS, peer_clients
from benchmarks.records import RecordKind
from benchmarks.report import Table, median_text, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["LABELS", "PLACES", "measure", "tables"]

PLACES: tuple[tuple[RecordKind, int], ...] = (
    ("light", 5),
    ("light", 100),
    ("light", 300),
    ("light", 1000),
    ("wide", 300),
    ("wide", 1000),
)
LABELS = {
    **{peer.name: peer.label for peer in PEERS},
    **{name: label for name, (label, _) in OURS.items()},
}
_SIZES: dict[RecordKind, tuple[int, ...]] = {"light": (100, 300, 1000), "wide": (300, 1000)}


def measure(scale: Scale, figures: Figures) -> None:
    """Measure CPU and wall-clock microseconds for each record."""
    stocks: dict[RecordKind, ServerData] = {
        kind: ServerData(kind=kind, records=scale.of(count, 300), per_page=sizes)
        for (kind, sizes), count in zip(_SIZES.items(), (20_000, 6_000), strict=True)
    }
    few = ServerData(records=scale.of(2_000, 50), per_page=(5,))
    with ExitStack() as stack:
        enter = stack.enter_context
        servers: dict[tuple[RecordKind, bool], RunningServer] = {
            ("light", True): enter(serving(few))
        }
        for kind, stock in stocks.items():
            servers[kind, False] = enter(serving(stock))
        clients = {kind: _clients(kind) for kind in stocks}
        for (kind, small), served in servers.items():
            _warm_up(served, clients[kind], 5 if small else _SIZES[kind][-1])
        if scale.quick:
            gc.freeze()  # the collections before each pull would take most of the time
        for round_ in range(scale.rounds):
            for kind, per_page in PLACES:
                served = servers[kind, per_page == 5]
                for name, client in interleave(list(clients[kind].items()), round_):
                    cpu, wall = run(client, served, per_page)
                    base = f"pull.{kind}.{per_page}.{name}"
                    figures.add(f"{base}.cpu", cpu * 1e6 / served.records)
                    figures.add(f"{base}.wall", wall * 1e6 / served.records)


def _clients(kind: RecordKind) -> dict[str, Client]:
    return {**peer_clients(kind), **{name: client for name, (_, client) in OURS.items()}}


def _warm_up(served: RunningServer, clients: dict[str, Client], per_page: int) -> None:
    """Warm up each client, and check the one whose ids are not timed."""
    for client in (*clients.values(), ids_of_raw_json):
        asyncio.run(_checked(client, served, per_page))


async def _checked(client: Client, served: RunningServer, per_page: int) -> None:
    (await client(served, per_page)).check(served, per_page)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [_table(figures, kind, per_page) for kind, per_page in PLACES]


def _table(figures: Figures, kind: RecordKind, per_page: int) -> Table:
    base = f"pull.{kind}.{per_page}."
    return Table(
        title=f"Pulling {kind} records, {per_page:,} a page",
        note="CPU of the client's process in seconds for 100,000 records; ratios within a round.",
        heads=("client", "CPU s / 100,000", "x bytes only", "x dicts", "records/s"),
        rows=[
            (
                label,
                range_text([cpu / 10 for cpu in figures[f"{base}{name}.cpu"]]),
                median_text(figures.ratios(f"{base}{name}.cpu", f"{base}bytes.cpu")),
                median_text(figures.ratios(f"{base}{name}.cpu", f"{base}dicts.cpu")),
                median_text([1e6 / wall for wall in figures[f"{base}{name}.wall"]], 0),
            )
            for name, label in LABELS.items()
        ],
    )
