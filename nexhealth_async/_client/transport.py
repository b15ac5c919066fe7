"""HTTP transport: sends one request over aiohttp and returns the response.

The only module of the client that imports aiohttp. aiohttp's exceptions are translated here and
never chained: their texts and attributes hold the URL and its query, which may name a patient.
"""

from __future__ import annotations

import asyncio
import copy
import io
import os
import time
from base64 import b64encode
from typing import TYPE_CHECKING, TypedDict
from urllib.request import getproxies, proxy_bypass

import aiohttp
from attrs import field, frozen
from yarl import URL

from nexhealth_async._protocol.decompression import (
    ACCEPTED,
    SUPPORTED_ENCODINGS,
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
    import ssl as tls
    from collections.abc import Iterator, Mapping

    from nexhealth_async._protocol.http_messages import Request


__all__ = ["Transport"]

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
"""aiohttp's timeouts. The call has its own deadline; only connecting has a shorter limit."""
_PROXY_AUTH_REQUIRED = 407
_PROXY_ADVICE = "check the proxy's address and credentials, or ask its operator"
_TLS_ADVICE = "check base_url, and pass your network's CA as ssl= if it has one"
_SANDBOX_HEADER = "Nexhealth-Sandbox"
"""Response header with which this library's sandbox identifies itself."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
"""Maximum number of redirects followed for a file."""
_LARGE_UPLOAD_BYTES = 1024 * 1024
_MAX_BODY_BYTES = 64 * 1024 * 1024
"""Size limit of a decompressed body that is read whole: several times the largest page."""


class _ProxyArguments(TypedDict, total=False):
    """aiohttp's arguments for a request through a proxy."""

    proxy: URL
    proxy_headers: Mapping[str, str]


class Transport:
    """HTTP transport over an owned or a borrowed ``aiohttp.ClientSession``.

    Redirects are followed for files only, and then without credentials. Cookies are not stored.
    Bodies are decompressed in chunks and rejected above a size limit. Each unsafe write opens its
    own connection: on an idle one, a silent close by the server would look like a write with an
    unknown outcome. A borrowed session keeps its settings, cookie jar included, except for
    redirects and decompression.

    Args:
        base_url: Validated address of the API.
        borrowed: The caller's session, with its own proxy and TLS context.
        proxy: Proxy for all requests.
        context: TLS context; None for aiohttp's, which trusts the system's CAs.
        trust_env: Take the proxy from the environment if ``proxy`` is None.
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
        self._borrowed_copy: aiohttp.ClientSession | None = None
        self._pooled: aiohttp.ClientSession | None = None
        self._single: aiohttp.ClientSession | None = None
        self.sandbox: str | None = None
        """Description that a sandbox sends in a response header; None for any other server."""
        self.host: str = _host_of(base_url)
        """Host, with the port unless it is the default, for messages."""
        self._route = self._routes.to(URL(base_url))

    @property
    def base_url(self) -> str:
        """Address of the API, without a trailing slash."""
        return self._base_url

    def open(self) -> None:
        """Create the aiohttp session; needs a running event loop."""
        if self._borrowed is None:
            # No connection limit: the rate limiter bounds requests in flight, and a request that
            # waited for a connection would hold a permit without being sent.
            self._pooled = _session(aiohttp.TCPConnector(limit=0, ssl=self._context or True))
        elif self._borrowed.auth is not None:
            raise InvalidArgumentError(
                "the session passed as http= has credentials (auth=), which conflict with the "
                "API's; pass a session without auth="
            )
        else:
            # A copy, so that aiohttp's own retries stay on for the owner's requests.
            self._borrowed_copy = _disable_retries(copy.copy(self._borrowed))

    async def close(self) -> None:
        """Close the owned sessions; a borrowed one stays open."""
        if self._borrowed_copy is not None:
            self._borrowed_copy.detach()
        try:
            if self._pooled is not None:
                await self._pooled.close()
        finally:
            if self._single is not None:
                await self._single.close()

    async def send(self, request: Request, *, timeout: float | None) -> Response:  # noqa: ASYNC109 - the phases of a call share one deadline
        """Send a request and read the whole response, unless it is to be streamed.

        Raises:
            ConnectError: Nothing was sent.
            ConnectionLostError: The connection broke; the request may have arrived.
            APITimeoutError: The timeout passed; the request may have arrived.
            UnexpectedStructureError: The body of a success is too large.
            SessionStateError: The session is closed.
        """
        session = self._session_for(request)
        time_limit = asyncio.timeout(timeout)
        try:
            async with time_limit:
                if request.stream_response:
                    return await self._begin(session, request, timeout)
                return await self._exchange(session, request)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise self._connect_error(
                    "connecting timed out", through=self._routes.first
                ) from None
            if not time_limit.expired():
                raise ConnectionLostError("the server stopped answering") from None
            raise APITimeoutError(f"no response within {timeout:g} seconds") from None
        except UnicodeError:
            raise self._connect_error("the host name is invalid") from None
        except _UnusableResponseError as error:
            raise UnexpectedStructureError(error.message, status=error.status) from None
        except (aiohttp.ClientError, OSError, DecompressionError) as error:
            raise self._translate_error(error) from None
        except RuntimeError:
            if session.closed:
                raise _closed_error() from None
            raise

    async def _exchange(self, session: aiohttp.ClientSession, request: Request) -> Response:
        """Send and read.

        Separate from `send`, so that no frame of a traceback holds the URL or the response.
        """
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
            # Headers are read for errors only.
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
        """Send; leave the body of a success unread unless it is JSON."""
        url = URL(self._base_url + request.target, encoded=True)
        headers, route = request.headers, self._route
        for hop in range(_MAX_REDIRECTS + 1):
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
                target = _redirect_target(response, url)
                if target is None or hop == _MAX_REDIRECTS:
                    return await self._start_response(response, timeout, redirected=hop > 0)
            except BaseException:
                response.close()
                raise
            response.close()
            # Send no credentials elsewhere: neither the token nor a borrowed session's defaults.
            url, session, route = target, self._own_single(), self._routes.to(target)
            headers = {"Accept": "*/*", "User-Agent": request.headers["User-Agent"]}
        raise AssertionError  # pragma: no cover - the last hop returns

    def _note_sandbox(self, response: aiohttp.ClientResponse) -> None:
        description = response.headers.get(_SANDBOX_HEADER)
        if description is not None:
            self.sandbox = description

    async def _start_response(
        self,
        response: aiohttp.ClientResponse,
        timeout: float | None,  # noqa: ASYNC109 - the phases of a call share one deadline
        *,
        redirected: bool,
    ) -> Response:
        is_success = 200 <= response.status < 300  # noqa: PLR2004 - HTTP's 2xx
        if redirected and not is_success:
            raise _UnusableResponseError("the file server refused the download", response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        stream, body = None, b""
        if is_success and (redirected or "json" not in response.content_type):
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
        session = self._borrowed_copy or self._pooled
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
                return self._connect_error("the host name cannot be resolved", at=proxy)
            case (
                aiohttp.ClientConnectorCertificateError()
                | aiohttp.ClientSSLError()
                | aiohttp.ServerFingerprintMismatch()
            ):
                error = self._connect_error(
                    "the TLS handshake failed or the certificate is not trusted", at=proxy
                )
                error.advice = _TLS_ADVICE
                return error
            case aiohttp.ClientHttpProxyError() | _ProxyRejectedError():
                return self._proxy_error(error.status)
            case aiohttp.ClientConnectorError():
                number = error.os_error.errno
                reason = os.strerror(number).lower() if number else "the connection was refused"
                return self._connect_error(reason, at=proxy)
            case aiohttp.ClientResponseError():
                return ConnectionLostError("the server's response is not valid HTTP")
            case aiohttp.ClientPayloadError() | DecompressionError():
                return ConnectionLostError("the response is incomplete or cannot be decompressed")
            case _:
                return ConnectionLostError("the connection broke before the response")

    def _connect_error(
        self, reason: str, *, at: Proxy | None = None, through: Proxy | None = None
    ) -> ConnectError:
        """Make the error for a failed connection: to a proxy, through one, or direct."""
        if at is not None:
            error = ConnectError(f"no connection to the proxy {at.address}: {reason}")
            error.advice = _PROXY_ADVICE
            return error
        route = "" if through is None else f" through the proxy {through.address}"
        return ConnectError(f"no connection to {self.host}{route}: {reason}")

    def _proxy_error(self, status: int) -> ConnectError:
        proxy = self._routes.first
        name = "the proxy" if proxy is None else f"the proxy {proxy.address}"
        rejected = status == _PROXY_AUTH_REQUIRED
        reason = "rejected the credentials" if rejected else "refused the request"
        error = ConnectError(f"no connection to {self.host}: {name} {reason} ({status})")
        error.advice = _PROXY_ADVICE
        return error


@frozen
class _ProxyRoute:
    """Arguments and headers that send a request through a proxy; both empty without one.

    The proxy's credentials go into its CONNECT request, or without TLS into the request itself.
    """

    arguments: _ProxyArguments = field(factory=_ProxyArguments, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)


class _ProxyRoutes:
    """Choice of the proxy for each address."""

    def __init__(self, proxy: Proxy | None, *, trust_env: bool) -> None:
        self._proxy = proxy
        self._variables = getproxies() if trust_env and proxy is None else {}
        self._used: list[Proxy] = []

    def to(self, url: URL) -> _ProxyRoute:
        """Return the route to an address.

        Raises:
            InvalidArgumentError: The environment names a proxy that is not an HTTP proxy.
        """
        proxy = self._proxy
        if proxy is None and self._variables:
            host = url.host or ""
            if not (is_loopback(host) or proxy_bypass(host)):
                proxy = proxy_from_environment(url.scheme, self._variables)
        if proxy is None:
            return _ProxyRoute()
        if proxy not in self._used:
            self._used.append(proxy)
        address, headers = URL(proxy.url), _proxy_headers(proxy)
        if url.scheme == "https":
            return _ProxyRoute({"proxy": address, "proxy_headers": headers})
        return _ProxyRoute({"proxy": address}, headers)

    @property
    def first(self) -> Proxy | None:
        """The proxy for requests to the API, if any."""
        return self._used[0] if self._used else None

    def note_error(self, error: Exception) -> Proxy | None:
        """Return the proxy that could not be reached, None if another host could not."""
        if not isinstance(error, aiohttp.ClientConnectorError):
            return None
        address = (error.host, error.port)
        return next((proxy for proxy in self._used if (proxy.host, proxy.port) == address), None)


def _proxy_headers(proxy: Proxy) -> dict[str, str]:
    if proxy.user is None:
        return {}
    credentials = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
    return {"Proxy-Authorization": HiddenText(f"Basic {credentials}")}


class _ProxyRejectedError(aiohttp.ClientError):
    """A proxy's refusal of a request sent without a tunnel."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


def _check_proxy_response(response: aiohttp.ClientResponse, route: _ProxyRoute) -> None:
    """Raise if the proxy itself refused the request."""
    if route.arguments and response.status == _PROXY_AUTH_REQUIRED:
        raise _ProxyRejectedError(response.status)


class _UnusableResponseError(Exception):
    """A rejected response; translated outside the frames that hold the response."""

    def __init__(self, message: str, response: aiohttp.ClientResponse) -> None:
        super().__init__(message)
        self.message = message
        self.status = response.status


class _ResponseStream:
    """A body read chunk by chunk from an open connection."""

    __slots__ = ("_reader", "_response", "_timeout", "media_type", "size")

    def __init__(self, response: aiohttp.ClientResponse, timeout: float | None) -> None:
        self._response = response
        self._timeout = timeout
        self._reader = _BodyReader(response)
        self.media_type = response.content_type
        self.size = None if self._reader.is_compressed else response.content_length

    async def chunk(self) -> bytes:
        time_limit = asyncio.timeout(self._timeout)
        try:
            async with time_limit:
                return await self._reader.chunk()
        except TimeoutError:
            failure: APIConnectionError = ConnectionLostError("the server stopped answering")
            if time_limit.expired():
                failure = APITimeoutError(f"no more data within {self._timeout:g} seconds")
        except (aiohttp.ClientError, OSError, DecompressionError):
            failure = ConnectionLostError("the connection broke during the download")
        except RuntimeError as error:
            if str(error) != "Connection closed.":  # as aiohttp reports it up to 3.13
                raise
            failure = ConnectionLostError("the connection was closed during the download")
        # Raised outside the handlers: aiohttp's errors, which hold the URL, must not be chained.
        self.close()
        raise failure

    def close(self) -> None:
        self._response.close()


class _BodyReader:
    """Reads a body in decompressed chunks of bounded size.

    aiohttp decompresses each read as a whole, and up to its release 3.13 without a size limit.
    """

    __slots__ = ("_chunks", "_content", "_decompressor")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in SUPPORTED_ENCODINGS and encoding not in {"identity", ""}:
            raise _UnusableResponseError(
                "the response has an unsupported Content-Encoding", response
            )
        self._content = response.content
        self._decompressor = BodyDecompressor() if encoding in SUPPORTED_ENCODINGS else None
        self._chunks: Iterator[bytes] = iter(())

    @property
    def is_compressed(self) -> bool:
        return self._decompressor is not None

    async def chunk(self) -> bytes:
        """Return the next chunk, empty at the end; raises `DecompressionError`."""
        if self._decompressor is None:
            return await self._content.readany()
        while True:
            for chunk in self._chunks:
                # A small compressed body can be very large: let other tasks run between chunks.
                await asyncio.sleep(0)
                return chunk
            compressed = await self._content.readany()
            if not compressed:
                if not self._decompressor.complete:
                    raise DecompressionError
                return b""
            self._chunks = self._decompressor.chunks(compressed)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read a whole body; an error response that is too large or damaged counts as empty."""
    try:
        return await _read_bounded(response)
    except (_UnusableResponseError, DecompressionError):
        if 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's 2xx
            raise
        response.close()
        return b""


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    headers, length = response.headers, response.content_length
    if length is not None and length > _MAX_BODY_BYTES:
        raise _too_large_error(response)
    if length is not None and not ("Content-Encoding" in headers or "Transfer-Encoding" in headers):
        return await response.read()
    reader, chunks, size = _BodyReader(response), list[bytes](), 0
    while chunk := await reader.chunk():
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise _too_large_error(response)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large_error(response: aiohttp.ClientResponse) -> _UnusableResponseError:
    size = f"{_MAX_BODY_BYTES // 2**20} MB"
    return _UnusableResponseError(
        f"the response is larger than {size}, more than any of the API's", response
    )


def _redirect_target(response: aiohttp.ClientResponse, url: URL) -> URL | None:
    """Return the target of a redirect; None for other responses and for targets without TLS."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    try:
        target = url.join(URL(location, encoded=True))
        host = target.host
    except ValueError:
        return None
    is_same_http_host = target.scheme == url.scheme == "http" and host == url.host
    if not host or not (target.scheme == "https" or is_same_http_host):
        return None
    return target.with_user(None)


def _body_payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """Return the body for aiohttp, which sends a file-like object in chunks."""
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
        raise InvalidArgumentError("base_url is invalid: its host or port cannot be read")
    return host


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return _disable_retries(
        aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_TIMEOUT
        )
    )


def _disable_retries(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    # aiohttp retries idempotent requests when a reused connection drops; here the rate limiter
    # and the budget must count every attempt. aiohttp's test client turns it off the same way.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return session


def _closed_error() -> SessionStateError:
    return SessionStateError("the session's connections are closed; open a new session")
