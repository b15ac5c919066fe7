"""Where connections come in: it can be shut and opened again while the sandbox runs."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Generator

    from aiohttp import web

__all__ = ["SandboxListener", "abort_connection"]

_THRESHOLD: Final = 2
"""Turns of the loop from an accepted connection to one that the server knows of."""


class SandboxListener:
    """Listens on a port of 127.0.0.1 on behalf of aiohttp's server."""

    def __init__(self) -> None:
        self.port: int = 0
        """The port, once it was opened; it stays the same."""
        self._slams = 0
        self._listening: asyncio.Server | None = None
        self._server: web.Server | None = None
        self._busy: set[web.RequestHandler] = set()

    def serve(self, runner: web.AppRunner) -> None:
        """Say whose server, set up by now, answers those who come in."""
        self._server = runner.server

    async def open(self, port: int) -> None:
        """Listen, if it does not yet, and slam no more; OSError if the port is taken."""
        self._slams = 0
        if self._listening is None:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._protocol, "127.0.0.1", port)
            self.port = self._listening.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening, and close the connections on which nothing is being answered."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        self._close_idle()

    async def finish(self) -> None:
        """Shut it for good; whoever is on the threshold comes in first.

        A connection that is accepted while its server closes would be left open, by nobody:
        asyncio drops it unclosed.
        """
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # loops that accept in another way
            for listening in self._listening.sockets if self._listening else ():
                loop.remove_reader(listening.fileno())
        try:
            for _ in range(_THRESHOLD):
                await asyncio.sleep(0)
        finally:
            self.close()

    def reset_next(self, count: int) -> None:
        """Reset that many connections to come at once; close those that idle."""
        self._slams = count
        self._close_idle()

    @contextmanager
    def busy(self, connection: web.RequestHandler) -> Generator[None]:
        """Note that a request is being answered."""
        self._busy.add(connection)
        try:
            yield
        finally:
            self._busy.discard(connection)

    def _close_idle(self) -> None:
        for connection in self._server.connections if self._server else ():
            if connection in self._busy:
                connection.close()  # once it has answered
            else:
                connection.force_close()

    def _protocol(self) -> asyncio.BaseProtocol:
        if self._slams:
            self._slams -= 1
            return _ResetProtocol()
        if self._server is None:
            raise RuntimeError("Nobody is there to answer.")
        return self._server()


class _ResetProtocol(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        abort_connection(cast("asyncio.Transport", transport))


def abort_connection(transport: asyncio.Transport) -> None:
    """Break a connection so that the other side sees a reset, not an orderly end."""
    raw = cast("socket.socket | None", transport.get_extra_info("socket"))
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
