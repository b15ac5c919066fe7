"""The receiver of each framework, over sockets: plain statuses, no more read than needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from nexhealth_async.stores import SqliteSeen
from nexhealth_async.webhooks import Event, Receiver
from tests.webhooks.servers import SERVERS, Serve
from tests.webhooks.test_receiver import SECRET, ids, posted

LARGEST = 50_000


@pytest.fixture(params=SERVERS)
def serve(request: pytest.FixtureRequest) -> Serve:
    return SERVERS[request.param]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(http: aiohttp.ClientSession, url: str, headers: dict[str, str], body: object) -> int:
    async with http.post(url, data=body, headers=headers) as reply:
        assert await reply.read() == b""
        return reply.status


async def test_signed_deliveries_are_accepted_and_others_refused_without_detail(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    got: list[Event] = []

    async def handle(event: Event) -> None:
        got.append(event)

    headers, body = posted()
    async with serve(Receiver(SECRET, handle, max_bytes=LARGEST)) as url:
        assert await post(http, url, headers, body) == 200
        assert await post(http, url, headers, body) == 200
        assert await post(http, url, headers, body[:-1]) == 401
        assert await post(http, url, {}, body) == 401
        assert await post(http, url, headers, b"x" * (LARGEST + 1)) == 413
        packed = {**headers, "Content-Encoding": "gzip"}
        assert await post(http, url, packed, b"") == 415
        garbage, nothing = posted()[0], b"not JSON"
        assert await post(http, url, garbage, nothing) == 401
        async with http.get(url) as reply:
            assert reply.status == 405
    assert ids(got) == [1]


async def test_a_body_of_unknown_length_is_read_up_to_the_limit(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200 * LARGEST:
            sent += 10_000
            yield b"x" * 10_000
            await asyncio.sleep(0)

    headers, body = posted()

    async def whole() -> AsyncIterator[bytes]:
        yield body

    async with serve(Receiver(SECRET, answer="queued", max_bytes=LARGEST)) as url:
        assert await post(http, url, headers, whole()) == 200
        # A server may close while the client still writes: what counts is that it stops.
        with suppress(aiohttp.ClientOSError):
            assert await post(http, url, headers, endless()) == 413
        assert sent < 200 * LARGEST


async def test_a_disconnected_sender_leaves_nothing_behind(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    headers, body = posted()
    receiver = Receiver(SECRET)
    async with serve(receiver) as url:
        place = urlsplit(url)
        _, writer = await asyncio.open_connection(place.hostname, place.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        start = (
            f"POST {place.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n"
        )
        writer.write(start.encode() + body[:20])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
    assert receiver.counts.queued == 0
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_early_answers_are_possible_and_the_rest_is_handled_at_shutdown(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    got: list[Event] = []
    free = asyncio.Event()

    async def handle(event: Event) -> None:
        await free.wait()
        got.append(event)

    async with serve(Receiver(SECRET, handle, answer="queued")) as url:
        answers = await asyncio.gather(*(post(http, url, *posted(id)) for id in range(100)))
        assert answers == [200] * 100
        assert not got
        asyncio.get_running_loop().call_later(0.05, free.set)
    assert sorted(ids(got)) == list(range(100))


async def test_a_full_queue_is_answered_so_that_the_vendor_retries(
    serve: Serve, http: aiohttp.ClientSession
) -> None:
    receiver = Receiver(SECRET, answer="queued", queue_size=3)
    async with serve(receiver) as url:
        answers = [await post(http, url, *posted(id)) for id in range(5)]
        assert answers == [200, 200, 200, 503, 503]
        walk: Any = aiter(receiver)
        async with aclosing(walk):
            assert ids([await anext(walk)]) == [0]
        assert await post(http, url, *posted(4)) == 200


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("serve", "deliveries"), [("aiohttp", 10_200), ("fastapi", 1_800)], indirect=["serve"]
)
async def test_many_duplicates_are_handled_once_across_a_restart(
    serve: Serve, deliveries: int, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Deliveries of 500 events in waves, with a new server and a new store in between."""
    got: list[Event] = []

    async def handle(event: Event) -> None:
        await asyncio.sleep(0)
        got.append(event)

    ready = [posted(id) for id in range(500)]
    statuses: set[int] = set()

    async def storm(url: str, events: range, times: int) -> None:
        at = asyncio.Semaphore(40)

        async def one(id: int) -> None:
            async with at:
                statuses.add(await post(http, url, *ready[id]))

        await asyncio.gather(*(one(id) for _ in range(times) for id in events))

    for events in (range(300), range(200, 500)):
        store = SqliteSeen(tmp_path / "seen.db")
        async with serve(Receiver(SECRET, handle, store=store, workers=4)) as url:
            await storm(url, events, deliveries // 2 // len(events))
    assert statuses == {200}
    assert sorted(ids(got)) == list(range(500))
