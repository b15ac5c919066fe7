"""HTTP requests and responses as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HiddenBytes", "HiddenText", "Request", "Response", "Stream"]


class HiddenText(str):
    """A credential for aiohttp that ``repr`` hides, also in tracebacks with local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


class HiddenBytes(bytes):
    """A body for aiohttp that ``repr`` hides."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} hidden bytes>"


@frozen(kw_only=True)
class Request:
    """An HTTP request; ``repr`` hides its target, headers and body."""

    method: str
    target: str = field(repr=False)
    """Path and query, fully percent-encoded."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)
    stream_response: bool = False
    """True to read the body of a success in chunks."""
    fresh_connection: bool = False
    """True for unsafe writes: on a dead idle connection their outcome would be unknown."""


class Stream(Protocol):
    """The body of a response, read in chunks."""

    @property
    def media_type(self) -> str:
        """The ``Content-Type``, without parameters."""
        ...

    @property
    def size(self) -> int | None:
        """Size in bytes; None if the server does not state it."""
        ...

    async def chunk(self) -> bytes:
        """Return the next chunk, empty at the end."""
        ...

    def close(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        ...


@frozen(kw_only=True)
class Response:
    """An HTTP response; ``repr`` hides its headers and body."""

    status: int
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)
    stream: Stream | None = field(default=None, repr=False)
    """The body of a success that is read in chunks; ``body`` is empty then."""
    received_at: float = 0.0
    """Time of receipt in seconds since the epoch, for dates in headers."""
