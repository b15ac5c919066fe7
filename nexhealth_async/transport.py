"""Request in, reply out: the only module of the client that speaks aiohttp.

Foreign exceptions are translated here and never chained: their texts and attributes hold the URL
with its query, which may name a patient.
"""

from __future__ import annotations

import asyncio
import copy
import io
import os
import time
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from nexhealth_async.core.packing import ACCEPTED, UNPACKED, Damaged, Unpacker
from nexhealth_async.core.wire import HiddenBytes, Reply
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
    from collections.abc import Iterator

    from nexhealth_async.core.wire import Request

__all__ = ["Transport"]

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
"""The deadline is the call's own; only a connection that does not come about is given up sooner."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 3
"""How many redirects a file is followed over."""
_LARGE_TO_SEND = 1024 * 1024
_LARGEST_BODY = 64 * 1024 * 1024
"""Most bytes of a reply that is read whole, unpacked: several times the largest page there is."""


class Transport:
    """Sends requests over an own or a borrowed ``aiohttp.ClientSession``.

    Redirects are never followed but for files, and then without any credentials. Cookies are never
    kept. Bodies are unpacked here, in pieces, and are refused where they grow beyond all measure.
    Unsafe writes go over connections of their own, each opened for one request: on one that idled,
    a server's silent close would look like a write with an unknown outcome. A borrowed session
    keeps its own ways, its cookie jar among them, but for redirects and bodies.
    """

    def __init__(self, base_url: str, borrowed: aiohttp.ClientSession | None) -> None:
        self._base_url = base_url
        self._borrowed = borrowed
        self._lent: aiohttp.ClientSession | None = None
        """The borrowed session's double."""
        self._pooled: aiohttp.ClientSession | None = None
        self._single: aiohttp.ClientSession | None = None
        self.host: str = _host_of(base_url)
        """Host, and port if it is an unusual one, for messages."""

    @property
    def base_url(self) -> str:
        """The API's address, without a trailing slash."""
        return self._base_url

    def open(self) -> None:
        """Make the session; needs a running event loop."""
        if self._borrowed is None:
            # How many are open at once is bounded at the gates: whoever waited here for a
            # connection would have taken a place in the rate limits long before leaving.
            self._pooled = _session(aiohttp.TCPConnector(limit=0))
        elif self._borrowed.auth is not None:
            raise InvalidArgument(
                "http= has credentials of its own (auth=), which aiohttp would not send beside the "
                "API's; lend a session without"
            )
        else:
            # A double, so that its owner's own requests go on being repeated.
            self._lent = _counted(copy.copy(self._borrowed))

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

    async def send(self, request: Request, *, timeout: float | None) -> Reply:  # noqa: ASYNC109 - the phases of a call share one deadline
        """Send a request and read the whole reply, unless it is to be streamed.

        Raises `ConnectFailed` if nothing was sent, `ConnectionLost` or `TimedOut` if it may have
        been, `UnexpectedShape` for a success too large to be one, `SessionStateError` for a session
        that is closed.
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
        except UnicodeError:
            raise self._no_connection("its name cannot be looked up") from None
        except _Unfit as error:
            raise UnexpectedShape(error.message, status=error.status) from None
        except (aiohttp.ClientError, OSError, Damaged) as error:
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
            headers={**request.headers, "Accept-Encoding": ACCEPTED},
            data=_sendable(request.body),
            allow_redirects=False,
            auto_decompress=False,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
        ) as response:
            body = await _whole(response)
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
                headers={**headers, "Accept-Encoding": ACCEPTED},
                allow_redirects=False,
                auto_decompress=False,
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
            raise _Unfit("the server that keeps the file does not give it out", response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        stream, body = None, b""
        if ok and (foreign or "json" not in response.content_type):
            stream = _Body(response, patience)
        else:
            body = await _whole(response)
        return Reply(
            status=response.status,
            headers=headers,
            body=body,
            stream=stream,
            received_at=time.time(),
        )

    def _session_for(self, request: Request) -> aiohttp.ClientSession:
        session = self._lent or self._pooled
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
                return self._no_connection("its name cannot be resolved")
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
            case aiohttp.ClientPayloadError() | Damaged():
                return ConnectionLost("the connection broke, or its encoding did, inside the reply")
            case _:
                return ConnectionLost("the connection broke before the reply came")

    def _no_connection(self, why: str) -> ConnectFailed:
        return ConnectFailed(f"no connection to {self.host}: {why}")


class _Unfit(Exception):
    """A reply that is not taken; it becomes an error outside of the frames that hold the reply."""

    def __init__(self, message: str, response: aiohttp.ClientResponse) -> None:
        super().__init__(message)
        self.message = message
        self.status = response.status


class _Body:
    """A body that is still in its connection."""

    __slots__ = ("_inflow", "_patience", "_response", "media_type", "size")

    def __init__(self, response: aiohttp.ClientResponse, patience: float | None) -> None:
        self._response = response
        self._patience = patience
        self._inflow = _Inflow(response)
        self.media_type = response.content_type
        self.size = None if self._inflow.packed else response.content_length

    async def chunk(self) -> bytes:
        alarm = asyncio.timeout(self._patience)
        try:
            async with alarm:
                return await self._inflow.chunk()
        except TimeoutError:
            fault: TransportError = ConnectionLost("the server stopped answering")
            if alarm.expired():
                fault = TimedOut(f"nothing more came within {self._patience:g} seconds")
        except (aiohttp.ClientError, OSError, Damaged):
            fault = ConnectionLost("the connection broke inside the file")
        except RuntimeError as error:
            if str(error) != "Connection closed.":  # aiohttp's word for it up to 3.13
                raise
            fault = ConnectionLost("the connection was closed inside the file")
        # Raised here, it is chained to nothing of aiohttp's, which would hold the address.
        self.close()
        raise fault

    def close(self) -> None:
        self._response.close()


class _Inflow:
    """The pieces of a body as they come in, unpacked.

    aiohttp unpacks what one read brought all at once, up to its release 3.13 without any bound.
    """

    __slots__ = ("_content", "_ready", "_unpacker")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        packing = response.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in UNPACKED and packing not in {"identity", ""}:
            raise _Unfit("the reply is compressed in a way that was not asked for", response)
        self._content = response.content
        self._unpacker = Unpacker() if packing in UNPACKED else None
        self._ready: Iterator[bytes] = iter(())

    @property
    def packed(self) -> bool:
        return self._unpacker is not None

    async def chunk(self) -> bytes:
        """Return the next piece, none at the end; raises `Damaged` too."""
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
                    raise Damaged
                return b""
            self._ready = self._unpacker.pieces(packed)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end; of a refusal that is too large or damaged the status is enough."""
    try:
        return await _bounded(response)
    except (_Unfit, Damaged):
        if 200 <= response.status < 300:  # noqa: PLR2004 - the successes' hundred
            raise
        response.close()
        return b""


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    headers, length = response.headers, response.content_length
    if length is not None and length > _LARGEST_BODY:
        raise _too_large(response)
    if length is not None and not ("Content-Encoding" in headers or "Transfer-Encoding" in headers):
        return await response.read()
    inflow, pieces, size = _Inflow(response), list[bytes](), 0
    while piece := await inflow.chunk():
        size += len(piece)
        if size > _LARGEST_BODY:
            raise _too_large(response)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(response: aiohttp.ClientResponse) -> _Unfit:
    size = f"{_LARGEST_BODY // 2**20} MB"
    return _Unfit(f"the reply is larger than {size}, and none of the API's is", response)


def _redirected(response: aiohttp.ClientResponse, url: URL) -> URL | None:
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


def _sendable(body: bytes | None) -> bytes | io.BytesIO | None:
    """Return a body to send; aiohttp sends a large one in parts if it can be read like a file."""
    if body is None:
        return None
    return io.BytesIO(body) if len(body) > _LARGE_TO_SEND else HiddenBytes(body)


def _host_of(base_url: str) -> str:
    try:
        url = URL(base_url)
        host = url.host_port_subcomponent if url.host and url.port else None
    except ValueError:
        host = None
    if not host:
        raise InvalidArgument("base_url is no address: its host or its port cannot be read")
    return host


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return _counted(
        aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_TIMEOUT
        )
    )


def _counted(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    # aiohttp repeats idempotent requests by itself when a reused connection drops; here every
    # attempt must be counted and paid for. Its own test client switches it off in the same way.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return session


def _closed() -> SessionStateError:
    return SessionStateError("the session's connections are closed; open a new session")
