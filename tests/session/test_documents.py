"""Documents: uploaded once as a form, downloaded in chunks, credentials for one host only."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from attrs import Factory, define
from yarl import URL

from nexhealth_async import (
    APITimeoutError,
    AuthenticationError,
    ConnectionLostError,
    InvalidArgumentError,
    NexHealth,
    NotFoundError,
    OutcomeUnknownError,
    UnexpectedStructureError,
    UsageError,
)
from nexhealth_async._protocol.multipart import form
from nexhealth_async.models import Document
from tests.session.transport_error_helpers import QUICK, SENTINEL, check_text, scene

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

CONTENT = bytes(range(256)) * 1_000

versions = pytest.mark.parametrize("version", ["v2", "v3"])


# Sending


def test_a_form_has_a_boundary_that_occurs_in_no_part() -> None:
    body, kind = form(content=b"%PDF", filename="x-ray.pdf", fields=[("document_type_id", "7")])
    boundary = kind.removeprefix("multipart/form-data; boundary=")
    assert (
        body
        == (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="document_type_id"\r\n\r\n7\r\n'
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="x-ray.pdf"\r\n'
            "Content-Type: application/pdf\r\n\r\n%PDF\r\n"
            f"--{boundary}--\r\n"
        ).encode()
    )
    again, _ = form(content=body, filename="x-ray.pdf")
    assert again.count(boundary.encode()) == 3, "the old one only"


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        (None, None),
        ("", None),
        (" .", None),
        ("a/b.pdf", None),
        ("a\\b.pdf", None),
        ("a\r\nX: y.pdf", None),
        ("a.pdf", "pdf"),
        ("a.pdf", "application/pdf\r\nX: y"),
        ("a.pdf", 5),
    ],
)
def test_invalid_file_names_and_types_are_refused(filename: object, content_type: object) -> None:
    with pytest.raises(InvalidArgumentError):
        form(content=b"x", filename=filename, content_type=content_type)


def test_a_quote_in_a_name_is_escaped() -> None:
    body, _ = form(content=b"x", filename='a".pdf')
    assert b'filename="a%22.pdf"\r\n' in body


@versions
async def test_a_document_can_be_uploaded_listed_and_downloaded(
    version: str, tmp_path: Path
) -> None:
    path = tmp_path / "x-ray.pdf"
    path.write_bytes(CONTENT)
    async with scene(version=version) as at:
        patient = at.sandbox.patients.ids[0]
        documents = at.location.patients.documents
        with path.open("rb") as opened:
            made = [
                await documents.create(patient, file=CONTENT, filename="note.txt"),
                await documents.create(patient, file=path),
                await documents.create(patient, file=opened, filename="scan.bin"),
                await documents.create(patient, file=io.BytesIO(b""), filename="empty.pdf"),
            ]
        assert [one.filename for one in made] == ["note.txt", "x-ray.pdf", "scan.bin", "empty.pdf"]
        listed = [document async for document in documents.walk(patient)]
        assert [one.id for one in listed] == [one.id for one in made]
        for one, content in zip(listed, [CONTENT, CONTENT, CONTENT, b""], strict=True):
            async with documents.download(one) as file:
                assert await file.read() == content
                assert file.content_type == one.type
                assert file.size == len(content)


async def test_an_unreadable_path_is_refused_without_its_name(tmp_path: Path) -> None:
    async with scene() as at:
        with pytest.raises(InvalidArgumentError, match="cannot be read: no such file") as caught:
            await at.location.patients.documents.create(1, file=tmp_path / f"{SENTINEL}.pdf")
        assert SENTINEL not in str(caught.value)
        assert at.sent == 0


async def test_an_unsafe_upload_is_never_repeated() -> None:
    async with scene() as at:
        patient = at.sandbox.patients.ids[0]
        at.sandbox.drop_next(when="after")
        with pytest.raises(OutcomeUnknownError, match=r"patients\.documents") as caught:
            await at.location.patients.documents.create(
                patient, file=b"x", filename=f"{SENTINEL}.pdf"
            )
        check_text(caught.value, operation="POST /patients/{id}/documents", attempts=1)
        assert (
            len([document async for document in at.location.patients.documents.walk(patient)]) == 1
        )


# Fetching


@define
class FileHost:
    """The API's host and a file host; records the headers of each request."""

    api: str = ""
    elsewhere: str = ""
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    asked: list[tuple[str, dict[str, str]]] = Factory(list[tuple[str, dict[str, str]]])

    async def handle(self, request: Any) -> web.StreamResponse:
        if request.path == "/authenticates":
            return web.json_response({"code": True, "data": {"token": "a.b.c"}}, status=201)
        self.asked.append((f"{request.url.origin()}{request.raw_path}", dict(request.headers)))
        assert self.answer is not None
        return await self.answer(request)


@asynccontextmanager
async def keeping(**options: Any) -> AsyncGenerator[tuple[FileHost, NexHealth]]:
    keeper = FileHost()
    runner = web.ServerRunner(web.Server(keeper.handle))
    await runner.setup()
    for name, host in (("api", "127.0.0.1"), ("elsewhere", "127.0.0.2")):
        site = web.TCPSite(runner, host, 0)
        await site.start()
        port = runner.addresses[-1][1]
        setattr(keeper, name, f"http://{host}:{port}")
    try:
        settings: dict[str, Any] = {"retry": QUICK, **options}
        async with NexHealth("an-invented-key", base_url=keeper.api, **settings) as nex:
            yield keeper, nex
    finally:
        await runner.cleanup()


def document(url: str | None) -> Document:
    return Document(id=18, url=url)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "documents/18/download",
        "//files.example.com/18",
        "https://files.example.com/documents/18/download",
        "http://127.0.0.1.example.com/18",
        "/documents/../patients/18",
        "javascript:alert(1)",
    ],
)
async def test_credentials_are_sent_to_the_apis_host_only(url: str | None) -> None:
    async with keeping() as (keeper, nex):
        with pytest.raises(InvalidArgumentError):
            nex.patients.documents.download(document(url))
        assert not keeper.asked


@pytest.mark.parametrize("absolute", [False, True])
async def test_the_file_url_is_requested_unchanged_with_the_practice_if_known(
    *, absolute: bool
) -> None:
    async with keeping(subdomain="demo") as (keeper, nex):

        async def give(_: web.Request) -> web.StreamResponse:
            return web.Response(body=CONTENT, content_type="application/pdf")

        keeper.answer = give
        url = (keeper.api if absolute else "") + "/documents/18/download?key=a%20b"
        async with nex.patients.documents.download(document(url)) as file:
            chunks = [chunk async for chunk in file]
        assert b"".join(chunks) == CONTENT
        ((asked, headers),) = keeper.asked
        assert asked.startswith(f"{keeper.api}/documents/18/download?")
        assert dict(URL(asked).query) == {"subdomain": "demo", "key": "a b"}
        assert headers["Authorization"] == "Bearer a.b.c"
        assert headers["Nex-Api-Version"] == "v2"


async def test_a_redirect_to_the_file_host_is_followed_without_credentials() -> None:
    async with keeping() as (keeper, nex):

        async def give(request: web.Request) -> web.StreamResponse:
            if request.path == "/documents/18/download":
                # Another host over plain http is not followed; its own other paths are.
                return web.Response(status=302, headers={"Location": "/kept/18?signature=a%2Fb"})
            return web.Response(body=CONTENT, content_type="application/pdf")

        keeper.answer = give
        async with nex.patients.documents.download(document("/documents/18/download")) as file:
            assert await file.read() == CONTENT
        (_, first), (where, second) = keeper.asked
        assert "Authorization" in first
        assert where == f"{keeper.api}/kept/18?signature=a%2Fb"
        assert not {"Authorization", "Nex-Api-Version", "Cookie"} & set(second)


async def test_a_redirect_that_leaves_tls_or_never_ends_is_refused() -> None:
    async with keeping() as (keeper, nex):

        async def leave(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{keeper.elsewhere}/18")

        keeper.answer = leave
        with pytest.raises(UnexpectedStructureError, match="redirect"):
            async with nex.patients.documents.download(document("/documents/18/download")):
                pass
        assert len(keeper.asked) == 1

        async def again(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(request.path)

        keeper.answer = again
        with pytest.raises(UnexpectedStructureError):
            async with nex.patients.documents.download(document("/documents/18/download")):
                pass
        assert len(keeper.asked) == 1 + 4


async def test_a_download_handles_errors_retries_and_tokens_like_any_read() -> None:
    async with scene() as at:
        patient = at.sandbox.patients.ids[0]
        documents = at.location.patients.documents
        made = await documents.create(patient, file=CONTENT, filename="a.pdf")
        at.sandbox.fail_next(503, times=2)
        async with documents.download(made) as file:
            assert await file.read() == CONTENT
        with pytest.raises(NotFoundError, match=r"^GET /documents/\{id\}/download: "):
            async with documents.download(document("/documents/999999/download")):
                pass


async def test_an_error_envelope_in_place_of_a_file_is_an_error() -> None:
    async with keeping() as (keeper, nex):

        async def refuse(_: web.Request) -> web.StreamResponse:
            return web.json_response({"code": False, "error": ["Unauthorized"]}, status=401)

        async def lie(_: web.Request) -> web.StreamResponse:
            return web.json_response({"code": False, "error": [f"no, {SENTINEL}"]})

        async def be_json(_: web.Request) -> web.StreamResponse:
            return web.json_response({"id": 1})

        download = nex.patients.documents.download
        keeper.answer = lie
        with pytest.raises(Exception, match=r"^GET /documents") as caught:
            await read(download(document("/documents/18/download")))
        assert SENTINEL not in str(caught.value)
        keeper.answer = refuse
        with pytest.raises(AuthenticationError):
            await read(download(document("/documents/18/download")))
        keeper.answer = be_json
        assert await read(download(document("/documents/18/download"))) == b'{"id": 1}'


async def read(download: Any) -> bytes:
    async with download as file:
        content: bytes = await file.read()
        return content


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_truncated_download_is_an_error(*, chunked: bool) -> None:
    async with keeping() as (keeper, nex):

        async def break_off(request: web.Request) -> web.StreamResponse:
            reply = web.StreamResponse(headers={"Content-Type": "application/pdf"})
            if not chunked:
                reply.content_length = len(CONTENT)
            await reply.prepare(request)
            await reply.write(CONTENT[:1_000])
            assert request.transport is not None
            request.transport.abort()
            return reply

        keeper.answer = break_off
        with pytest.raises(ConnectionLostError, match=r"^GET /documents"):
            await read(nex.patients.documents.download(document("/documents/18/download")))


async def test_the_timeout_applies_to_the_response_and_then_to_each_chunk() -> None:
    async with keeping() as (keeper, nex):
        short_timeout = nex.with_options(timeout=0.3)

        async def trickle(request: web.Request) -> web.StreamResponse:
            reply = web.StreamResponse(headers={"Content-Type": "application/pdf"})
            await reply.prepare(request)
            for _ in range(8):
                await reply.write(b"x")
                await asyncio.sleep(0.06)
            if request.path.startswith("/documents/19"):
                await asyncio.sleep(0.6)
            return reply

        keeper.answer = trickle
        download = short_timeout.patients.documents.download
        assert await read(download(document("/documents/18/download"))) == b"x" * 8
        with pytest.raises(APITimeoutError, match="no more data within"):
            await read(download(document("/documents/19/download")))


async def test_leaving_early_releases_the_connection_and_a_download_is_entered_once() -> None:
    async with keeping() as (keeper, nex):
        ended = asyncio.Event()

        async def endless(request: web.Request) -> web.StreamResponse:
            reply = web.StreamResponse(headers={"Content-Type": "application/pdf"})
            await reply.prepare(request)
            try:
                while True:
                    await reply.write(CONTENT)
                    await asyncio.sleep(0)
            finally:
                ended.set()

        keeper.answer = endless
        download = nex.patients.documents.download(document("/documents/18/download"))
        with pytest.raises(UsageError, match="was not entered"):
            await anext(download)
        async with download as file:
            async for _ in file:
                break
        async with asyncio.timeout(10):
            await ended.wait()
        with pytest.raises(UsageError, match="entered once"):
            await read(download)
