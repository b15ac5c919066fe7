"""A server of prerendered pages in a separate process, so that its CPU time is not counted.

It consists of asyncio and a dictionary, without filters. It answers v2's numbered pages and v3's
cursor pages, single patients, the login, and requests for its counters (``GET /seen``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from attrs import field, frozen

from benchmarks.auth_server import AuthServer
from benchmarks.records import FIRST_ID
from benchmarks.stock import Rendered, ServerData, latency_of, reply, server_context

__all__ = ["RunningServer", "serving"]

_SUBDOMAIN = "invented-dental"
_LOCATION_ID = 339_273


@frozen(kw_only=True)
class RunningServer:
    """Address of a server, and what a client that read everything has seen."""

    url: str
    stock: ServerData
    record_bytes: int
    """Bytes of the records alone; 0 if the pages are rendered on request."""
    body_bytes: Mapping[int, int] = field(repr=False)
    """Bytes of all pages' bodies, by page size."""
    authority: str | None = field(default=None, repr=False)
    """Certificate of the CA that signed the server's, with TLS."""

    subdomain: str = _SUBDOMAIN
    location_id: int = _LOCATION_ID

    @property
    def records(self) -> int:
        """Number of records."""
        return self.stock.records

    @property
    def sum_of_ids(self) -> int:
        """Sum of the ids of all records."""
        return self.records * FIRST_ID + self.records * (self.records - 1) // 2

    def seen(self) -> dict[str, list[float]]:
        """Ask the server for its counters; see `AuthServer.seen`."""
        with urlopen(f"{self.url}/seen") as answer:  # noqa: S310 - a server of our own
            return cast("dict[str, list[float]]", json.load(answer))

    def expire_tokens(self) -> None:
        """Let the server reject every token it has issued, and reset its counters."""
        urlopen(f"{self.url}/expire").close()  # noqa: S310 - a server of our own


@contextmanager
def serving(stock: ServerData) -> Generator[RunningServer, None, None]:
    """Run a server in a separate process."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_run, args=(stock, there), daemon=True)
    process.start()
    there.close()
    try:
        yield cast("RunningServer", here.recv())
    finally:
        here.close()
        process.terminate()
        process.join()


def _run(stock: ServerData, pipe: Connection) -> None:
    asyncio.run(_serve(stock, pipe))


async def _serve(stock: ServerData, pipe: Connection) -> None:
    rendered = Rendered(stock)
    auth_server = AuthServer(stock)
    ssl, authority = server_context() if stock.tls else (None, None)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(stock, rendered, auth_server), "127.0.0.1", 0, backlog=256, ssl=ssl
    )
    scheme = "https" if stock.tls else "http"
    served = RunningServer(
        url=f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        stock=stock,
        record_bytes=rendered.record_bytes,
        body_bytes=rendered.body_bytes,
        authority=authority,
    )
    pipe.send(served)
    pipe.close()
    await server.serve_forever()


_PLACES = json.dumps(
    {
        "code": True,
        "count": 1,
        "data": [{"id": 1, "subdomain": _SUBDOMAIN, "locations": [{"id": _LOCATION_ID}]}],
    }
).encode()
"""Response to requests for the practices, or for their locations."""
_NOBODY = json.dumps({"code": True, "count": 0, "data": {"patients": []}}).encode()


class _Connection(asyncio.Protocol):
    """One connection: requests come sequentially, and their bodies are ignored."""

    def __init__(self, stock: ServerData, rendered: Rendered, auth_server: AuthServer) -> None:
        self._stock = stock
        self._rendered = rendered
        self._auth_server = auth_server
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send the response, now or after its latency."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        self._received = rest
        answer, wait = self._answer(head)
        if wait > 0:
            self._loop.call_later(wait, self._send, answer)
        else:
            self._send(answer)

    def _answer(self, head: bytes) -> tuple[bytes, float]:
        line, _, fields = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ", 2)
        split = urlsplit(target)
        now = self._loop.time()
        if method == "POST":
            return self._auth_server.log_in(now), self._stock.login_seconds or self._stock.latency
        if split.path == "/seen":
            return reply("200 OK", json.dumps(self._auth_server.seen).encode()), 0.0
        if split.path == "/expire":
            self._auth_server.expire()
            return reply("200 OK", b"{}"), 0.0
        query = parse_qs(split.query)
        page = int(query.get("page", ["1"])[0])
        wait = latency_of(self._stock, page)
        if split.path in ("/institutions", "/locations"):  # the window is one of patients
            return reply("200 OK", _PLACES), wait
        refusal = self._auth_server.refusal(fields, now)
        if refusal is not None:
            return refusal, wait
        if split.path != "/patients":
            return self._rendered.single, wait
        if query.get("new_patient") == ["true"]:  # a pull asks for both kinds; all are the other
            return reply("200 OK", _NOBODY), wait
        return self._rendered.page(query, gzip=b"gzip" in fields), wait

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)
