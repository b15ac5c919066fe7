"""Splitting of JSON into envelope and records, without decoding the records.

A list of the usual form is split in one pass; other forms are split step by step in `envelopes`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

__all__ = [
    "ENVELOPE",
    "FIELDS",
    "NULL",
    "RECORDS_DECODER",
    "UNREADABLE",
    "Envelope",
    "EnvelopeHead",
    "kind_of",
    "split_list",
]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of msgspec for invalid JSON and for JSON that is nested too deeply."""

NULL = Raw(b"null")


class EnvelopeHead(msgspec.Struct):
    """The fields of an envelope other than its data, undecoded."""

    code: Raw = NULL
    description: Raw = NULL
    error: Raw = NULL
    count: Raw = NULL
    page_info: Raw = NULL

    def __repr__(self) -> str:
        """Hide the content, for tracebacks with local variables."""
        return f"<{type(self).__name__}>"


class Envelope(EnvelopeHead):
    """An envelope with data of any form."""

    data: Raw = NULL


class _ListEnvelope(EnvelopeHead):
    """An envelope of a list, directly in ``data`` or under a key of it."""

    data: list[Raw] | dict[str, list[Raw]] | None = None


ENVELOPE = msgspec.json.Decoder(Envelope)
FIELDS = msgspec.json.Decoder(dict[str, Raw])
RECORDS_DECODER = msgspec.json.Decoder(list[Raw])
_LISTING = msgspec.json.Decoder(_ListEnvelope)


def split_list(body: bytes, keys: tuple[str, ...]) -> tuple[EnvelopeHead, list[Raw]] | None:
    """Split a page of the usual form; return None for other forms and for invalid JSON."""
    try:
        listing = _LISTING.decode(body)
    except UNREADABLE:
        return None
    if isinstance(listing.data, list):
        return listing, listing.data
    for key in keys:
        if listing.data and key in listing.data:
            return listing, listing.data[key]
    return None


def kind_of(raw: Raw) -> str:
    """Return the JSON type of a value by its first character."""
    return _KIND_BY_FIRST_BYTE.get(bytes(memoryview(raw)[:1]), "number")


_KIND_BY_FIRST_BYTE = {
    b"{": "object",
    b"[": "list",
    b'"': "text",
    b"n": "null",
    b"": "null",
    b"t": "boolean",
    b"f": "boolean",
}
