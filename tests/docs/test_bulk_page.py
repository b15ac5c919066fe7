"""The examples and claims of docs/bulk.md, executed."""

from __future__ import annotations

import re
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from docs._sphinx.tables import with_tables
from nexhealth_async import NexHealth, export
from nexhealth_async.bulk import CheckpointFile, Target, resources
from nexhealth_async.cli.app import build_app
from nexhealth_async.cli.exit_status import PARTIAL
from nexhealth_async.export.duckdb import DuckDBTarget
from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import listed
from tests.docs.generated_parts import DOCS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nexhealth_async.models import Patient

PAGE = DOCS / "bulk.md"
TEXT = PAGE.read_text(encoding="utf-8")
README = PAGE.parents[1] / "README.md"


def blocks(page: Path, language: str) -> list[str]:
    parser = CodeBlockParser(language, evaluator=lambda _: None)
    return [str(example.parsed) for example in Document.parse(str(page), parser).examples()]


def function(name: str) -> Any:
    """Run the one Python block that defines a function, and return it."""
    (code,) = [text for text in blocks(PAGE, "python") if f"async def {name}(" in text]
    names: dict[str, Any] = {"__name__": "bulk_page"}
    exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    return names[name]


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=40, practices=2, seed=1) as sandbox:
        monkeypatch.setenv("NEXHEALTH_API_KEY", sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", sandbox.url)
        yield sandbox


async def test_the_copy_is_in_the_database(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.duckdb"
    sandbox.fail_next(403, path="/providers?page=1")
    records = await function("refresh")(str(path))
    assert capsys.readouterr().out.startswith("providers/")
    with closing(duckdb.connect(str(path), read_only=True)) as db:
        rows = db.sql("select id from patients").fetchall()
    assert sorted(id for (id,) in rows) == sorted(
        id for practice in sandbox.practices for id in practice.patients.ids
    )
    assert records >= len(rows)


async def test_the_pull_handles_every_patient_and_discards_its_checkpoint(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    found: dict[str | None, list[int]] = {}

    def take(practice: str | None, patients: tuple[Patient, ...]) -> None:
        found.setdefault(practice, []).extend(patient.id for patient in patients)

    await function("feed")(take, CheckpointFile(tmp_path / "pull.json"))
    assert {name: sorted(ids) for name, ids in found.items()} == {
        one.subdomain: sorted(one.patients.ids) for one in sandbox.practices
    }
    assert listed(tmp_path) == []


async def test_the_tables_name_the_providers(sandbox: Sandbox) -> None:
    found = await function("names_by_practice")()
    assert {name: len(names) for name, names in found.items()} == {
        practice.subdomain: len(practice.providers.ids) for practice in sandbox.practices
    }


async def test_the_tables_join_as_the_page_joins_them(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "p.duckdb"
    async with NexHealth(version="v3") as nex:
        lists = ["charges", "procedures", "institutions"]
        report = await nex.bulk.copy(lists, to=DuckDBTarget(path))
    report.raise_if_partial()
    (query,) = blocks(PAGE, "sql")
    with closing(duckdb.connect(str(path), read_only=True)) as db:
        rows = db.sql(query).fetchall()
    assert len(rows) == sum(len(practice.charges) for practice in sandbox.practices)
    assert {name for name, _, _ in rows} == {
        practice.institution["name"] for practice in sandbox.practices
    }
    assert all(amount is not None for _, _, amount in rows)


def test_the_source_for_dlt_has_the_lists_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    (code,) = [text for text in blocks(PAGE, "python") if "export.dlt" in text]
    names: dict[str, Any] = {"__name__": "bulk_page"}
    exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102 - our own page
    assert set(names["lists"].resources) == {"patients", "charges"}


def test_every_python_block_of_the_page_is_run_here() -> None:
    assert len(blocks(PAGE, "python")) == 4


@pytest.mark.parametrize("page", [PAGE, README], ids=["bulk", "readme"])
def test_every_shown_command_exists(page: Path) -> None:
    lines = [line for text in blocks(page, "sh") for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("nexhealth ")]
    assert len(commands) >= 4
    for line in commands:
        _, bound, _ = build_app().parse_args(
            shlex.split(line)[1:], exit_on_error=False, print_error=False
        )
        assert bound.arguments


def test_the_table_of_guarantees_has_a_row_for_each_list_of_the_catalogue() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", with_tables("<!-- table: guarantees -->"), re.MULTILINE)
    assert sorted(rows) == sorted({*resources("v2"), *resources("v3")})


def test_the_statements_about_targets_are_true() -> None:
    folder = Path(export.__path__[0])
    named = set(re.findall(r"`(\w+Target)\(", TEXT))
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert len(named) == 4
    assert all(f"class {name}" in source for name in named)
    calls = [name for name, kind in vars(Target).items() if callable(kind) and name[0] != "_"]
    assert "a protocol of eleven calls" in TEXT
    assert len(calls) == 11


def test_the_exit_status_of_the_page_is_that_of_the_command() -> None:
    assert f"| {PARTIAL} | some shards failed" in TEXT
