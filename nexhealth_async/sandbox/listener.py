"""Listening socket of the sandbox, which can be closed and opened again while it runs."""

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

_ACCEPT_TURNS: Final = 2
"""Turns of the event loop from accepting a connection to handing it to the server."""


class SandboxListener:
    """A listener on a port of 127.0.0.1 for aiohttp's server."""

    def __init__(self) -> None:
        self.port: int = 0
        """The port, once it was opened; it stays the same after `close`."""
        self._resets = 0
        self._listen_server: asyncio.Server | None = None
        self._server: web.Server | None = None
        self._busy: set[web.RequestHandler] = set()

    def serve(self, runner: web.AppRunner) -> None:
        """Set the server of a runner that has been set up, which handles the connections."""
        self._server = runner.server

    async def open(self, port: int) -> None:
        """Listen, and stop resetting connections; raise OSError if the port is taken."""
        self._resets = 0
        if self._listen_server is None:
            loop = asyncio.get_running_loop()
            self._listen_server = await loop.create_server(self._protocol, "127.0.0.1", port)
            self.port = self._listen_server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening, and close idle connections."""
        listening, self._listen_server = self._listen_server, None
        if listening is not None:
            listening.close()
        self._close_idle()

    async def finish(self) -> None:
        """Stop listening permanently, after handing accepted connections to the server.

        asyncio would drop a connection accepted during the closing without closing it.
        """
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # some event loops accept without a reader
            for listening in self._listen_server.sockets if self._listen_server else ():
                loop.remove_reader(listening.fileno())
        try:
            for _ in range(_ACCEPT_TURNS):
                await asyncio.sleep(0)
        finally:
            self.close()

    def reset_next(self, count: int) -> None:
        """Reset this many new connections at once, and close idle connections."""
        self._resets = count
        self._close_idle()

    @contextmanager
    def busy(self, connection: web.RequestHandler) -> Generator[None]:
        """Mark a connection as busy while a request is answered."""
        self._busy.add(connection)
        try:
            yield
        finally:
            self._busy.discard(connection)

    def _close_idle(self) -> None:
        for connection in self._server.connections if self._server else ():
            if connection in self._busy:
                connection.close()  # after its response
            else:
                connection.force_close()

    def _protocol(self) -> asyncio.BaseProtocol:
        if self._resets:
            self._resets -= 1
            return _ResetProtocol()
        if self._server is None:
            raise RuntimeError("The listener has no server: call serve first.")
        return self._server()


class _ResetProtocol(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        abort_connection(cast("asyncio.Transport", transport))


def abort_connection(transport: asyncio.Transport) -> None:
    """Close a connection with a TCP reset."""
    sock = cast("socket.socket | None", transport.get_extra_info("socket"))
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
