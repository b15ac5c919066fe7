from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import (
    COMMAND,
    INTERRUPT,
    TERMINATE,
    environment,
    nexhealth,
    one_by_one,
    start,
)

YEAR = datetime(2026, 1, 1, tzinfo=UTC)


async def test_help_lists_the_commands() -> None:
    ran = await nexhealth("--help", COLUMNS="80")
    assert ran.status == 0
    assert ran.err == ""
    for command in ("check", "practices", "pull", "endpoints", "webhooks", "sandbox"):
        assert f" {command} " in ran.out.decode()
    assert max(map(len, ran.out.decode().splitlines())) <= 80
    assert b"--key" not in ran.out


async def test_no_command_has_a_key_option() -> None:
    commands = ["check", "practices", "pull", "endpoints", "webhooks", "sandbox"]
    every = await one_by_one(*((command, "--help") for command in commands), COLUMNS="80")
    for command, ran in zip(commands, every, strict=True):
        text = ran.out.decode()
        assert ran.status == 0
        assert text.startswith(f"Usage: nexhealth {command}")
        assert not {"--key", "--api-key", "--token"} & set(text.split())


async def test_a_key_is_refused_as_an_argument() -> None:
    options = ["--key", "--api-key", "--token", "--nexhealth-api-key"]
    commands = [("check", option, "sesame-4711") for option in options]
    for ran in await one_by_one(*commands, ("check", "--api-key=sesame-4711")):
        assert ran.status == 2
        assert "sesame-4711" not in ran.err + ran.out.decode()


async def test_the_extra_is_named_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['cyclopts'] = None; "
        "from nexhealth_async.__main__ import main; sys.exit(main())"
    )
    ran = await nexhealth(command=(sys.executable, "-c", code))
    assert ran.status == 2
    assert 'python -m pip install "nexhealth-async[cli]"' in ran.err
    assert ran.err.count("\n") == 1


async def test_help_loads_no_unneeded_modules() -> None:
    code = (
        "import sys; HEAVY = {'rich.progress', 'aiohttp', 'cattrs', 'duckdb', 'pyarrow'}; "
        "from nexhealth_async.__main__ import main; sys.argv[1:] = ['--help']; main(); "
        "print([one for one in sys.modules if 'async.sandbox' in one or one in HEAVY])"
    )
    ran = await nexhealth(command=(sys.executable, "-c", code))
    assert ran.out.decode().splitlines()[-1] == "[]"


async def test_check_reports_in_text(chain: Sandbox) -> None:
    ran = await nexhealth("check", sandbox=chain)
    text = ran.out.decode()
    assert (ran.status, ran.err) == (0, "")
    assert chain.url.removeprefix("http://") in text
    assert "Key          accepted; a token lasts 60 minutes" in text
    for practice in chain.practices:
        assert f"subdomain {practice.subdomain}" in text
        assert all(f"Location {id}, " in text for id in practice.locations.ids)
    assert text.count("works (green as of ") == 8
    assert chain.api_key not in text


async def test_check_of_the_embedded_sandbox() -> None:
    ran = await nexhealth("check", "--sandbox")
    assert ran.status == 0


async def test_check_without_sync_entries(sandbox: Sandbox) -> None:
    sandbox.garbage_next(
        b'{"code":true,"data":[],"count":0}', path="/sync_status", content_type="application/json"
    )
    ran = await nexhealth("check", sandbox=sandbox)
    assert ran.status == 0
    assert "no sync reported" in ran.out.decode()


async def test_a_wrong_key_gives_a_clear_error(sandbox: Sandbox) -> None:
    ran = await nexhealth("check", sandbox=sandbox, NEXHEALTH_API_KEY="sesame-4711")
    assert ran.status == 1
    assert ran.err.startswith("error: ")
    assert "the API key is not accepted" in ran.err
    assert ran.err.count("\n") == 1
    assert "sesame" not in ran.err


async def test_a_missing_network_gives_a_clear_error(sandbox: Sandbox) -> None:
    address = sandbox.url.removeprefix("http://")
    await sandbox.stop()
    ran = await nexhealth("check", sandbox=sandbox, NEXHEALTH_BASE_URL=f"http://{address}")
    assert ran.status == 1
    assert f"no connection to {address}: " in ran.err
    assert ran.err.count("\n") == 1


async def test_another_server_gives_a_clear_error(sandbox: Sandbox) -> None:
    page = b"<html>It works!</html>"
    for status, advice in (
        (404, "check NEXHEALTH_BASE_URL and"),
        (403, "check NEXHEALTH_BASE_URL if"),
    ):
        html = {"Content-Type": "text/html"}
        sandbox.fail_next(status, path="/authenticates", body=page, headers=html)
        ran = await nexhealth("practices", sandbox=sandbox)
        assert ran.status == 1
        assert advice in ran.err
        assert "nexhealth practices" not in ran.err


@pytest.mark.parametrize("url", ["localhost:8080", "http://example.com", "https://a:b@example.com"])
async def test_an_invalid_url_gives_a_clear_error(url: str) -> None:
    ran = await nexhealth("check", NEXHEALTH_API_KEY="k", NEXHEALTH_BASE_URL=url)
    assert ran.status == 2
    assert ran.err.startswith("error: NEXHEALTH_BASE_URL must be a URL that begins with https")
    assert "example.com" not in ran.err


async def test_a_missing_key_gives_a_clear_error() -> None:
    for ran in await one_by_one(("check",), ("practices",), ("pull", "patients")):
        assert ran.status == 2
        assert "NEXHEALTH_API_KEY" in ran.err


async def test_practices(chain: Sandbox) -> None:
    ran = await nexhealth("practices", sandbox=chain)
    lines = ran.out.decode().splitlines()
    assert ran.status == 0
    assert len(lines) == 6
    for practice in chain.practices:
        for id in practice.locations.ids:
            assert any(practice.subdomain in line and str(id) in line for line in lines)


async def test_endpoints_agree_with_the_library() -> None:
    ran = await nexhealth("endpoints", "--json")
    listed = NexHealth("key").endpoints()
    data = json.loads(ran.out)
    assert [(one["version"], one["method"], one["path"]) for one in data] == [
        (one.version, one.method, one.path) for one in listed
    ]
    assert set(data[0]) >= {"resource", "verb", "paging", "rate_class", "safe", "filters"}


async def test_endpoints_of_one_resource() -> None:
    found, none = await one_by_one(
        ("endpoints", "--resource", "patients", "--api-version", "v2"),
        ("endpoints", "--resource", "pets"),
    )
    assert found.status == 0
    assert b"nex.patients.walk()" in found.out
    assert b"nex.providers" not in found.out
    assert none.status == 2


@pytest.mark.parametrize(("sent", "status"), [(INTERRUPT, 130), (TERMINATE, 143)])
async def test_the_sandbox_serves_until_a_signal(sent: int, status: int) -> None:
    options = ("--patients", "40", "--appointments", "7")
    process = await start("sandbox", *options, env=environment())
    assert process.stdout is not None
    settings: dict[str, str] = {}
    async for line in process.stdout:
        name, _, value = line.decode().strip().partition(" ")
        settings[name] = value.strip()
        if "Ctrl-C" in line.decode():
            break
    async with NexHealth(settings["Key"], base_url=settings["URL"]) as nex:
        location = nex.practice(settings["Subdomain"]).location(int(settings["Location"]))
        assert await location.patients.walk().count() == 40
        visits = location.appointments.walk(start=YEAR, end=YEAR + timedelta(days=365))
        same = Sandbox(patients=40, appointments=7).appointments
        kept = {row["id"] for row in same if not row["cancelled"]}
        assert {visit.id async for visit in visits} == kept
    assert (
        settings["export"]
        == f"NEXHEALTH_BASE_URL={settings['URL']} NEXHEALTH_API_KEY={settings['Key']}"
    )
    process.send_signal(sent)
    _, err = await asyncio.wait_for(process.communicate(), 5)
    assert (process.returncode, err) == (status, b"")


async def test_a_port_in_use_gives_a_clear_error(sandbox: Sandbox) -> None:
    ran = await nexhealth("sandbox", "--port", sandbox.url.rpartition(":")[2])
    assert ran.status == 1
    assert "cannot be used" in ran.err
    assert ran.err.count("\n") == 1


async def test_a_defect_is_reported_with_its_location_and_without_data() -> None:
    code = (
        "import sys; from nexhealth_async.cli.exit_status import run_supervised\n"
        "def work(): raise ValueError('Ada Love' + 'lace')\n"
        "sys.exit(run_supervised(work))"
    )
    ran = await nexhealth(command=(*COMMAND[:1], "-c", code))
    assert ran.status == 1
    assert "unexpected ValueError" in ran.err
    assert "Lovelace" not in ran.err


async def test_practices_as_json_lines(chain: Sandbox) -> None:
    ran = await nexhealth("practices", "--format", "jsonl", sandbox=chain)
    assert (ran.status, ran.err) == (0, "")
    places = [json.loads(line) for line in ran.out.splitlines()]
    there = {
        (practice.subdomain, id) for practice in chain.practices for id in practice.locations.ids
    }
    assert {(place["subdomain"], place["id"]) for place in places} == there
    assert all(place["tz"] for place in places)


async def test_the_sandbox_keeps_its_key_after_a_restart() -> None:
    keys: list[bytes] = []
    for _ in range(2):
        process = await start("sandbox", "--patients", "3", env=environment())
        assert process.stdout is not None
        async for line in process.stdout:
            if b"  Key " in line:
                keys.append(line.split()[1])
                break
        process.terminate()
        await process.communicate()
    assert keys[0] == keys[1]


async def test_nested_resources_and_similar_names_are_suggested() -> None:
    below, meant = await one_by_one(
        ("pull", "patients.alerts", "--to", "out/", "--sandbox"),
        ("pull", "chargs", "--to", "out/", "--sandbox"),
    )
    assert below.err.endswith("in Python, call patients.alerts.walk for each patient.\n")
    assert "did you mean charges?" in meant.err
    assert (below.status, meant.status) == (2, 2)
