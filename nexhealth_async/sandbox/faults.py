"""Injected faults, each of which applies to the next requests that match it."""

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
    """An injected fault, which applies to ``times`` requests."""

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
        """True if the request is processed, so that only its response is faulty."""
        return self.kind not in _FAULTS_BEFORE_PROCESSING and self.when != "before"

    def matches(self, request: RecordedRequest) -> bool:
        """Return whether the fault applies to a request; see ``ResponseFaults``."""
        if self.method is not None and self.method.upper() != request.method:
            return False
        if self.path is None:
            return request.path != "/authenticates"
        path, _, query = self.path.partition("?")
        if path not in {request.path, request.template}:
            return False
        return set(parse_qsl(query)) <= set(request.query)


class Faults:
    """The queue of injected faults."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._ended = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, fault: Fault) -> Fault:
        """Append a fault to the queue."""
        if fault.times < 1:
            raise ValueError("times must be at least 1.")
        if fault.when not in _WHEN or fault.kind not in get_args(FaultKind):
            raise ValueError('when must be "before", "after" or "mid_body".')
        if fault.method is not None and fault.method.upper() not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(_METHODS)}.")
        self._queue.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults, and end the current ones."""
        self._queue.clear()
        self.end()

    def end(self) -> None:
        """End hanging and slow responses by closing their connections."""
        self._ended.set()
        self._ended = asyncio.Event()

    def take(self, request: RecordedRequest) -> Fault | None:
        """Return the first fault that matches a request, and count it down."""
        for fault in self._queue:
            if fault.matches(request):
                fault.times -= 1
                if fault.times == 0:
                    self._queue.remove(fault)
                return fault
        return None

    async def apply(
        self, fault: Fault, request: web.Request, response: web.Response
    ) -> web.StreamResponse | None:
        """Send a faulty response; return None if ``response`` is to be sent unchanged."""
        match fault.kind:
            case "before" | "late" | "after":
                reset_connection(request)
                return web.Response()
            case "mid_body":
                started = await _send_half(request, response)
                await asyncio.sleep(0.005)  # a reset discards bytes that were not read yet
                reset_connection(request)
                return started
            case "hang":
                partial = None
                if fault.when == "mid_body":
                    partial = await _send_half(request, response)
                await self._ended.wait()
                reset_connection(request)
                return partial or web.Response()
            case "drip":
                return await _send_slowly(request, response, fault.seconds, self._ended)
            case "alter" if fault.chunked:
                return await _send_chunked(request, response)
            case _:
                return None


def reset_connection(request: web.Request) -> None:
    """Reset the connection of a request."""
    if request.transport is not None:
        abort_connection(request.transport)


def _body_of(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


async def _send_half(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Send the headers and half of the body of a response."""
    body = _body_of(response)
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.content_length = max(len(body), 2)
    await partial.prepare(request)
    await partial.write(body[: len(body) // 2])
    return partial


async def _send_slowly(
    request: web.Request, response: web.Response, pause: float, ended: asyncio.Event
) -> web.StreamResponse:
    body = _body_of(response)
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    with suppress(ConnectionError):
        for offset in range(len(body)):
            await stream.write(body[offset : offset + 1])
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), pause)
                reset_connection(request)
                break
    return stream


async def _send_chunked(request: web.Request, response: web.Response) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    body = _body_of(response)
    with suppress(ConnectionError):
        for offset in range(0, len(body), 65_536):
            await stream.write(body[offset : offset + 65_536])
    return stream
