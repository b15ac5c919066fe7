"""Faults a test orders in advance: each befalls the next requests that match it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import Literal, TypeAlias, cast

from aiohttp import web
from attrs import define, field

__all__ = ["EDGE_PAGE", "Fault", "Faults", "Kind", "half_then_reset", "reset"]

Kind: TypeAlias = Literal[
    "fail", "before", "after", "mid_body", "truncate", "garbage", "empty", "delay", "edge_block"
]

_UNPROCESSED: frozenset[Kind] = frozenset({"fail", "before", "edge_block"})

EDGE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>"
    b"<h1>Error 1010</h1><p>The owner of this website has banned your access based on your "
    b"browser's signature.</p></body></html>"
)


@define(kw_only=True, eq=False)
class Fault:
    """One ordered fault. Kept until ``times`` requests have met it."""

    kind: Kind
    times: int = 1
    path: str | None = None
    method: str | None = None
    status: int = 200
    body: bytes | None = None
    content_type: str | None = None
    headers: dict[str, str] = field(factory=dict[str, str])
    seconds: float = 0.0

    @property
    def processed(self) -> bool:
        """Whether the request takes effect all the same, only its answer suffers."""
        return self.kind not in _UNPROCESSED

    def matches(self, method: str, path: str, template: str | None) -> bool:
        """Whether a request is meant: by path or by template such as ``/patients/{id}``.

        Without a path any request is meant but the login: name ``/authenticates`` to hit that.
        """
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is None:
            return path != "/authenticates"
        return self.path in {path, template}


class Faults:
    """The queue of faults to come."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, fault: Fault) -> Fault:
        """Put a fault at the end of the queue."""
        if fault.times < 1:
            raise ValueError("A fault has to befall at least one request.")
        self._queue.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults still to come."""
        self._queue.clear()

    def take(self, method: str, path: str, template: str | None) -> Fault | None:
        """The first fault meant for this request, used up by one."""
        for fault in self._queue:
            if fault.matches(method, path, template):
                fault.times -= 1
                if fault.times == 0:
                    self._queue.remove(fault)
                return fault
        return None


def reset(request: web.Request) -> None:
    """Break the connection so that the other side sees a reset, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    raw = cast("socket.socket | None", transport.get_extra_info("socket"))
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def half_then_reset(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send the headers and half the body of a reply, then break the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    partial = web.StreamResponse(status=whole.status, headers=whole.headers)
    partial.content_length = max(len(body), 2)
    await partial.prepare(request)
    await partial.write(body[: len(body) // 2])
    await asyncio.sleep(0.005)  # the half must be read before the reset overtakes it
    reset(request)
    return partial
