"""Progress of a bulk pull: pace, log lines, and the display on a terminal."""

from __future__ import annotations

import re
import sys
import termios
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from nexhealth_async._client.statistics import Stats
from nexhealth_async.bulk import (
    Event,
    PullEnded,
    PullStarted,
    Report,
    Shard,
    ShardDone,
    ShardFailed,
    ShardProgress,
    ShardReport,
    ShardStarted,
    Snapshot,
)
from nexhealth_async.cli.error_messages import advice
from nexhealth_async.cli.progress import BulkProgress, shard_text, total_text
from nexhealth_async.cli.pull_summary import failures_text, report_text
from nexhealth_async.cli.time_remaining import PaceEstimator, RemainingWork, format_duration
from nexhealth_async.errors import NexHealthError, PermissionDeniedError, ServerError
from tests.cli.helpers import Terminal, environment, served

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def shard(number: int, resource: str = "patients", *, sweep: bool = False) -> Shard:
    return Shard(resource=resource, version="v2", subdomain="demo", location_id=number, sweep=sweep)


EMPTY = Snapshot(
    seconds=10.0, shards=0, done=0, failed=0, active=(), records=0, new_records=0, rate=100.0,
        total=0,
    unknown=0, stats=Stats(),
)  # fmt: skip


def started(*shards: Shard, now: Snapshot = EMPTY) -> PullStarted:
    return PullStarted(shards=shards, resumed=0, snapshot=lambda: now)


def active(shard_: Shard, *, read: int, total: int | None) -> ShardProgress:
    return ShardProgress(shard=shard_, records=read, read=read, total=total, seconds=2.0)


def refusal() -> PermissionDeniedError:
    return PermissionDeniedError(
        "GET /patients: not allowed", operation="GET /patients", status=403
    )


# The pace


def paced(*events: Event) -> PaceEstimator:
    pace = PaceEstimator()
    for event in events:
        pace.record_event(event)
    return pace


def test_the_remainder_of_active_shards_is_known_from_their_totals() -> None:
    shard_ = shard(1)
    pace = paced(started(shard_), ShardStarted(shard=shard_, resumed=False))
    now = evolve(EMPTY, shards=1, active=(active(shard_, read=400, total=1000),))
    assert pace.remaining(now) == RemainingWork(records=600, is_certain=True, seconds=6.0)


def test_pending_shards_are_estimated_from_similar_ones() -> None:
    shard_, two, three = shard(1), shard(2), shard(3)
    pace = paced(
        started(shard_, two, three, shard(3, sweep=True)),
        ShardStarted(shard=shard_, resumed=False),
        ShardDone(shard=shard_, records=500, seconds=1.0),
    )
    now = evolve(EMPTY, shards=4, done=1, records=500)
    # Two are pending; the sweep, which waits too, does not count.
    assert pace.remaining(now) == RemainingWork(records=1000, is_certain=True, seconds=10.0)


def test_shards_finished_by_an_earlier_run_are_excluded() -> None:
    shards = [shard(number) for number in range(10)]
    pace = paced(
        started(*shards),
        ShardStarted(shard=shards[0], resumed=False),
        ShardDone(shard=shards[0], records=100, seconds=1.0),
    )
    now = evolve(EMPTY, shards=10, done=8)
    assert pace.remaining(now).records == 200


def test_an_unknown_remainder_is_reported_as_unknown() -> None:
    shard_, other = shard(1), shard(1, "procedures")
    pace = paced(started(shard_, other), ShardStarted(shard=shard_, resumed=False))
    now = evolve(EMPTY, shards=2, active=(active(shard_, read=10, total=410),))
    left = pace.remaining(now)
    assert (left.records, left.is_certain) == (400, False)
    assert str(left) == "at least 0:00:04 left"
    assert str(evolve(left, is_certain=True)) == "about 0:00:04 left"
    assert str(evolve(left, seconds=0.2)) == ""
    assert str(pace.remaining(evolve(now, rate=0.0))) == ""


def test_durations_show_hours() -> None:
    assert [format_duration(shard_) for shard_ in (0, 59.6, 3600 * 27 + 61)] == [
        "0:00:00",
        "0:01:00",
        "27:01:01",
    ]


# Lines


def test_lines_show_records_shards_rate_and_time_left() -> None:
    now = evolve(EMPTY, shards=24, done=5, failed=1, records=3200, rate=640.4)
    assert total_text(now, RemainingWork(records=9, is_certain=True, seconds=80.0)) == (
        "3,200 records, 6 of 24 shards (1 failed), 640/s, about 0:01:20 left"
    )
    assert shard_text(active(shard(7), read=500, total=1200)) == (
        "patients/demo/7: 500 of 1,200, 250/s"
    )
    assert shard_text(active(shard(7), read=500, total=None)) == "patients/demo/7: 500, 250/s"


def test_names_from_the_server_cannot_send_terminal_control_sequences() -> None:
    hostile = Shard(resource="patients", version="v2", subdomain="a\x1b[2Jb")
    assert "\x1b" not in shard_text(active(hostile, read=1, total=None))


@pytest.mark.parametrize(("shards", "lines"), [(3, 3), (60, 60), (61, 0), (5000, 0)])
def test_finished_shards_are_printed_unless_there_are_many(shards: int, lines: int) -> None:
    said: list[str] = []
    progress = BulkProgress(said.append, each_shard=True)
    every = [shard(number) for number in range(shards)]
    progress.record_event(started(*every))
    for shard_ in every:
        progress.record_event(ShardDone(shard=shard_, records=12, seconds=0.5))
    assert len(said) == lines
    if lines:
        assert said[0] == "0:00:10 done patients/demo/0: 12 records in 0.5 s"


def test_failures_are_printed_at_once_but_not_thousands_of_them() -> None:
    said: list[str] = []
    progress = BulkProgress(said.append)
    every = [shard(number) for number in range(3000)]
    progress.record_event(started(*every))
    for shard_ in every:
        progress.record_event(ShardFailed(shard=shard_, records=0, error=refusal()))
    assert len(said) == 21
    begin = "0:00:10 failed patients/demo/0: PermissionDeniedError: GET /patients"
    assert said[0].startswith(begin)
    assert said[-1] == "0:00:10 further failures are counted but not shown"


def test_a_pull_is_active_from_its_first_event_to_its_last() -> None:
    progress = BulkProgress(None)
    assert (progress.started, progress.snapshot()) == (False, None)
    progress.record_event(started(shard(1)))
    assert progress.started
    assert progress.snapshot() is not None
    progress.record_event(PullEnded(complete=True))
    assert progress.started
    assert progress.snapshot() is None


async def test_log_lines_come_every_few_seconds_and_then_less_often(loop: Any) -> None:
    import asyncio

    began = loop.time()
    moments: list[float] = []
    progress = BulkProgress(lambda _: moments.append(loop.time() - began))
    progress.record_event(
        PullStarted(
            shards=(shard(1),),
            resumed=0,
            snapshot=lambda: evolve(EMPTY, seconds=loop.time() - began),
        )
    )
    loop.skip_waits = True
    task = asyncio.create_task(progress.log_periodically())
    await asyncio.sleep(4000)
    task.cancel()
    gaps = [after - before for before, after in pairwise(moments)]
    assert min(gaps) >= 4.9
    assert max(gaps) <= 60.5
    assert gaps == sorted(gaps, key=round)
    assert 50 < len(moments) < 150


# The end


def reported(shard_: Shard, error: NexHealthError | None = None, records: int = 0) -> ShardReport:
    return ShardReport(
        shard=shard_,
        status="failed" if error else "done",
        records=records,
        pages=3,
        duplicates=2,
        error=error,
        error_text=f"{type(error).__name__}: {error}" if error else None,
    )


def test_the_summary_adds_up_by_resource() -> None:
    report = Report(
        shards=(
            reported(shard(1), records=1000),
            reported(shard(2), refusal(), records=234),
            reported(shard(1, "procedures"), records=5),
        ),
        stats=Stats(requests=30, retries=4, rate_limited=1, waited_rate=2.5, waited_login=0.01),
        seconds=2.0,
        deleted={"patients/demo": 7, "patients/other": 1},
    )
    lines = report_text(report, label="x.duckdb").splitlines()
    titles = [
        "resource",
        "shards",
        "failed",
        "records",
        "pages",
        "duplicates",
        "rejected",
        "deleted",
    ]
    assert lines[0].split() == titles
    assert lines[2].split() == ["patients", "2", "1", "1,234", "6", "4", "0", "8"]
    assert lines[3].split() == ["procedures", "1", "0", "5", "3", "2", "0", "0"]
    assert lines[4].split() == ["all", "3", "1", "1,239", "9", "6", "0", "8"]
    assert lines[5] == "1,239 records in 2.0 s (620/s), API version v2, in x.duckdb"
    assert lines[6] == (
        "30 requests, 4 of them retries, 1 answered 429; "
        "total waits of all requests: 2.5 s for rate limits"
    )


def test_failures_are_named_with_advice_once_for_each_kind() -> None:
    shards = [reported(shard(number), refusal()) for number in range(80)]
    shards.append(ShardReport(shard=shard(0, sweep=True), status="open"))
    text = failures_text(Report(shards=tuple(shards), stats=Stats(), seconds=1.0))
    assert text.startswith(
        "80 of 81 shards failed:\n  patients/demo/0: PermissionDeniedError: GET /patients"
    )
    assert text.count("patients/demo/") == 50
    assert "  and 30 more\n" in text
    assert text.count(advice(refusal())) == 1
    assert "1 shard depending on them could not be started" in text
    assert text.endswith("--resume to the command to read only these again.")
    done = Report(shards=(reported(shard(1)),), stats=Stats(), seconds=1.0)
    assert failures_text(done) == ""


def test_failures_of_different_kinds_have_different_advice() -> None:
    failure = ServerError("GET /patients: down", operation="GET /patients", status=500)
    shards = (reported(shard(1), refusal()), reported(shard(2), failure))
    text = failures_text(Report(shards=shards, stats=Stats(), seconds=1.0))
    assert f"PermissionDeniedError: {advice(refusal())}" in text
    assert f"ServerError: {advice(failure)}" in text
    assert advice(refusal()) != advice(failure)


# The terminal

on_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@on_a_terminal
def test_the_display_shows_the_total_and_the_active_shards(tmp_path: Path) -> None:
    with served(patients=1200) as sandbox:
        sandbox.latency = 0.1
        terminal = Terminal(
            "pull", "patients", "procedures", "--per-page", "100", "--concurrency", "1",
            "--to", str(tmp_path / "out"), env=environment(sandbox),
        )  # fmt: skip
        assert terminal.end() == 0
    plain = ESCAPES.sub(b"", terminal.shown)
    shown = rb"[\d,]+ records, \d of 3 shards, [\d,]+/s, (about|at least) 0:00:\d\d left"
    assert re.search(shown, plain)
    assert re.search(rb"  patients/sandbox-dental/\d+: [1-9][\d,]* of 1,200, \d+/s", plain)
    assert re.search(rb"\npatients +2 ", plain.replace(b"\r", b""))
    assert b"0:00:00 done" not in plain  # those are the lines of logs


@on_a_terminal
def test_ctrl_c_restores_the_terminal(tmp_path: Path) -> None:
    with served(patients=1500) as sandbox:
        sandbox.latency = 0.15
        terminal = Terminal(
            "pull", "patients", "--to", str(tmp_path / "out"), env=environment(sandbox)
        )
        before = termios.tcgetattr(terminal._fd)
        terminal.see(b" of 1,500")
        terminal.type(b"\x03")
        terminal.see(b"command to continue.")
        assert termios.tcgetattr(terminal._fd) == before
        assert terminal.end() == 130
    last = [terminal.shown.rfind(code) for code in (b"\x1b[?25l", b"\x1b[?25h")]
    assert last == sorted(last)  # the cursor was hidden, then shown again
    assert last[0] >= 0
    assert b"Traceback" not in terminal.shown, terminal.shown.decode(errors="replace")
    assert terminal.shown.rstrip().endswith(b"add --resume to the command to continue.")


@on_a_terminal
def test_quiet_shows_no_progress(tmp_path: Path) -> None:
    with served(patients=400) as sandbox:
        terminal = Terminal(
            "pull", "patients", "-q", "--to", str(tmp_path / "out"), env=environment(sandbox)
        )
        assert terminal.end() == 0
    assert terminal.shown == b""
