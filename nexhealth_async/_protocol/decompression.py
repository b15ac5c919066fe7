"""Undoing a reply's compression in bounded pieces, so that a small body cannot grow without end."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ACCEPTED",
    "CHUNK_SIZE",
    "UNCOMPRESSED_ENCODINGS",
    "BodyDecompressor",
    "DecompressionError",
]

ACCEPTED = "gzip"
"""The compression that is asked for; any other would need a library to bound it with."""
UNCOMPRESSED_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
"""The compressions that are understood; servers send the others unasked."""
CHUNK_SIZE = 256 * 1024
"""Most bytes that come out at once, about a millisecond's work."""

_EITHER_HEADER = 32 + 15  # zlib's numbers for: gzip or zlib, the largest window
_MAX_MEMBERS = 100
"""A packed body may be several, one after the other; thousands of tiny ones cost time for ever."""


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _ZlibModule(Protocol):
    @property
    def error(self) -> type[Exception]: ...
    def decompressobj(self, wbits: int, /) -> _Inflater: ...


def _fastest_zlib() -> _ZlibModule:
    """Return the library of the extra "speed" if it is installed, Python's own otherwise."""
    try:
        return cast("_ZlibModule", import_module("zlib_ng.zlib_ng"))
    except ImportError:
        return cast("_ZlibModule", import_module("zlib"))


inflater: _ZlibModule = _fastest_zlib()


class DecompressionError(ValueError):
    """The bytes are not packed as they claim to be; its text says nothing of them."""


class BodyDecompressor:
    """Takes the bytes of a packed body as they come and gives out what they hold."""

    __slots__ = ("_begun", "_member", "_members")

    def __init__(self) -> None:
        self._member = inflater.decompressobj(_EITHER_HEADER)
        self._members = 1
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether the body may end here: at the end of its packing, or without any byte."""
        return self._member.eof or not self._begun

    def chunks(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed bytes in chunks of at most `CHUNK_SIZE`.

        Raises:
            DecompressionError: The bytes are damaged or too many.
        """
        self._begun = self._begun or bool(chunk)
        more = bool(chunk)
        while more:
            if self._member.eof:
                self._next_member()
            try:
                piece = self._member.decompress(chunk, CHUNK_SIZE)
            except inflater.error:
                raise DecompressionError from None
            chunk = self._member.unconsumed_tail or self._member.unused_data
            # A full piece may leave some behind although all bytes were taken in.
            more = bool(chunk) or (len(piece) == CHUNK_SIZE and not self._member.eof)
            if piece:
                yield piece

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise DecompressionError
        self._member = inflater.decompressobj(_EITHER_HEADER)
