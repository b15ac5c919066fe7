"""Error messages for missing options and names, and tables that cut no name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import nexhealth, one_by_one
from tests.client.proxy_server import PrivateCA, running_proxy, serving_tls

if TYPE_CHECKING:
    from pathlib import Path


async def test_missing_options_are_named_and_explained() -> None:
    event, address, shell, value = await one_by_one(
        ("webhooks", "ensure", "https://example.com/x"),
        ("webhooks", "ensure", "--event", "appointment_insertion"),
        ("completion",),
        ("pull", "patients", "--sandbox", "--limit"),
    )
    assert {one.status for one in (event, address, shell, value)} == {2}
    assert event.err.startswith("error: --event is missing: ")
    assert "appointment_insertion" in event.err
    assert address.err.startswith("error: TARGET_URL is missing: ")
    assert "https://" in address.err
    assert shell.err.startswith("error: SHELL is missing (bash, zsh, fish): ")
    assert "--shell" not in shell.err
    assert value.err.startswith("error: --limit needs a value: ")


async def test_an_option_for_the_key_is_refused_with_the_variable() -> None:
    lines = (
        ("check", "--api-key", "sesame-4711"),
        ("pull", "patients", "--api-key=sesame-4711"),
        ("--api-key", "sesame-4711", "practices"),
        ("check", "--token"),
    )
    for line, ran in zip(lines, await one_by_one(*lines), strict=True):
        assert (line, ran.status) == (line, 2)
        assert "set NEXHEALTH_API_KEY" in ran.err
        assert "sesame" not in ran.err


async def test_a_similar_resource_is_suggested() -> None:
    near, far, version, other = await one_by_one(
        ("endpoints", "--resource", "patient"),
        ("endpoints", "--resource", "zebras"),
        ("endpoints", "--resource", "payments", "--version", "v2"),
        ("endpoints", "--version", "v9"),
    )
    assert {one.status for one in (near, far, version, other)} == {2}
    assert "did you mean patients?" in near.err
    assert "did you mean" not in far.err
    assert "v2 has no operations of payments" in version.err
    assert "--version takes v2 or v3" in other.err


@pytest.mark.parametrize("columns", ["80", "120", ""])
async def test_endpoints_shows_a_row_for_each_operation_without_truncation(columns: str) -> None:
    ran = await nexhealth("endpoints", COLUMNS=columns)
    shown = ran.out.decode()
    head, _, *lines = shown.splitlines()
    calls = {f"nex.{one.resource}.{one.verb}()" for one in NexHealth("key").endpoints()}
    assert {line.split()[0] for line in lines} == calls - {"nex.authenticates.log_in()"} | {
        "nex.log_in()"
    }
    assert len(lines) == len(calls)
    assert "…" not in shown
    if columns:
        assert max(map(len, shown.splitlines())) <= int(columns)
        assert "no room for path" in ran.err
    else:
        assert ran.err == ""
        assert head.split()[-1] == "filters"
    (walk,) = [line for line in lines if line.startswith("nex.patients.walk()")]
    assert walk.split()[1:4] == ["v2", "v3", "GET"]


async def test_endpoints_of_one_version_are_listed_by_either_option() -> None:
    by_version, by_api_version, json = await one_by_one(
        ("endpoints", "--version", "v3", "--resource", "payments"),
        ("endpoints", "--api-version", "v3", "--resource", "payments"),
        ("endpoints", "--version", "v3", "--json"),
    )
    assert (by_version.status, by_version.err) == (0, "")
    assert by_version.out == by_api_version.out
    assert b'"v2"' not in json.out


@pytest.mark.parametrize("columns", ["40", "80", "120", ""])
async def test_names_of_practices_are_not_truncated(columns: str) -> None:
    long = "Doctors Longname, Evenlonger and Daughters of Lower Ambersley"
    async with Sandbox(patients=1) as sandbox:
        sandbox.practice.locations.update(sandbox.location_id, name=long)
        ran = await nexhealth("practices", sandbox=sandbox, COLUMNS=columns)
    shown = ran.out.decode()
    assert ran.status == 0
    assert "…" not in shown
    for name in (long, sandbox.subdomain, str(sandbox.location_id)):
        assert name in shown


async def test_a_dry_run_distinguishes_an_amount_from_a_price(sandbox: Sandbox) -> None:
    dry = ("pull", "patients", "--dry-run")
    ran = await nexhealth(*dry, "--price-per-call", "0.10", sandbox=sandbox)
    assert ran.status == 0
    text = ran.out.decode()
    (requests,) = {
        int(line.partition("at least ")[2].split()[0])
        for line in text.splitlines()
        if "at least" in line and "the login" in line
    }
    assert f"at 0.10 a request, at least {requests / 10:.2f}\n" in text
    assert " a request" not in (await nexhealth(*dry, sandbox=sandbox)).out.decode()


async def test_a_price_is_an_amount_of_a_dry_run() -> None:
    lines = [
        ("pull", "patients", "--sandbox", "--price-per-call", "0.10", "--to", "out/"),
        *(
            ("pull", "patients", "--sandbox", "--dry-run", f"--price-per-call={price}")
            for price in ("-1", "nan", "Infinity", "ten", "1e999999")
        ),
    ]
    for line, ran in zip(lines, await one_by_one(*lines), strict=True):
        assert (line, ran.status, ran.out) == (line, 2, b"")
        assert "--price-per-call " in ran.err


_NO_HOST_IS_LOCAL = """
import sys
from nexhealth_async._client import transport
transport.is_loopback = lambda host: False
from nexhealth_async.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("variable", ["NEXHEALTH_CA_FILE", "SSL_CERT_FILE"])
async def test_the_environments_proxy_and_ca_file_are_used(tmp_path: Path, variable: str) -> None:
    ca = PrivateCA(tmp_path)
    async with (
        Sandbox(patients=2) as sandbox,
        serving_tls(ca, sandbox.url) as front,
        running_proxy(tmp_path / "proxy") as proxy,
    ):
        settings = {"NEXHEALTH_BASE_URL": front.url, "HTTPS_PROXY": proxy.address}
        command = (sys.executable, "-c", _NO_HOST_IS_LOCAL)
        ran = await nexhealth(
            "check", sandbox=sandbox, command=command, **{variable: str(ca.file)}, **settings
        )
        assert ran.status == 0, ran.err
        assert front.place in proxy.log.read_text()
        untrusted = await nexhealth("check", sandbox=sandbox, NEXHEALTH_BASE_URL=front.url)
        assert untrusted.status == 1
        assert "NEXHEALTH_CA_FILE" in untrusted.err


async def test_an_invalid_ca_file_or_proxy_gives_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for path in ("empty.pem", "missing.pem"):
        ran = await nexhealth(
            "check", NEXHEALTH_API_KEY="k", NEXHEALTH_CA_FILE=str(tmp_path / path)
        )
        assert ran.status == 2
        assert ran.err.startswith("error: NEXHEALTH_CA_FILE names a file that cannot be read")
    ran = await nexhealth("check", NEXHEALTH_API_KEY="k", HTTPS_PROXY="socks5://me:pw@proxy")
    assert ran.status == 2
    assert "HTTPS_PROXY" in ran.err
    assert "pw" not in ran.err
