"""A request about to leave and a reply that came in, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Reply", "Request"]


@frozen(kw_only=True)
class Request:
    """What is to be sent; its ``repr`` shows neither query, body nor headers."""

    method: str
    target: str = field(repr=False)
    """Path and query, fully percent-encoded."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)
    fresh_connection: bool = False
    """True for unsafe writes: an idle connection may be dead, and the loss would be ambiguous."""


@frozen(kw_only=True)
class Reply:
    """What came back, whole; its ``repr`` shows neither headers nor body."""

    status: int
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)
    received_at: float = 0.0
    """When it came in, in seconds since the epoch; dates in headers are read against it."""
