"""Pulling a whole list: the library's walks beside plain aiohttp, in one process and one run."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import msgspec
from attrs import frozen

from benchmarks.report import middle, spread, table
from benchmarks.server import Served, Stock, serving
from nexhealth_async import NexHealth, Rates
from nexhealth_async.scopes import LocationScope

__all__ = ["WrongRecordsError", "office", "pull_report"]

_PAGE_SIZES = (300, 1000)
_BYTES = "plain aiohttp, bytes only"


def _json_reader() -> tuple[str, Callable[[bytes], Any]]:
    try:
        import orjson
    except ImportError:
        return "msgspec", msgspec.json.decode
    return "orjson", orjson.loads


_reader, _loads = _json_reader()
_DECODED = f"plain aiohttp + {_reader}, dicts"


class WrongRecordsError(Exception):
    """A client did not bring what the server has, so its time says nothing."""


@frozen(kw_only=True)
class Haul:
    """What a client brought home, as far as it looked."""

    records: int | None = None
    sum_of_ids: int | None = None
    record_bytes: int | None = None
    body_bytes: int | None = None

    def check(self, served: Served, per_page: int) -> None:
        """Compare it with what the server has; raises `WrongRecordsError`."""
        due = {
            "records": served.records,
            "sum_of_ids": served.sum_of_ids,
            "record_bytes": served.record_bytes,
            "body_bytes": served.body_bytes[per_page],
        }
        for name, number in due.items():
            brought: int | None = getattr(self, name)
            if brought is not None and brought != number:
                raise WrongRecordsError(f"{name} is {brought}, and should be {number}")


@frozen
class Sample:
    """What one pull took, in seconds."""

    wall: float
    cpu: float


Client = Callable[[Served, int], Awaitable[Haul]]


@frozen(kw_only=True)
class Case:
    """A client, and what it is checked by."""

    name: str
    client: Client
    checked: str


@asynccontextmanager
async def office(served: Served, *, warm: bool = False) -> AsyncGenerator[LocationScope, None]:
    """Open a session, logged in if it shall be warm, and give the one office of the server."""
    # The documented limits (1,000 requests a minute for patients) would be all that is measured.
    rates = Rates.unlimited()
    async with NexHealth("invented-key", base_url=served.url, rates=rates) as nex:
        if warm:
            await nex.log_in()
        yield nex.practice(served.subdomain).location(served.location_id)


async def _walk(served: Served, per_page: int) -> Haul:
    ids: list[int] = []
    async with office(served) as at:
        async for patient in at.patients.walk(per_page=per_page):
            ids.append(patient.id)  # noqa: PERF401 - a loop, as users write it
    return Haul(records=len(ids), sum_of_ids=sum(ids))


async def _walk_raw(served: Served, per_page: int) -> Haul:
    ids: list[object] = []
    async with office(served) as at:
        async for patient in at.patients.walk(per_page=per_page).raw():
            ids.append(patient["id"])  # noqa: PERF401 - a loop, as users write it
    return Haul(records=len(ids), sum_of_ids=sum(cast("list[int]", ids)))


async def _walk_raw_json(served: Served, per_page: int) -> Haul:
    records = record_bytes = 0
    async with office(served) as at:
        async for patient in at.patients.walk(per_page=per_page).raw_json():
            records += 1
            record_bytes += len(patient)
    return Haul(records=records, record_bytes=record_bytes)


async def _ids_of_raw_json(served: Served, per_page: int) -> Haul:
    """Read the ids of a raw_json walk; not timed, since decoding is what such a walk leaves out."""
    ids: list[int] = []
    async with office(served) as at:
        async for patient in at.patients.walk(per_page=per_page).raw_json():
            ids.append(_loads(patient)["id"])  # noqa: PERF401 - a loop, as users write it
    return Haul(records=len(ids), sum_of_ids=sum(ids))


async def _plain_bytes(served: Served, per_page: int) -> Haul:
    body_bytes = 0
    async with aiohttp.ClientSession(served.url) as http:
        token = await _log_in(http)
        for page in range(1, served.pages(per_page) + 1):
            body_bytes += len(await _page(http, token, served, page, per_page))
    return Haul(body_bytes=body_bytes)


async def _plain_decoded(served: Served, per_page: int) -> Haul:
    ids: list[int] = []
    async with aiohttp.ClientSession(served.url) as http:
        token = await _log_in(http)
        for page in range(1, served.pages(per_page) + 1):
            envelope = _loads(await _page(http, token, served, page, per_page))
            for patient in envelope["data"]["patients"]:
                ids.append(patient["id"])  # noqa: PERF401 - a loop, as users write it
    return Haul(records=len(ids), sum_of_ids=sum(ids))


async def _log_in(http: aiohttp.ClientSession) -> str:
    async with http.post("/authenticates", headers={"Authorization": "invented-key"}) as response:
        token: str = _loads(await response.read())["data"]["token"]
        return token


async def _page(
    http: aiohttp.ClientSession, token: str, served: Served, page: int, per_page: int
) -> bytes:
    async with http.get(
        "/patients",
        params={
            "subdomain": served.subdomain,
            "location_id": served.location_id,
            "new_patient": "false",
            "page": page,
            "per_page": per_page,
        },
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.Nexhealth+json;version=2",
        },
    ) as response:
        return await response.read()


_CASES = (
    Case(name=_BYTES, client=_plain_bytes, checked="bytes"),
    Case(name=_DECODED, client=_plain_decoded, checked="sum of ids"),
    Case(name="walk, models", client=_walk, checked="sum of ids"),
    Case(name="walk `.raw()`, dicts", client=_walk_raw, checked="sum of ids"),
    Case(
        name="walk `.raw_json()`, bytes",
        client=_walk_raw_json,
        checked="bytes; sum of ids untimed",
    ),
)


async def _timed(client: Client, served: Served, per_page: int) -> Sample:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    haul = await client(served, per_page)
    sample = Sample(time.perf_counter() - wall, time.process_time() - cpu)
    haul.check(served, per_page)
    return sample


async def _check(client: Client, served: Served, per_page: int) -> None:
    (await client(served, per_page)).check(served, per_page)


def _warm_up(served: Served, per_page: int) -> None:
    """Let every client build what it builds once, and check the one whose ids are not timed."""
    for case in _CASES:
        asyncio.run(_check(case.client, served, per_page))
    asyncio.run(_check(_ids_of_raw_json, served, per_page))


def pull_report(*, records: int, rounds: int) -> str:
    """Measure all clients at both page sizes and draw the tables."""
    samples: dict[tuple[int, str], list[Sample]] = {}
    with serving(Stock(records=records, per_page=_PAGE_SIZES)) as served:
        for per_page in _PAGE_SIZES:
            _warm_up(served, per_page)
        for round_ in range(rounds):
            # Everyone goes first once, so that nobody always has the same one before it.
            at = round_ % len(_CASES)
            for case in (*_CASES[at:], *_CASES[:at]):
                for per_page in _PAGE_SIZES:
                    sample = asyncio.run(_timed(case.client, served, per_page))
                    samples.setdefault((per_page, case.name), []).append(sample)
    size = served.record_bytes / served.records
    text = [
        (
            f"{records:,} sandbox patients of {size:,.0f} bytes, no latency, {rounds} interleaved "
            "rounds: medians (least-greatest). CPU is the client process's, in seconds per 100,000 "
            "records; the ratios are medians of the ratios within each round. `Rates.unlimited()`: "
            "the documented limits would be all that is measured.\n"
        )
    ]
    for per_page in _PAGE_SIZES:
        of = {case.name: samples[per_page, case.name] for case in _CASES}
        text.append(f"### {per_page} a page\n\n{_table(of, records)}\n")
    return "\n".join(text)


def _table(of: dict[str, list[Sample]], records: int) -> str:
    heads = ("client", "records/s", "CPU s / 100,000", "CPU x bytes only", "CPU x decoded")
    rows = [
        (
            case.name,
            middle([records / sample.wall for sample in of[case.name]], 0),
            spread([sample.cpu * 100_000 / records for sample in of[case.name]]),
            middle(_ratios(of[case.name], of[_BYTES])),
            middle(_ratios(of[case.name], of[_DECODED])),
            case.checked,
        )
        for case in _CASES
    ]
    return table((*heads, "checked by"), rows)


def _ratios(of: list[Sample], to: list[Sample]) -> list[float]:
    return [mine.cpu / theirs.cpu for mine, theirs in zip(of, to, strict=True)]
