"""A request about to leave and a reply that came in, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HiddenBytes", "HiddenText", "Request", "Response", "Stream"]


class HiddenText(str):
    """A credential as aiohttp is given it: no ``repr`` shows it, nor a traceback's variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


class HiddenBytes(bytes):
    """A body as aiohttp is given it; its ``repr`` shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} hidden bytes>"


@frozen(kw_only=True)
class Request:
    """What is to be sent; its ``repr`` shows neither query, body nor headers."""

    method: str
    target: str = field(repr=False)
    """Path and query, fully percent-encoded."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)
    stream_response: bool = False
    """True if the body of a success is to stay in the connection, to be read piece by piece."""
    fresh_connection: bool = False
    """True for unsafe writes: an idle connection may be dead, and the loss would be ambiguous."""


class Stream(Protocol):
    """The body of a reply that is read piece by piece."""

    @property
    def media_type(self) -> str:
        """The ``Content-Type``, without parameters."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes in all; None where the server does not say."""
        ...

    async def chunk(self) -> bytes:
        """Return the next bytes, none at the end."""
        ...

    def close(self) -> None:
        """Let go of the connection; for good if something is left in it."""
        ...


@frozen(kw_only=True)
class Response:
    """What came back, whole; its ``repr`` shows neither headers nor body."""

    status: int
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)
    stream: Stream | None = field(default=None, repr=False)
    """The body of a success that is to be read piece by piece; ``body`` is empty then."""
    received_at: float = 0.0
    """When it came in, in seconds since the epoch; dates in headers are read against it."""
