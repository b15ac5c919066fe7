"""A server of pages rendered beforehand, in a process of its own, so that its work is not counted.

It is asyncio and a dictionary: it checks no token and knows no filter. The records are the
sandbox's invented patients, in the API's v2 envelope.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from attrs import field, frozen

from nexhealth_async.sandbox import Sandbox

__all__ = ["Served", "Stock", "serving"]


@frozen(kw_only=True)
class Stock:
    """What a server is to hold, and how slowly it is to answer."""

    records: int
    per_page: tuple[int, ...]
    latency: float = 0.0
    """Seconds every answer takes, the login's too."""
    jitter: float = 0.0
    """Seconds by which that varies, up and down, evenly and from a fixed seed."""


@frozen(kw_only=True)
class Served:
    """Where a server listens, and what a client that read everything has seen."""

    url: str
    subdomain: str
    location_id: int
    records: int
    sum_of_ids: int
    record_bytes: int
    """Bytes of the records alone."""
    body_bytes: Mapping[int, int] = field(repr=False)
    """Bytes of all pages' bodies, by page size."""

    def pages(self, per_page: int) -> int:
        """Return how many pages of this size there are."""
        return math.ceil(self.records / per_page)


@contextmanager
def serving(stock: Stock) -> Generator[Served, None, None]:
    """Run a server in a process of its own."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_run, args=(stock, there), daemon=True)
    process.start()
    there.close()
    try:
        yield cast("Served", here.recv())
    finally:
        here.close()
        process.terminate()
        process.join()


def _run(stock: Stock, pipe: Connection) -> None:
    asyncio.run(_serve(stock, pipe))


async def _serve(stock: Stock, pipe: Connection) -> None:
    box = Sandbox(patients=stock.records, appointments=0, procedures=0)
    records = [msgspec.json.encode(patient) for patient in box.patients]
    bodies = {
        (per_page, page + 1): _body(records[page * per_page : (page + 1) * per_page], len(records))
        for per_page in stock.per_page
        for page in range(math.ceil(len(records) / per_page))
    }
    replies = {place: _reply("200 OK", body) for place, body in bodies.items()}
    moods = random.Random(1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(stock, replies, moods), "127.0.0.1", 0, backlog=128
    )
    served = Served(
        url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        subdomain=box.subdomain,
        location_id=box.location_id,
        records=len(records),
        sum_of_ids=sum(box.patients.ids),
        record_bytes=sum(map(len, records)),
        body_bytes={
            per_page: sum(len(body) for (size, _), body in bodies.items() if size == per_page)
            for per_page in stock.per_page
        },
    )
    del records, bodies
    pipe.send(served)
    pipe.close()
    await server.serve_forever()


def _body(records: list[bytes], count: int) -> bytes:
    rows = b",".join(records)
    return (
        b'{"code":true,"description":null,"error":null,"data":{"patients":['
        + rows
        + b']},"count":%d}' % count
    )


def _reply(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


# Never verified by a client; its lifetime cannot be read, so that clients take their default.
_LOGIN = _reply("201 Created", b'{"code":true,"data":{"token":"invented"},"error":null}')
_MISSING = _reply("404 Not Found", b'{"code":false,"data":null,"error":["No such page"]}')


class _Connection(asyncio.Protocol):
    """One connection: requests come one after the other, and none has a body worth reading."""

    def __init__(
        self, stock: Stock, replies: Mapping[tuple[int, int], bytes], moods: random.Random
    ) -> None:
        self._stock = stock
        self._replies = replies
        self._moods = moods
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the request, now or when its latency is over."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        self._received = rest
        reply = self._reply_to(head)
        stock = self._stock
        wait = stock.latency + stock.jitter * (2 * self._moods.random() - 1)
        if wait > 0:
            self._loop.call_later(wait, self._send, reply)
        else:
            self._send(reply)

    def _reply_to(self, head: bytes) -> bytes:
        method, target, _ = head.split(b" ", 2)
        if method == b"POST":
            return _LOGIN
        query = parse_qs(urlsplit(target.decode()).query)
        place = int(query["per_page"][0]), int(query["page"][0])
        return self._replies.get(place, _MISSING)

    def _send(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)
