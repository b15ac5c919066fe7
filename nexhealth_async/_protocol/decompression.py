"""Decompression of response bodies in bounded chunks, as protection against zip bombs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ACCEPTED",
    "CHUNK_SIZE",
    "SUPPORTED_ENCODINGS",
    "BodyDecompressor",
    "DecompressionError",
]

ACCEPTED = "gzip"
"""Value of ``Accept-Encoding``; zlib can bound the output, which others need a library for."""
SUPPORTED_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
"""Content encodings that can be decoded; some servers send others than the one asked for."""
CHUNK_SIZE = 256 * 1024
"""Maximum bytes of a decompressed chunk, about a millisecond's work."""

_GZIP_OR_ZLIB = 32 + 15  # zlib's wbits: detect the header, largest window
_MAX_MEMBERS = 100
"""Maximum number of concatenated gzip members; thousands of tiny ones would stall the loop."""


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
    """Return zlib-ng (extra "speed") if it is installed, otherwise zlib."""
    try:
        return cast("_ZlibModule", import_module("zlib_ng.zlib_ng"))
    except ImportError:
        return cast("_ZlibModule", import_module("zlib"))


inflater: _ZlibModule = _fastest_zlib()


class DecompressionError(ValueError):
    """Damaged or oversized compressed data; the message holds none of it."""


class BodyDecompressor:
    """Incremental decompressor of one response body."""

    __slots__ = ("_begun", "_member", "_members")

    def __init__(self) -> None:
        self._member = inflater.decompressobj(_GZIP_OR_ZLIB)
        self._members = 1
        self._begun = False

    @property
    def complete(self) -> bool:
        """True if the body may end here: after a whole member, or before the first byte."""
        return self._member.eof or not self._begun

    def chunks(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed bytes in chunks of at most `CHUNK_SIZE`.

        Raises:
            DecompressionError: The data is damaged or has too many gzip members.
        """
        self._begun = self._begun or bool(chunk)
        more = bool(chunk)
        while more:
            if self._member.eof:
                self._next_member()
            try:
                output = self._member.decompress(chunk, CHUNK_SIZE)
            except inflater.error:
                raise DecompressionError from None
            chunk = self._member.unconsumed_tail or self._member.unused_data
            # A full chunk may leave output in the decompressor although all input is consumed.
            more = bool(chunk) or (len(output) == CHUNK_SIZE and not self._member.eof)
            if output:
                yield output

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise DecompressionError
        self._member = inflater.decompressobj(_GZIP_OR_ZLIB)
