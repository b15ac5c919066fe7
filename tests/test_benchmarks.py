"""The benchmarks run and compare like with like. What they measure is asserted nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tables(report: str) -> dict[str, list[list[str]]]:
    """Return the rows of each table, by the heading above it."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in report.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|") and not line.startswith("| ---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return {heading: lines[1:] for heading, lines in found.items()}


def test_a_quick_run_shows_every_client_and_prefetch_and_how_each_was_checked() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = tables(run.stdout)
    for per_page in (300, 1000):
        checked = {row[0]: row[-1] for row in found.pop(f"{per_page} a page")}
        assert checked.pop("plain aiohttp, bytes only") == "bytes"
        assert checked.pop("walk `.raw_json()`, bytes") == "bytes; sum of ids untimed"
        assert checked.keys() >= {"walk, models", "walk `.raw()`, dicts"}
        assert list(checked.values()) == ["sum of ids"] * 3
    walked = [[row[0] for row in lines] for lines in found.values()]
    assert walked == [["0", "1", "2", "4", "8", "16"]] * 2
    assert ["+/-" in heading for heading in found] == [False, True]
    assert str(ROOT) not in run.stdout, "results name no paths"


def test_a_client_that_brings_other_records_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    from benchmarks.pull import Haul, WrongRecordsError
    from benchmarks.server import Served

    served = Served(
        url="http://invented.example",
        subdomain="invented-dental",
        location_id=1,
        records=2,
        sum_of_ids=3,
        record_bytes=20,
        body_bytes={300: 30},
    )
    Haul(records=2, sum_of_ids=3).check(served, 300)
    for wrong in (Haul(records=1), Haul(sum_of_ids=4), Haul(record_bytes=0), Haul(body_bytes=31)):
        with pytest.raises(WrongRecordsError):
            wrong.check(served, 300)
