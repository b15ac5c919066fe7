"""The examples and claims of README, executed."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import duckdb
import pytest
from aiohttp import web
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from nexhealth_async import NexHealth, NotInVersionError, UsageError
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.json_format import format_timestamp
from tests.docs.pages import blocks_of, run_block

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = "901 active patients, the first is Patient(id=442700000)\n"


def blocks(language: str) -> list[str]:
    """Return the code blocks of one language."""
    parser = CodeBlockParser(language, evaluator=lambda _: None)
    document = Document.parse(str(ROOT / "README.md"), parser)
    return [str(example.parsed) for example in document.examples()]


def block(mark: str) -> dict[str, Any]:
    """Run the one Python block that contains a mark, and return its names."""
    (code,) = [text for text in blocks("python") if mark in text]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own page
    return names


pytestmark = pytest.mark.usefixtures("account")
"""Each program runs for an account that accepts only v2, and for one that accepts only v3."""


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=40, practices=2, seed=1) as sandbox:
        monkeypatch.setenv("NEXHEALTH_API_KEY", sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", sandbox.url)
        yield sandbox


def test_the_fifteen_lines_run_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    block("asyncio.run(main())")
    assert capsys.readouterr().out == SHOWN


async def test_the_same_lines_run_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    (typed,) = [one for one in blocks_of(ROOT / "README.md") if "await box.start()" in one.code]
    await run_block(typed, {"__name__": "readme"})
    assert capsys.readouterr().out == SHOWN


async def test_the_web_backend_serves_a_patient(sandbox: Sandbox) -> None:
    runner = web.AppRunner(block("make_app")["make_app"](), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    id = sandbox.patients.ids[0]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as http:
        async with http.get(f"/{sandbox.subdomain}/patients/{id}") as reply:
            assert reply.status == 200
            assert (await reply.json())["id"] == id
        async with http.get(f"/{sandbox.subdomain}/patients/1") as reply:
            assert reply.status == 404
    await runner.cleanup()


async def test_the_bulk_copy_contains_every_patient_and_refreshes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    refresh = block("async def refresh")["refresh"]
    path = tmp_path / "practice.duckdb"
    for _ in range(2):
        await refresh(str(path))
        with closing(duckdb.connect(str(path), read_only=True)) as db:
            rows = db.sql("select _practice, id from patients").fetchall()
        expected = {
            (practice.subdomain, id)
            for practice in sandbox.practices
            for id in practice.patients.ids
        }
        assert len(rows) == len(expected)
        assert set(rows) == expected
        now = format_timestamp(sandbox.clock.now())
        sandbox.patients.insert(created_at=now, updated_at=now)


async def test_the_booking_example_books_once_and_finds_the_patient_again(sandbox: Sandbox) -> None:
    book = block("async def book")["book"]
    async with NexHealth() as nex:
        day = sandbox.clock.today().date() + timedelta(days=3)
        before = len(sandbox.appointments)
        first = await book(nex, sandbox.subdomain, sandbox.location_id, day)
        second = await book(nex, sandbox.subdomain, sandbox.location_id, day)
    assert first != second
    assert len(sandbox.appointments) == before + 2
    assert len(sandbox.patients) == 41
    assert isinstance(day, date)


async def test_the_receiver_example_handles_each_signed_event_once(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEXHEALTH_WEBHOOK_SECRET", "an-invented-secret")
    app = web.Application()
    block("def add_webhooks")["add_webhooks"](app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/nexhealth"
    id = sandbox.appointments.ids[0]
    for secret, status in (("an-invented-secret", 200),) * 2 + (("another", 401),):
        (sent,) = await sandbox.deliver("appointment_updated", id, to=url, secret=secret)
        assert sent.status == status
    await runner.cleanup()
    assert capsys.readouterr().out == f"appointment_updated {id}\n"


async def test_the_fixtures_work_in_users_tests(
    nexhealth_sandbox: Sandbox, nexhealth: NexHealth
) -> None:
    await block("def test_my_import")["test_my_import"](nexhealth_sandbox, nexhealth)


def test_the_versions_come_before_everything_else_about_the_api() -> None:
    story = README.split("## Two versions of the API\n")[1].split("\n## ")[0].strip()
    assert len(story.splitlines()) == 5
    for word in ("NexHealth(version=", "NEXHEALTH_API_VERSION", "count()", "NotInVersionError"):
        assert word in story
    assert README.index(story) < README.index("## Walking")


async def test_the_statements_about_versions_are_true(sandbox: Sandbox, account: str) -> None:
    async with NexHealth() as nex:
        assert nex.version == {"v2": "v2", "v3": "v3.0.0"}[account]
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        if account == "v2":
            assert await location.patients.walk().count() == 40
            with pytest.raises(NotInVersionError):
                await anext(location.claims.walk(patient_id=1))
        else:
            with pytest.raises(UsageError):
                await location.patients.walk().count()
            with pytest.raises(NotInVersionError):
                await anext(location.patients.walk(include=["upcoming_appts"]))


def test_the_operations_have_a_separate_page() -> None:
    assert "(docs/operations.md)" in README
    assert "| method |" not in README


def test_every_python_block_is_run_here() -> None:
    assert len(blocks("python")) == 7


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = next(text for text in blocks("sh") if "pytest" in text).strip()
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_error_the_readme_names_exists() -> None:
    from nexhealth_async import errors

    table = README.split("## Errors you will meet")[1].split("## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named
    assert named <= set(errors.__all__)


def test_the_example_is_fifteen_lines() -> None:
    (code,) = [text for text in blocks("python") if "asyncio.run(main())" in text]
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
