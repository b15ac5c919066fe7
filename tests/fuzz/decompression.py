"""Fuzz target: decompression of a body in bounded pieces."""

from __future__ import annotations

import gzip
import zlib

from nexhealth_async._protocol.decompression import CHUNK_SIZE, BodyDecompressor, DecompressionError
from tests.fuzz.findings import SENTINEL, ChoiceReader, Finding, private, target

_MOST = 8 * 1024 * 1024
_PLAIN = f'{{"code":true,"data":[{{"name":"{SENTINEL}"}}]}}'.encode()


def _packed() -> list[bytes]:
    bodies = [
        gzip.compress(_PLAIN, mtime=0),
        zlib.compress(_PLAIN),
        gzip.compress(_PLAIN, mtime=0) * 3,
        gzip.compress(b"\0" * 2_000_000, mtime=0),
        gzip.compress(b"", mtime=0) * 30,
        gzip.compress(_PLAIN, mtime=0)[:-4],
        _PLAIN,
        b"",
    ]
    return [bytes([size]) + body for size in (0, 1, 63) for body in bodies]


@target(choices=1, seeds=_packed)
def packed_body(data: bytes) -> None:
    """Any input is decompressed in small pieces, or refused with an error that quotes nothing."""
    feed = ChoiceReader(data)
    size = feed.number(64) or max(1, len(data))
    unpacker, total = BodyDecompressor(), 0
    try:
        for at in range(0, len(feed.rest), size):
            for piece in unpacker.chunks(feed.rest[at : at + size]):
                if not 0 < len(piece) <= CHUNK_SIZE:
                    raise Finding(f"a piece of {len(piece)} bytes came out")
                total += len(piece)
                if total > _MOST:
                    return
    except DecompressionError as error:
        private(error)
