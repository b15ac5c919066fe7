"""Records of the requests and pages that a sandbox has served."""

from __future__ import annotations

from attrs import define, frozen

__all__ = ["RecordedPage", "RecordedRequest"]


@define(kw_only=True, eq=False)
class RecordedRequest:
    """A request as it arrived; the repr has no query, which may hold personal data."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    """Headers with names in lower case; ``authorization`` has only the scheme, or ``bare``."""
    at: float
    """Time of arrival, in seconds of the sandbox's clock."""
    port: int | None = None
    """Port of the client; requests of the same port came over the same connection."""
    status: int | None = None
    """Status of the response; None before it is sent, and if the connection was reset."""
    template: str | None = None
    """Path template, such as ``/patients/{id}``; None for unknown paths."""

    def __repr__(self) -> str:
        return f"<RecordedRequest {self.method} {self.template or '?'} {self.status}>"

    def param(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)

    def params(self, name: str) -> list[str]:
        """Return all values of a repeated query parameter, whose name includes the brackets."""
        return [value for key, value in self.query if key == name]


@frozen(kw_only=True)
class RecordedPage:
    """A page of a listing that is about to be sent."""

    path: str
    page: int
    per_page: int
    count: int
    rows: int
