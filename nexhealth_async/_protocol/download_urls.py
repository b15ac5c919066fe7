"""Which addresses of files may be asked for with the session's credentials."""

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
    """Spell out the call for a file that a record names, ``"/documents/18/download"``.

    The practice is named if it is known and the address does not: other addresses of documents
    want it, and where it is not wanted it does no harm. Raises `InvalidArgumentError` for an
    address on another host, where the token has no business.
    """
    if not url:
        raise InvalidArgumentError("the record names no address to download from")
    path, _, query = url.removeprefix(base_url).partition("?")
    if not path.startswith("/") or path.startswith("//"):
        raise InvalidArgumentError(
            "the address is not on the API's own host, so no credentials are sent there; "
            "fetch it with a client of your own"
        )
    pairs = tuple(parse_qsl(validate_text("the record's address", query), keep_blank_values=True))
    if subdomain is not None and "subdomain" not in dict(pairs):
        pairs = (("subdomain", subdomain), *pairs)
    return evolve(raw_call("GET", path, params={}), query=pairs)
