"""Hostile servers over real connections: unresolvable names, and responses that are not HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from nexhealth_async import NO_RETRY, NexHealth, NexHealthError
from tests.fuzz.findings import private

_LOGIN = b'{"code":true,"data":{"token":"a.b.c"}}'


@asynccontextmanager
async def _server(answer: bytes) -> AsyncGenerator[str]:
    """Accept every login, and answer everything else with these bytes."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        login = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(_LOGIN), _LOGIN)
        writer.write(login if b"/authenticates" in head else answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _elsewhere(location: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"


@pytest.mark.parametrize(
    "location",
    [b"https://a..b/x", b"https://" + b"a" * 64 + b".example/x"],
    ids=["without a label", "too long"],
)
async def test_an_impossible_file_url_raises_our_error(location: bytes) -> None:
    async with (
        _server(_elsewhere(location)) as url,
        NexHealth("key", base_url=url, retry=NO_RETRY) as nex,
    ):
        with pytest.raises(NexHealthError) as caught:
            async with nex.download("/documents/18/download"):
                pass
    private(caught.value)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
async def test_an_unresolvable_base_url_raises_our_error(host: str) -> None:
    with pytest.raises(NexHealthError):
        async with NexHealth("key", base_url=f"https://{host}", retry=NO_RETRY) as nex:
            await nex.log_in()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Type: \xff/\xfe; charset=\0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[9:50]),
)
async def test_any_response_bytes_raise_only_our_errors(answer: bytes) -> None:
    async with (
        _server(answer) as url,
        NexHealth("key", base_url=url, retry=NO_RETRY, timeout=5) as nex,
    ):
        # Older releases of aiohttp let an unreadable media type pass, and the reply is empty.
        passes = b"Content-Type" in answer
        with suppress(NexHealthError) if passes else pytest.raises(NexHealthError):
            await nex.request("GET", "/anything")
        with suppress(NexHealthError) if passes else pytest.raises(NexHealthError):
            async with nex.download("/documents/18/download") as file:
                await file.read()
