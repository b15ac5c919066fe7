"""Fuzz target: a session whose server answers every request with arbitrary bytes."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable
from datetime import date
from itertools import cycle
from typing import Any, cast

from nexhealth_async import NexHealth, NexHealthError, Rates, RetryPolicy, models
from nexhealth_async._protocol.http_messages import Request, Response
from tests.conftest import MovableLoop
from tests.fuzz.findings import SENTINEL, ChoiceReader, Finding, private, target
from tests.fuzz.seeds import BREAK, envelope, refusals

_BASE = "https://api.example.com"
_MOST_REPLIES = 4
_MOST_REQUESTS = 3_000
_STATUSES = (200, 201, 401, 403, 404, 422, 429, 500, 302, 400, 202, 204)
_TOKEN = f"a.{SENTINEL}.c"
_LOGGED_IN = envelope(data={"token": _TOKEN})


class _Server:
    """A transport without a network: logs in, then repeats its responses in turn."""

    host = "api.example.com"
    base_url = _BASE

    def __init__(self, replies: list[bytes]) -> None:
        self._replies = cycle(replies)
        self.left = _MOST_REQUESTS

    def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, *, timeout: float | None) -> Response:  # noqa: ASYNC109 - the transport's signature
        self.left -= 1
        if self.left < 0:
            raise Finding("a call never ends")
        await asyncio.sleep(0)
        if request.target.startswith("/authenticates"):
            return Response(status=201, body=_LOGGED_IN)
        feed = ChoiceReader(next(self._replies))
        status = feed.pick(_STATUSES)
        head, _, body = feed.rest.rpartition(b"\n\n")
        lines = (
            line.partition(":") for line in head.decode("utf-8", "surrogateescape").split("\n")
        )
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        return Response(status=status, headers=headers, body=body, received_at=1_780_000_000.0)


async def _walk(nex: NexHealth) -> object:
    return [patient async for patient in nex.patients.walk(limit=20, passes=1, new_patient=None)]


async def _pages(nex: NexHealth) -> object:
    return [page async for page in nex.patients.walk(passes=1, new_patient=None).raw().pages()]


async def _places(nex: NexHealth) -> object:
    return [practice async for practice in nex.practices()]


async def _file(nex: NexHealth) -> object:
    async with nex.download("/documents/18/download") as file:
        return await file.read()


async def _create(nex: NexHealth) -> object:
    return await nex.patients.create(
        provider_id=1,
        first_name="Ada",
        last_name="Moss",
        email="ada@example.com",
        bio={"date_of_birth": date(1990, 6, 5), "phone_number": "2125550177"},
    )


_CALLS: tuple[Callable[[NexHealth], Awaitable[object]], ...] = (
    _walk,
    _pages,
    _places,
    _file,
    lambda nex: nex.patients.get(7),
    _create,
    lambda nex: nex.patients.walk(new_patient=None).count(),
    lambda nex: nex.request("DELETE", "/anything/7"),
    lambda nex: nex.request("POST", "/anything", json={"a": 1}),
)


class _LogLines(logging.Handler):
    """Collects the library's log lines."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _conversations() -> list[bytes]:
    patient: dict[str, object] = {"id": 7, "first_name": SENTINEL, "bio": {}}
    lists = [
        [envelope(data={"patients": [patient]}, count=1)],
        [envelope(data=[patient], page_info={"has_next_page": False, "end_cursor": SENTINEL})],
        [envelope(data=[{"id": 1, "subdomain": "d", "locations": [{"id": 2, "name": SENTINEL}]}])],
        [envelope(data=patient)],
        [envelope(data={"user": patient}, description=f"parameters are ignored: {SENTINEL}.")],
        [f"<html>{SENTINEL}</html>".encode(), b"", b'{"data":"' + SENTINEL.encode() + b'\xff"}'],
    ]
    good = [BREAK.join(b"\x00\n\n" + body for body in arguments) for arguments in lists]
    bad = [
        bytes([status]) + b"Retry-After: 2\nDate: x\n\n" + envelope(code=False, error=[text])
        for status in range(2, 9)
        for text in refusals()[:2]
    ]
    flaky = [bytes([7]) + b"\n\n" + BREAK + one for one in good]
    kinds = [*good, *flaky, *bad]
    return [
        bytes([call, (call + at) % 2]) + replies
        for call in range(len(_CALLS))
        for at, replies in enumerate(kinds)
        if at < len(good) or at % len(_CALLS) == call
    ]


@target(choices=2, seeds=_conversations)
def whole_session(data: bytes) -> None:
    """A call ends with a result or an error of ours; no error, warning or log line shows data."""
    feed = ChoiceReader(data)
    call, version = feed.pick(_CALLS), feed.pick(("v2", "v3"))
    server = _Server(feed.rest.split(BREAK)[:_MOST_REPLIES])
    listener, logger = _LogLines(), logging.getLogger("nexhealth_async")
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with asyncio.Runner(loop_factory=_skipping) as runner:
                runner.run(_conversed(server, version, call))
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
    if server.left < 0:
        raise Finding("a call never ends")
    for text in (*listener.lines, *(str(one.message) for one in warned)):
        if SENTINEL in text:
            raise Finding("a log line or a warning shows a value", text[:300])


def _skipping() -> MovableLoop:
    loop = MovableLoop()
    loop.skip_waits = True
    return loop


async def _conversed(
    server: _Server, version: str, call: Callable[[NexHealth], Awaitable[object]]
) -> None:
    nex = NexHealth(
        f"key-{SENTINEL}",
        base_url=_BASE,
        version=version,
        subdomain="demo",
        location_id=1,
        retry=RetryPolicy(attempts=2),
        rates=Rates.unlimited(),
    )
    nex._client.state.transport = cast("Any", server)
    # Decoders are built where they are needed: a thread's work would race the moving clock.
    nex._client.state.ready.update(models.__all__)
    async with nex:
        try:
            await call(nex)
        except NexHealthError as error:
            private(error)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        raise Finding("a session leaves tasks behind", f"{len(left)}")
