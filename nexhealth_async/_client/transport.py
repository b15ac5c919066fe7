"""Request in, reply out: the only module of the client that speaks aiohttp.

Foreign exceptions are translated here and never chained: their texts and attributes hold the URL
with its query, which may name a patient.
"""

from __future__ import annotations

import asyncio
import copy
import io
import os
import ssl as tls
import time
from base64 import b64encode
from typing import TYPE_CHECKING, TypedDict
from urllib.request import getproxies, proxy_bypass

import aiohttp
from attrs import field, frozen
from yarl import URL

from nexhealth_async._protocol.decompression import (
    ACCEPTED,
    UNCOMPRESSED_ENCODINGS,
    BodyDecompressor,
    DecompressionError,
)
from nexhealth_async._protocol.http_messages import HiddenBytes, HiddenText, Response
from nexhealth_async._protocol.proxies import Proxy, is_loopback, proxy_from_environment
from nexhealth_async.errors import (
    APIConnectionError,
    APITimeoutError,
    ConnectError,
    ConnectionLostError,
    InvalidArgumentError,
    SessionStateError,
    UnexpectedStructureError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nexhealth_async._protocol.http_messages import Request


__all__ = ["Transport", "tls_context"]

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
"""The deadline is the call's own; only a connection that does not come about is given up sooner."""
_NO_LOGIN = 407
"""HTTP's status for a proxy that wants credentials."""
_PROXY_ADVICE = "check the address and credentials of the proxy, or ask who runs it"
_TLS_ADVICE = "check base_url, and trust the CA of your network if it has one of its own"
_SANDBOX = "Nexhealth-Sandbox"
"""The header by which the sandbox of this library says what it is."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOP_BY_HOP_HEADERS = 3
"""How many redirects a file is followed over."""
_LARGE_UPLOAD_BYTES = 1024 * 1024
_MAX_BODY_BYTES = 64 * 1024 * 1024
"""Most bytes of a reply that is read whole, unpacked: several times the largest page there is."""


class _ProxyArguments(TypedDict, total=False):
    """The arguments of aiohttp's for a request that goes through a proxy."""

    proxy: URL
    proxy_headers: Mapping[str, str]


class Transport:
    """Sends requests over an own or a borrowed ``aiohttp.ClientSession``.

    Redirects are never followed but for files, and then without any credentials. Cookies are never
    kept. Bodies are unpacked here, in pieces, and are refused where they grow beyond all measure.
    Unsafe writes go over connections of their own, each opened for one request: on one that idled,
    a server's silent close would look like a write with an unknown outcome. A borrowed session
    keeps its own ways, its cookie jar among them, but for redirects and bodies.

    Args:
        base_url: Address of the API, checked.
        borrowed: A session of the caller's, with a proxy and a TLS context of its own.
        proxy: The proxy of every request.
        context: The TLS context; None for aiohttp's, which trusts the system's CAs.
        trust_env: Whether the proxy comes from the environment, if none is given.
    """

    def __init__(
        self,
        base_url: str,
        borrowed: aiohttp.ClientSession | None,
        *,
        proxy: Proxy | None = None,
        context: tls.SSLContext | None = None,
        trust_env: bool = False,
    ) -> None:
        self._base_url = base_url
        self._borrowed = borrowed
        self._context = context
        self._routes = _ProxyRoutes(proxy, trust_env=trust_env)
        self._lent: aiohttp.ClientSession | None = None
        """The borrowed session's double."""
        self._pooled: aiohttp.ClientSession | None = None
        self._single: aiohttp.ClientSession | None = None
        self.sandbox: str | None = None
        """What a sandbox said of itself in a reply's header; None for any other server."""
        self.host: str = _host_of(base_url)
        """Host, and port if it is an unusual one, for messages."""
        self._route = self._routes.to(URL(base_url))

    @property
    def base_url(self) -> str:
        """The API's address, without a trailing slash."""
        return self._base_url

    def open(self) -> None:
        """Make the session; needs a running event loop."""
        if self._borrowed is None:
            # How many are open at once is bounded at the gates: whoever waited here for a
            # connection would have taken a place in the rate limits long before leaving.
            self._pooled = _session(aiohttp.TCPConnector(limit=0, ssl=self._context or True))
        elif self._borrowed.auth is not None:
            raise InvalidArgumentError(
                "http= has credentials of its own (auth=), which aiohttp would not send beside the "
                "API's; lend a session without"
            )
        else:
            # A double, so that its owner's own requests go on being repeated.
            self._lent = _count_session(copy.copy(self._borrowed))

    async def close(self) -> None:
        """Close what was made here; a borrowed session stays open."""
        if self._lent is not None:
            self._lent.detach()
        try:
            if self._pooled is not None:
                await self._pooled.close()
        finally:
            if self._single is not None:
                await self._single.close()

    async def send(self, request: Request, *, timeout: float | None) -> Response:  # noqa: ASYNC109 - the phases of a call share one deadline
        """Send a request and read the whole reply, unless it is to be streamed.

        Raises `ConnectError` if nothing was sent, `ConnectionLostError` or `APITimeoutError` if it
        may have been, `UnexpectedStructureError` for a success too large to be one,
        `SessionStateError` for a session that is closed.
        """
        session = self._session_for(request)
        alarm = asyncio.timeout(timeout)
        try:
            async with alarm:
                if request.stream_response:
                    return await self._begin(session, request, timeout)
                return await self._exchange(session, request)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise self._connect_error(
                    "no connection came about in time", through=self._routes.first
                ) from None
            if not alarm.expired():
                raise ConnectionLostError("the server stopped answering") from None
            raise APITimeoutError(f"no reply within {timeout:g} seconds") from None
        except UnicodeError:
            raise self._connect_error("its name cannot be looked up") from None
        except _UnusableResponseError as error:
            raise UnexpectedStructureError(error.message, status=error.status) from None
        except (aiohttp.ClientError, OSError, DecompressionError) as error:
            raise self._translate_error(error) from None
        except RuntimeError:
            if session.closed:
                raise _closed_error() from None
            raise

    async def _exchange(self, session: aiohttp.ClientSession, request: Request) -> Response:
        """Send and read; apart, so that no frame of an error's traceback holds URL or reply."""
        async with session.request(
            request.method,
            URL(self._base_url + request.target, encoded=True),
            headers={**request.headers, **self._route.headers, "Accept-Encoding": ACCEPTED},
            data=_body_payload(request.body),
            allow_redirects=False,
            auto_decompress=False,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
            **self._route.arguments,
        ) as response:
            _check_proxy_response(response, self._route)
            self._note_sandbox(response)
            body = await _read_body(response)
            # Only refusals are asked about their headers.
            headers = (
                {}
                if response.status == 200  # noqa: PLR2004 - HTTP's "OK"
                else {name.lower(): value for name, value in response.headers.items()}
            )
            return Response(
                status=response.status, headers=headers, body=body, received_at=time.time()
            )

    async def _begin(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        timeout: float | None,  # noqa: ASYNC109 - the phases of a call share one deadline
    ) -> Response:
        """Send, and leave the body of a success in the connection unless it is JSON."""
        url = URL(self._base_url + request.target, encoded=True)
        headers, route = request.headers, self._route
        for hop in range(_HOP_BY_HOP_HEADERS + 1):
            response = await session.request(
                request.method,
                url,
                headers={**headers, **route.headers, "Accept-Encoding": ACCEPTED},
                allow_redirects=False,
                auto_decompress=False,
                raise_for_status=False,
                timeout=_NO_TIMEOUT,
                **route.arguments,
            )
            if hop == 0:
                self._note_sandbox(response)
            try:
                _check_proxy_response(response, route)
                target = _redirect_error(response, url)
                if target is None or hop == _HOP_BY_HOP_HEADERS:
                    return await self._start_response(response, timeout, foreign=hop > 0)
            except BaseException:
                response.close()
                raise
            response.close()
            # Elsewhere nothing tells who we are: no token, and no borrowed session's own ways.
            url, session, route = target, self._own_single(), self._routes.to(target)
            headers = {"Accept": "*/*", "User-Agent": request.headers["User-Agent"]}
        raise AssertionError  # pragma: no cover - the last hop returns

    def _note_sandbox(self, response: aiohttp.ClientResponse) -> None:
        told = response.headers.get(_SANDBOX)
        if told is not None:
            self.sandbox = told

    async def _start_response(
        self,
        response: aiohttp.ClientResponse,
        timeout: float | None,  # noqa: ASYNC109 - the phases of a call share one deadline
        *,
        foreign: bool,
    ) -> Response:
        ok = 200 <= response.status < 300  # noqa: PLR2004 - the successes' hundred
        if foreign and not ok:
            raise _UnusableResponseError(
                "the server that keeps the file does not give it out", response
            )
        headers = {name.lower(): value for name, value in response.headers.items()}
        stream, body = None, b""
        if ok and (foreign or "json" not in response.content_type):
            stream = _ResponseStream(response, timeout)
        else:
            body = await _read_body(response)
        return Response(
            status=response.status,
            headers=headers,
            body=body,
            stream=stream,
            received_at=time.time(),
        )

    def _session_for(self, request: Request) -> aiohttp.ClientSession:
        session = self._lent or self._pooled
        if session is None or session.closed:
            raise _closed_error()
        if self._borrowed is not None or not request.fresh_connection:
            return session
        return self._own_single()

    def _own_single(self) -> aiohttp.ClientSession:
        if self._single is None:
            self._single = _session(
                aiohttp.TCPConnector(force_close=True, ssl=self._context or True)
            )
        return self._single

    def _translate_error(self, error: Exception) -> APIConnectionError:
        proxy = self._routes.note_error(error)
        match error:
            case aiohttp.ClientConnectorDNSError():
                return self._connect_error("its name cannot be resolved", at=proxy)
            case (
                aiohttp.ClientConnectorCertificateError()
                | aiohttp.ClientSSLError()
                | aiohttp.ServerFingerprintMismatch()
            ):
                error = self._connect_error(
                    "the TLS handshake failed or its certificate is not trusted", at=proxy
                )
                error.advice = _TLS_ADVICE
                return error
            case aiohttp.ClientHttpProxyError() | _ProxyRejectedError():
                return self._proxy_error(error.status)
            case aiohttp.ClientConnectorError():
                number = error.os_error.errno
                why = os.strerror(number).lower() if number else "the connection was refused"
                return self._connect_error(why, at=proxy)
            case aiohttp.ClientResponseError():
                return ConnectionLostError("the server's reply is no HTTP")
            case aiohttp.ClientPayloadError() | DecompressionError():
                return ConnectionLostError(
                    "the connection broke, or its encoding did, inside the reply"
                )
            case _:
                return ConnectionLostError("the connection broke before the reply came")

    def _connect_error(
        self, reason: str, *, at: Proxy | None = None, through: Proxy | None = None
    ) -> ConnectError:
        """Make the error for a connection that failed at a proxy, through one, or without."""
        if at is not None:
            error = ConnectError(f"no connection to the proxy {at.address}: {reason}")
            error.advice = _PROXY_ADVICE
            return error
        way = "" if through is None else f" through the proxy {through.address}"
        return ConnectError(f"no connection to {self.host}{way}: {reason}")

    def _proxy_error(self, status: int) -> ConnectError:
        proxy = self._routes.first
        where = "the proxy" if proxy is None else f"the proxy {proxy.address}"
        why = "asks for other credentials" if status == _NO_LOGIN else "refused to pass it on"
        error = ConnectError(f"no connection to {self.host}: {where} {why} ({status})")
        error.advice = _PROXY_ADVICE
        return error


@frozen
class _ProxyRoute:
    """How a request reaches its server: arguments and headers that a proxy needs, if there is one.

    Credentials go to the proxy in its own CONNECT request, or in the request itself without TLS.
    """

    arguments: _ProxyArguments = field(factory=_ProxyArguments, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)


class _ProxyRoutes:
    """Which proxy a request goes through."""

    def __init__(self, proxy: Proxy | None, *, trust_env: bool) -> None:
        self._given = proxy
        self._variables = getproxies() if trust_env and proxy is None else {}
        self._seen: list[Proxy] = []

    def to(self, url: URL) -> _ProxyRoute:
        """Return the route to an address.

        Raises:
            InvalidArgumentError: The environment names what is no HTTP proxy.
        """
        proxy = self._given
        if proxy is None and self._variables:
            host = url.host or ""
            if not (is_loopback(host) or proxy_bypass(host)):
                proxy = proxy_from_environment(url.scheme, self._variables)
        if proxy is None:
            return _ProxyRoute()
        if proxy not in self._seen:
            self._seen.append(proxy)
        address, headers = URL(proxy.url), _proxy_headers(proxy)
        if url.scheme == "https":
            return _ProxyRoute({"proxy": address, "proxy_headers": headers})
        return _ProxyRoute({"proxy": address}, headers)

    @property
    def first(self) -> Proxy | None:
        """The proxy of the API's requests, if they have one."""
        return self._seen[0] if self._seen else None

    def note_error(self, error: Exception) -> Proxy | None:
        """Return the proxy that an error tells of, not what is behind it."""
        if not isinstance(error, aiohttp.ClientConnectorError):
            return None
        place = (error.host, error.port)
        return next((one for one in self._seen if (one.host, one.port) == place), None)


def _proxy_headers(proxy: Proxy) -> dict[str, str]:
    if proxy.user is None:
        return {}
    login = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
    return {"Proxy-Authorization": HiddenText(f"Basic {login}")}


class _ProxyRejectedError(aiohttp.ClientError):
    """A proxy's own refusal of a request that was to be passed on without a tunnel."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


def _check_proxy_response(response: aiohttp.ClientResponse, route: _ProxyRoute) -> None:
    """Raise for a reply by which the proxy itself refused the request."""
    if route.arguments and response.status == _NO_LOGIN:
        raise _ProxyRejectedError(response.status)


def tls_context(given: tls.SSLContext | str | os.PathLike[str] | None) -> tls.SSLContext | None:
    """Return the TLS context for a context or a file of CAs, which are trusted in addition.

    Raises:
        InvalidArgumentError: The file has no certificates, or the context verifies none.
    """
    if given is None:
        return None
    if isinstance(given, tls.SSLContext):
        if given.verify_mode is not tls.CERT_REQUIRED or not given.check_hostname:
            raise InvalidArgumentError(
                "ssl must be a context that verifies certificates and host names, such as "
                "ssl.create_default_context() makes"
            )
        return given
    if not isinstance(given, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            "ssl must be an ssl.SSLContext, the path of a file of CA certificates, or None; "
            "certificates are always verified"
        )
    context = tls.create_default_context()
    try:
        context.load_verify_locations(cafile=os.fspath(given))
    except (OSError, ValueError):
        raise InvalidArgumentError(
            "ssl names a file that cannot be read or holds no CA certificates in PEM form; "
            "check its path"
        ) from None
    return context


class _UnusableResponseError(Exception):
    """A reply that is not taken; it becomes an error outside of the frames that hold the reply."""

    def __init__(self, message: str, response: aiohttp.ClientResponse) -> None:
        super().__init__(message)
        self.message = message
        self.status = response.status


class _ResponseStream:
    """A body that is still in its connection."""

    __slots__ = ("_inflow", "_patience", "_response", "media_type", "size")

    def __init__(self, response: aiohttp.ClientResponse, patience: float | None) -> None:
        self._response = response
        self._patience = patience
        self._inflow = _BodyReader(response)
        self.media_type = response.content_type
        self.size = None if self._inflow.is_compressed else response.content_length

    async def chunk(self) -> bytes:
        alarm = asyncio.timeout(self._patience)
        try:
            async with alarm:
                return await self._inflow.chunk()
        except TimeoutError:
            fault: APIConnectionError = ConnectionLostError("the server stopped answering")
            if alarm.expired():
                fault = APITimeoutError(f"nothing more came within {self._patience:g} seconds")
        except (aiohttp.ClientError, OSError, DecompressionError):
            fault = ConnectionLostError("the connection broke inside the file")
        except RuntimeError as error:
            if str(error) != "Connection closed.":  # aiohttp's word for it up to 3.13
                raise
            fault = ConnectionLostError("the connection was closed inside the file")
        # Raised here, it is chained to nothing of aiohttp's, which would hold the address.
        self.close()
        raise fault

    def close(self) -> None:
        self._response.close()


class _BodyReader:
    """The pieces of a body as they come in, unpacked.

    aiohttp unpacks what one read brought all at once, up to its release 3.13 without any bound.
    """

    __slots__ = ("_content", "_ready", "_unpacker")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        packing = response.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in UNCOMPRESSED_ENCODINGS and packing not in {"identity", ""}:
            raise _UnusableResponseError(
                "the reply is compressed in a way that was not asked for", response
            )
        self._content = response.content
        self._unpacker = BodyDecompressor() if packing in UNCOMPRESSED_ENCODINGS else None
        self._ready: Iterator[bytes] = iter(())

    @property
    def is_compressed(self) -> bool:
        return self._unpacker is not None

    async def chunk(self) -> bytes:
        """Return the next piece, none at the end; raises `DecompressionError` too."""
        if self._unpacker is None:
            return await self._content.readany()
        while True:
            for piece in self._ready:
                # A small packed body may hold a large one: others get their turn between.
                await asyncio.sleep(0)
                return piece
            packed = await self._content.readany()
            if not packed:
                if not self._unpacker.complete:
                    raise DecompressionError
                return b""
            self._ready = self._unpacker.chunks(packed)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end; of a refusal that is too large or damaged the status is enough."""
    try:
        return await _read_bounded(response)
    except (_UnusableResponseError, DecompressionError):
        if 200 <= response.status < 300:  # noqa: PLR2004 - the successes' hundred
            raise
        response.close()
        return b""


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    headers, length = response.headers, response.content_length
    if length is not None and length > _MAX_BODY_BYTES:
        raise _too_large_error(response)
    if length is not None and not ("Content-Encoding" in headers or "Transfer-Encoding" in headers):
        return await response.read()
    inflow, pieces, size = _BodyReader(response), list[bytes](), 0
    while piece := await inflow.chunk():
        size += len(piece)
        if size > _MAX_BODY_BYTES:
            raise _too_large_error(response)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large_error(response: aiohttp.ClientResponse) -> _UnusableResponseError:
    size = f"{_MAX_BODY_BYTES // 2**20} MB"
    return _UnusableResponseError(
        f"the reply is larger than {size}, and none of the API's is", response
    )


def _redirect_error(response: aiohttp.ClientResponse, url: URL) -> URL | None:
    """Return where a redirect leads; None for other replies, and where it would leave TLS."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    try:
        target = url.join(URL(location, encoded=True))
        host = target.host
    except ValueError:
        return None
    plain_here = target.scheme == url.scheme == "http" and host == url.host
    if not host or not (target.scheme == "https" or plain_here):
        return None
    return target.with_user(None)


def _body_payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """Return a body to send; aiohttp sends a large one in parts if it can be read like a file."""
    if body is None:
        return None
    return io.BytesIO(body) if len(body) > _LARGE_UPLOAD_BYTES else HiddenBytes(body)


def _host_of(base_url: str) -> str:
    try:
        url = URL(base_url)
        host = url.host_port_subcomponent if url.host and url.port else None
    except ValueError:
        host = None
    if not host:
        raise InvalidArgumentError("base_url is no address: its host or its port cannot be read")
    return host


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return _count_session(
        aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_TIMEOUT
        )
    )


def _count_session(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    # aiohttp repeats idempotent requests by itself when a reused connection drops; here every
    # attempt must be counted and paid for. Its own test client switches it off in the same way.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return session


def _closed_error() -> SessionStateError:
    return SessionStateError("the session's connections are closed; open a new session")
