"""Single calls: what the library adds to the request that aiohttp makes."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

import aiohttp
import httpx
import orjson

from benchmarks.measure import Figures, Scale, WrongRecordsError, interleave, open_location
from benchmarks.ours import CannedSession
from benchmarks.records import FIRST_ID, records
from benchmarks.report import Table, median_text, range_text
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData
from nexhealth_async import Rates
from nexhealth_async._client.rate_limiter import RateLimiter
from nexhealth_async._client.token_manager import TokenManager
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Limit

__all__ = ["measure", "tables"]

_LABELS = {
    "bytes": "aiohttp, bytes only",
    "dicts": "aiohttp + orjson, dict",
    "httpx": "httpx + orjson, dict",
    "get": "**`patients.get`, model**",
    "inside": "**`patients.get` without aiohttp**",
    "keeping": "**token, limits and bookkeeping alone**",
    "lock": "an `asyncio.Lock` nobody else wants, as a yardstick",
}
_HEADERS = {"Accept": "application/vnd.Nexhealth+json;version=2", "Authorization": "Bearer 1.x.x"}
_BRIEF = Limit(100, 1e-6)
"""Rate limits that are checked like any other, and never reached."""
_NEVER_WAITING = Rates(overall=_BRIEF, slow=_BRIEF, people=_BRIEF, other=_BRIEF)


def _check(id_: object) -> None:
    if id_ != FIRST_ID:
        raise WrongRecordsError("another patient was read")


async def _cpu(times: int, once: Callable[[], Awaitable[None]]) -> float:
    await once()
    gc.collect()
    begin = time.process_time()
    for _ in range(times):
        await once()
    return (time.process_time() - begin) / times


async def _plain(served: RunningServer, times: int, *, decoded: bool) -> float:
    url = f"{served.url}/patients/{FIRST_ID}"
    query = {"subdomain": served.subdomain}
    async with aiohttp.ClientSession() as http:

        async def once() -> None:
            async with http.get(url, params=query, headers=_HEADERS) as response:
                body = await response.read()
            if decoded:
                _check(orjson.loads(body)["data"]["id"])

        return await _cpu(times, once)


async def _httpx(served: RunningServer, times: int) -> float:
    url = f"{served.url}/patients/{FIRST_ID}"
    query = {"subdomain": served.subdomain}
    async with httpx.AsyncClient() as http:

        async def once() -> None:
            response = await http.get(url, params=query, headers=_HEADERS)
            _check(orjson.loads(response.content)["data"]["id"])

        return await _cpu(times, once)


async def _get(served: RunningServer, times: int, http: object = None) -> float:
    async with open_location(served, rates=_NEVER_WAITING, http=http) as at:

        async def once() -> None:
            _check((await at.patients.get(FIRST_ID)).id)

        return await _cpu(times, once)


async def _inside(served: RunningServer, times: int) -> float:
    record = records("light", 1)[0]
    body = b'{"code":true,"description":null,"error":null,"data":%b,"count":null}' % record
    login = b'{"code":true,"data":{"token":"invented"},"error":null}'
    return await _get(served, times, CannedSession([body], login))


async def _keeping(times: int) -> float:
    """Do what every request does to get a token and a rate-limit permit, and nothing else."""

    async def log_in() -> str:
        return "invented"

    token_manager, limiter = TokenManager(log_in), RateLimiter(_NEVER_WAITING)
    await token_manager.get(None)

    loop = asyncio.get_running_loop()

    async def once() -> None:
        now = loop.time()
        permit = limiter.try_acquire(RateClass.PEOPLE, now)
        if token_manager.current(now) is None or permit is None:
            raise WrongRecordsError("something waited")
        limiter.complete(permit, answered=True)
        token_manager.accepted()

    return await _cpu(times, once)


async def _lock(times: int) -> float:
    lock = asyncio.Lock()

    async def once() -> None:
        async with lock:
            pass

    return await _cpu(times, once)


def measure(scale: Scale, figures: Figures) -> None:
    """Measure CPU microseconds for each call."""
    times, many = scale.of(400, 20), scale.of(20_000, 500)
    with serving(ServerData()) as served:
        cases: list[tuple[str, Callable[[], float]]] = [
            ("bytes", lambda: asyncio.run(_plain(served, times, decoded=False))),
            ("dicts", lambda: asyncio.run(_plain(served, times, decoded=True))),
            ("httpx", lambda: asyncio.run(_httpx(served, times))),
            ("get", lambda: asyncio.run(_get(served, times))),
            ("inside", lambda: asyncio.run(_inside(served, times * 4))),
            ("keeping", lambda: asyncio.run(_keeping(many))),
            ("lock", lambda: asyncio.run(_lock(many))),
        ]
        for round_ in range(scale.rounds):
            for name, case in interleave(cases, round_):
                figures.add(f"calls.{name}", case() * 1e6)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [
        Table(
            title="Single calls",
            note="CPU of the client's process in microseconds a call, on open connections.",
            heads=("client", "CPU us / call", "x bytes only", "us above bytes only"),
            rows=[
                (
                    label,
                    range_text(figures[f"calls.{name}"], 1),
                    median_text(figures.ratios(f"calls.{name}", "calls.bytes")),
                    median_text(
                        [
                            mine - theirs
                            for mine, theirs in zip(
                                figures[f"calls.{name}"], figures["calls.bytes"], strict=True
                            )
                        ],
                        1,
                    )
                    if name in {"dicts", "httpx", "get"}
                    else "",
                )
                for name, label in _LABELS.items()
            ],
        )
    ]
