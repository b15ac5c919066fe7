"""Proxies and private CAs are used for every request, if they are configured."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import traceback
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from nexhealth_async import ConnectError, InvalidArgumentError, NexHealth
from nexhealth_async._protocol.proxies import proxy_from, proxy_from_environment
from nexhealth_async.sandbox import Sandbox
from tests.client.proxy_server import PrivateCA, running_proxy, serving_tls
from tests.session.test_session_privacy import frames_with_locals
from tests.session.transport_error_helpers import QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.client.proxy_server import ForwardProxy, TLSFront

USER, PASSWORD = "porter", "s3cret word"
LOGIN = "porter:s3cret%20word"
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def ca(tmp_path: Path) -> PrivateCA:
    return PrivateCA(tmp_path)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=5, appointments=0) as made:
        yield made


@pytest.fixture
async def front(ca: PrivateCA, sandbox: Sandbox) -> AsyncIterator[TLSFront]:
    async with serving_tls(ca, sandbox.url) as made:
        yield made


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[ForwardProxy]:
    async with running_proxy(tmp_path / "proxy") as made:
        yield made


@pytest.fixture
async def guarded_proxy(tmp_path: Path) -> AsyncIterator[ForwardProxy]:
    async with running_proxy(tmp_path / "guarded", "--basic-auth", f"{USER}:{PASSWORD}") as made:
        yield made


async def tunnelled(proxy: ForwardProxy, count: int) -> list[str]:
    """Wait until the proxy has logged its closed tunnels."""
    async with asyncio.timeout(20):
        while len(proxy.tunnels()) < count:
            await asyncio.sleep(0.05)
    return proxy.tunnels()


def _never(_: str) -> bool:
    return False


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


# Through a real proxy


async def test_logins_reads_writes_and_downloads_use_the_proxy(
    sandbox: Sandbox, front: TLSFront, ca: PrivateCA, guarded_proxy: ForwardProxy
) -> None:
    async with (
        serving_tls(ca, sandbox.url) as elsewhere,
        NexHealth(
            sandbox.api_key,
            base_url=front.url,
            proxy=guarded_proxy.with_login(LOGIN),
            ssl=str(ca.file),
            retry=QUICK,
        ) as nex,
    ):
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        patients = [patient async for patient in location.patients.walk()]
        assert len(patients) == 5
        await location.appointment_types.create(name="Checkup", minutes=30)
        documents = location.patients.documents
        made = await documents.create(patients[0].id, file=b"%PDF", filename="a.pdf")
        sandbox.fail_next(
            302,
            path="/documents/{id}/download",
            headers={"Location": f"{elsewhere.url}/kept/1"},
            body=b"",
        )
        sandbox.fail_next(200, path="/kept/1", headers={"Content-Type": "x/y"}, body=b"kept")
        async with documents.download(made) as file:
            assert await file.read() == b"kept"
    assert elsewhere.accepted == 1
    # Each connection that arrived came through a tunnel.
    tunnels = await tunnelled(guarded_proxy, front.accepted + elsewhere.accepted)
    assert tunnels.count(front.place) == front.accepted > 1
    assert tunnels.count(elsewhere.place) == 1
    for request in sandbox.requests:
        assert "proxy-authorization" not in {name.lower() for name in request.headers}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_environment_names_the_proxy_only_with_trust_env(
    variable: str,
    sandbox: Sandbox,
    ca: PrivateCA,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # "localhost" never needs a proxy, so the server is asked for by another name.
    monkeypatch.setattr("nexhealth_async._client.transport.is_loopback", _never)
    monkeypatch.setenv(variable, proxy.address)
    async with serving_tls(ca, sandbox.url) as front:
        for trust, exempt, through in (
            (False, "", 0),
            (True, "localhost", 0),
            (True, "", 1),
        ):
            monkeypatch.setenv("NO_PROXY", exempt)
            before = front.accepted
            async with NexHealth(
                sandbox.api_key, base_url=front.url, trust_env=trust, ssl=ca.file
            ) as nex:
                await nex.log_in()
            assert front.accepted == before + 1
            assert len(await tunnelled(proxy, through)) == through


async def test_a_proxy_without_a_scheme_is_read_as_by_curl(
    sandbox: Sandbox,
    front: TLSFront,
    ca: PrivateCA,
    proxy: ForwardProxy,
) -> None:
    async with NexHealth(
        sandbox.api_key, base_url=front.url, proxy=f"localhost:{proxy.port}", ssl=ca.file
    ) as nex:
        await nex.log_in()
    assert await tunnelled(proxy, 1) == [front.place]


async def test_an_https_proxy_is_trusted_by_the_same_ca(
    sandbox: Sandbox, front: TLSFront, ca: PrivateCA, tmp_path: Path
) -> None:
    keys = ("--cert-file", str(ca.server_file), "--key-file", str(ca.key_file))
    async with running_proxy(tmp_path / "tls", *keys, scheme="https") as proxy:
        async with NexHealth(
            sandbox.api_key, base_url=front.url, proxy=proxy.address, ssl=ca.file
        ) as nex:
            await nex.log_in()
        assert await tunnelled(proxy, 1) == [front.place]
        async with NexHealth(
            sandbox.api_key, base_url=front.url, proxy=proxy.address, retry=QUICK
        ) as nex:
            with pytest.raises(ConnectError, match=f"the proxy localhost:{proxy.port}: .*TLS"):
                await nex.log_in()


async def test_a_proxy_that_rejects_the_credentials_is_reported_without_them(
    sandbox: Sandbox,
    front: TLSFront,
    ca: PrivateCA,
    guarded_proxy: ForwardProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    address = guarded_proxy.with_login("porter:wr0ng-one")
    nex = NexHealth(sandbox.api_key, base_url=front.url, proxy=address, ssl=ca.file, retry=QUICK)
    del address
    assert "wr0ng" not in repr(nex)
    async with nex:
        with pytest.raises(ConnectError, match=r"proxy .* credentials \(407\)") as caught:
            await nex.institutions.get(1)
    shown = "".join(traceback.format_exception(caught.value)) + frames_with_locals(caught.value)
    for secret in ("wr0ng", "porter", "cG9ydGVy"):
        assert secret not in shown + str(caught.value) + repr(caught.value) + caplog.text
    assert front.accepted == 0


async def test_plain_requests_through_a_proxy_carry_its_credentials(
    sandbox: Sandbox, guarded_proxy: ForwardProxy
) -> None:
    for login, fails in ((LOGIN, False), ("porter:wr0ng-one", True)):
        async with NexHealth(
            sandbox.api_key,
            base_url=sandbox.url,
            proxy=guarded_proxy.with_login(login),
            allow_http=True,
            retry=QUICK,
        ) as nex:
            if fails:
                with pytest.raises(ConnectError, match="407"):
                    await nex.log_in()
            else:
                await nex.log_in()
    assert len(sandbox.requests) == 1


# What fails on the way is told apart


async def test_an_unreachable_proxy_is_not_reported_as_the_api(
    sandbox: Sandbox, front: TLSFront, ca: PrivateCA
) -> None:
    port = free_port()
    for place, why in (
        (f"localhost:{port}", "refused"),
        ("proxy.nexhealth.invalid:3128", "resolved"),
    ):
        async with NexHealth(
            sandbox.api_key,
            base_url=front.url,
            proxy=f"http://{LOGIN}@{place}",
            ssl=ca.file,
            retry=QUICK,
        ) as nex:
            with pytest.raises(ConnectError, match=f"the proxy {place}: .*{why}") as caught:
                await nex.institutions.get(1)
        assert "proxy" in caught.value.advice
        assert front.place not in str(caught.value)
        assert PASSWORD not in repr(caught.value)
    assert not front.accepted


async def test_a_server_that_the_proxy_cannot_reach_is_named(
    ca: PrivateCA, proxy: ForwardProxy
) -> None:
    place = f"localhost:{free_port()}"
    async with NexHealth(
        "a-key", base_url=f"https://{place}", proxy=proxy.address, ssl=ca.file, retry=QUICK
    ) as nex:
        with pytest.raises(ConnectError, match=f"{place}: the proxy .*50[234]"):
            await nex.institutions.get(1)


async def test_a_certificate_behind_the_proxy_is_verified(
    sandbox: Sandbox, front: TLSFront, proxy: ForwardProxy
) -> None:
    async with NexHealth(
        sandbox.api_key, base_url=front.url, proxy=proxy.address, retry=QUICK
    ) as nex:
        with pytest.raises(ConnectError, match=f"no connection to {front.place}: .*certificate"):
            await nex.institutions.get(1)
    assert not sandbox.requests


# Private CAs


async def test_a_private_ca_is_trusted_by_file_or_context_only(
    sandbox: Sandbox, front: TLSFront, ca: PrivateCA
) -> None:
    value: list[Path | str | ssl.SSLContext] = [ca.file, str(ca.file), ca.client_context()]
    for at, trusted in enumerate(value):
        async with NexHealth(sandbox.api_key, base_url=front.url, ssl=trusted) as nex:
            location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
            assert await location.patients.walk().count() == 5
            await location.appointment_types.create(name=f"Checkup {at}", minutes=30)
    async with NexHealth(sandbox.api_key, base_url=front.url, retry=QUICK) as nex:
        with pytest.raises(ConnectError, match="certificate"):
            await nex.log_in()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def nameless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def test_a_private_ca_is_added_to_the_systems(ca: PrivateCA) -> None:
    nex = NexHealth("a-key", ssl=ca.file)
    context = nex._client.state.transport._context
    assert context is not None
    assert len(context.get_ca_certs()) == len(ssl.create_default_context().get_ca_certs()) + 1


@pytest.mark.parametrize(
    "value", [False, True, 7, unverified(), nameless(), "no/such/file.pem", "pyproject.toml"]
)
def test_unverifying_settings_are_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="ssl"):
        NexHealth("a-key", ssl=value)


# What cannot work is refused


@pytest.mark.parametrize(
    "value",
    [
        "socks5://porter:s3cret@proxy.example.com:1080",
        "http://porter:s3cret@",
        "http://porter:s3cret@proxy:99999",
        "http://porter%3As3cret:x@proxy",
        "http://porter:s3cret@[::1",
        "porter s3cret",
        "",
    ],
)
def test_an_invalid_proxy_is_refused_and_not_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^proxy ") as caught:
        NexHealth("a-key", proxy=value)
    assert "s3cret" not in frames_with_locals(caught.value)
    assert "s3cret" not in str(caught.value)
    if value:
        monkeypatch.setenv("HTTPS_PROXY", value)
        with pytest.raises(InvalidArgumentError, match="HTTPS_PROXY") as caught:
            NexHealth("a-key", trust_env=True)
        assert "s3cret" not in str(caught.value)
        NexHealth("a-key")


async def test_a_borrowed_client_session_uses_its_own_proxy_and_context(ca: PrivateCA) -> None:
    options: tuple[dict[str, Any], ...] = (
        {"proxy": "http://proxy:3128"},
        {"ssl": ca.file},
        {"trust_env": True},
    )
    async with aiohttp.ClientSession() as lent:
        for option in options:
            with pytest.raises(InvalidArgumentError, match="http="):
                NexHealth("a-key", http=lent, **option)


def test_a_key_is_not_sent_to_a_proxy_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match="key and records"):
        NexHealth("a-key", base_url="http://127.0.0.1:8080", proxy="http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    for url in ("http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"):
        nex = NexHealth("a-key", base_url=url, trust_env=True)
        assert nex._client.state.transport._route.arguments == {}


def test_an_argument_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other:3128")
    nex = NexHealth("a-key", proxy="http://proxy:3128", trust_env=True)
    assert str(nex._client.state.transport._route.arguments.get("proxy")) == "http://proxy:3128"


@pytest.mark.parametrize(
    ("address", "url", "user", "password"),
    [
        ("proxy", "http://proxy:80", None, ""),
        ("proxy:3128", "http://proxy:3128", None, ""),
        ("https://proxy", "https://proxy:443", None, ""),
        ("http://u:p%40ss@proxy:1/", "http://proxy:1", "u", "p@ss"),
        ("u@[::1]:3128", "http://[::1]:3128", "u", ""),
    ],
)
def test_addresses_of_proxies(address: str, url: str, user: str | None, password: str) -> None:
    found = proxy_from(address, source="proxy")
    assert (found.url, found.user, found.password) == (url, user, password)
    assert "p@ss" not in repr(found)


def test_the_variable_of_a_scheme_precedes_the_common_one() -> None:
    variables = {"https": "one:1", "all": "two:2"}
    assert getattr(proxy_from_environment("https", variables), "host", None) == "one"
    assert getattr(proxy_from_environment("http", variables), "host", None) == "two"
    assert proxy_from_environment("http", {"no": "x"}) is None
