"""How a test orders faults of the line: silence, a drip, altered bytes, no connection at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nexhealth_async.sandbox.fault_injection import ResponseFaults
from nexhealth_async.sandbox.faults import Fault
from nexhealth_async.sandbox.listener import SandboxListener

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ConnectionFaults"]


class ConnectionFaults(ResponseFaults):
    """The part of a sandbox that takes orders for what befalls the line; see `ResponseFaults`."""

    def __init__(self) -> None:
        super().__init__()
        self.door: SandboxListener = SandboxListener()

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
        """Do what is asked, but put the answer's body through a function before it leaves.

        ``status`` and ``headers`` replace the answer's own: cookies, an encoding, another type.
        ``chunked`` sends it without saying how long it is.
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
        """Leave the next requests without an end of their answer, the connection open.

        ``before``: nothing was done; ``after``: all was done; ``mid_body``: all was done, and half
        of the answer arrives. ``clear()`` ends the silence by closing the connections.
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
        """Do what is asked, but send the answer's body byte by byte, with these pauses."""
        return self.faults.add(
            Fault(kind="drip", seconds=seconds, times=times, path=path, method=method)
        )

    def reset_next(self, times: int = 1) -> None:
        """Accept the next new connections, and reset each before it can say anything.

        Connections that idle are closed, so that requests need new ones.
        """
        self.door.reset_next(times)

    def refuse_connections(self) -> None:
        """Stop listening, and close connections that idle, until `accept_connections`."""
        self.door.close()

    async def accept_connections(self) -> None:
        """Listen again, on the same port, and reset no more connections."""
        await self.door.open(self.door.port)
