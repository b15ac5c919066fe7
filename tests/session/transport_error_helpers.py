"""Helpers for tests of transport errors: sandbox and client, a raw server, checks of each error."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import Factory, define, frozen

from nexhealth_async import NexHealth, OutcomeUnknownError, RetryPolicy
from nexhealth_async.sandbox import Clock, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from nexhealth_async import LocationScope, NexHealthError

QUICK = RetryPolicy(base_delay=0.0, attempt_timeout=5.0)
"""The usual four attempts, without a pause between them."""

SENTINEL = "Canarywood"
"""A name that is searched for or stored, and must not appear anywhere."""

LONGEST_SENTENCE = 300


class LoopClock(Clock):
    """A sandbox clock that follows the loop's time."""

    def now(self) -> float:
        return 1_780_000_000.0 + asyncio.get_running_loop().time()


@frozen(kw_only=True)
class ErrorScene:
    sandbox: Sandbox
    nex: NexHealth
    location: LocationScope

    async def names(self) -> list[int]:
        """Walk the patients with the sentinel's name; there are none unless a test made some."""
        return [
            patient.id async for patient in self.location.patients.walk(name=SENTINEL, prefetch=0)
        ]

    async def works(self) -> None:
        """Check with a successful call that the session survived."""
        assert await self.location.patients.walk(new_patient=None).count() == len(
            self.sandbox.patients
        )

    @property
    def sent(self) -> int:
        """Requests that arrived, without logins."""
        return sum(request.path != "/authenticates" for request in self.sandbox.requests)


@asynccontextmanager
async def scene(
    *,
    patients: int = 25,
    retry: RetryPolicy = QUICK,
    clock: Clock | None = None,
    **options: Any,
) -> AsyncGenerator[ErrorScene]:
    """A sandbox with a session, which must leave no task behind."""
    before = asyncio.all_tasks()
    async with Sandbox(patients=patients, seed=1, appointments=0, clock=clock) as sandbox:
        settings: dict[str, Any] = {"base_url": sandbox.url, "retry": retry, **options}
        key = settings.pop("api_key", sandbox.api_key)
        async with NexHealth(key, **settings) as nex:
            location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
            yield ErrorScene(sandbox=sandbox, nex=nex, location=location)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


def check_text(
    error: NexHealthError,
    *,
    operation: str | None = "GET /patients",
    attempts: int | None = None,
    status: int | None = None,
    secrets: Sequence[str] = (),
) -> None:
    """Check that an error's message says what happened where, without private data."""
    text = str(error)
    assert error.operation == operation
    assert operation is None or text.startswith(f"{operation}: ")
    assert "\n" not in text
    assert len(text) < LONGEST_SENTENCE
    assert ". " not in text or isinstance(error, OutcomeUnknownError)
    if attempts is not None:
        assert error.attempts == attempts
        assert (f"({attempts} attempts)" in text) == (attempts > 1)
    if status is not None:
        assert getattr(error, "status", None) == status
    assert error.__suppress_context__ or error.__context__ is None
    for secret in (SENTINEL, "<html", "Scripted failure", "Bearer", "subdomain=", *secrets):
        assert secret not in text
        assert secret not in repr(error)


def head(body: bytes, *, status: str = "200 OK", more: str = "") -> bytes:
    """Format a response as on the wire."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    ).encode() + body


GOOD = head(b'{"code":true,"data":{"patients":[]},"count":0,"error":null,"description":null}')
TOKEN = head(b'{"code":true,"data":{"token":"a.b.c"}}', status="201 Created")


@define
class RawServer:
    """A server that answers data requests with the given bytes; None means silence."""

    port: int = 0
    says: bytes | None = GOOD
    hits: int = 0
    """Data requests that arrived."""
    _server: asyncio.Server | None = None
    _talks: set[asyncio.Task[None]] = Factory(set["asyncio.Task[None]"])
    _writers: set[asyncio.StreamWriter] = Factory(set[asyncio.StreamWriter])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            while await self._answered(reader, writer):
                pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/authenticates" in request:
            writer.write(TOKEN)
            return True
        self.hits += 1
        if self.says is None:
            return True
        writer.write(self.says)
        return self.says.startswith(b"HTTP/1.1 2")

    def hang_up(self) -> None:
        """Close all connections, as a server does with idle ones."""
        for writer in self._writers:
            writer.close()

    @asynccontextmanager
    async def gone(self, *, back_after: float) -> AsyncGenerator[None]:
        """Refuse connections for some seconds, then listen again."""
        assert self._server is not None
        self._server.close()
        self.hang_up()
        task = asyncio.create_task(self._return(back_after))
        try:
            yield
        finally:
            await task

    async def _return(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[RawServer]:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            self.hang_up()
            if self._talks:
                await asyncio.wait(self._talks)


def envelope(data: object, count: object = 0) -> bytes:
    body = {"code": True, "data": data, "count": count, "error": None, "description": None}
    return msgspec.json.encode(body)
