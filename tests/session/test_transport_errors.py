"""Transport errors: the right exception with a clear message, and a usable session."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import frozen

from nexhealth_async import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    FirewallBlockedError,
    InvalidAPIKeyError,
    InvalidArgumentError,
    MalformedBodyError,
    NexHealth,
    NexHealthError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    UnexpectedStructureError,
)
from nexhealth_async.sandbox import Sandbox
from tests.session.transport_error_helpers import (
    QUICK,
    SENTINEL,
    RawServer,
    check_text,
    envelope,
    scene,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from socket import AddressFamily

    from tests.conftest import MovableLoop

HTML = b"<html><body>" + SENTINEL.encode() + b"</body></html>"
FOR_EVER = 10_000


@frozen(kw_only=True)
class TransportErrorCase:
    """A server's response to every request, and the outcome of a read."""

    does: Callable[[Sandbox], object]
    error: type[NexHealthError]
    attempts: int
    status: int | None = None


def says(
    body: bytes,
    *,
    error: type[NexHealthError],
    attempts: int = 1,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> TransportErrorCase:
    def does(sandbox: Sandbox) -> object:
        return sandbox.fail_next(status, body=body, headers=headers, times=FOR_EVER)

    return TransportErrorCase(does=does, error=error, attempts=attempts, status=status)


CUT = b'{"code":true,"data":[{"id":1,"name":"' + SENTINEL.encode()
NESTED = b'{"code":true,"count":1,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

TRANSPORT_ERRORS = {
    "a web page": says(HTML, error=MalformedBodyError, attempts=4),
    "a web page after the work": TransportErrorCase(
        does=lambda sandbox: sandbox.garbage_next(times=FOR_EVER),
        error=MalformedBodyError,
        attempts=4,
        status=200,
    ),
    "the edge's page": TransportErrorCase(
        does=lambda sandbox: sandbox.firewall_block_next(times=FOR_EVER),
        error=FirewallBlockedError,
        attempts=1,
        status=403,
    ),
    "an empty body": says(b"", error=MalformedBodyError, attempts=4),
    "blanks": says(b" \r\n ", error=MalformedBodyError, attempts=4),
    "204": TransportErrorCase(
        does=lambda sandbox: sandbox.empty_next(status=204, times=FOR_EVER),
        error=MalformedBodyError,
        attempts=4,
        status=204,
    ),
    "truncated JSON": says(CUT, error=MalformedBodyError, attempts=4),
    "JSON cut in half": TransportErrorCase(
        does=lambda sandbox: sandbox.truncate_next(times=FOR_EVER),
        error=MalformedBodyError,
        attempts=4,
        status=200,
    ),
    "deep nesting": says(NESTED, error=MalformedBodyError, attempts=4),
    "no number": says(b'{"code":true,"data":NaN}', error=MalformedBodyError, attempts=4),
    "bytes": says(bytes(range(256)), error=MalformedBodyError, attempts=4),
    "a list for an envelope": says(b"[]", error=MalformedBodyError, attempts=4),
    "data a text": says(envelope(SENTINEL), error=UnexpectedStructureError),
    "data a number": says(envelope(7), error=UnexpectedStructureError),
    "data true": says(envelope(data=True), error=UnexpectedStructureError),
    "data an object without a list": says(envelope({SENTINEL: 1}), error=UnexpectedStructureError),
    "data null beside a count": says(envelope(None, 3), error=UnexpectedStructureError),
    "data null without a count": says(envelope(None, None), error=UnexpectedStructureError),
    "a wrong encoding": says(
        b"no gzip at all",
        headers={"Content-Encoding": "gzip"},
        error=ConnectionLostError,
        attempts=4,
    ),
    "a reset before": TransportErrorCase(
        does=lambda sandbox: sandbox.drop_next(times=FOR_EVER),
        error=ConnectionLostError,
        attempts=4,
    ),
    "a reset after": TransportErrorCase(
        does=lambda sandbox: sandbox.drop_next(when="after", times=FOR_EVER),
        error=ConnectionLostError,
        attempts=4,
    ),
    "a reset inside the body": TransportErrorCase(
        does=lambda sandbox: sandbox.drop_next(when="mid_body", times=FOR_EVER),
        error=ConnectionLostError,
        attempts=4,
    ),
}


@pytest.mark.parametrize("case", TRANSPORT_ERRORS.values(), ids=TRANSPORT_ERRORS)
async def test_every_transport_error_of_a_list_is_clear_and_leaves_the_session_usable(
    case: TransportErrorCase,
) -> None:
    async with scene() as at:
        case.does(at.sandbox)
        with pytest.raises(case.error) as caught:
            await at.names()
        assert type(caught.value) is case.error
        status = case.status if case.status != 200 or hasattr(caught.value, "status") else None
        check_text(
            caught.value,
            attempts=case.attempts,
            status=status,
            secrets=(at.sandbox.api_key, at.sandbox.subdomain),
        )
        assert at.sent == case.attempts
        at.sandbox.clear()
        await at.works()
        assert (at.sent, at.sandbox.logins) == (1, 1)


@pytest.mark.parametrize(
    "case",
    [one for name, one in TRANSPORT_ERRORS.items() if not name.startswith("data ")],
    ids=[name for name in TRANSPORT_ERRORS if not name.startswith("data ")],
)
async def test_a_single_record_raises_the_same_error(case: TransportErrorCase) -> None:
    async with scene() as at:
        case.does(at.sandbox)
        with pytest.raises(case.error) as caught:
            await at.location.patients.get(at.sandbox.patients.ids[0])
        check_text(caught.value, operation="GET /patients/{id}", attempts=case.attempts)
        assert at.sent == case.attempts
        at.sandbox.clear()
        await at.works()


@pytest.mark.parametrize("data", ["text", 7, [], [{}], True])
async def test_data_of_the_wrong_type_are_not_a_record(data: object) -> None:
    async with scene() as at:
        at.sandbox.fail_next(200, body=envelope(data))
        with pytest.raises(UnexpectedStructureError) as caught:
            await at.location.patients.get(at.sandbox.patients.ids[0])
        check_text(caught.value, operation="GET /patients/{id}", attempts=1, status=200)
        await at.works()


async def test_a_lookup_answered_with_null_is_not_found() -> None:
    async with scene() as at:
        at.sandbox.fail_next(200, body=envelope(None))
        with pytest.raises(NotFoundError):
            await at.location.patients.get(at.sandbox.patients.ids[0])


@pytest.mark.parametrize("bad", ["truncated JSON", "a reset inside the body", "a web page"])
async def test_transient_errors_cost_a_walk_no_record(bad: str) -> None:
    case = TRANSPORT_ERRORS[bad]
    async with scene(patients=47) as at:
        walk = at.location.patients.walk(per_page=10, new_patient=None)
        seen = [(await anext(walk)).id for _ in range(10)]
        fault: Any = case.does(at.sandbox)
        fault.times = 2
        seen += [one.id async for one in walk]
        assert seen == list(at.sandbox.patients.ids)
        assert at.sent == 7


@pytest.mark.parametrize("media_type", ["text/plain", "text/html", "image/png", "x", ""])
async def test_valid_json_is_read_with_any_media_type(media_type: str) -> None:
    async with scene() as at:
        at.sandbox.media_type = media_type
        await at.works()
        assert (
            await at.location.patients.get(at.sandbox.patients.ids[3])
        ).id == at.sandbox.patients.ids[3]
        assert at.sent == 2


# Keys, practices and places


async def test_a_wrong_key_is_refused_and_not_retried(loop: MovableLoop) -> None:
    async with scene(api_key="key-of-someone-else") as at:
        for _ in range(3):
            with pytest.raises(InvalidAPIKeyError) as caught:
                await at.names()
            check_text(
                caught.value,
                operation="POST /authenticates",
                attempts=1,
                status=401,
                secrets=("key-of-someone-else",),
            )
        assert [request.path for request in at.sandbox.requests] == ["/authenticates"]
        loop.shift(5.1)
        with pytest.raises(InvalidAPIKeyError):
            await at.names()
        assert len(at.sandbox.requests) == 2


async def test_a_key_revoked_in_use_is_refused(loop: MovableLoop) -> None:
    async with scene() as at:
        await at.works()
        loop.shift(60)
        at.sandbox.revoke_key()
        for _ in range(3):
            with pytest.raises(InvalidAPIKeyError) as caught:
                await at.names()
            check_text(caught.value, operation="POST /authenticates", secrets=(at.sandbox.api_key,))
        statuses = [(request.path, request.status) for request in at.sandbox.requests][2:]
        assert statuses == [("/patients", 401), ("/authenticates", 401)]


async def test_an_unknown_practice_is_forbidden() -> None:
    async with scene() as at:
        with pytest.raises(PermissionDeniedError) as caught:
            await at.nex.practice("no-such-dental").location(1).patients.walk().count()
        assert type(caught.value) is PermissionDeniedError
        check_text(caught.value, attempts=1, status=403, secrets=("no-such-dental",))
        await at.works()


@pytest.mark.parametrize("subdomain", ["Sandbox-Dental", "SANDBOX", " ", "", "a.b", "a&b"])
async def test_an_impossible_subdomain_is_refused_before_sending(subdomain: str) -> None:
    async with scene() as at:
        with pytest.raises(InvalidArgumentError):
            at.nex.practice(subdomain)
        with pytest.raises(InvalidArgumentError):
            await at.nex.patients.get(1, subdomain=subdomain)
        assert not at.sandbox.requests


async def test_a_location_of_another_practice_is_not_found() -> None:
    async with scene() as at:
        with pytest.raises(NotFoundError) as caught:
            await at.nex.practice(at.sandbox.subdomain).location(987_654).patients.walk().count()
        check_text(caught.value, attempts=1, status=404, secrets=("987654", "987_654"))
        await at.works()


async def test_an_endpoint_that_refuses_every_token_does_not_log_in_on_each_call() -> None:
    async with scene() as at:
        await at.works()
        at.sandbox.fail_next(401, path="/institutions", times=FOR_EVER)
        for _ in range(20):
            with pytest.raises(AuthenticationError) as caught:
                await anext(at.nex.institutions.walk())
            check_text(caught.value, operation="GET /institutions", attempts=1, status=401)
            await at.works()
        assert at.sandbox.logins == 1
        assert at.sent == 41


async def test_an_endpoint_that_rejects_every_token_costs_one_login_in_10_seconds(
    loop: MovableLoop,
) -> None:
    async with scene() as at:
        await at.works()
        at.sandbox.fail_next(401, path="/institutions", times=FOR_EVER)
        for _ in range(30):
            loop.shift(2)
            with pytest.raises(AuthenticationError):
                await anext(at.nex.institutions.walk())
            await at.works()
        assert 2 <= at.sandbox.logins <= 7


# The network


async def test_without_a_network_nothing_is_sent_until_it_is_back(
    loop: MovableLoop,
) -> None:
    server = RawServer()
    async with server.listening():
        pass
    before = asyncio.all_tasks()
    async with NexHealth("a-key", base_url=server.url, retry=QUICK, subdomain="demo") as nex:
        walk = nex.patients.walk(location_id=1, name=SENTINEL)
        with pytest.raises(ConnectError) as caught:
            await anext(walk)
        check_text(caught.value, operation="POST /authenticates", attempts=4)
        loop.shift(5.1)
        async with server.listening():
            assert await nex.patients.walk(location_id=1).count() == 0
            assert server.hits == 1
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


class _FailingResolver(AbstractResolver):
    """A resolver of a machine without a network."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily | int = 0
    ) -> list[ResolveResult]:
        self.asked.append(host)
        raise OSError(None, "Name or service not known")

    async def close(self) -> None:
        pass


async def test_an_unresolvable_name_is_a_connection_error() -> None:
    resolver = _FailingResolver()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as http,
        NexHealth("a-key", base_url="https://api.nexhealth.invalid", http=http, retry=QUICK) as nex,
    ):
        with pytest.raises(ConnectError, match=r"api\.nexhealth\.invalid") as caught:
            await nex.institutions.get(1)
        check_text(caught.value, operation="POST /authenticates", attempts=4)
        assert "resolved" in str(caught.value)
    assert resolver.asked == ["api.nexhealth.invalid"] * 4


async def test_tls_to_a_plain_port_is_a_connection_error() -> None:
    async with Sandbox() as sandbox:
        url = sandbox.url.replace("http:", "https:")
        async with NexHealth("a-key", base_url=url, retry=QUICK) as nex:
            with pytest.raises(ConnectError, match="TLS") as caught:
                await nex.institutions.get(1)
            check_text(caught.value, operation="POST /authenticates", attempts=4)
        assert not sandbox.requests


async def test_an_untrusted_certificate_is_a_connection_error(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    pem = tmp_path / "own.pem"
    making = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {pem} -out {pem}.crt"
    )
    subprocess.run([openssl, *making.split()], check=True, capture_output=True)  # noqa: ASYNC221, S603 - a certificate for this test
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{pem}.crt", pem)
    reached: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        async with NexHealth("a-key", base_url=url, retry=QUICK) as nex:
            with pytest.raises(ConnectError, match="certificate") as caught:
                await nex.institutions.get(1)
            check_text(caught.value, operation="POST /authenticates", attempts=4)
    finally:
        server.close()
        await server.wait_closed()
    assert reached == []


async def test_a_redirect_is_never_followed() -> None:
    async with Sandbox() as other, scene() as at:
        for status in (301, 302, 303, 307, 308):
            target = f"{other.url}/patients?name={SENTINEL}"
            at.sandbox.fail_next(status, headers={"Location": target}, body=b"")
            with pytest.raises(UnexpectedStructureError, match="redirect") as caught:
                await at.names()
            check_text(caught.value, attempts=1, status=status, secrets=(other.url,))
        assert at.sent == 5
        assert not other.requests
        await at.works()


async def test_a_redirected_login_does_not_send_the_key(loop: MovableLoop) -> None:
    async with Sandbox() as other, scene() as at:
        target = f"{other.url}/authenticates"
        at.sandbox.fail_next(307, path="/authenticates", headers={"Location": target}, body=b"")
        with pytest.raises(UnexpectedStructureError, match="redirect"):
            await at.names()
        assert not other.requests
        loop.shift(5.1)
        await at.works()


@pytest.mark.parametrize(
    "noise",
    [
        b"220 mail.example.com ESMTP ready\r\n",
        b"SSH-2.0-invented\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nabc",
    ],
)
async def test_a_response_that_is_not_http_is_a_lost_connection(noise: bytes) -> None:
    server = RawServer(says=noise)
    async with (
        server.listening(),
        NexHealth("a-key", base_url=server.url, retry=QUICK, subdomain="demo") as nex,
    ):
        with pytest.raises(ConnectionLostError) as caught:
            await nex.patients.walk(location_id=1, name=SENTINEL).count()
        check_text(caught.value, attempts=4, secrets=("ESMTP", "twohundred"))
        assert server.hits == 4
        server.says = RawServer().says
        assert await nex.patients.walk(location_id=1).count() == 0


async def test_a_connection_closed_inside_the_headers_is_a_lost_connection() -> None:
    server = RawServer(says=b"HTT")
    async with (
        server.listening(),
        NexHealth("a-key", base_url=server.url, retry=QUICK, subdomain="demo") as nex,
    ):
        with pytest.raises(ConnectionLostError) as caught:
            await nex.patients.walk(location_id=1).count()
        check_text(caught.value, attempts=4)


async def test_a_silent_server_is_given_up_at_the_timeout(loop: MovableLoop) -> None:
    server = RawServer()
    async with (
        server.listening(),
        NexHealth(
            "a-key", base_url=server.url, retry=QUICK, subdomain="demo", location_id=1
        ) as nex,
    ):
        await nex.patients.walk().count()
        server.says = None
        loop.skip_waits, loop.io_wait = True, 0.005
        began = loop.time()
        with pytest.raises(APITimeoutError) as caught:
            await nex.with_options(timeout=3.0).patients.walk(name=SENTINEL).count()
        assert isinstance(caught.value, TimeoutError)
        check_text(caught.value, attempts=1)
        assert 3 <= loop.time() - began < 4
        loop.skip_waits = False
        server.says = RawServer().says
        assert await nex.patients.walk().count() == 0
        assert server.hits == 3


async def test_an_attempt_without_a_response_is_repeated_within_the_timeout(
    loop: MovableLoop,
) -> None:
    server = RawServer()
    retry = RetryPolicy(base_delay=0.0, attempt_timeout=7.0, attempts=3)
    async with (
        server.listening(),
        NexHealth("a-key", base_url=server.url, retry=retry, subdomain="demo") as nex,
    ):
        await nex.patients.walk(location_id=1).count()
        server.says = None
        loop.skip_waits, loop.io_wait = True, 0.005
        with pytest.raises(APITimeoutError) as caught:
            await nex.patients.walk(location_id=1).count()
        check_text(caught.value, attempts=3)
        assert server.hits == 4


# 429


RETRY_AFTER_OBEYED = {
    "0": 0.0,
    "3": 3.0,
    " 3 ": 3.0,
    "2.5": 2.5,
    "60": 60.0,
    "Wed, 21 Oct 2026 07:28:07 GMT": 7.0,
    "Wed, 21 Oct 2020 07:28:07 GMT": 0.0,
    "Wed, 21 Oct 2026 09:28:07 +0200": 7.0,
}


@pytest.mark.parametrize(("form", "seconds"), RETRY_AFTER_OBEYED.items(), ids=RETRY_AFTER_OBEYED)
async def test_retry_after_is_obeyed_in_both_forms(
    form: str, seconds: float, loop: MovableLoop
) -> None:
    async with scene(timeout=None) as at:
        await at.works()
        headers = {"Retry-After": form, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
        at.sandbox.fail_next(429, headers=headers)
        loop.skip_waits, loop.io_wait = True, 0.005
        began = loop.time()
        await at.works()
        assert seconds <= loop.time() - began < seconds + 2
        assert at.sent == 3


@pytest.mark.parametrize(
    "form",
    ["-5", "soon", "", "1e3", "inf", "nan", "9" * 40, "0x10", "Wed, 99 Foo 2026", "١٢", "12, 13"],
)
async def test_an_unreadable_retry_after_falls_back_to_the_backoff(
    form: str, loop: MovableLoop
) -> None:
    async with scene() as at:
        await at.works()
        at.sandbox.fail_next(429, headers={"Retry-After": form})
        loop.skip_waits, loop.io_wait = True, 0.005
        began = loop.time()
        await at.works()
        assert 0.25 <= loop.time() - began < 5
        assert at.sent == 3


@pytest.mark.parametrize(
    "form", ["61", "999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "Tue, 01 Jan 2999 00:00:00 GMT"]
)
@pytest.mark.parametrize("seconds", [60.0, None])
async def test_an_absurd_retry_after_is_raised_at_once(
    form: str, seconds: float | None, loop: MovableLoop
) -> None:
    async with scene(timeout=seconds) as at, asyncio.timeout(5):
        await at.works()
        at.sandbox.fail_next(429, headers={"Retry-After": form})
        began = loop.time()
        with pytest.raises(RateLimitError) as caught:
            await at.names()
        assert loop.time() - began < 1
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 60
        check_text(caught.value, attempts=1, status=429)
        assert at.sent == 2


async def test_endless_429s_are_raised_after_the_usual_attempts(loop: MovableLoop) -> None:
    async with scene(timeout=None) as at:
        await at.works()
        at.sandbox.fail_next(429, times=FOR_EVER)
        loop.skip_waits, loop.io_wait = True, 0.005
        with pytest.raises(RateLimitError) as caught:
            await at.names()
        check_text(caught.value, attempts=4, status=429)
        assert at.sent == 5


async def test_every_transport_error_has_the_librarys_base_class() -> None:
    """Callers can catch one class for every failure."""
    async with scene() as at:
        for case in TRANSPORT_ERRORS.values():
            case.does(at.sandbox)
            with pytest.raises(NexHealthError) as caught:
                await at.names()
            assert not isinstance(caught.value, (aiohttp.ClientError, ValueError))
            assert isinstance(caught.value, APIConnectionError) == issubclass(
                case.error, APIConnectionError
            )
            at.sandbox.clear()
        await at.works()
