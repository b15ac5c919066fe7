"""The API version of the command line: chosen by an option, or found by asking the account."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from nexhealth_async.bulk import resources
from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import CommandResult, environment, listed, nexhealth, one_by_one, start

LITERAL = {"v2": "v2", "v3": "v3.0.0"}


@pytest.fixture(params=["v2", "v3"])
async def account(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """An account that accepts one version only."""
    async with Sandbox(patients=12, seed=1, versions={request.param}) as sandbox:
        yield sandbox


def spoken(sandbox: Sandbox) -> str:
    (version,) = sandbox.versions
    return LITERAL[version]


async def ran(*arguments: str, sandbox: Sandbox | None = None, pinned: str = "") -> CommandResult:
    """Run a command with this version in the environment, or with none."""
    return await nexhealth(*arguments, sandbox=sandbox, NEXHEALTH_API_VERSION=pinned)


@pytest.mark.parametrize("login", ["login refuses", "first read refuses"])
async def test_pull_detects_the_version(account: Sandbox, login: str) -> None:
    account.assumptions.any_version_logs_in = login == "first read refuses"
    pulled = await ran("pull", "patients", sandbox=account)
    assert pulled.status == 0, pulled.err
    ids = {json.loads(line)["id"] for line in pulled.out.splitlines()}
    assert ids == set(account.patients.ids)
    assert f", API version {spoken(account)}\n" in pulled.err


async def test_check_and_practices_detect_the_version(account: Sandbox) -> None:
    checked, listed = [await ran(command, sandbox=account) for command in ("check", "practices")]
    assert (checked.status, checked.err) == (0, "")
    assert f"API version  {spoken(account)}\n" in checked.out.decode()
    assert (listed.status, listed.err) == (0, "")
    assert account.subdomain in listed.out.decode()


async def test_bulk_pulls_and_dry_runs_detect_the_version(account: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "p.duckdb"
    pulled = await ran("pull", "--all", "--to", str(target), sandbox=account)
    assert pulled.status == 0, pulled.err
    assert f", API version {spoken(account)}, in {target}\n" in pulled.err
    with closing(duckdb.connect(str(target), read_only=True)) as db:
        tables = {name for (name,) in db.sql("show tables").fetchall()}
    assert {name.replace(".", "_") for name in resources(spoken(account))} <= tables
    counted = await ran("pull", "--all", "--dry-run", sandbox=account)
    assert (counted.status, counted.err) == (0, f"API version {spoken(account)}\n")
    counted = await ran("pull", "--all", "--dry-run", "-q", sandbox=account)
    assert (counted.status, counted.err) == (0, "")


async def test_webhooks_detect_the_version(account: Sandbox, tmp_path: Path) -> None:
    made = await ran(
        "webhooks", "ensure", "https://example.com/x", "--event", "appointment_insertion",
        "--secret-file", str(tmp_path / "secret"), sandbox=account,
    )  # fmt: skip
    assert made.status == 0, made.err
    listed = await ran("webhooks", "list", sandbox=account)
    assert "appointment_insertion" in listed.out.decode()


async def test_an_option_overrides_the_variable_and_both_override_detection(
    account: Sandbox,
) -> None:
    other = "v2" if spoken(account) != "v2" else "v3"
    refused = await nexhealth("pull", "patients", sandbox=account, NEXHEALTH_API_VERSION=other)
    assert refused.status == 1
    if other == "v2":
        assert "may not use this API version" in refused.err
        assert "leave out --api-version and NEXHEALTH_API_VERSION" in refused.err
    for option in (spoken(account), "auto"):
        pulled = await nexhealth(
            "pull",
            "patients",
            "--api-version",
            option,
            sandbox=account,
            NEXHEALTH_API_VERSION=other,
        )
        assert pulled.status == 0, pulled.err
    wrong = await nexhealth("check", sandbox=account, NEXHEALTH_API_VERSION="v1")
    assert wrong.status == 2
    assert "NEXHEALTH_API_VERSION takes v2, v3, a literal one such as v3.1.0, or auto." in wrong.err


async def test_a_list_of_one_version_is_checked_after_detection(
    account: Sandbox, tmp_path: Path
) -> None:
    for to in ((), ("--to", str(tmp_path / "p.duckdb"))):
        account.clear()
        pulled = await ran("pull", "payment_types", *to, sandbox=account)
        if spoken(account) == "v2":
            assert pulled.status == 2
            said = "error: payment_types cannot be pulled from v2: add --api-version v3.\n"
            assert pulled.err == said
            assert {seen.path for seen in account.requests} == {"/authenticates", "/institutions"}
            assert not listed(tmp_path)
        else:
            assert pulled.status == 0, pulled.err


async def test_unknown_lists_are_refused_before_the_key_prompt() -> None:
    commands = (
        ("pull", "pets"),
        ("pull", "patients", "pets", "--to", "out/"),
        ("pull", "appointments", "--per-page", "0"),
        ("pull", "patients", "--start", "2026-06-01"),
        ("pull", "locations.appointment_descriptors"),
    )
    for command, one in zip(
        commands, await one_by_one(*commands, NEXHEALTH_API_VERSION=""), strict=True
    ):
        assert one.status == 2, command
        assert "API key" not in one.err, command


async def test_the_embedded_sandbox_uses_v3_by_default(tmp_path: Path) -> None:
    few = ("--sandbox", "--patients", "5")
    target = str(tmp_path / "p.duckdb")
    every, quiet, old = await asyncio.gather(
        ran("pull", "--all", *few, "--to", target),
        ran("pull", "patients", *few, "--quiet"),
        ran("pull", "patients", *few, pinned="v2"),
    )
    assert every.status == 0, every.err
    assert ", API version v3.0.0, in " in every.err
    with closing(duckdb.connect(target, read_only=True)) as db:
        assert len(db.sql("show tables").fetchall()) >= len(resources("v3"))
        assert db.sql("select id from charges limit 1").fetchall()
    assert (quiet.status, quiet.err, len(quiet.out.splitlines())) == (0, "", 5)
    assert (old.status, len(old.out.splitlines())) == (0, 5)
    assert ", API version v2\n" in old.err


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_the_served_sandbox_accepts_the_given_versions(version: str) -> None:
    process = await start("sandbox", "--patients", "3", "--versions", version, env=environment())
    try:
        assert process.stdout is not None
        line = b""
        while b"export" not in line:
            line = await process.stdout.readline()
        settings = dict(setting.split("=") for setting in line.decode().split()[1:])
        url, key = settings["NEXHEALTH_BASE_URL"], settings["NEXHEALTH_API_KEY"]
        for pinned, status in (("", 0), (version, 0), ("v3" if version == "v2" else "v2", 1)):
            checked = await nexhealth(
                "check",
                NEXHEALTH_BASE_URL=url,
                NEXHEALTH_API_KEY=key,
                NEXHEALTH_API_VERSION=pinned,
            )
            assert (pinned, checked.status) == (pinned, status)
            assert status or LITERAL[version] in checked.out.decode()
    finally:
        process.terminate()
        await process.communicate()
