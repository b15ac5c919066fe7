"""Benchmark of a web backend: what the library adds to a request that must ask the API anyway.

An application of aiohttp.web in a separate process calls the canned server once for each request,
in three ways that differ in nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median, quantiles
from typing import cast

import aiohttp
import orjson
from aiohttp import web
from attrs import frozen

from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave
from benchmarks.records import FIRST_ID
from benchmarks.report import Table, median_text, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData
from nexhealth_async import NexHealth, Rates, to_json

__all__ = ["measure", "tables"]

_LABELS = {
    "bytes": "aiohttp, body passed on",
    "dicts": "aiohttp + orjson, dict and back",
    "library": "**`patients.get`, `to_json`**",
}
_LATENCY = 0.02
_AT_ONCE = (1, 50)
_HEADERS = {"Accept": "application/vnd.Nexhealth+json;version=2", "Authorization": "Bearer 1.x.x"}

_NEX = web.AppKey("_NEX", NexHealth)
_HTTP = web.AppKey("_HTTP", aiohttp.ClientSession)


@frozen
class _Backend:
    """One way in which the application's routes ask the API."""

    served: RunningServer

    async def sessions(self, app: web.Application) -> AsyncIterator[None]:
        """Open the clients that the routes need, with enough connections for all requests."""
        served = self.served
        connector = aiohttp.TCPConnector(limit=100)
        async with (
            NexHealth("invented-key", base_url=served.url, rates=Rates.unlimited()) as nex,
            aiohttp.ClientSession(connector=connector) as http,
        ):
            app[_NEX], app[_HTTP] = nex, http
            await nex.practice(served.subdomain).patients.get(FIRST_ID)
            yield

    async def body(self, request: web.Request) -> bytes:
        url = f"{self.served.url}/patients/{FIRST_ID}"
        query = {"subdomain": self.served.subdomain}
        async with request.app[_HTTP].get(url, params=query, headers=_HEADERS) as response:
            return await response.read()

    async def bytes(self, request: web.Request) -> web.Response:
        return web.Response(body=await self.body(request), content_type="application/json")

    async def dicts(self, request: web.Request) -> web.Response:
        patient = orjson.loads(await self.body(request))["data"]
        return web.Response(body=orjson.dumps(patient), content_type="application/json")

    async def library(self, request: web.Request) -> web.Response:
        practice = request.app[_NEX].practice(self.served.subdomain)
        patient = await practice.patients.get(FIRST_ID)
        return web.Response(body=to_json(patient), content_type="application/json")

    async def cpu(self, _: web.Request) -> web.Response:
        gc.collect()
        return web.Response(text=str(time.process_time()))


def _run(served: RunningServer, pipe: Connection) -> None:
    asyncio.run(_serve(_Backend(served), pipe))


async def _serve(backend: _Backend, pipe: Connection) -> None:
    app = web.Application()
    app.cleanup_ctx.append(backend.sessions)
    for name in (*_LABELS, "cpu"):
        app.router.add_get(f"/{name}", getattr(backend, name))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=256).start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


@contextmanager
def _running(served: RunningServer) -> Generator[str, None, None]:
    """Run the application in a separate process; give its address."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_run, args=(served, there), daemon=True)
    process.start()
    there.close()
    try:
        yield f"http://127.0.0.1:{cast('int', here.recv())}"
    finally:
        here.close()
        process.terminate()
        process.join()


async def _ask(url: str, way: str, at_once: int, times: int) -> tuple[list[float], float]:
    """Return the seconds of each request, and the CPU of the backend for one."""
    taken: list[float] = []
    left = iter(range(times))
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=at_once)) as http:

        async def visit() -> None:
            for _ in left:
                begin = time.perf_counter()
                async with http.get(f"/{way}") as response:
                    body = await response.read()
                taken.append(time.perf_counter() - begin)
                if response.status != 200 or str(FIRST_ID).encode() not in body:
                    raise WrongRecordsError("another patient was shown")

        async def cpu() -> float:
            async with http.get("/cpu") as response:
                return float(await response.text())

        before = await cpu()
        await asyncio.gather(*(visit() for _ in range(at_once)))
        return taken, (await cpu() - before) / times


def measure(scale: Scale, figures: Figures) -> None:
    """Measure the milliseconds that a visitor waits, and the backend's CPU microseconds."""
    with serving(ServerData(latency=_LATENCY)) as served, _running(served) as url:
        for at_once in _AT_ONCE:
            times = scale.of(100 if at_once == 1 else 2_000, max(10, 2 * at_once))
            for way in _LABELS:  # connections and code are warm before the clock runs
                asyncio.run(_ask(url, way, at_once, 2 * at_once))
            for round_ in range(scale.some(2)):
                for way in interleave(tuple(_LABELS), round_):
                    taken, cpu = asyncio.run(_ask(url, way, at_once, times))
                    base = f"backend.{at_once}.{way}"
                    figures.add(f"{base}.p50", median(taken) * 1e3)
                    figures.add(f"{base}.p99", quantiles(taken, n=100)[-1] * 1e3)
                    figures.add(f"{base}.cpu", cpu * 1e6)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [_table(figures, at_once) for at_once in _AT_ONCE]


def _table(figures: Figures, at_once: int) -> Table:
    base = f"backend.{at_once}"
    return Table(
        title=f"Visitors at once: {at_once}",
        note="An application of aiohttp.web that asks the API once for each request; the API takes "
        f"{_LATENCY * 1e3:.0f} ms. Milliseconds are a visitor's, CPU is the backend process's.",
        heads=("way", "p50 ms", "p99 ms", "p99, x passed on", "CPU us / request", "CPU, x"),
        rows=[
            (
                label,
                range_text(figures[f"{base}.{way}.p50"]),
                range_text(figures[f"{base}.{way}.p99"]),
                median_text(figures.ratios(f"{base}.{way}.p99", f"{base}.bytes.p99")),
                range_text(figures[f"{base}.{way}.cpu"], 0),
                median_text(figures.ratios(f"{base}.{way}.cpu", f"{base}.bytes.cpu")),
            )
            for way, label in _LABELS.items()
        ],
    )
