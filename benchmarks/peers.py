"""Alternatives to the library, from bytes only to generated code.

They get the number of pages as an argument, do not retry or check anything, and hold one page at a
time.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias

import aiohttp
import cattrs.preconf.orjson
import httpx
import orjson
from attrs import frozen

from benchmarks.generated import GENERATED
from benchmarks.measure import Client, PullResult
from benchmarks.records import RecordKind
from benchmarks.server import RunningServer
from benchmarks.shapes import (
    AttrsLight,
    AttrsWide,
    PydanticLight,
    PydanticPage,
    PydanticWide,
)

__all__ = ["PEERS", "READERS", "ComparedClient", "Reader", "aiohttp_page", "peer_clients"]

Reader: TypeAlias = Callable[[bytes], list[Any]]
"""Decodes a page's body into its records."""

_HEADERS = {"Accept": "application/vnd.Nexhealth+json;version=2"}


def _dicts(_kind: RecordKind) -> Reader:
    def read(body: bytes) -> list[Any]:
        patients: list[Any] = orjson.loads(body)["data"]["patients"]
        return patients

    return read


def _cattrs(kind: RecordKind) -> Reader:
    converter = cattrs.preconf.orjson.make_converter()
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(value))
    many = list[AttrsLight] if kind == "light" else list[AttrsWide]

    def read(body: bytes) -> list[Any]:
        return converter.structure(orjson.loads(body)["data"]["patients"], many)

    return read


def _pydantic(kind: RecordKind) -> Reader:
    page: Any = PydanticPage[PydanticLight] if kind == "light" else PydanticPage[PydanticWide]

    def read(body: bytes) -> list[Any]:
        patients: list[Any] = page.model_validate_json(body).data.patients
        return patients

    return read


def _generated(kind: RecordKind) -> Reader:
    from_dict = GENERATED[kind]

    def read(body: bytes) -> list[Any]:
        return [from_dict(patient) for patient in orjson.loads(body)["data"]["patients"]]

    return read


READERS: dict[str, Callable[[RecordKind], Reader]] = {
    "dicts": _dicts,
    "cattrs": _cattrs,
    "httpx-dicts": _dicts,
    "httpx-pydantic": _pydantic,
    "generated": _generated,
}


@frozen
class ComparedClient:
    """A client that does not use the library."""

    name: str
    label: str
    over_httpx: bool = False


PEERS = (
    ComparedClient("bytes", "aiohttp, bytes only"),
    ComparedClient("dicts", "aiohttp + orjson, dicts"),
    ComparedClient("cattrs", "aiohttp + orjson + cattrs"),
    ComparedClient("httpx-dicts", "httpx + orjson, dicts", over_httpx=True),
    ComparedClient("httpx-pydantic", "httpx + pydantic", over_httpx=True),
    ComparedClient("generated", "generated client (httpx, attrs)", over_httpx=True),
)


def peer_clients(kind: RecordKind) -> dict[str, Client]:
    """Return the clients for one kind of records, by name; their codecs are built once."""
    return {peer.name: _client(peer, kind) for peer in PEERS}


def _client(peer: ComparedClient, kind: RecordKind) -> Client:
    pages = _over_httpx if peer.over_httpx else _over_aiohttp
    if peer.name == "bytes":
        return _bytes_only
    read = READERS[peer.name](kind)
    by_key = peer.name.endswith("dicts")

    async def pull(served: RunningServer, per_page: int) -> PullResult:
        ids: list[int] = []
        async with aclosing(pages(served, per_page)) as bodies:
            async for body in bodies:
                if by_key:
                    ids.extend([patient["id"] for patient in read(body)])
                else:
                    ids.extend([patient.id for patient in read(body)])
        return PullResult(records=len(ids), sum_of_ids=sum(ids))

    return pull


async def _bytes_only(served: RunningServer, per_page: int) -> PullResult:
    body_bytes = 0
    async with aclosing(_over_aiohttp(served, per_page)) as bodies:
        async for body in bodies:
            body_bytes += len(body)
    return PullResult(body_bytes=body_bytes)


@cache
def _certificates() -> ssl.SSLContext:
    """Load once what httpx loads for each client (30 ms), so that it is not counted."""
    return httpx.create_ssl_context()


def _query(served: RunningServer, page: int, per_page: int) -> dict[str, str]:
    return {
        "subdomain": served.subdomain,
        "location_id": str(served.location_id),
        "new_patient": "false",
        "page": str(page),
        "per_page": str(per_page),
    }


def _page_numbers(served: RunningServer, per_page: int) -> range:
    return range(1, -(-served.records // per_page) + 1)


async def aiohttp_page(
    http: aiohttp.ClientSession, served: RunningServer, token: str, page: int, per_page: int
) -> bytes:
    """Read the bytes of one page without a client library."""
    async with http.get(
        f"{served.url}/patients",
        params=_query(served, page, per_page),
        headers={**_HEADERS, "Authorization": f"Bearer {token}"},
    ) as response:
        return await response.read()


async def _over_aiohttp(served: RunningServer, per_page: int) -> AsyncGenerator[bytes, None]:
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{served.url}/authenticates") as response:
            token = orjson.loads(await response.read())["data"]["token"]
        for page in _page_numbers(served, per_page):
            yield await aiohttp_page(http, served, token, page, per_page)


async def _over_httpx(served: RunningServer, per_page: int) -> AsyncGenerator[bytes, None]:
    async with httpx.AsyncClient(base_url=served.url, verify=_certificates()) as http:
        token = orjson.loads((await http.post("/authenticates")).content)["data"]["token"]
        headers = {**_HEADERS, "Authorization": f"Bearer {token}"}
        for page in _page_numbers(served, per_page):
            reply = await http.get(
                "/patients", params=_query(served, page, per_page), headers=headers
            )
            yield reply.content
