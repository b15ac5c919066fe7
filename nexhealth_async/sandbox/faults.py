"""Faults a test orders in advance: each befalls the next requests that match it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias, get_args
from urllib.parse import parse_qsl

from aiohttp import web
from attrs import define, field

from nexhealth_async.sandbox.listener import abort_connection
from nexhealth_async.sandbox.request_log import RecordedRequest

__all__ = ["FIREWALL_PAGE", "Fault", "FaultKind", "Faults", "reset_connection"]

FaultKind: TypeAlias = Literal[
    "fail",
    "before",
    "late",
    "after",
    "mid_body",
    "truncate",
    "garbage",
    "empty",
    "delay",
    "edge_block",
    "alter",
    "hang",
    "drip",
]

_WHEN = ("before", "after", "mid_body")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FAULTS_BEFORE_PROCESSING: frozenset[FaultKind] = frozenset(
    {"fail", "before", "late", "edge_block"}
)

FIREWALL_PAGE = (
    b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>"
    b"<h1>Error 1010</h1><p>The owner of this website has banned your access based on your "
    b"browser's signature.</p></body></html>"
)


@define(kw_only=True, eq=False)
class Fault:
    """One ordered fault. Kept until ``times`` requests have met it."""

    kind: FaultKind
    times: int = 1
    path: str | None = None
    method: str | None = None
    status: int = 200
    body: bytes | None = None
    content_type: str | None = None
    headers: dict[str, str] = field(factory=dict[str, str])
    seconds: float = 0.0
    change: Callable[[bytes], bytes] | None = None
    chunked: bool = False
    when: Literal["before", "after", "mid_body"] = "after"

    @property
    def is_processed(self) -> bool:
        """Whether the request takes effect at once all the same, only its answer suffers."""
        return self.kind not in _FAULTS_BEFORE_PROCESSING and self.when != "before"

    def matches(self, seen: RecordedRequest) -> bool:
        """Whether a request is meant: by path or by template such as ``/patients/{id}``.

        Without a path any request is meant but the login: name ``/authenticates`` to hit that.
        """
        if self.method is not None and self.method.upper() != seen.method:
            return False
        if self.path is None:
            return seen.path != "/authenticates"
        path, _, query = self.path.partition("?")
        return path in {seen.path, seen.template} and set(parse_qsl(query)) <= set(seen.query)


class Faults:
    """The queue of faults to come."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._ended = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, fault: Fault) -> Fault:
        """Put a fault at the end of the queue."""
        if fault.times < 1:
            raise ValueError("A fault has to befall at least one request.")
        if fault.when not in _WHEN or fault.kind not in get_args(FaultKind):
            raise ValueError('when must be "before", "after" or "mid_body".')
        if fault.method is not None and fault.method.upper() not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(_METHODS)}.")
        self._queue.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults still to come, and end those that last."""
        self._queue.clear()
        self.end()

    def end(self) -> None:
        """End the silences and drips of requests that are being answered."""
        self._ended.set()
        self._ended = asyncio.Event()

    def take(self, seen: RecordedRequest) -> Fault | None:
        """The first fault meant for this request, used up by one."""
        for fault in self._queue:
            if fault.matches(seen):
                fault.times -= 1
                if fault.times == 0:
                    self._queue.remove(fault)
                return fault
        return None

    async def apply(
        self, fault: Fault, request: web.Request, response: web.Response
    ) -> web.StreamResponse | None:
        """Let a fault befall an answer on its way; None if it leaves as any other."""
        match fault.kind:
            case "before" | "late" | "after":
                reset_connection(request)
                return web.Response()
            case "mid_body":
                partial = await _send_half(request, response)
                await asyncio.sleep(0.005)  # the half must be read before the reset overtakes it
                reset_connection(request)
                return partial
            case "hang":
                begun = await _send_half(request, response) if fault.when == "mid_body" else None
                await self._ended.wait()
                reset_connection(request)
                return begun or web.Response()
            case "drip":
                return await _send_slowly(request, response, fault.seconds, self._ended)
            case "alter" if fault.chunked:
                return await _chunked(request, response)
            case _:
                return None


def reset_connection(request: web.Request) -> None:
    """Break the connection of a request."""
    if request.transport is not None:
        abort_connection(request.transport)


def _bytes_of(reply: web.Response) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b""


async def _send_half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send the headers and half the body of a reply."""
    body = _bytes_of(whole)
    partial = web.StreamResponse(status=whole.status, headers=whole.headers)
    partial.content_length = max(len(body), 2)
    await partial.prepare(request)
    await partial.write(body[: len(body) // 2])
    return partial


async def _send_slowly(
    request: web.Request, whole: web.Response, pause: float, ended: asyncio.Event
) -> web.StreamResponse:
    body = _bytes_of(whole)
    drip = web.StreamResponse(status=whole.status, headers=whole.headers)
    drip.content_length = len(body)
    await drip.prepare(request)
    with suppress(ConnectionError):
        for at in range(len(body)):
            await drip.write(body[at : at + 1])
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), pause)
                reset_connection(request)
                break
    return drip


async def _chunked(request: web.Request, whole: web.Response) -> web.StreamResponse:
    reply = web.StreamResponse(status=whole.status, headers=whole.headers)
    reply.enable_chunked_encoding()
    await reply.prepare(request)
    body = _bytes_of(whole)
    with suppress(ConnectionError):
        for at in range(0, len(body), 65_536):
            await reply.write(body[at : at + 65_536])
    return reply
