"""The faults: how the sandbox injects each, and how the client must handle it."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import Factory, frozen

from tests.session.faults.expected_outcomes import (
    ABSENT,
    BLOCKED,
    BROKEN,
    CUT_OFF,
    FAILED,
    FAILING,
    FINE,
    FORBIDDEN,
    LOGGED_OUT,
    LOST,
    ODD,
    REDIRECTED,
    REFUSED,
    SILENT,
    STOPPED,
    THROTTLED,
    TOO_LONG,
    UNREACHED,
    FaultHandling,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async.sandbox import Sandbox

__all__ = ["FAULTS", "LARGEST", "FaultCase", "FaultTarget"]

LARGEST = 2**20
"""Limit of a body in the matrix, so that it need not send 64 MB."""


@frozen(kw_only=True)
class FaultTarget:
    """The requests that meet a fault."""

    sandbox: Sandbox
    method: str
    path: str
    times: int

    @property
    def at(self) -> dict[str, Any]:
        return {"method": self.method, "path": self.path, "times": self.times}


@frozen(kw_only=True)
class FaultCase:
    order: Callable[[FaultTarget], object]
    nature: FaultHandling
    otherwise: dict[str, FaultHandling] = Factory(dict[str, FaultHandling])
    """Exceptions for other kinds of responses: list, record, nothing, anything, file, token."""
    does: bool = False
    """True if the server nevertheless carries out the request."""
    leaves_status: bool = False
    """True if only the body of a response is affected, so that an error status remains."""
    arrives: bool = True
    """False if the server cannot count the request."""


def says(
    status: int, nature: FaultHandling, body: bytes | None = None, **headers: str
) -> FaultCase:
    """Return a fault: the server responds like this, and does nothing."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    def order(aim: FaultTarget) -> object:
        return aim.sandbox.fail_next(status, body=body, headers=sent, **aim.at)

    return FaultCase(order=order, nature=nature)


def alters(
    change: Callable[[bytes], bytes] | None,
    nature: FaultHandling,
    *,
    chunked: bool = False,
    otherwise: dict[str, FaultHandling] | None = None,
    leaves_status: bool = True,
    **headers: str,
) -> FaultCase:
    """Return a fault: the server carries out the request, and its response is altered."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    def order(aim: FaultTarget) -> object:
        return aim.sandbox.alter_next(change, headers=sent, chunked=chunked, **aim.at)

    # A file's bytes may be anything.
    return FaultCase(
        order=order,
        nature=nature,
        otherwise={"file": FINE} if otherwise is None else otherwise,
        does=True,
        leaves_status=leaves_status,
    )


def _inside(more: bytes) -> Callable[[bytes], bytes]:
    """Return a change that appends a member to the envelope."""
    return lambda body: body[:-1] + b"," + more + b"}" if body else body


def _instead(**members: object) -> Callable[[bytes], bytes]:
    """Return a change that replaces members of the envelope."""

    def change(body: bytes) -> bytes:
        if not body.startswith(b"{"):
            return body
        return msgspec.json.encode(msgspec.json.decode(body, type=dict[str, object]) | members)

    return change


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(b" " * (4 * LARGEST)) + packer.flush()


_COMING_BACK: set[asyncio.Task[None]] = set()


def _refuse(aim: FaultTarget) -> None:
    aim.sandbox.refuse_connections()
    if aim.times == 1:

        async def come_back() -> None:
            await asyncio.sleep(0.1)  # after the first attempt, before the second
            await aim.sandbox.accept_connections()

        task = asyncio.ensure_future(come_back())
        _COMING_BACK.add(task)
        task.add_done_callback(_COMING_BACK.discard)


def _date(seconds: int) -> str:
    return f"Wed, 21 Oct 2026 07:28:{seconds:02} GMT"


NO_BODY = {"nothing": FINE, "anything": FINE, "file": FINE}
NO_DATA = {"nothing": FINE, "anything": FINE, "file": FINE}

FAULTS: dict[str, FaultCase] = {
    # The connection
    "refused": FaultCase(order=_refuse, nature=UNREACHED, arrives=False),
    "reset on arrival": FaultCase(
        order=lambda aim: aim.sandbox.reset_next(aim.times), nature=LOST, arrives=False
    ),
    "reset before": FaultCase(order=lambda aim: aim.sandbox.drop_next(**aim.at), nature=LOST),
    "reset after": FaultCase(
        order=lambda aim: aim.sandbox.drop_next(when="after", **aim.at), nature=LOST, does=True
    ),
    "reset inside": FaultCase(
        order=lambda aim: aim.sandbox.drop_next(when="mid_body", **aim.at),
        nature=LOST,
        otherwise={"file": CUT_OFF},
        does=True,
    ),
    "silent before": FaultCase(order=lambda aim: aim.sandbox.hang_next(**aim.at), nature=SILENT),
    "silent after": FaultCase(
        order=lambda aim: aim.sandbox.hang_next(when="after", **aim.at), nature=SILENT, does=True
    ),
    "silent inside": FaultCase(
        order=lambda aim: aim.sandbox.hang_next(when="mid_body", **aim.at),
        nature=SILENT,
        otherwise={"file": STOPPED},
        does=True,
    ),
    "drip": FaultCase(
        order=lambda aim: aim.sandbox.slow_next(1.0, **aim.at),
        nature=SILENT,
        otherwise={"file": FINE},
        does=True,
    ),
    "long header": alters(None, LOST, otherwise={}, leaves_status=False, X_Long="x" * 100_000),
    # Refusals
    "401": says(401, LOGGED_OUT),
    "403": says(403, FORBIDDEN),
    "403 page": FaultCase(
        order=lambda aim: aim.sandbox.firewall_block_next(**aim.at), nature=BLOCKED
    ),
    "404": says(404, ABSENT),
    "400": says(400, REFUSED),
    "409": says(409, REFUSED),
    "422 empty": says(422, REFUSED, b""),
    "code false": alters(_instead(code=False, error=["No."]), REFUSED),
    # Too many requests
    "429": says(429, THROTTLED),
    "429 page": says(429, THROTTLED, b"<html>slower</html>"),
    "429 seconds": says(429, THROTTLED, Retry_After="2"),
    "429 now": says(429, THROTTLED, Retry_After="0"),
    "429 date": says(429, THROTTLED, Retry_After=_date(3), Date=_date(0)),
    "429 past": says(429, THROTTLED, Retry_After=_date(3), Date=_date(9)),
    "429 unreadable": says(429, THROTTLED, Retry_After="soon"),
    "429 hours": says(429, TOO_LONG, Retry_After="7200"),
    "429 far date": says(429, TOO_LONG, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
    # Failures
    "500": says(500, FAILING),
    "502": says(502, FAILING, b"<html>Bad gateway</html>"),
    "503": says(503, FAILING, Retry_After="1"),
    "504": says(504, FAILING, b""),
    "501": says(501, FAILED),
    "500 huge": says(500, FAILING, b" " * (2 * LARGEST)),
    "503 packed": says(503, FAILING, b"?", Content_Encoding="br"),
    # Redirects: to another host, out of TLS, to nowhere; files may follow them without credentials
    "301": says(301, REDIRECTED, b""),
    "302 plain": says(302, REDIRECTED, b"", Location="http://192.0.2.1/patients"),
    "307 away": FaultCase(
        order=lambda aim: aim.sandbox.fail_next(
            307, body=b"", headers={"Location": "https://127.0.0.1:1/x"}, **aim.at
        ),
        nature=REDIRECTED,
        otherwise={"file": UNREACHED},
    ),
    "308 nowhere": says(308, REDIRECTED, b"", Location="http://[::1/"),
    "304": says(304, REDIRECTED, b""),
    # Bodies
    "204": FaultCase(
        order=lambda aim: aim.sandbox.empty_next(status=204, **aim.at),
        nature=BROKEN,
        otherwise=NO_BODY,
        does=True,
    ),
    "empty": FaultCase(
        order=lambda aim: aim.sandbox.empty_next(**aim.at),
        nature=BROKEN,
        otherwise=NO_BODY,
        does=True,
    ),
    "blanks": alters(lambda _: b" \r\n ", BROKEN, otherwise=NO_BODY),
    "truncated": FaultCase(
        order=lambda aim: aim.sandbox.truncate_next(**aim.at),
        nature=BROKEN,
        otherwise={"file": FINE},
        does=True,
        leaves_status=True,
    ),
    "garbage": alters(lambda _: bytes(range(256)), BROKEN),
    "page": alters(lambda _: b"<html></html>", BROKEN, Content_Type="text/html"),
    "nested": alters(lambda _: b'{"code":true,"data":' + b"[" * 100_000, BROKEN),
    "nested twice": alters(_inside(b'"more":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000), BROKEN),
    "NaN": alters(_inside(b'"more":NaN'), BROKEN),
    "no envelope": alters(lambda _: b"[]", BROKEN),
    "data a text": alters(_instead(data="text"), ODD, otherwise=NO_DATA),
    "data a number": alters(_instead(data=7), ODD, otherwise=NO_DATA),
    "twice the keys": alters(
        lambda body: b'{"code":false,"data":null,"error":["No."],' + body[1:], FINE
    ),
    "long description": alters(_inside(b'"description":"' + b"a" * (LARGEST // 2) + b'"'), FINE),
    "many descriptions": alters(_inside(b'"description":[' + b'"a",' * 50_000 + b'"a"]'), FINE),
    "too large": alters(lambda body: body + b" " * LARGEST, ODD),
    "endless": alters(lambda body: body + b" " * LARGEST, ODD, chunked=True),
    # Types, characters, compression, cookies
    "wrong type": alters(None, FINE, Content_Type="image/png"),
    "no type": alters(None, FINE, Content_Type=""),
    "wrong charset": alters(None, FINE, Content_Type="application/json; charset=utf-16"),
    "unknown charset": alters(None, FINE, Content_Type="application/json; charset=x-none"),
    "UTF-16": alters(lambda body: body.decode("latin-1").encode("utf-16"), BROKEN),
    "Latin-1": alters(_inside(b'"description":"\xe9t\xe9"'), FINE),
    "chunked": alters(None, FINE, chunked=True),
    "gzip": alters(gzip.compress, FINE, Content_Encoding="gzip"),
    "deflate": alters(zlib.compress, FINE, Content_Encoding="deflate"),
    "gzip in parts": alters(
        lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
        FINE,
        chunked=True,
        Content_Encoding="gzip",
    ),
    "no gzip": alters(None, LOST, otherwise={"file": CUT_OFF}, Content_Encoding="gzip"),
    "gzip cut": alters(
        lambda body: gzip.compress(body)[:-9],
        LOST,
        otherwise={"file": CUT_OFF},
        Content_Encoding="gzip",
    ),
    "gzip bomb": alters(lambda _: _bomb(), ODD, Content_Encoding="gzip"),
    "brotli": alters(None, ODD, otherwise={}, Content_Encoding="br"),
    "cookies": alters(None, FINE, Set_Cookie="watched=1; Path=/"),
}
