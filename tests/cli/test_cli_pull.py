from __future__ import annotations

import asyncio
import json
import stat
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

import attrs
import pytest

from nexhealth_async import models
from nexhealth_async.cli.output import FileWriter
from nexhealth_async.cli.table_columns import RESOURCE_TABLES, ResourceTable
from nexhealth_async.sandbox import Sandbox
from tests.cli.helpers import (
    COMMAND,
    INTERRUPT,
    TERMINATE,
    environment,
    listed,
    nexhealth,
    one_by_one,
    start,
    until,
)


def records(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


async def test_json_lines_contain_every_patient_with_every_field(sandbox: Sandbox) -> None:
    ran = await nexhealth("pull", "patients", sandbox=sandbox)
    assert ran.status == 0
    pulled = records(ran.out)
    assert len(pulled) == 700
    assert {one["id"] for one in pulled} == set(sandbox.patients.ids)
    first = pulled[0]
    assert {key: sandbox.patients.row(first["id"])[key] for key in ("email", "name")} == {
        "email": first["email"],
        "name": first["name"],
    }
    assert "bio" in first
    assert "unsubscribe_sms" in first
    # On a pipe stderr is one plain line: no bar, no escapes.
    assert ran.err.startswith("700 patients in ")
    assert ran.err.endswith("/s), API version v2\n")
    assert ran.err.count("\n") == 1
    assert "\x1b" not in ran.err


async def test_quiet_prints_nothing(sandbox: Sandbox) -> None:
    ran = await nexhealth("pull", "patients", "--quiet", "--limit", "2", sandbox=sandbox)
    assert (ran.status, ran.err, len(records(ran.out))) == (0, "", 2)


async def test_the_embedded_sandbox_needs_no_key() -> None:
    ran = await nexhealth("pull", "patients", "--sandbox", "--patients", "12", "--seed", "3")
    assert ran.status == 0
    assert {record["id"] for record in records(ran.out)} == set(
        Sandbox(patients=12, seed=3).patients.ids
    )


async def test_other_resources(sandbox: Sandbox) -> None:
    tables = {
        "providers": sandbox.practice.providers,
        "procedures": sandbox.practice.procedures,
        "working_hours": sandbox.practice.availabilities,
        "locations": sandbox.practice.locations,
    }
    every = await asyncio.gather(*(nexhealth("pull", one, sandbox=sandbox) for one in tables))
    for ran, table in zip(every, tables.values(), strict=True):
        assert ran.status == 0
        assert {record["id"] for record in records(ran.out)} == set(table.ids)


@pytest.mark.parametrize(
    ("name", "version", "counted"),
    [
        ("payments", "v3", "records of payments"),
        ("recall_types", "v2", "records of recall_types"),
        ("sync_status", "v2", "1 record of sync_status"),
    ],
)
async def test_a_list_without_a_table_is_printed_as_json_lines(
    sandbox: Sandbox, name: str, version: str, counted: str
) -> None:
    ran = await nexhealth("pull", name, "--api-version", version, sandbox=sandbox)
    assert ran.status == 0
    assert records(ran.out)
    assert counted in ran.err
    ran = await nexhealth(
        "pull", name, "--api-version", version, "--format", "table", sandbox=sandbox
    )
    assert ran.status == 2
    assert "no table: leave out --format table" in ran.err


async def test_lists_that_need_a_parent_record_are_refused_with_advice() -> None:
    below, elsewhere = await one_by_one(
        ("pull", "locations.appointment_descriptors"), ("pull", "payments")
    )
    assert (below.status, elsewhere.status) == (2, 2)
    assert "add --to" in below.err
    assert "payments cannot be pulled from v2: add --api-version v3." in elsewhere.err


async def test_institutions_as_a_table(sandbox: Sandbox) -> None:
    ran = await nexhealth("pull", "institutions", "--format", "table", sandbox=sandbox)
    assert ran.status == 0
    assert ran.out.split()[:2] == [b"id", b"subdomain"]
    assert b"\x1b" not in ran.out


@pytest.mark.parametrize("kind", RESOURCE_TABLES.values(), ids=RESOURCE_TABLES)
def test_a_column_reads_fields_the_models_have(kind: ResourceTable) -> None:
    model: Any = getattr(models, kind.singular.title().replace(" ", ""), models.WorkingHours)
    known = {field.name for field in attrs.fields(model)}
    assert {path.split(".")[0] for column in kind.columns for path in column.paths} <= known


async def test_appointments_are_filtered_by_a_range_of_times(sandbox: Sandbox) -> None:
    ran = await nexhealth(
        "pull",
        "appointments",
        "--start",
        "2026-06-01",
        "--end",
        "2026-06-01T23:59Z",
        sandbox=sandbox,
    )
    assert ran.status == 0
    assert {record["start_time"][:10] for record in records(ran.out)} == {"2026-06-01"}


async def test_since_sends_the_given_time(sandbox: Sandbox) -> None:
    ran = await nexhealth("pull", "patients", "--since", "2026-05-01T00:00-04:00", sandbox=sandbox)
    assert ran.status == 0
    assert 0 < len(records(ran.out)) < 700
    assert all(record["updated_at"] >= "2026-05-01T04:00" for record in records(ran.out))


async def test_a_table_fits_the_width(sandbox: Sandbox) -> None:
    width = 60
    ran = await nexhealth(
        "pull", "patients", "--format", "table", sandbox=sandbox, COLUMNS=str(width)
    )
    lines = ran.out.decode().splitlines()
    assert len(lines) == 702
    assert max(map(len, lines)) <= width
    assert lines[0].split()[:2] == ["id", "name"]


async def test_a_file_is_complete_and_private(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "patients.jsonl"
    target.write_text("old")
    target.chmod(0o644)
    ran = await nexhealth("pull", "patients", "-o", str(target), sandbox=sandbox)
    assert ran.status == 0
    assert ran.out == b""
    assert len(records(target.read_bytes())) == 700
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert listed(tmp_path) == ["patients.jsonl"]


async def test_a_failure_keeps_the_old_file_and_leaves_no_other(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    target = tmp_path / "patients.jsonl"
    target.write_text("old")
    served = 0

    def then_fail(_: object) -> None:
        nonlocal served
        served += 1
        if served == 2:
            sandbox.fail_next(422, times=100)

    sandbox.between_pages(then_fail)
    ran = await nexhealth(
        "pull", "patients", "--per-page", "50", "--location", str(sandbox.location_id),
        "--subdomain", sandbox.subdomain, "-o", str(target), sandbox=sandbox,
    )  # fmt: skip
    assert ran.status == 1
    assert ran.err.startswith("error: GET /patients: ")
    assert ran.err.count("\n") == 1
    assert target.read_text() == "old"
    assert listed(tmp_path) == ["patients.jsonl"]


@pytest.mark.parametrize(("sent", "status"), [(INTERRUPT, 130), (TERMINATE, 143)])
async def test_a_signal_ends_a_slow_pull_at_once_without_leaving_a_file(
    sandbox: Sandbox, tmp_path: Path, sent: int, status: int
) -> None:
    sandbox.latency = 5
    process = await start(
        "pull", "patients", "-o", str(tmp_path / "patients.jsonl"), env=environment(sandbox)
    )
    await until(tmp_path, ".patients.jsonl.*.part")
    for _ in range(400):
        if sandbox.in_flight:
            break
        await asyncio.sleep(0.02)
    began = time.monotonic()
    process.send_signal(sent)
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert time.monotonic() - began < 2
    said = f"Stopped; {tmp_path / 'patients.jsonl'} was not written.\n"
    assert (process.returncode, out, err.decode()) == (status, b"", said)
    assert listed(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_is_reported_with_the_name_of_the_file(sandbox: Sandbox) -> None:
    ran = await nexhealth("pull", "patients", "-o", "/dev/full", sandbox=sandbox)
    assert ran.status == 1
    assert ran.err == "error: /dev/full cannot be written: No space left on device.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of processes")
async def test_a_file_at_its_size_limit_is_named_and_removed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)); "
        "from nexhealth_async.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    path = tmp_path / "p.jsonl"
    ran = await nexhealth(
        "pull",
        "patients",
        "-o",
        str(path),
        sandbox=sandbox,
        command=(sys.executable, "-c", limited),
    )
    assert (ran.status, ran.err) == (1, f"error: {path} cannot be written: File too large.\n")
    assert listed(tmp_path) == []


async def test_output_continues_after_a_partial_write_to_a_pipe() -> None:
    taken = bytearray()

    def take(data: memoryview) -> int:
        taken.extend(data[:3])
        return len(data[:3])

    pipe = SimpleNamespace(write=take)
    await FileWriter(cast("IO[bytes]", pipe), Path("pipe")).write(b"all of it")
    assert taken == b"all of it"


async def test_an_empty_time_range_is_refused(sandbox: Sandbox) -> None:
    times = ("--start", "2026-12-01", "--end", "2026-01-01")
    for to in ((), ("--to", "out/")):
        ran = await nexhealth("pull", "appointments", *times, *to, sandbox=sandbox)
        assert (ran.status, ran.err) == (2, "error: --end must be later than --start.\n")
        ran = await nexhealth("pull", "patients", "--since", "2990-01-01", *to, sandbox=sandbox)
        assert ran.status == 2
        assert "--since lies in the future" in ran.err
    assert not sandbox.requests


async def test_ctrl_c_ends_a_pull_with_a_blocked_reader(sandbox: Sandbox) -> None:
    process = await start("pull", "patients", env=environment(sandbox))
    assert process.stdout is not None
    await process.stdout.readexactly(1)
    await asyncio.sleep(0.3)
    process.send_signal(INTERRUPT)
    await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 130


async def test_a_closed_pipe_is_not_an_error() -> None:
    line = f"{' '.join(COMMAND)} pull patients --sandbox | head -n 1; exit ${{PIPESTATUS[0]}}"
    ran = await nexhealth(command=("bash", "-c", line))
    assert ran.status == 141
    assert ran.out.count(b"\n") == 1
    assert ran.err == ""


async def test_several_locations_are_listed_for_choice(chain: Sandbox) -> None:
    ran = await nexhealth("pull", "patients", sandbox=chain)
    assert ran.status == 2
    assert ran.out == b""
    ids = [id for practice in chain.practices for id in practice.locations.ids]
    assert len(ids) == 4
    assert all(f"--location {id}" in ran.err for id in ids)
    offered = ran.err.splitlines()[-1].split()[:4]
    assert offered[::2] == ["--practice", "--location"]
    assert (await nexhealth("pull", "patients", *offered, sandbox=chain)).status == 0


async def test_a_location_determines_its_practice(chain: Sandbox) -> None:
    second = chain.practices[1]
    ran = await nexhealth(
        "pull", "patients", "--location", str(second.locations.ids[1]), sandbox=chain
    )
    assert ran.status == 0
    assert {record["id"] for record in records(ran.out)} <= set(second.patients.ids)


async def test_a_list_of_the_practice_needs_no_location(chain: Sandbox) -> None:
    ran = await nexhealth("pull", "providers", "--subdomain", chain.subdomain, sandbox=chain)
    assert {record["id"] for record in records(ran.out)} == set(chain.providers.ids)


async def test_an_unknown_location_is_refused(chain: Sandbox) -> None:
    ran = await nexhealth("pull", "patients", "--location", "5", sandbox=chain)
    assert ran.status == 2
    assert "This key sees no location 5; `nexhealth practices` lists" in ran.err


@pytest.mark.parametrize(
    ("resource", "place", "unseen"),
    [
        ("patients", "--practice {demo} --location 5", "no location 5 in a practice of that name;"),
        ("patients", "--practice nobodys --location {there}", "in a practice of that name;"),
        ("providers", "--practice nobodys", "no active location in a practice of that name;"),
        ("patients", "--practice nobodys", "no active location in a practice of that name;"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_practice_of_another_key_is_named(
    chain: Sandbox, version: str, resource: str, place: str, unseen: str
) -> None:
    words = {"demo": chain.subdomain, "there": str(chain.practices[0].locations.ids[0])}
    options = place.format(**words).split()
    ran = await nexhealth("pull", resource, *options, "--api-version", version, sandbox=chain)
    assert (ran.status, ran.out) == (2, b"")
    assert "error: This key sees no" in ran.err
    assert unseen in ran.err


async def test_a_forbidden_list_of_a_visible_practice_keeps_its_error(
    chain: Sandbox,
) -> None:
    chain.financial_access = False
    place = ("--practice", chain.subdomain, "--location", str(chain.practices[0].locations.ids[0]))
    ran = await nexhealth("pull", "charges", *place, "--api-version", "v3", sandbox=chain)
    assert ran.status == 1
    assert "This key sees no" not in ran.err
    assert "ledger" in ran.err


async def test_a_usage_error_is_a_sentence_and_status_2() -> None:
    commands = [
        ("pull", "pets"),
        ("pull", "appointments", "--sandbox", "--start", "2026-06-01"),
        ("pull", "patients", "--sandbox", "--since", "yesterday"),
        ("pull", "patients", "--sandbox", "--since", "2026-06-01T08:00"),
        ("pull", "patients", "--sandbox", "--start", "2026-06-01"),
        ("pull", "patients", "--sandbox", "--limit", "-1"),
        ("pull", "patients", "--seed", "3"),
        ("pull", "patients", "--sandbox", "--api-version", "v1"),
        ("pull", "locations", "--sandbox", "--per-page", "3"),
        ("pull", "patients", "--sandbox", "-o", "/"),
        ("pull", "patients", "--sandbox", "-o", "/no/such/directory/file"),
    ]
    for command, ran in zip(commands, await one_by_one(*commands), strict=True):
        assert (command, ran.status, ran.out) == (command, 2, b"")
        assert ran.err
        assert "Traceback" not in ran.err
