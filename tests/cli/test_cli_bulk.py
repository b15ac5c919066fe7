"""Bulk pulls by the real command."""

from __future__ import annotations

import asyncio
import gzip
import json
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from nexhealth_async.export.postgres_url import parse_address
from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import (
    INTERRUPT,
    TERMINATE,
    environment,
    listed,
    nexhealth,
    one_by_one,
    start,
)
from tests.export.postgres_server import connected, database, postgres_server

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["database", "postgres_server"]

LISTS = ("patients", "appointments", "providers")


def in_file(path: Path, resource: str) -> dict[str, list[int]]:
    """Ids of each practice in a DuckDB file."""
    with closing(duckdb.connect(str(path), read_only=True)) as db:
        rows = db.sql(f"select _practice, id from {resource} order by id").fetchall()  # noqa: S608 - names of ours
    return grouped(rows)


def grouped(rows: list[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for practice, id in rows:
        found.setdefault(practice, []).append(id)
    return found


def truth(sandbox: Sandbox, resource: str) -> Mapping[str, list[int]]:
    return {
        practice.subdomain: sorted(getattr(practice, resource).ids)
        for practice in sandbox.practices
    }


async def test_several_lists_of_all_practices_are_copied_into_one_file(
    chain: Sandbox, tmp_path: Path
) -> None:
    target = tmp_path / "all.duckdb"
    ran = await nexhealth("pull", *LISTS, "--to", str(target), sandbox=chain)
    assert (ran.status, ran.out) == (0, b"")
    for resource in LISTS:
        assert in_file(target, resource) == truth(chain, resource)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert listed(tmp_path) == ["all.duckdb"]
    assert "\x1b" not in ran.err
    assert "\r" not in ran.err
    for resource in LISTS:
        assert f"\n{resource} " in ran.err
    assert f"\n{sum(len(ids) for r in LISTS for ids in truth(chain, r).values())} records in " in (
        ran.err
    )


async def test_one_list_with_to_is_a_bulk_pull_and_the_environment_may_name_the_target(
    chain: Sandbox, tmp_path: Path
) -> None:
    ran = await nexhealth("pull", "patients", "--to", str(tmp_path / "a.duckdb"), sandbox=chain)
    assert ran.status == 0
    where = str(tmp_path / "b.duckdb")
    ran = await nexhealth("pull", *LISTS, "-q", sandbox=chain, NEXHEALTH_PULL_TO=where)
    assert (ran.status, ran.err) == (0, "")
    assert in_file(tmp_path / "a.duckdb", "patients") == truth(chain, "patients")
    assert in_file(tmp_path / "b.duckdb", "patients") == truth(chain, "patients")


async def test_the_environment_applies_to_one_list_too_unless_an_option_overrides_it(
    chain: Sandbox, tmp_path: Path
) -> None:
    where = str(tmp_path / "a.duckdb")
    ran = await nexhealth("pull", "providers", sandbox=chain, NEXHEALTH_PULL_TO=where)
    assert (ran.status, ran.out) == (0, b"")
    assert in_file(tmp_path / "a.duckdb", "providers") == truth(chain, "providers")
    for options in (("--limit", "1"), ("-o", str(tmp_path / "p.jsonl"))):
        place = ("--practice", chain.subdomain)
        ran = await nexhealth(
            "pull", "providers", *place, *options, sandbox=chain, NEXHEALTH_PULL_TO=where
        )
        assert ran.status == 0
        assert where not in ran.err
    ran = await nexhealth("pull", "providers", "--sandbox", NEXHEALTH_PULL_TO=f"{tmp_path}/real.db")
    assert (ran.status, ran.out != b"") == (0, True)  # invented records go nowhere by themselves
    assert listed(tmp_path) == ["a.duckdb", "p.jsonl"]


async def test_a_new_pull_reports_that_it_discards_an_unfinished_one(
    chain: Sandbox, tmp_path: Path
) -> None:
    to = ("--to", str(tmp_path / "p.duckdb"))
    chain.fail_next(403, path="/procedures?page=1")
    ran = await nexhealth("pull", "patients", "procedures", *to, sandbox=chain)
    assert ran.status == 3
    ran = await nexhealth("pull", "patients", *to, sandbox=chain)
    assert ran.status == 0
    said = "note: the previous pull (patients, procedures) was unfinished and cannot be resumed"
    assert said in ran.err
    ran = await nexhealth("pull", "patients", *to, sandbox=chain)
    assert "unfinished" not in ran.err


async def test_all_lists_can_be_copied_as_parquet_and_as_compressed_json_lines(
    chain: Sandbox, tmp_path: Path
) -> None:
    as_parquet, as_lines = tmp_path / "parquet", tmp_path / "lines"
    ran = await nexhealth(
        "pull", "--all", "--to", f"{as_parquet}/", "--format", "parquet", "--api-version", "v3",
        sandbox=chain,
    )  # fmt: skip
    assert ran.status == 0
    files = f"{as_parquet}/charges/**/*.parquet"
    with closing(duckdb.connect()) as db:
        rows = db.execute("select id from read_parquet(?)", [files]).fetchall()
    ids = [id for (id,) in rows]
    assert sorted(ids) == sorted(id for practice in chain.practices for id in practice.charges.ids)
    ran = await nexhealth(
        "pull", "patients", "--to", str(as_lines), "--compress", "gzip", sandbox=chain
    )
    assert ran.status == 0
    found = {
        path.name: [
            json.loads(line)["id"]
            for file in path.iterdir()
            for line in gzip.decompress(file.read_bytes()).splitlines()
        ]
        for path in (as_lines / "patients").iterdir()
    }
    assert {name: sorted(ids) for name, ids in found.items()} == truth(chain, "patients")


async def test_into_postgresql(chain: Sandbox, database: str) -> None:
    ran = await nexhealth(
        "pull", "patients", "providers", "--to", database, "--schema", "clinic", sandbox=chain
    )
    assert ran.status == 0
    assert f"in PostgreSQL, {parse_address(database).text}, schema clinic\n" in ran.err
    assert "tester" not in ran.err
    ran = await nexhealth(
        "pull", "patients", "providers", "--since", "last", "--schema", "clinic",
        sandbox=chain, NEXHEALTH_PULL_TO=database,
    )  # fmt: skip
    assert ran.status == 0
    async with connected(database) as db:
        rows = await db.fetch("select _practice, id from clinic.patients order by id")
    assert grouped([tuple(row) for row in rows]) == truth(chain, "patients")


async def test_a_pull_can_be_restricted_to_practices_and_locations(
    chain: Sandbox, tmp_path: Path
) -> None:
    first, second = chain.practices
    everything = tmp_path / "two.duckdb"
    ran = await nexhealth(
        "pull", "patients", "--practice", first.subdomain, "--practice", second.subdomain,
        "--to", str(everything), sandbox=chain,
    )  # fmt: skip
    assert ran.status == 0
    assert in_file(everything, "patients") == truth(chain, "patients")
    one = tmp_path / "one.duckdb"
    chain.clear()
    ran = await nexhealth(
        "pull",
        "patients",
        "--location",
        str(second.locations.ids[1]),
        "--to",
        str(one),
        sandbox=chain,
    )
    assert ran.status == 0
    assert in_file(one, "patients").keys() <= {second.subdomain}
    location_ids = {seen.param("location_id") for seen in chain.seen("GET", "/patients")}
    assert location_ids == {str(second.locations.ids[1])}


async def test_invisible_practices_are_refused(chain: Sandbox, tmp_path: Path) -> None:
    first, second = chain.practices
    to = ("--to", str(tmp_path / "x.duckdb"))
    elsewhere = str(second.locations.ids[0])
    for options in (
        ("--practice", "nobody"),
        ("--location", "5"),
        ("--practice", first.subdomain, "--location", elsewhere),
        ("--practice", first.subdomain, "--practice", second.subdomain, "--location", elsewhere),
    ):
        ran = await nexhealth("pull", "patients", *options, *to, sandbox=chain)
        assert (options, ran.status) == (options, 2)
        assert ran.err.startswith("error: ")


async def test_a_failed_shard_is_named_and_resuming_completes_the_copy(
    chain: Sandbox, tmp_path: Path
) -> None:
    target = tmp_path / "p.duckdb"
    chain.fail_next(403, path="/procedures?page=1")
    ran = await nexhealth(
        "pull", "procedures", "patients", "--concurrency", "1", "--to", str(target), sandbox=chain
    )
    assert ran.status == 3
    first, second = chain.practices
    name = f"procedures/{first.subdomain}/-"
    assert f"  {name}: PermissionDeniedError: GET /procedures" in ran.err
    assert f"procedures/{second.subdomain}/-: " not in ran.err.split("shards failed")[1]
    assert "that the key may read this list" in ran.err
    assert "--resume" in ran.err
    assert in_file(target, "patients") == truth(chain, "patients")
    assert in_file(target, "procedures") == {second.subdomain: sorted(second.procedures.ids)}
    chain.clear()
    ran = await nexhealth("pull", "--resume", "--to", str(target), sandbox=chain)
    assert ran.status == 0
    assert chain.seen("GET", "/patients") == []
    assert in_file(target, "procedures") == truth(chain, "procedures")
    ran = await nexhealth("pull", "--resume", "--to", str(target), sandbox=chain)
    assert ran.status == 2
    assert "is complete: there is nothing to resume." in ran.err


@pytest.mark.parametrize("name", ["new.duckdb", "new/"])
async def test_a_pull_that_cannot_begin_leaves_no_file(
    chain: Sandbox, tmp_path: Path, name: str
) -> None:
    to = ("--to", f"{tmp_path}/{name}")
    ran = await nexhealth("pull", *LISTS, *to, sandbox=chain, NEXHEALTH_API_KEY="wrong")
    assert ran.status == 1
    assert "resume" not in ran.err
    assert listed(tmp_path) == []


@pytest.mark.parametrize("name", ["new.duckdb", "new/"])
async def test_resuming_without_an_unfinished_pull_leaves_no_file(
    chain: Sandbox, tmp_path: Path, name: str
) -> None:
    ran = await nexhealth("pull", "--resume", "--to", f"{tmp_path}/{name}", sandbox=chain)
    assert ran.status == 2
    assert "There is no pull to resume in " in ran.err
    assert listed(tmp_path) == []
    assert not chain.requests


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        (("--format", "parquet"), "*.parquet"),
        (("--compress", "gzip"), "*.jsonl.gz"),
        ((), "*.jsonl"),
    ],
)
async def test_resuming_takes_the_file_format_from_the_directory(
    chain: Sandbox, tmp_path: Path, flags: tuple[str, ...], kept: str
) -> None:
    target = tmp_path / "out"
    chain.fail_next(403, path="/providers?page=1")
    ran = await nexhealth("pull", *LISTS, *flags, "--to", str(target), sandbox=chain)
    assert ran.status == 3
    before = len([*target.rglob(kept)])
    ran = await nexhealth("pull", "--resume", "--to", str(target), sandbox=chain)
    assert ran.status == 0, ran.err
    assert len([*target.rglob(kept)]) > before
    files = [path for path in target.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert all(file.match(kept) for file in files)


async def test_resuming_uses_the_version_of_the_pull_and_refuses_another(
    chain: Sandbox, tmp_path: Path
) -> None:
    target = tmp_path / "all.duckdb"
    chain.fail_next(403, path="/providers")
    ran = await nexhealth("pull", *LISTS, "--api-version", "v3", "--to", str(target), sandbox=chain)
    assert ran.status == 3
    chain.fail_next(403, path="/providers")
    for lists in ((), LISTS):
        ran = await nexhealth(
            "pull", *lists, "--resume", "--api-version", "v2", "--to", str(target), sandbox=chain
        )
        assert ran.status == 2
        assert "v3.0.0" in ran.err
        assert "--recopy" in ran.err
    for status in (3, 0):
        ran = await nexhealth(
            "pull", "--resume", "--to", str(target), sandbox=chain, NEXHEALTH_API_VERSION=""
        )
        assert ran.status == status, ran.err


async def test_the_version_of_an_existing_target_is_the_default(
    chain: Sandbox, tmp_path: Path
) -> None:
    target, new = tmp_path / "all.duckdb", tmp_path / "new.duckdb"
    ran = await nexhealth(
        "pull", "patients", "--api-version", "v3", "--to", str(target), sandbox=chain
    )
    assert ran.status == 0
    ran = await nexhealth(
        "pull", "charges", "--to", str(target), sandbox=chain, NEXHEALTH_API_VERSION=""
    )
    assert ran.status == 0, ran.err
    ran = await nexhealth(
        "pull", "charges", "--to", str(new), sandbox=chain, NEXHEALTH_API_VERSION=""
    )
    assert ran.status == 2
    assert not new.exists()


async def test_invented_records_cannot_be_mixed_into_a_real_copy(
    chain: Sandbox, tmp_path: Path
) -> None:
    target = tmp_path / "all.duckdb"
    chain.identified = False  # a server that passes for a real one
    ran = await nexhealth("pull", *LISTS, "--to", str(target), sandbox=chain)
    assert ran.status == 0, ran.err
    sandbox = ("--sandbox", "--patients", "10")
    for how in (("--since", "last"), ("--recopy",), ("--adopt",)):
        ran = await nexhealth("pull", *LISTS, *how, *sandbox, "--to", str(target))
        assert ran.status == 2, ran.err
        assert ran.err.count("error:") == 1
        assert "sandbox" in ran.err
    for resource in LISTS:
        assert in_file(target, resource) == truth(chain, resource)


async def test_a_copy_moves_to_another_version_by_recopy(chain: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "all.duckdb"
    to = ("--to", str(target))
    assert (await nexhealth("pull", *LISTS, *to, sandbox=chain)).status == 0
    newer = ("--api-version", "v3")
    ran = await nexhealth("pull", *LISTS, "--since", "last", *newer, *to, sandbox=chain)
    assert ran.status == 2
    assert "--recopy" in ran.err
    ran = await nexhealth("pull", *LISTS, "--recopy", "--since", "last", *newer, *to, sandbox=chain)
    assert ran.status == 2
    ran = await nexhealth("pull", *LISTS, "--recopy", *newer, *to, sandbox=chain)
    assert ran.status == 0, ran.err
    ran = await nexhealth(
        "pull", *LISTS, "--since", "last", *to, sandbox=chain, NEXHEALTH_API_VERSION=""
    )
    assert ran.status == 0, ran.err
    for resource in LISTS:
        assert in_file(target, resource) == truth(chain, resource)


async def test_a_copy_of_an_earlier_release_names_the_option_that_adopts_it(
    chain: Sandbox, tmp_path: Path
) -> None:
    target = tmp_path / "all.duckdb"
    to = ("--to", str(target))
    assert (await nexhealth("pull", *LISTS, *to, sandbox=chain)).status == 0
    with closing(duckdb.connect(str(target))) as db:
        db.execute("alter table _nexhealth_pulls drop column origin")
    ran = await nexhealth("pull", *LISTS, "--since", "last", *to, sandbox=chain)
    assert ran.status == 2
    assert "--adopt" in ran.err
    ran = await nexhealth("pull", *LISTS, "--since", "last", "--adopt", *to, sandbox=chain)
    assert ran.status == 0, ran.err
    ran = await nexhealth("pull", *LISTS, "--since", "last", *to, sandbox=chain)
    assert ran.status == 0, ran.err


async def test_failures_are_reported_with_quiet_too(chain: Sandbox, tmp_path: Path) -> None:
    chain.fail_next(403, path="/providers?page=1")
    ran = await nexhealth("pull", *LISTS, "-q", "--to", str(tmp_path / "out"), sandbox=chain)
    assert ran.status == 3
    assert "shards failed:\n  providers/" in ran.err
    assert "records in" not in ran.err


async def test_a_rejected_key_ends_the_command(chain: Sandbox, tmp_path: Path) -> None:
    to = str(tmp_path / "x.duckdb")
    ran = await nexhealth("pull", *LISTS, "--to", to, sandbox=chain, NEXHEALTH_API_KEY="another")
    assert ran.status == 1
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(("sent", "status"), [(INTERRUPT, 130), (TERMINATE, 143)])
@pytest.mark.parametrize("to", ["p.duckdb", "out"])
async def test_a_signal_ends_a_copy_at_once_and_it_can_be_resumed(
    sandbox: Sandbox, tmp_path: Path, to: str, sent: int, status: int
) -> None:
    sandbox.latency = 0.1
    target = str(tmp_path / to)
    process = await start(
        "pull", "providers", "patients", "--per-page", "20", "--concurrency", "2", "--to", target,
        env=environment(sandbox),
    )  # fmt: skip
    assert process.stderr is not None
    await process.stderr.readuntil(b"done providers/")
    process.send_signal(sent)
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out) == (status, b""), err
    assert err.endswith(b" kept; add --resume to the command to continue.\n")
    sandbox.latency = 0
    sandbox.clear()
    ran = await nexhealth("pull", "--resume", "--to", target, sandbox=sandbox)
    assert ran.status == 0
    if to == "out":
        [file] = (tmp_path / to / "patients" / sandbox.subdomain).iterdir()
        found = sorted(json.loads(line)["id"] for line in file.read_bytes().splitlines())
        assert found == sorted(sandbox.patients.ids)
    else:
        assert in_file(tmp_path / to, "patients") == truth(sandbox, "patients")


async def test_a_refresh_reads_changes_and_comparing_finds_deletions(
    chain: Sandbox, tmp_path: Path
) -> None:
    to = ("--to", str(tmp_path / "p.duckdb"))
    assert (await nexhealth("pull", "patients", *to, sandbox=chain)).status == 0
    gone = chain.patients.ids[0]
    chain.patients.delete(gone)
    chain.clear()
    ran = await nexhealth("pull", "patients", "--since", "last", *to, sandbox=chain)
    assert ran.status == 0
    assert all(seen.param("updated_since") for seen in chain.seen("GET", "/patients"))
    assert gone in in_file(tmp_path / "p.duckdb", "patients")[chain.subdomain]
    ran = await nexhealth(
        "pull", "patients", "--since", "last", "--compare", "always", *to, sandbox=chain
    )
    assert ran.status == 0
    assert in_file(tmp_path / "p.duckdb", "patients") == truth(chain, "patients")
    [line] = [line for line in ran.err.splitlines() if line.startswith("patients ")]
    assert line.split()[-1] == "1"


async def test_unreadable_records_give_status_3_unless_allowed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    bad = sandbox.patients.ids[3]
    good = dict(sandbox.patients.row(bad))
    sandbox.practice.patients._rows[bad] = {**good, "bio": "no object"}
    target = tmp_path / "p.duckdb"

    async def pulled(*options: str) -> int:
        ran = await nexhealth(
            "pull", "patients", "--drift", "watch", "--to", str(target), *options, sandbox=sandbox
        )
        assert "no object" not in ran.err
        assert ("1 record could not be read" in ran.err) == ("--resume" not in options)
        assert ("_rejected" in ran.err) == ("--resume" not in options)
        return ran.status

    assert await pulled("--allow-rejected", "known") == 3
    assert await pulled() == 3
    assert await pulled("--allow-rejected", "known", "--since", "last") == 0
    assert await pulled("--allow-rejected", "all") == 0
    with duckdb.connect(str(target), read_only=True) as db:
        db.execute("select resource, id, record->>'bio', path from _rejected")
        assert db.fetchall() == [("patients", str(bad), "no object", "bio")]
    sandbox.practice.patients._rows[bad] = good
    assert await pulled("--resume") == 0
    assert listed(tmp_path) == ["p.duckdb"]


async def test_a_directory_of_files_is_resumed_to_read_rejected_records_again(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    bad = sandbox.patients.ids[3]
    good = dict(sandbox.patients.row(bad))
    sandbox.practice.patients._rows[bad] = {**good, "bio": "no object"}
    to = ("--to", f"{tmp_path}/out/")
    ran = await nexhealth("pull", "patients", *to, sandbox=sandbox)
    assert ran.status == 3
    kept = tmp_path / "out" / "_rejected.jsonl"
    assert str(kept) in ran.err
    assert json.loads(kept.read_text())["record"]["bio"] == "no object"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    sandbox.practice.patients._rows[bad] = good
    assert (await nexhealth("pull", "--resume", *to, sandbox=sandbox)).status == 0
    assert not kept.exists()
    assert (await nexhealth("pull", "--resume", *to, sandbox=sandbox)).status == 2


@pytest.mark.parametrize("more", [(), ("--resume",)])
async def test_a_practice_of_another_key_leaves_no_file(
    chain: Sandbox, tmp_path: Path, more: tuple[str, ...]
) -> None:
    to = str(tmp_path / "p.duckdb")
    ran = await nexhealth(
        "pull", "patients", "--practice", "nobodys", "--to", to, *more, sandbox=chain
    )
    assert ran.status == 2
    assert "cannot see practice 'nobodys'" in ran.err
    assert listed(tmp_path) == []


async def test_a_dry_run_only_counts(chain: Sandbox, tmp_path: Path) -> None:
    ran = await nexhealth("pull", *LISTS, "--dry-run", sandbox=chain)
    assert (ran.status, ran.err) == (0, "API version v2\n")
    shown = ran.out.decode()
    for practice in chain.practices:
        for location in practice.locations.ids:
            assert f"patients/{practice.subdomain}/{location} " in shown
    assert " requests\n" in shown
    assert "by the API's limits, the last request leaves after" in shown
    pages = [seen for seen in chain.seen("GET") if seen.path != "/locations"]
    assert pages
    assert all(seen.param("per_page") == "1" for seen in pages)
    chain.clear()
    ran = await nexhealth("pull", "--all", "--dry-run", "--api-version", "v3", sandbox=chain)
    assert ran.status == 0
    assert b"the list does not report its length" in ran.out
    assert ran.out.count(b"\n") < 50  # by resource
    pages = [seen for seen in chain.seen("GET") if seen.path != "/locations"]
    assert all(seen.param("per_page") == "1" for seen in pages)  # v3 counts few lists


async def test_a_missing_extra_is_named(chain: Sandbox, tmp_path: Path) -> None:
    for library in ("duckdb", "asyncpg", "pyarrow", "zstandard"):
        (tmp_path / f"{library}.py").write_text(
            f"raise ModuleNotFoundError('no {library}', name='{library}')"
        )
    for extra, options in {
        "duckdb": ("--to", "p.duckdb"),
        "postgres": ("--to", "postgresql://somebody@nowhere/nothing"),
        "parquet": ("--to", str(tmp_path / "out"), "--format", "parquet"),
        "zstd": ("--to", str(tmp_path / "out"), "--compress", "zstd"),
    }.items():
        ran = await nexhealth("pull", "patients", *options, sandbox=chain, PYTHONPATH=str(tmp_path))
        assert (extra, ran.status) == (extra, 2)
        assert f'python -m pip install "nexhealth-async[{extra}]"' in ran.err
        assert "Traceback" not in ran.err


async def test_a_usage_error_in_bulk_is_a_sentence_and_status_2(tmp_path: Path) -> None:
    to = ("--sandbox", "--to", str(tmp_path / "x.duckdb"))
    (tmp_path / "file").touch()
    commands = [
        ("pull", "--sandbox"),
        ("pull", "patients", "providers", "--sandbox"),
        ("pull", "patients", "pets", *to),
        ("pull", "available_slots", *to),
        ("pull", "charges", *to),
        ("pull", "patients", "--all", *to),
        ("pull", "patients", "--limit", "3", *to),
        ("pull", "patients", "-o", "x", *to),
        ("pull", "patients", "--format", "table", *to),
        ("pull", "patients", "--format", "parquet", *to),
        ("pull", "patients", "--compress", "gzip", *to),
        ("pull", "patients", "--schema", "x", *to),
        ("pull", "patients", "--start", "2026-01-01", *to),
        ("pull", "patients", "--since", "yesterday", *to),
        ("pull", "patients", "--compare", "always", *to),
        ("pull", "patients", "--since", "last", "--compare", "-1", *to),
        ("pull", "patients", "--since", "last", "--dry-run", *to),
        ("pull", "patients", "--concurrency", "0", *to),
        ("pull", "patients", "--since", "last", "--sandbox", "--to", str(tmp_path / "new")),
        ("pull", "patients", "--sandbox", "--to", str(tmp_path / "p.jsonl")),
        ("pull", "patients", "--sandbox", "--to", str(tmp_path / "p.xlsx")),
        ("pull", "patients", "--sandbox", "--to", str(tmp_path / "file")),
        ("pull", "patients", "--sandbox", "--to", "mysql://x@y/z"),
        ("pull", "patients", "--sandbox", "--to", "postgres://"),
        ("pull", "patients", "--sandbox", "--to", "postgres://x@y:5931abc/z"),
        ("pull", "patients", "--allow-rejected", "some", *to),
        ("pull", "patients", "--practice", "a", "--practice", "b", "--sandbox"),
        ("pull", "nex_staff", "--sandbox", "--format", "table"),
    ]
    for command, ran in zip(commands, await one_by_one(*commands), strict=True):
        assert (ran.status, ran.out, ran.err[:7]) == (2, b"", "error: "), (command, ran.err)
    assert listed(tmp_path) == ["file"]


async def test_a_password_is_refused_on_the_command_line_and_never_shown() -> None:
    commands = [
        ("pull", "patients", "--sandbox", "--to", f"postgresql://{address}")
        for address in (
            "me:secret@host/db",
            "host/db?user=me&password=secret",
            "host/db?user=me&sslpassword=secret",
        )
    ]
    for ran in await one_by_one(*commands):
        assert ran.status == 2
        assert "PGPASSWORD" in ran.err
        assert "secret" not in ran.err
    where = "postgresql://me:secret@127.0.0.1:1/db"
    ran = await nexhealth("pull", "--all", "--sandbox", NEXHEALTH_PULL_TO=where)
    assert ran.status == 1
    assert "PostgreSQL at 127.0.0.1:1 (database db) cannot be reached" in ran.err
    assert "secret" not in ran.err
