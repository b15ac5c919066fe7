"""Transport: what is sent through aiohttp, and how each error of aiohttp is mapped."""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
import sys
import traceback
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import aiohttp
import msgspec
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from attrs import frozen
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from nexhealth_async import (
    NO_RETRY,
    APIConnectionError,
    APITimeoutError,
    ConnectError,
    ConnectionLostError,
    InvalidArgumentError,
    InvalidResponseError,
    NexHealth,
    NexHealthError,
    OutcomeUnknownError,
    PermissionDeniedError,
    SessionStateError,
    __version__,
)
from tests.session.transport_error_helpers import SENTINEL, RawServer, envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioresponses import aioresponses

    from tests.conftest import MovableLoop

BASE = "https://api.example.com/synch"
KEY = "the-api-key"
TOKEN = "the.bearer.token"
PAGE: dict[str, Any] = {"code": True, "data": {"patients": [{"id": 1}]}, "count": 1}


@frozen(kw_only=True)
class SentRequest:
    """One request as it was passed to aiohttp."""

    method: str
    url: URL
    options: dict[str, Any]

    @property
    def headers(self) -> CIMultiDict[str]:
        return CIMultiDict(self.options["headers"])


class FakeClientSession:
    """Responds to everything in place of aiohttp, and records the requests."""

    def __init__(self, replies: aioresponses) -> None:
        self.sent: list[SentRequest] = []
        self._replies: Any = replies
        login = {"code": True, "data": {"token": TOKEN}}
        self.answer("POST", "/authenticates", payload=login, status=201)

    def answer(self, method: str, path: str, **options: Any) -> None:
        pattern = re.compile("^" + re.escape(BASE + path) + r"(\?.*)?$")
        self._replies.add(pattern, method, repeat=True, **options)

    @property
    def calls(self) -> list[SentRequest]:
        """The requests that are not logins."""
        return [delivery for delivery in self.sent if delivery.url.path != "/synch/authenticates"]


@pytest.fixture
def edge(mocked: aioresponses) -> Iterator[FakeClientSession]:
    made = FakeClientSession(mocked)
    mock = cast("Any", aiohttp.ClientSession)._request

    async def noted(self: object, method: str, url: URL, **options: Any) -> object:
        made.sent.append(SentRequest(method=method, url=url, options=options))
        return await mock(self, method, url, **options)

    with patch.object(aiohttp.ClientSession, "_request", noted):
        yield made


def session(**options: Any) -> NexHealth:
    settings: dict[str, Any] = {
        "base_url": BASE,
        "retry": NO_RETRY,
        "subdomain": "demo",
        "location_id": 7,
    }
    return NexHealth(KEY, **{**settings, **options})


# What is sent


@pytest.mark.parametrize(
    ("version", "accept", "selector"),
    [
        ("v2", "application/vnd.Nexhealth+json;version=2", "v2"),
        ("v3", "application/json, */*;q=0.1", "v3.0.0"),
        ("v3.1.0", "application/json, */*;q=0.1", "v3.1.0"),
    ],
)
async def test_login_and_calls_carry_the_selectors_and_their_credentials(
    edge: FakeClientSession, version: str, accept: str, selector: str
) -> None:
    edge.answer("GET", "/invented", payload={"code": True, "data": {}})
    async with session(version=version) as nex:
        await nex.request("GET", "/invented")
    login, call = edge.sent
    for one in (login, call):
        assert one.headers["Accept"] == accept
        assert one.headers["Nex-Api-Version"] == selector
        assert f"nexhealth_async/{__version__} " in one.headers["User-Agent"]
        assert "Content-Type" not in one.headers
        assert one.options["data"] is None
    assert login.method == "POST"
    assert login.url == URL(BASE + "/authenticates")
    assert login.headers["Authorization"] == KEY
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert KEY not in str(call.options)


async def test_the_application_name_precedes_the_librarys(edge: FakeClientSession) -> None:
    edge.answer("GET", "/patients", payload=PAGE)
    async with session(user_agent=" Smile Desk/4.2 ") as nex:
        await nex.patients.walk().count()
    for delivery in edge.sent:
        assert delivery.headers["User-Agent"].startswith(
            f"Smile Desk/4.2 nexhealth_async/{__version__} (Python {sys.version_info[0]}."
        )


@pytest.mark.parametrize("name", ["", "  ", "a\r\nX-Evil: 1", "Zähne/1", "a\tb", "\x00"])
def test_a_name_that_is_not_a_valid_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="user_agent"):
        NexHealth(KEY, base_url=BASE, user_agent=name)


@pytest.mark.parametrize(
    "url", ["https://api.example.com:99999", "https://:443", "https://[::1", "https://x:0/"]
)
def test_an_unreadable_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="base_url"):
        NexHealth(KEY, base_url=url)


async def test_redirects_and_statuses_are_returned_unchanged(edge: FakeClientSession) -> None:
    edge.answer("GET", "/patients", payload=PAGE)
    edge.answer("POST", "/appointment_types", payload={"code": True, "data": {"id": 4}})
    async with session() as nex:
        await nex.patients.walk().count()
        await nex.appointment_types.create(name="Polish")
    for delivery in edge.sent:
        assert delivery.options["allow_redirects"] is False
        assert delivery.options["raise_for_status"] is False
        assert delivery.options["timeout"].total is None
        assert delivery.options["timeout"].sock_read is None


async def test_bodies_are_sent_as_json_in_utf_8(edge: FakeClientSession) -> None:
    edge.answer("POST", "/appointment_types", payload={"code": True, "data": {"id": 4}})
    async with session() as nex:
        await nex.appointment_types.create(name="Zähne 🦷", minutes=20)
    (sent,) = edge.calls
    assert sent.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(sent.options["data"]) == {
        "appointment_type": {"name": "Zähne 🦷", "minutes": 20},
        "location_id": 7,
    }
    assert isinstance(sent.options["data"], bytes)


NAMES = {
    "Ada Lovelace": "Ada%20Lovelace",
    "O'Neil": "O%27Neil",
    "a&b=c": "a%26b%3Dc",
    "50%": "50%25",
    "%41": "%2541",
    "a+b": "a%2Bb",
    "x#y?z": "x%23y%3Fz",
    "Jörg": "J%C3%B6rg",
    "🦷": "%F0%9F%A6%B7",
    "a/b;c": "a%2Fb%3Bc",
    "[1]": "%5B1%5D",
}


@pytest.mark.parametrize(("name", "spelled"), NAMES.items(), ids=NAMES.values())
async def test_the_query_is_sent_as_built(edge: FakeClientSession, name: str, spelled: str) -> None:
    edge.answer("GET", "/patients", payload=PAGE)
    async with session() as nex:
        await nex.patients.walk(name=name).count()
    (sent,) = edge.calls
    assert f"&name={spelled}&" in sent.url.raw_query_string
    assert sent.url.query["name"] == name


async def test_repeated_parameters_keep_their_brackets(edge: FakeClientSession) -> None:
    edge.answer("GET", "/providers", payload={"code": True, "data": [], "count": 0})
    async with session() as nex:
        await nex.providers.walk(ids=[1, 2], include=["locations"]).count()
    (sent,) = edge.calls
    assert "ids%5B%5D=1&ids%5B%5D=2" in sent.url.raw_query_string
    assert sent.url.query.getall("ids[]") == ["1", "2"]


async def test_an_identifier_in_the_path_stays_one_segment(edge: FakeClientSession) -> None:
    edge.answer("GET", "/patients/1%2F..%2F2", payload={"code": True, "data": {"id": 1}})
    async with session() as nex:
        await nex.patients.get(cast("int", "1/../2"))
    (sent,) = edge.calls
    assert sent.url.raw_path == "/synch/patients/1%2F..%2F2"


# Borrowed sessions


async def test_a_borrowed_client_session_stays_open(edge: FakeClientSession) -> None:
    edge.answer("GET", "/patients", payload=PAGE)
    async with aiohttp.ClientSession() as http:
        async with session(http=http) as nex:
            await nex.patients.walk().count()
        assert not http.closed
        async with session(http=http) as again:
            await again.patients.walk().count()
        assert not http.closed


async def test_a_borrowed_client_session_that_was_closed_is_named(edge: FakeClientSession) -> None:
    http = aiohttp.ClientSession()
    async with session(http=http) as nex:
        await http.close()
        with pytest.raises(SessionStateError, match="closed"):
            await nex.patients.walk().count()


async def test_a_borrowed_client_session_that_raises_for_status_changes_nothing(
    edge: FakeClientSession,
) -> None:
    edge.answer("GET", "/patients", status=403, payload={"code": False, "error": ["no"]})
    async with aiohttp.ClientSession(raise_for_status=True) as http, session(http=http) as nex:
        with pytest.raises(PermissionDeniedError) as caught:
            await nex.patients.walk().count()
        assert caught.value.status == 403


# What comes back


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "iso-8859-1", "us-ascii", "utf-16", "none"])
async def test_json_is_utf_8_for_every_declared_charset(
    edge: FakeClientSession, charset: str
) -> None:
    body = envelope({"patients": [{"id": 1, "first_name": "Jörg"}]}, 1)
    media = f"application/json; charset={charset}"
    edge.answer("GET", "/patients", body=body, content_type=media)
    async with session() as nex:
        found = [patient async for patient in nex.patients.walk()]
    assert [one.first_name for one in found] == ["Jörg"]


async def test_json_with_a_bom_or_in_another_encoding_is_refused_without_being_shown(
    edge: FakeClientSession,
) -> None:
    text = (
        f'{{"code":true,"data":{{"patients":[{{"id":1,"first_name":"{SENTINEL}é"}}]}},"count":1}}'
    )
    edge.answer("GET", "/patients", body=text.encode("latin-1"))
    edge.answer("GET", "/providers", body=text.encode("utf-16"))
    async with session() as nex:
        for walk in (nex.patients.walk(), nex.providers.walk()):
            with pytest.raises(InvalidResponseError) as caught:
                await anext(cast("Any", walk))
            assert SENTINEL not in "".join(traceback.format_exception(caught.value))


# What aiohttp raises

SECRET_URL = URL(f"{BASE}/patients?name={SENTINEL}")
INFO = RequestInfo(
    SECRET_URL, "GET", CIMultiDictProxy(CIMultiDict({"Authorization": TOKEN})), SECRET_URL
)
PLACE = ConnectionKey("api.example.com", 443, True, True, None, None, None)
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
UNTRUSTED = ssl.SSLCertVerificationError(1, "self-signed certificate")

RAISED: dict[str, tuple[BaseException, type[NexHealthError]]] = {
    "ClientConnectorDNSError": (
        aiohttp.ClientConnectorDNSError(PLACE, OSError(None, "Name or service not known")),
        ConnectError,
    ),
    "ClientConnectorError": (aiohttp.ClientConnectorError(PLACE, REFUSED), ConnectError),
    "ClientProxyConnectionError": (
        aiohttp.ClientProxyConnectionError(PLACE, REFUSED),
        ConnectError,
    ),
    "UnixClientConnectorError": (
        client_exceptions.UnixClientConnectorError("/run/x", PLACE, REFUSED),
        ConnectError,
    ),
    "ClientConnectorCertificateError": (
        aiohttp.ClientConnectorCertificateError(PLACE, UNTRUSTED),
        ConnectError,
    ),
    "ClientConnectorSSLError": (
        aiohttp.ClientConnectorSSLError(PLACE, ssl.SSLError(1, "wrong version number")),
        ConnectError,
    ),
    "ServerFingerprintMismatch": (
        aiohttp.ServerFingerprintMismatch(b"a", b"b", "api.example.com", 443),
        ConnectError,
    ),
    "ClientHttpProxyError": (
        aiohttp.ClientHttpProxyError(INFO, (), status=407, message=SENTINEL),
        ConnectError,
    ),
    "ConnectionTimeoutError": (
        aiohttp.ConnectionTimeoutError(f"Connection timeout to host {SECRET_URL}"),
        ConnectError,
    ),
    "SocketTimeoutError": (
        aiohttp.SocketTimeoutError(f"Timeout on reading data {SECRET_URL}"),
        ConnectionLostError,
    ),
    "ServerTimeoutError": (aiohttp.ServerTimeoutError(str(SECRET_URL)), ConnectionLostError),
    "TimeoutError": (TimeoutError(str(SECRET_URL)), ConnectionLostError),
    "ServerDisconnectedError": (aiohttp.ServerDisconnectedError(SENTINEL), ConnectionLostError),
    "ServerConnectionError": (aiohttp.ServerConnectionError(SENTINEL), ConnectionLostError),
    "ClientOSError": (aiohttp.ClientOSError(errno.ECONNRESET, SENTINEL), ConnectionLostError),
    "ClientConnectionResetError": (
        aiohttp.ClientConnectionResetError(SENTINEL),
        ConnectionLostError,
    ),
    "ClientConnectionError": (aiohttp.ClientConnectionError(SENTINEL), ConnectionLostError),
    "ClientPayloadError": (aiohttp.ClientPayloadError(SENTINEL), ConnectionLostError),
    "ClientResponseError": (
        aiohttp.ClientResponseError(INFO, (), status=400, message=SENTINEL),
        ConnectionLostError,
    ),
    "ClientError": (aiohttp.ClientError(str(SECRET_URL)), ConnectionLostError),
    "ConnectionResetError": (ConnectionResetError(errno.ECONNRESET, SENTINEL), ConnectionLostError),
    "BrokenPipeError": (BrokenPipeError(errno.EPIPE, SENTINEL), ConnectionLostError),
    "OSError": (OSError(errno.EMFILE, SENTINEL), ConnectionLostError),
}
raised = pytest.mark.parametrize(("error", "ours"), RAISED.values(), ids=RAISED)

NEVER_HERE = {
    "ContentTypeError",  # by response.json(), which is not called
    "TooManyRedirects",  # redirects are not followed
    "RedirectClientError",
    "InvalidUrlRedirectClientError",
    "NonHttpUrlRedirectClientError",
    "InvalidURL",  # the base address is checked
    "InvalidUrlClientError",
    "NonHttpUrlClientError",
    "WSMessageTypeError",  # no web sockets
    "WSServerHandshakeError",
    "ClientSSLError",  # a base class
    "UploadAbortedError",  # bodies are bytes
}


def test_every_exception_of_aiohttp_is_mapped() -> None:
    known = {
        name
        for name, value in vars(client_exceptions).items()
        if isinstance(value, type) and issubclass(value, aiohttp.ClientError)
    }
    assert known <= set(RAISED) | NEVER_HERE


@raised
async def test_a_foreign_exception_becomes_ours_without_its_text(
    edge: FakeClientSession, error: Exception, ours: type[NexHealthError]
) -> None:
    edge.answer("GET", "/patients", exception=error)
    async with session() as nex:
        with pytest.raises(APIConnectionError) as caught:
            await nex.patients.walk(name=SENTINEL).count()
    found = caught.value
    assert type(found) is ours
    assert found.__cause__ is None
    assert found.__suppress_context__ is True
    assert str(found).startswith("GET /patients: ")
    shown = "".join(traceback.format_exception(found)) + repr(found)
    for secret in (SENTINEL, TOKEN, KEY, "subdomain=", BASE):
        assert secret not in str(found)
        assert secret not in shown


@raised
async def test_a_write_that_was_certainly_not_sent_has_a_known_outcome(
    edge: FakeClientSession, error: Exception, ours: type[NexHealthError]
) -> None:
    edge.answer("POST", "/appointment_types", exception=error)
    async with session() as nex:
        with pytest.raises(NexHealthError) as caught:
            await nex.appointment_types.create(name=SENTINEL)
    assert type(caught.value) is (ConnectError if ours is ConnectError else OutcomeUnknownError)
    assert SENTINEL not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ZeroDivisionError(), KeyError("x")])
async def test_programming_errors_are_raised_unchanged(
    edge: FakeClientSession, error: Exception
) -> None:
    edge.answer("GET", "/patients", exception=error)
    async with session() as nex:
        with pytest.raises(type(error)) as caught:
            await nex.patients.walk().count()
    assert caught.value is error


async def test_a_bug_in_a_login_reaches_the_caller(mocked: aioresponses) -> None:
    replies: Any = mocked
    replies.post(f"{BASE}/authenticates", exception=RuntimeError("a bug"), repeat=True)
    async with session(timeout=0.05) as nex:
        with pytest.raises(RuntimeError, match="a bug"):
            await nex.patients.walk().count()


async def test_cancellation_is_raised_unchanged(edge: FakeClientSession) -> None:
    edge.answer("GET", "/patients", exception=cast("Exception", asyncio.CancelledError("mine")))
    async with session() as nex:
        with pytest.raises(asyncio.CancelledError, match="mine"):
            await nex.patients.walk().count()


async def test_our_deadline_is_distinguished_from_aiohttps_timeouts(loop: MovableLoop) -> None:
    """Over a socket: a timeout raised by a mock is never caused by the deadline."""
    server = RawServer(says=None)
    async with (
        server.listening(),
        NexHealth(KEY, base_url=server.url, retry=NO_RETRY, timeout=5.0) as nex,
    ):
        loop.skip_waits, loop.io_wait = True, 0.005
        with pytest.raises(APITimeoutError):
            await nex.institutions.get(1)
    assert server.hits == 1
