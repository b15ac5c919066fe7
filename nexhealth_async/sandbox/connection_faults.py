"""Fault injection on connections: hanging or slow responses, altered bytes, refused connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nexhealth_async.sandbox.fault_injection import ResponseFaults
from nexhealth_async.sandbox.faults import Fault
from nexhealth_async.sandbox.listener import SandboxListener

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ConnectionFaults"]


class ConnectionFaults(ResponseFaults):
    """The part of a sandbox that injects connection faults; see ``ResponseFaults``."""

    def __init__(self) -> None:
        super().__init__()
        self.listener: SandboxListener = SandboxListener()

    def alter_next(
        self,
        change: Callable[[bytes], bytes] | None = None,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        chunked: bool = False,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Process the next requests, but alter their responses.

        Args:
            change: A function applied to the body.
            status: Status instead of the response's own.
            headers: Headers beside or instead of the response's own.
            chunked: Whether to send the body without ``Content-Length``.
            times: Number of requests.
            path: See ``ResponseFaults``.
            method: See ``ResponseFaults``.
        """
        fault = Fault(
            kind="alter",
            change=change,
            status=status or 0,
            headers=dict(headers or {}),
            chunked=chunked,
            times=times,
            path=path,
            method=method,
        )
        return self.faults.add(fault)

    def hang_next(
        self,
        *,
        when: Literal["before", "after", "mid_body"] = "before",
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Keep the connections of the next requests open without completing the response.

        ``clear()`` closes the connections.

        Args:
            when: ``before`` processing, ``after`` it, or ``mid_body``: after processing, when half
                of the body has been sent.
            times: Number of requests.
            path: See ``ResponseFaults``.
            method: See ``ResponseFaults``.
        """
        return self.faults.add(Fault(kind="hang", when=when, times=times, path=path, method=method))

    def slow_next(
        self,
        seconds: float = 1.0,
        *,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Process the next requests, but send the bodies byte by byte, this many seconds apart."""
        return self.faults.add(
            Fault(kind="drip", seconds=seconds, times=times, path=path, method=method)
        )

    def reset_next(self, times: int = 1) -> None:
        """Reset the next new connections before any request.

        Idle connections are closed, so that requests need new ones.
        """
        self.listener.reset_next(times)

    def refuse_connections(self) -> None:
        """Stop listening, and close idle connections, until `accept_connections`."""
        self.listener.close()

    async def accept_connections(self) -> None:
        """Listen again on the same port, and stop resetting connections."""
        await self.listener.open(self.listener.port)
