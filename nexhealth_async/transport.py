"""Request in, reply out: the only module of the client that speaks aiohttp.

Foreign exceptions are translated here and never chained: their texts and attributes hold the URL
with its query, which may name a patient.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from nexhealth_async.core.wire import Reply
from nexhealth_async.errors import (
    ConnectFailed,
    ConnectionLost,
    InvalidArgument,
    SessionStateError,
    TimedOut,
    TransportError,
    UnexpectedShape,
)

if TYPE_CHECKING:
    from nexhealth_async.core.wire import Request

__all__ = ["Transport"]

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
"""The deadline is the call's own; only a connection that does not come about is given up sooner."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 3
"""How many redirects a file is followed over."""


class Transport:
    """Sends requests over an own or a borrowed ``aiohttp.ClientSession``.

    Redirects are never followed but for files, and then without any credentials. Cookies are never
    kept. Unsafe writes go over connections of their own, each opened for one request: on one that
    idled, a server's silent close would look like a write with an unknown outcome. A borrowed
    session keeps its own ways, but for redirects.
    """

    def __init__(self, base_url: str, borrowed: aiohttp.ClientSession | None) -> None:
        self._base_url = base_url
        self._borrowed = borrowed
        self._pooled: aiohttp.ClientSession | None = None
        self._single: aiohttp.ClientSession | None = None
        self.host = _host_of(base_url)
        """Name of the host, for messages."""

    @property
    def base_url(self) -> str:
        """The API's address, without a trailing slash."""
        return self._base_url

    def open(self) -> None:
        """Make the session; needs a running event loop."""
        if self._borrowed is None:
            self._pooled = _session(aiohttp.TCPConnector(limit=100))

    async def close(self) -> None:
        """Close what was made here; a borrowed session stays open."""
        for session in (self._pooled, self._single):
            if session is not None:
                await session.close()

    async def send(self, request: Request, *, timeout: float | None) -> Reply:  # noqa: ASYNC109 - the phases of a call share one deadline
        """Send a request and read the whole reply, unless it is to be streamed.

        Raises `ConnectFailed` if nothing was sent, `ConnectionLost` or `TimedOut` if it may have
        been, `SessionStateError` for a session that is closed.
        """
        session = self._session_for(request)
        alarm = asyncio.timeout(timeout)
        try:
            async with alarm:
                if request.streams:
                    return await self._begin(session, request, timeout)
                return await self._exchange(session, request)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise self._no_connection("no connection came about in time") from None
            if not alarm.expired():
                raise ConnectionLost("the server stopped answering") from None
            raise TimedOut(f"no reply within {timeout:g} seconds") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._translated(error) from None
        except RuntimeError:
            if session.closed:
                raise _closed() from None
            raise

    async def _exchange(self, session: aiohttp.ClientSession, request: Request) -> Reply:
        """Send and read; apart, so that no frame of an error's traceback holds URL or reply."""
        async with session.request(
            request.method,
            URL(self._base_url + request.target, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
        ) as response:
            body = await response.read()
            # Only refusals are asked about their headers.
            headers = (
                {}
                if response.status == 200  # noqa: PLR2004 - HTTP's "OK"
                else {name.lower(): value for name, value in response.headers.items()}
            )
            return Reply(
                status=response.status, headers=headers, body=body, received_at=time.time()
            )

    async def _begin(
        self, session: aiohttp.ClientSession, request: Request, patience: float | None
    ) -> Reply:
        """Send, and leave the body of a success in the connection unless it is JSON."""
        url = URL(self._base_url + request.target, encoded=True)
        headers = request.headers
        for hop in range(_HOPS + 1):
            response = await session.request(
                request.method,
                url,
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=_NO_TIMEOUT,
            )
            try:
                target = _redirected(response, url)
                if target is None or hop == _HOPS:
                    return await self._begun(response, patience, foreign=hop > 0)
            except BaseException:
                response.close()
                raise
            response.close()
            # Elsewhere nothing tells who we are: no token, and no borrowed session's own ways.
            url, session = target, self._own_single()
            headers = {"Accept": "*/*", "User-Agent": request.headers["User-Agent"]}
        raise AssertionError  # pragma: no cover - the last hop returns

    async def _begun(
        self, response: aiohttp.ClientResponse, patience: float | None, *, foreign: bool
    ) -> Reply:
        ok = 200 <= response.status < 300  # noqa: PLR2004 - the successes' hundred
        if foreign and not ok:
            raise UnexpectedShape(
                "the server that keeps the file does not give it out", status=response.status
            )
        headers = {name.lower(): value for name, value in response.headers.items()}
        stream, body = None, b""
        if ok and (foreign or "json" not in response.content_type):
            stream = _Body(response, patience)
        else:
            body = await response.read()
        return Reply(
            status=response.status,
            headers=headers,
            body=body,
            stream=stream,
            received_at=time.time(),
        )

    def _session_for(self, request: Request) -> aiohttp.ClientSession:
        session = self._borrowed or self._pooled
        if session is None or session.closed:
            raise _closed()
        if self._borrowed is not None or not request.fresh_connection:
            return session
        return self._own_single()

    def _own_single(self) -> aiohttp.ClientSession:
        if self._single is None:
            self._single = _session(aiohttp.TCPConnector(force_close=True))
        return self._single

    def _translated(self, error: Exception) -> TransportError:
        match error:
            case aiohttp.ClientConnectorDNSError():
                return self._no_connection("its name cannot be resolved; is there a network?")
            case (
                aiohttp.ClientConnectorCertificateError()
                | aiohttp.ClientSSLError()
                | aiohttp.ServerFingerprintMismatch()
            ):
                return self._no_connection(
                    "the TLS handshake failed or its certificate is not trusted"
                )
            case aiohttp.ClientHttpProxyError():
                return self._no_connection("the proxy refused to pass the request on")
            case aiohttp.ClientConnectorError():
                number = error.os_error.errno
                why = os.strerror(number).lower() if number else "the connection was refused"
                return self._no_connection(why)
            case aiohttp.ClientResponseError():
                return ConnectionLost("the server's reply is no HTTP")
            case aiohttp.ClientPayloadError():
                return ConnectionLost("the connection broke, or its encoding did, inside the reply")
            case _:
                return ConnectionLost("the connection broke before the reply came")

    def _no_connection(self, why: str) -> ConnectFailed:
        return ConnectFailed(f"no connection to {self.host}: {why}")


class _Body:
    """A body that is still in its connection."""

    __slots__ = ("_patience", "_response", "media_type", "size")

    def __init__(self, response: aiohttp.ClientResponse, patience: float | None) -> None:
        self._response = response
        self._patience = patience
        self.media_type = response.content_type
        packed = "Content-Encoding" in response.headers
        self.size = None if packed else response.content_length

    async def chunk(self) -> bytes:
        alarm = asyncio.timeout(self._patience)
        try:
            async with alarm:
                return await self._response.content.readany()
        except TimeoutError:
            self.close()
            if alarm.expired():
                raise TimedOut(f"nothing more came within {self._patience:g} seconds") from None
            raise ConnectionLost("the server stopped answering") from None
        except (aiohttp.ClientError, OSError):
            self.close()
            raise ConnectionLost("the connection broke inside the file") from None

    def close(self) -> None:
        self._response.close()


def _redirected(response: aiohttp.ClientResponse, url: URL) -> URL | None:
    """Return where a redirect leads; None for other replies, and where it would leave TLS."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    try:
        target = url.join(URL(location, encoded=True))
    except ValueError:
        return None
    safe = target.scheme == "https" or (target.scheme == "http" and target.host == url.host)
    return target if safe and target.host else None


def _host_of(base_url: str) -> str:
    try:
        url = URL(base_url)
        host = url.host if url.port else None
    except ValueError:
        host = None
    if not host:
        raise InvalidArgument("base_url is no address: its host or its port cannot be read")
    return host


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_TIMEOUT
    )
    # aiohttp repeats idempotent requests by itself when a reused connection drops; here every
    # attempt must be counted and paid for. Its own test client switches it off in the same way.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return session


def _closed() -> SessionStateError:
    return SessionStateError("the session's connections are closed; open a new session")
