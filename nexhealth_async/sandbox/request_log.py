"""What the sandbox remembers of the requests it got."""

from __future__ import annotations

from attrs import define, frozen

__all__ = ["RecordedPage", "RecordedRequest"]


@define(kw_only=True, eq=False)
class RecordedRequest:
    """One request as it arrived. Queries can hold names and dates: ``repr`` leaves them out."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    """Header names in lower case; of ``authorization`` only the scheme is kept (``bare`` when
    there was none in front)."""
    at: float
    """When it arrived, on the sandbox's clock."""
    port: int | None = None
    """The sender's port: requests that share it came over one connection."""
    status: int | None = None
    """The status answered; ``None`` while unanswered, and for ever if the connection was broken."""
    template: str | None = None
    """The path with its ids as names, such as ``/patients/{id}``; ``None`` for unknown paths."""

    def __repr__(self) -> str:
        return f"<RecordedRequest {self.method} {self.template or '?'} {self.status}>"

    def param(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def params(self, name: str) -> list[str]:
        """All values of a repeated query parameter, brackets included in the name."""
        return [value for key, value in self.query if key == name]


@frozen(kw_only=True)
class RecordedPage:
    """A page of a listing that was just rendered and is about to leave."""

    path: str
    page: int
    per_page: int
    count: int
    rows: int
