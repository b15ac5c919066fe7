"""URLs of files that may be requested with the session's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from attrs import evolve

from nexhealth_async._protocol.requests import raw_call, validate_text
from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from nexhealth_async._protocol.requests import PlannedCall

__all__ = ["download_call"]


def download_call(url: str | None, *, base_url: str, subdomain: str | None) -> PlannedCall:
    """Plan the call for a file that a record names, ``"/documents/18/download"``.

    The subdomain is added if it is known and the URL lacks it: some document URLs need it, and it
    does no harm elsewhere.

    Raises:
        InvalidArgumentError: The URL is on another host, which must not receive the token.
    """
    if not url:
        raise InvalidArgumentError("the record has no download URL")
    path, _, query = url.removeprefix(base_url).partition("?")
    if not path.startswith("/") or path.startswith("//"):
        raise InvalidArgumentError(
            "the URL is not on the API's host, which alone receives credentials; "
            "fetch it with another HTTP client"
        )
    pairs = tuple(parse_qsl(validate_text("the record's URL", query), keep_blank_values=True))
    if subdomain is not None and "subdomain" not in dict(pairs):
        pairs = (("subdomain", subdomain), *pairs)
    return evolve(raw_call("GET", path, params={}), query=pairs)
