"""The command line: requested data on stdout, and none of it anywhere else."""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING

from attrs import frozen

from tests.cli.helpers import nexhealth
from tests.privacy.calls import ACTS, PrivacyAct
from tests.privacy.transport_errors import TRANSPORT_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.privacy.sentinel_search import SentinelScanner
    from tests.privacy.sentinel_server import PrivacyServer

_PRIVATE = oct(stat.S_IRUSR | stat.S_IWUSR)


@frozen
class _CommandOutput:
    status: int
    out: str
    err: str
    log: str
    during: dict[str, list[str]]
    after: dict[str, list[str]]


async def _run(
    privacy_server: PrivacyServer, folder: Path, *commands: dict[str, object]
) -> list[_CommandOutput]:
    """Run commands in one process, with debug logging and asyncio's debug mode."""
    folder.mkdir()  # noqa: ASYNC240 - nobody else waits
    arguments = json.dumps({"folder": str(folder), "commands": commands})
    ran = await nexhealth(
        arguments,
        sandbox=privacy_server.sandbox,
        command=(sys.executable, "-m", "tests.privacy.run_commands"),
        PYTHONASYNCIODEBUG="1",
        PYTHONWARNINGS="default",
    )
    lines = ran.out.splitlines()
    assert len(lines) == len(commands), ran.err
    assert ran.err == ""
    return [_CommandOutput(*json.loads(line)) for line in lines]


async def test_only_the_output_contains_data(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    folder, mark = tmp_path / "out", privacy_server.marks.given("an option's value")
    pull = ["pull", "patients", "-o", str(folder / "patients.jsonl")]
    table = [*pull, "--format", "table"]
    commands: list[dict[str, object]] = [
        {"arguments": ["check"]},
        {"arguments": ["practices"]},
        {"arguments": pull, "umask": "0o000"},
        {"arguments": table, "umask": "0o077"},
        {"arguments": pull, "umask": "0o777"},
        {"arguments": [*pull, "--since", mark]},
        {"arguments": ["pull", "appointments", "--start", mark, "--end", mark]},
        {"arguments": [*pull, "--subdomain", mark.upper()]},
        {"arguments": [*pull, "--subdomain", mark]},
        {"arguments": ["check", "--api-key", privacy_server.sandbox.api_key]},
        {"arguments": pull, "defect": privacy_server.marks.sent("defect")},
    ]
    done = await _run(privacy_server, folder, *commands)
    assert [one.status for one in done] == [0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 1]
    for command, ran in zip(commands, done, strict=True):
        watch.doing = " ".join(map(str, command["arguments"]))  # type: ignore[call-overload]  # a list
        watch.text("stderr", ran.err)
        # What a key sees is what these two are asked for.
        shown = command in commands[:2]
        watch.text("stdout", "" if shown else ran.out)
        assert not {kind for kind, _ in privacy_server.marks.found(ran.out)} & {"secret", "given"}
        watch.text("log", ran.log)
        assert "unexpected" not in ran.err or "defect" in command
    watch.clean()
    assert all(one.log for one in done[:5])
    for ran in done[2:5]:
        assert ran.during == {".part": [_PRIVATE]}
        assert list(ran.after.values()) == [[_PRIVATE]]
    # A pull that fails leaves nothing.
    assert done[-1].during == {".part": [_PRIVATE]}
    assert done[-1].after == {}


async def test_no_error_text_of_the_server_reaches_the_terminal(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    errors_by_resource = {
        "patients": "400",
        "providers": "403",
        "operatories": "data an object",
        "procedures": "307",
    }
    for resource, error_case in errors_by_resource.items():
        act = PrivacyAct(ACTS["list"].does, "GET", f"/{resource}")
        TRANSPORT_ERRORS[error_case](privacy_server, act)
    where = [
        "--subdomain",
        privacy_server.sandbox.subdomain,
        "--location",
        str(privacy_server.sandbox.location_id),
    ]
    target = ["-o", str(folder / "x"), *where]
    commands: list[dict[str, object]] = [
        {"arguments": ["pull", one, *target]} for one in errors_by_resource
    ]
    done = await _run(privacy_server, folder, *commands)
    for resource, ran in zip(errors_by_resource, done, strict=True):
        watch.doing = resource
        watch.text("stderr", ran.err)
        watch.text("stdout", ran.out)
        watch.text("log", ran.log)
        assert ran.err.startswith(f"error: GET /{resource}: "), ran.err
        assert (ran.status, ran.after) == (1, {})
    watch.clean()
