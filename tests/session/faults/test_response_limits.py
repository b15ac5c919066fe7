"""Limits of a response: size, compression, redirects, cookies; and borrowed sessions."""

from __future__ import annotations

import gzip
import importlib
import tracemalloc
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

from nexhealth_async import (
    ConnectionLostError,
    InvalidArgumentError,
    NexHealth,
    OutcomeUnknownError,
    UnexpectedStructureError,
)
from nexhealth_async._client import transport
from nexhealth_async._client.transport import _redirect_target
from nexhealth_async._protocol import decompression
from nexhealth_async._protocol.decompression import CHUNK_SIZE, BodyDecompressor, DecompressionError
from nexhealth_async.models import Document
from tests.session.transport_error_helpers import QUICK, RawServer, check_text, scene

if TYPE_CHECKING:
    from tests.session.transport_error_helpers import ErrorScene

MB = 2**20


# Unpacking


@pytest.fixture(params=["zlib", "zlib_ng.zlib_ng"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decompressor: Python's own, or the faster one of the extra "speed"."""
    monkeypatch.setattr(decompression, "inflater", importlib.import_module(request.param))


def packed(body: bytes, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    return packer.compress(body) + packer.flush()


def unpacked(body: bytes, step: int) -> bytes:
    unpacker = BodyDecompressor()
    pieces = [
        piece for at in range(0, len(body), step) for piece in unpacker.chunks(body[at : at + step])
    ]
    assert unpacker.complete
    assert all(0 < len(piece) <= CHUNK_SIZE for piece in pieces)
    return b"".join(pieces)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("step", [1, 7, 1_000, 10**9])
@pytest.mark.parametrize(
    "size", [0, 1, 1_000, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE]
)
@pytest.mark.parametrize("wbits", [31, 15])
def test_compressed_bodies_are_decompressed_in_bounded_pieces(
    size: int, step: int, wbits: int
) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    whole = packed(body, wbits)
    assert unpacked(whole, step) == body


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("step", [1, 13, 10**9])
def test_several_compressed_members_are_one_body(step: int) -> None:
    assert unpacked(packed(b"one") + packed(b"") + packed(b"two"), step) == b"onetwo"


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize(
    "body", [b"??", b"\x1f\x8b\x08?????????", packed(b"a" * 99)[:-8] + b"12345678"]
)
def test_bytes_that_are_not_compressed_are_an_error(body: bytes) -> None:
    with pytest.raises(DecompressionError):
        list(BodyDecompressor().chunks(body))


@pytest.mark.usefixtures("inflater")
def test_endless_members_are_an_error() -> None:
    with pytest.raises(DecompressionError):
        list(BodyDecompressor().chunks(packed(b"") * 101))


@pytest.mark.usefixtures("inflater")
def test_a_truncated_compressed_body_is_an_error() -> None:
    unpacker = BodyDecompressor()
    assert unpacker.complete
    assert b"".join(unpacker.chunks(packed(b"abc")[:-1])) == b"abc"
    assert not unpacker.complete


# Size


async def refused(at: ErrorScene) -> UnexpectedStructureError:
    with pytest.raises(UnexpectedStructureError) as caught:
        await at.location.patients.walk(new_patient=None).count()
    return caught.value


async def test_a_decompression_bomb_is_refused_before_it_fills_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_MAX_BODY_BYTES", 4 * MB)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * MB) for _ in range(200)) + packer.flush()
    assert len(bomb) < MB // 4, "it comes in with one or two reads"
    async with scene() as at:
        at.sandbox.alter_next(lambda _: bomb, headers={"Content-Encoding": "gzip"})
        tracemalloc.start()
        try:
            error = await refused(at)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 * MB
        check_text(error, attempts=1, status=200)
        assert "larger than 4 MB" in str(error)
        assert at.sent == 1
        await at.works()


@pytest.mark.parametrize("form", ["by its length", "in chunks", "packed"])
async def test_bodies_are_read_up_to_the_limit_only(form: str) -> None:
    """With the default limit: 64 MB pass, a byte more does not."""
    more: dict[str, Any] = {"chunked": form == "in chunks"}
    if form == "packed":
        more["headers"] = {"Content-Encoding": "gzip"}
    for size, fits in ((64 * MB, True), (64 * MB + 1, False)):

        def grow(body: bytes, size: int = size) -> bytes:
            grown = body + b" " * (size - len(body))
            return gzip.compress(grown, 1) if form == "packed" else grown

        async with scene() as at:
            at.sandbox.alter_next(grow, **more)
            if fits:
                await at.works()
            else:
                await refused(at)
            assert at.sent == 1
            await at.works()


async def test_an_oversized_response_to_a_write_has_an_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_MAX_BODY_BYTES", 1_000)
    async with scene() as at:
        at.sandbox.alter_next(lambda body: body + b" " * 1_000)
        with pytest.raises(OutcomeUnknownError, match="Walk appointment_types") as caught:
            await at.location.appointment_types.create(name="Invented")
        assert caught.value.status == 201
        assert len(at.sandbox.appointment_types.where("name", "Invented")) == 1


async def test_a_file_is_read_at_once_up_to_a_limit_and_in_chunks_beyond() -> None:
    async with scene() as at:
        made = await at.location.patients.documents.create(
            at.sandbox.patients.ids[0], file=b"x" * MB, filename="a.pdf"
        )
        again = Document(id=made.id, url=made.url)
        for headers in ({}, {"Content-Encoding": "gzip"}):
            change = gzip.compress if headers else None
            at.sandbox.alter_next(change, headers=headers, times=3)
            async with at.location.patients.documents.download(again) as file:
                assert len(await file.read(max_bytes=MB)) == MB
            async with at.location.patients.documents.download(again) as file:
                with pytest.raises(UnexpectedStructureError, match="max_bytes") as caught:
                    await file.read(max_bytes=MB - 1)
                assert caught.value.operation == "GET /documents/{id}/download"
            async with at.location.patients.documents.download(again) as file:
                assert sum([len(chunk) async for chunk in file]) == MB
                assert file.size == (None if headers else MB)


async def test_a_truncated_compressed_file_is_an_error() -> None:
    async with scene() as at:
        made = await at.location.patients.documents.create(
            at.sandbox.patients.ids[0], file=b"x" * 1_000, filename="a.pdf"
        )
        at.sandbox.alter_next(
            lambda body: gzip.compress(body)[:-9], headers={"Content-Encoding": "gzip"}
        )
        with pytest.raises(ConnectionLostError):
            async with at.location.patients.documents.download(made) as file:
                await file.read()


# Where a file's redirect may lead


class _Redirect:
    def __init__(self, location: str) -> None:
        self.status = 302
        self.headers = {"Location": location}


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        (
            "https://api.example.com/18",
            "https://files.example.com/a",
            "https://files.example.com/a",
        ),
        ("https://api.example.com/18", "/kept/18", "https://api.example.com/kept/18"),
        (
            "https://api.example.com/18",
            "https://me:key@files.example.com/a",
            "https://files.example.com/a",
        ),
        ("https://api.example.com/18", "http://files.example.com/a", None),
        ("https://api.example.com/18", "http://api.example.com/a", None),
        ("http://127.0.0.1:1/18", "http://127.0.0.1:2/a", "http://127.0.0.1:2/a"),
        ("http://127.0.0.1:1/18", "http://127.0.0.2:1/a", None),
        ("https://api.example.com/18", "ftp://api.example.com/a", None),
        ("https://api.example.com/18", "file:///etc/hosts", None),
        ("https://api.example.com/18", "https://[::1/", None),
    ],
)
def test_a_file_redirect_never_leaves_tls_or_takes_credentials_along(
    url: str, location: str, target: str | None
) -> None:
    response: Any = _Redirect(location)
    found = _redirect_target(response, URL(url))
    assert (None if found is None else str(found)) == target


# A borrowed session


async def test_a_client_session_with_its_own_credentials_cannot_be_borrowed() -> None:
    with warnings.catch_warnings(action="ignore"):  # aiohttp 3.14 deprecates it
        http = aiohttp.ClientSession(auth=aiohttp.BasicAuth("me", "mine"))
    async with http:
        nex = NexHealth("an-invented-key", http=http)
        with pytest.raises(InvalidArgumentError, match="auth="):
            await nex.open()


@pytest.mark.parametrize("borrowed", [False, True])
async def test_an_unsafe_put_on_a_broken_connection_arrives_once(*, borrowed: bool) -> None:
    """Aiohttp itself would repeat it, since HTTP calls it idempotent."""
    server = RawServer()
    async with (
        server.listening(),
        aiohttp.ClientSession() as http,
        NexHealth(
            "a-key", base_url=server.url, retry=QUICK, http=http if borrowed else None
        ) as nex,
    ):
        await nex.request("GET", "/institutions")
        server.says = b"HTT"
        with pytest.raises(OutcomeUnknownError):
            await nex.request("PUT", "/invented", json={"a": 1})
        assert server.hits == 2


@pytest.mark.parametrize("borrowed", [False, True])
async def test_limits_apply_to_every_session(
    *, borrowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_MAX_BODY_BYTES", MB)
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        scene(http=http if borrowed else None) as at,
    ):
        bomb = packed(b" " * (2 * MB))
        at.sandbox.alter_next(lambda _: bomb, headers={"Content-Encoding": "gzip"})
        await refused(at)
        at.sandbox.alter_next(headers={"Set-Cookie": "watched=1; Path=/"})
        at.sandbox.fail_next(302, headers={"Location": f"{at.sandbox.url}/institutions"}, body=b"")
        await at.works()
        await refused(at)
        await at.works()
        assert not any("cookie" in request.headers for request in at.sandbox.requests)
        assert {request.headers["accept-encoding"] for request in at.sandbox.requests} == {"gzip"}
        assert not at.sandbox.seen("GET", "/institutions")
