"""Compressed bodies and TLS: their cost, for the library and for plain aiohttp."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
from contextlib import ExitStack

import aiohttp
import orjson

from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave, open_location
from benchmarks.peers import aiohttp_page
from benchmarks.report import Table, median_text, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData

__all__ = ["measure", "tables"]

_WIRES = {"plain": "plain", "gzip": "gzip", "tls": "TLS"}
_CLIENTS = {
    "bytes": "aiohttp, bytes only",
    "dicts": "aiohttp + orjson, dicts",
    "walk": "**walk, models**",
}


def _session(served: RunningServer) -> aiohttp.ClientSession:
    if served.authority is None:
        return aiohttp.ClientSession()
    context = ssl.create_default_context(cadata=served.authority)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


async def _pull(served: RunningServer, client: str) -> float:
    """Return the CPU seconds of reading everything; one page before that opens the connection."""
    count = 0
    async with _session(served) as http:
        await aiohttp_page(http, served, "1.x.x", 1, 1000)
        async with open_location(served, warm=True, http=http) as at:
            gc.collect()
            begin = time.process_time()
            if client == "walk":
                async for _patient in at.patients.walk(per_page=1000):
                    count += 1
            else:
                for page in range(1, served.records // 1000 + 1):
                    body = await aiohttp_page(http, served, "1.x.x", page, 1000)
                    count += 1000 if client == "bytes" else _number_in(body)
            seconds = time.process_time() - begin
    if count != served.records:
        raise WrongRecordsError("records are missing")
    return seconds


def _number_in(body: bytes) -> int:
    return len(orjson.loads(body)["data"]["patients"])


def measure(scale: Scale, figures: Figures) -> None:
    """Measure CPU microseconds for each record."""
    base = ServerData(records=scale.of(20_000, 1_000))
    stocks = {
        "plain": base,
        "gzip": ServerData(records=base.records, gzip=True),
        "tls": ServerData(records=base.records, tls=True),
    }
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(stock)) for name, stock in stocks.items()}
        for served in servers.values():
            asyncio.run(_pull(served, "walk"))
        for round_ in range(scale.rounds):
            for wire, served in servers.items():
                for client in interleave(tuple(_CLIENTS), round_):
                    seconds = asyncio.run(_pull(served, client))
                    figures.add(f"wire.{wire}.{client}", seconds * 1e6 / served.records)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [
        Table(
            title="Compressed bodies and TLS, 1,000 light records a page",
            note="CPU of the client's process in seconds for 100,000 records. Loopback: no "
            "bandwidth is saved and no handshake is inside.",
            heads=("wire", "client", "CPU s / 100,000", "x the same client, plain wire"),
            rows=[
                (
                    label,
                    name,
                    range_text([cpu / 10 for cpu in figures[f"wire.{wire}.{client}"]]),
                    median_text(figures.ratios(f"wire.{wire}.{client}", f"wire.plain.{client}")),
                )
                for wire, label in _WIRES.items()
                for client, name in _CLIENTS.items()
            ],
        )
    ]
