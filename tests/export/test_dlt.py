"""The source for dlt, loaded into DuckDB."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pytest

from nexhealth_async import NexHealth, Rates
from nexhealth_async.bulk import resources
from nexhealth_async.export.dlt import source
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.json_format import format_timestamp
from nexhealth_async.testing import SandboxThread
from tests.bulk.helpers import VERSIONS, scene

if TYPE_CHECKING:
    from pathlib import Path

RESOURCES = ["patients", "appointments", "providers", "sync_status"]


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")
    import dlt

    return dlt.pipeline(
        "practice",
        pipelines_dir=str(tmp_path / "pipelines"),
        destination=dlt.destinations.duckdb(str(tmp_path / "practice.duckdb")),
        dataset_name="nexhealth",
    )


async def run(
    pipeline: Any, sandbox: Sandbox, version: str, *, adopt: bool = False, **options: Any
) -> None:
    made = source(
        RESOURCES,
        version=version,
        adopt=adopt,
        session=lambda: NexHealth(
            sandbox.api_key,
            base_url=sandbox.url,
            version=version,
            rates=Rates.unlimited(),
        ),
    )
    await asyncio.to_thread(pipeline.run, made, **options)


_QUIET = """
import asyncio, sys
import dlt
from nexhealth_async import NexHealth, Rates
from nexhealth_async.export.dlt import source
from nexhealth_async.sandbox import Sandbox


async def main(folder):
    async with Sandbox(patients=12) as sandbox:
        made = source(
            ["patients", "institutions", "charges", "sync_status"],
            version="v3",
            session=lambda: NexHealth(
                sandbox.api_key, base_url=sandbox.url, version="v3", rates=Rates.unlimited()
            ),
        )
        pipeline = dlt.pipeline(
            "practice",
            pipelines_dir=folder,
            destination=dlt.destinations.duckdb(folder + "/practice.duckdb"),
            dataset_name="nexhealth",
        )
        await asyncio.to_thread(pipeline.run, made)


asyncio.run(main(sys.argv[1]))
"""


def test_a_run_prints_nothing_and_its_tables_join(tmp_path: Path) -> None:
    environment = {name: one for name, one in os.environ.items() if "RUNTIME__" not in name}
    environment["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    ran = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", _QUIET, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert ran.stdout == ran.stderr == ""
    with duckdb.connect(str(tmp_path / "practice.duckdb"), read_only=True) as db:
        joined = db.execute(
            "select distinct i.id from nexhealth.patients p "
            "join nexhealth.institutions i on i._practice = p._practice "
            "join nexhealth.charges c on c.patient_id = p.id and c._practice = p._practice "
            "where c.fee_currency = 'USD'"
        ).fetchall()
    assert len(joined) == 1


async def test_a_table_has_practice_and_id_as_its_primary_key(pipeline: Any) -> None:
    async with scene("v2", patients=3) as (sandbox, _):
        await run(pipeline, sandbox, "v2")
    tables = pipeline.default_schema.tables
    for name in ("patients", "appointments", "providers"):
        columns = tables[name]["columns"]
        keys = {column for column, hints in columns.items() if hints.get("primary_key")}
        assert keys == {"_practice", "id"}, name
        assert not any(columns[key].get("nullable") for key in keys)


def ids(tmp_path: Path, table: str) -> list[int]:
    with duckdb.connect(str(tmp_path / "practice.duckdb"), read_only=True) as db:
        found = db.execute(f"select id from nexhealth.{table} order by id").fetchall()  # noqa: S608
    return [row[0] for row in found]


@pytest.mark.parametrize("version", VERSIONS)
async def test_runs_load_everything_first_and_changes_later(
    version: str, tmp_path: Path, pipeline: Any
) -> None:
    async with scene(version, patients=30) as (sandbox, _):
        await run(pipeline, sandbox, version)
        for table in ("patients", "appointments", "providers"):
            expected = sorted(
                id for practice in sandbox.practices for id in getattr(practice, table).ids
            )
            assert ids(tmp_path, table) == expected, table
        now = format_timestamp(sandbox.clock.now())
        sandbox.patients.update(sandbox.patients.ids[3], last_name="Newly", updated_at=now)
        new = sandbox.patients.insert(0, created_at=now, updated_at=now)
        sandbox.requests.clear()
        await run(pipeline, sandbox, version)
        assert all(request.param("updated_since") for request in sandbox.seen("GET", "/patients"))
        assert new in ids(tmp_path, "patients")
        expected = sorted(id for practice in sandbox.practices for id in practice.patients.ids)
        assert ids(tmp_path, "patients") == expected
        with duckdb.connect(str(tmp_path / "practice.duckdb"), read_only=True) as db:
            db.execute("select count(*) from nexhealth.patients where last_name = 'Newly'")
            assert db.fetchone() == (1,)
            db.execute("select count(*) from nexhealth.sync_status")
            assert db.fetchone() == (len(sandbox.practices),)


@pytest.mark.parametrize("account", ["v2", "v3"])
def test_the_version_is_found_from_the_account(
    account: Literal["v2", "v3"], tmp_path: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXHEALTH_API_VERSION")
    with SandboxThread(Sandbox(patients=3, versions={account})) as thread:
        monkeypatch.setenv("NEXHEALTH_API_KEY", thread.sandbox.api_key)
        monkeypatch.setenv("NEXHEALTH_BASE_URL", thread.sandbox.url)
        made: Any = source()
        assert set(made.resources) == {name.replace(".", "_") for name in resources(account)}
        pipeline.run(source(["providers"], version="auto"))
        assert ids(tmp_path, "providers") == sorted(thread.sandbox.providers.ids)


@pytest.mark.parametrize("where", ["session", "environment", "argument"])
def test_a_pinned_version_is_used_without_a_probe(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXHEALTH_API_VERSION")
    monkeypatch.setenv("NEXHEALTH_API_KEY", "invented")
    monkeypatch.setenv("NEXHEALTH_BASE_URL", "http://127.0.0.1:1")  # nobody listens
    made: Any
    if where == "session":
        made = source(session=lambda: NexHealth(version="v3"))
    elif where == "environment":
        monkeypatch.setenv("NEXHEALTH_API_VERSION", "v3")
        made = source()
    else:
        made = source(version="v3")
    assert "charges" in made.resources


async def test_a_partial_run_loads_nothing_and_the_next_repeats_it(
    tmp_path: Path, pipeline: Any
) -> None:
    async with scene(practices=1, locations=1) as (sandbox, _):
        sandbox.fail_next(403, path="/patients?page=1")
        with pytest.raises(Exception, match="not read to the end"):
            await run(pipeline, sandbox, "v2")
        with duckdb.connect(str(tmp_path / "practice.duckdb"), read_only=True) as db:
            db.execute("select count(*) from duckdb_tables() where table_name = 'patients'")
            assert db.fetchone() == (0,)
        sandbox.requests.clear()
        await run(pipeline, sandbox, "v2")
        assert not all(
            request.param("updated_since") for request in sandbox.seen("GET", "/patients")
        )
        assert ids(tmp_path, "patients") == sorted(sandbox.patients.ids)


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_unreadable_record_is_kept_until_it_can_be_read(
    version: str, tmp_path: Path, pipeline: Any
) -> None:
    async with scene(version, practices=1, locations=1) as (sandbox, _):
        table, id = sandbox.appointments, sandbox.appointments.ids[3]
        await run(pipeline, sandbox, version)
        good = dict(table.row(id))
        table.update(id, cancelled_at="yesterday", updated_at=format_timestamp(sandbox.clock.now()))
        patient = sandbox.patients.ids[0]
        sandbox.patients.update(
            patient, bio="odd", updated_at=format_timestamp(sandbox.clock.now())
        )
        await run(pipeline, sandbox, version)  # records of two lists in one run
        assert sorted(row[0] for row in rejected(tmp_path)) == sorted(map(str, (id, patient)))
        sandbox.patients.delete(patient)
        for _ in range(2):  # it does not fail over one record, nor forget it
            await run(pipeline, sandbox, version)
            assert ids(tmp_path, "appointments") == sorted(set(table.ids) - {id})
            [row] = rejected(tmp_path)
            assert row[:2] == (str(id), "cancelled_at")
            assert json.loads(row[2])["cancelled_at"] == "yesterday"
        assert "yesterday" not in str(pipeline.state)
        old = "2020-01-01T00:00:00.000Z"
        table.update(id, cancelled_at=good["cancelled_at"], updated_at=old)
        await run(pipeline, sandbox, version)
        assert ids(tmp_path, "appointments") == sorted(table.ids)
        assert rejected(tmp_path) == []
        table.update(id, cancelled_at="yesterday", updated_at=format_timestamp(sandbox.clock.now()))
        await run(pipeline, sandbox, version)
        assert len(rejected(tmp_path)) == 1
        table.delete(id)
        await run(pipeline, sandbox, version)
        assert rejected(tmp_path) == []
        assert ids(tmp_path, "appointments") == sorted(table.ids)


def rejected(tmp_path: Path) -> list[tuple[str, str, str]]:
    with duckdb.connect(str(tmp_path / "practice.duckdb"), read_only=True) as db:
        return db.execute("select id, path, record from nexhealth._rejected").fetchall()


def test_telemetry_is_switched_off_by_asking_for_a_source_and_not_by_importing() -> None:
    program = (
        "import os, sys; import nexhealth_async.export.dlt as ours;"
        "name = 'RUNTIME__DLTHUB_TELEMETRY';"
        "before = os.environ.get(name); assert 'dlt' not in sys.modules;"
        "ours.source(['patients'], version='v3'); print(before, os.environ[name])"
    )
    plain = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    for environment, expected in (
        ({}, "None false"),
        ({"RUNTIME__DLTHUB_TELEMETRY": "true"}, "true true"),
    ):
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", program],
            env={**plain, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == expected, done.stderr


async def test_a_pipeline_keeps_its_origin(tmp_path: Path, pipeline: Any) -> None:
    async with Sandbox(patients=9) as sandbox, Sandbox(patients=9, seed=2) as other:
        await run(pipeline, sandbox, "v2")
        for wrong, version in ((other, "v2"), (sandbox, "v3")):
            wrong.requests.clear()
            with pytest.raises(Exception, match=r"another sandbox|from API version v2"):
                await run(pipeline, wrong, version)
            assert not wrong.seen("GET", "/patients")
        await run(pipeline, sandbox, "v2")
        await run(pipeline, sandbox, "v3", refresh="drop_sources")
        assert ids(tmp_path, "patients") == sorted(sandbox.patients.ids)
        with pytest.raises(Exception, match=r"from API version v3\.0\.0"):
            await run(pipeline, sandbox, "v2")


def _no_origin(_: object) -> None:
    """Store no origin, as the previous release did."""


async def test_a_pipeline_of_an_earlier_release_is_refused_until_it_is_adopted(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox(patients=9) as sandbox:
        with monkeypatch.context() as patched:
            patched.setattr("nexhealth_async.export.dlt.origin_to_json", _no_origin)
            await run(pipeline, sandbox, "v2")
        with pytest.raises(Exception, match="adopt=True"):
            await run(pipeline, sandbox, "v2")
        await run(pipeline, sandbox, "v2", adopt=True)
        await run(pipeline, sandbox, "v2")
