"""Data of a canned server: its pages as bytes, and its latency."""

from __future__ import annotations

import gzip
import math
import random
import ssl
from collections.abc import Mapping

from attrs import frozen

from benchmarks.records import FIRST_ID, RecordKind, records

__all__ = ["Rendered", "ServerData", "ServerWindow", "latency_of", "reply", "server_context"]


@frozen
class ServerWindow:
    """A rate limit that the server enforces."""

    count: int
    seconds: float
    sliding: bool
    """False for windows that begin at times the client does not know."""


@frozen(kw_only=True)
class ServerData:
    """Configuration of a server: its data and its latency."""

    kind: RecordKind = "light"
    records: int = 1
    per_page: tuple[int, ...] = (1000,)
    odd: float = 0.0
    latency: float = 0.0
    """Seconds that every response takes."""
    jitter: float = 0.0
    """Seconds of jitter, up and down, evenly distributed; the same for the same page."""
    cursor: bool = False
    """True for v3's cursor pages in place of v2's numbered pages."""
    fleeting: bool = False
    """True to render pages on request: a million records would fill the memory."""
    gzip: bool = False
    tls: bool = False
    login_seconds: float = 0.0
    """Seconds that a login takes, if it differs from the latency."""
    window: ServerWindow | None = None


def latency_of(stock: ServerData, page: int) -> float:
    """Return the seconds that a page takes; derived from its number, so that it is reproducible."""
    if not stock.jitter:
        return stock.latency
    drawn = random.Random(7_919 * page + 1).random()
    return stock.latency + stock.jitter * (2 * drawn - 1)


def reply(status: str, body: bytes, *, packed: bool = False) -> bytes:
    """Return a response with head and body."""
    encoding = "Content-Encoding: gzip\r\n" if packed else ""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{encoding}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Rendered:
    """All responses of a server, prerendered unless pages are rendered on request."""

    def __init__(self, stock: ServerData) -> None:
        self._stock = stock
        rows = [] if stock.fleeting else records(stock.kind, stock.records, odd=stock.odd)
        first = rows[0] if rows else records(stock.kind, 1)[0]
        self.single = reply("200 OK", _envelope(first))
        self.record_bytes = sum(map(len, rows))
        bodies = {
            (size, page): self._body(rows[(page - 1) * size : page * size], size, page)
            for size in (() if stock.fleeting else stock.per_page)
            for page in range(1, self._pages(size) + 1)
        }
        self._replies = {place: self._reply(body) for place, body in bodies.items()}
        self.body_bytes = {
            size: sum(len(body) for (of, _), body in bodies.items() if of == size)
            for size in stock.per_page
            if not stock.fleeting
        }
        # A fleeting stock has one page of rows, cut where the ids go.
        self._cut = [_around_id(row) for row in records(stock.kind, max(stock.per_page))]

    def _pages(self, size: int) -> int:
        return math.ceil(self._stock.records / size)

    def page(self, query: Mapping[str, list[str]], *, gzip: bool) -> bytes:
        """Return the page of a query, compressed if the client accepts gzip."""
        size = int(query["per_page"][0])
        at = query.get("end_cursor", query.get("page", ["1"]))
        number = int(at[0] or 1)
        if self._stock.fleeting:
            return self._reply(self._body(self._rows(size, number), size, number))
        if self._stock.gzip and not gzip:
            raise ValueError("a client of the gzip benchmark must take gzip")
        return self._replies.get((size, number), _MISSING)

    def _rows(self, size: int, page: int) -> list[bytes]:
        start = (page - 1) * size
        count = min(size, self._stock.records - start)
        return [
            b"%b%d%b" % (head, FIRST_ID + start + place, tail)
            for place, (head, tail) in enumerate(self._cut[:count])
        ]

    def _reply(self, body: bytes) -> bytes:
        if self._stock.gzip:
            return reply("200 OK", gzip.compress(body, 6), packed=True)
        return reply("200 OK", body)

    def _body(self, rows: list[bytes], size: int, page: int) -> bytes:
        joined = b"[" + b",".join(rows) + b"]"
        if not self._stock.cursor:
            return _envelope(b'{"patients":' + joined + b"}", self._stock.records)
        more = page < self._pages(size)
        info = f'{{"has_next_page":{str(more).lower()},"end_cursor":"{page + 1}"}}'
        return b'{"code":true,"data":%b,"page_info":%b}' % (joined, info.encode())


def _around_id(row: bytes) -> tuple[bytes, bytes]:
    head, mark, rest = row.partition(b'"id":')
    return head + mark, rest[len(str(FIRST_ID)) :]


def _envelope(data: bytes, count: int | None = None) -> bytes:
    total = b"null" if count is None else b"%d" % count
    return b'{"code":true,"description":null,"error":null,"data":%b,"count":%b}' % (data, total)


_MISSING = reply("404 Not Found", b'{"code":false,"data":null,"error":["No such page"]}')


def server_context() -> tuple[ssl.SSLContext, str]:
    """Create a certificate; return the server's context, and the CA that a client must trust."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # its other argument is pyOpenSSL's
    return context, authority.cert_pem.bytes().decode()
