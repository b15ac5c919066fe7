"""Bytes to envelope and records, the records left as they are.

Splitting is what every page costs. A list that looks as it should is split in one pass over its
bytes; for what looks otherwise, ``split`` takes an envelope apart step by step.
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
"""What msgspec raises for bytes that are no JSON, or that no Python value can hold."""

NULL = Raw(b"null")


class EnvelopeHead(msgspec.Struct):
    """The parts of an envelope beside its data, each still bytes."""

    code: Raw = NULL
    description: Raw = NULL
    error: Raw = NULL
    count: Raw = NULL
    page_info: Raw = NULL

    def __repr__(self) -> str:
        """Show nothing: what a traceback prints of its locals is to hold no word of the server."""
        return f"<{type(self).__name__}>"


class Envelope(EnvelopeHead):
    """An envelope whose data may be anything."""

    data: Raw = NULL


class _ListEnvelope(EnvelopeHead):
    """An envelope of a list: bare, or under a key."""

    data: list[Raw] | dict[str, list[Raw]] | None = None


ENVELOPE = msgspec.json.Decoder(Envelope)
FIELDS = msgspec.json.Decoder(dict[str, Raw])
RECORDS_DECODER = msgspec.json.Decoder(list[Raw])
_LISTING = msgspec.json.Decoder(_ListEnvelope)


def split_list(body: bytes, keys: tuple[str, ...]) -> tuple[EnvelopeHead, list[Raw]] | None:
    """Split a page whose list sits where it should; None for anything else, broken JSON too."""
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
    """Name the JSON kind of a value by its first character."""
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
