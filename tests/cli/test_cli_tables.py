"""Tables on terminals of every width: nothing is left out without a sign."""

from __future__ import annotations

import pytest

from nexhealth_async._client.statistics import Stats
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async.bulk import Estimate, Report, Shard, ShardEstimate, ShardReport
from nexhealth_async.cli.pull_summary import estimate_text, report_text
from nexhealth_async.cli.table_columns import TableColumn
from nexhealth_async.cli.tables import TextTable

COLUMNS = (
    TableColumn("practice", ("a",), max_width=20, min_width=10),
    TableColumn("number", ("b",), max_width=12, min_width=6, align_right=True),
    TableColumn("zone", ("c",), max_width=20, min_width=10),
)
ROWS = [["Willow Dental Group", "331107", "America/New_York"], ["Oak", "5", "America/Chicago"]]


def table(width: int) -> TextTable:
    made = TextTable(COLUMNS, width=width, colour=False)
    made.lines(ROWS)
    return made


def drawn(width: int) -> list[str]:
    return TextTable(COLUMNS, width=width, colour=False).lines(ROWS).splitlines()


def test_a_wide_table_shows_every_column() -> None:
    assert drawn(60) == [
        "practice             number  zone",
        "───────────────────  ──────  ────────────────",
        "Willow Dental Group  331107  America/New_York",
        "Oak                       5  America/Chicago",
    ]


@pytest.mark.parametrize("width", range(20, 60))
def test_a_table_fits_its_terminal_and_marks_what_it_cuts(width: int) -> None:
    lines = drawn(width)
    assert max(map(len, lines)) <= width
    shown = [title for title in ("practice", "number", "zone") if title in lines[0]]
    assert (*shown, *table(width).hidden_columns) == ("practice", "number", "zone")
    if "Willow Dental Group" not in lines[2]:
        assert "…" in lines[2]


def test_omitted_columns_are_named() -> None:
    assert drawn(24) == [
        "practice          number",
        "────────────────  ──────",
        "Willow Dental G…  331107",
        "Oak                    5",
    ]
    assert table(24).hidden_columns == ("zone",)
    assert table(12).hidden_columns == ("number", "zone")
    assert table(60).hidden_columns == ()
    assert TextTable(COLUMNS, width=60, colour=False).hidden_columns == ()


def report() -> Report:
    def one(resource: str, *, records: int, pages: int, duplicates: int = 0) -> ShardReport:
        shard = Shard(resource=resource, version="v2", subdomain="demo")
        return ShardReport(
            shard=shard, status="done", records=records, pages=pages, duplicates=duplicates
        )

    shards = (
        one("patients", records=12345, pages=42, duplicates=3),
        one("providers", records=1, pages=1),
    )
    return Report(
        shards=shards, stats=Stats(requests=44), seconds=2.0, deleted={"patients/demo": 1}
    )


def test_a_summary_too_wide_for_a_table_is_shown_as_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert report_text(report(), label="x.duckdb").splitlines() == [
        "patients: 1 shard, 12,345 records, 42 pages, 3 duplicates, 1 deleted",
        "providers: 1 shard, 1 record, 1 page",
        "all: 2 shards, 12,346 records, 43 pages, 3 duplicates, 1 deleted",
        "12,346 records in 2.0 s (6,173/s), API version v2, in x.duckdb",
        "44 requests",
        "duplicates: records read more than once, from another list or a /sweep, and stored once.",
    ]


@pytest.mark.parametrize("width", ["72", "80", "200"])
def test_a_summary_as_a_table_has_all_its_columns(
    monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = report_text(report(), label="x.duckdb").splitlines()
    assert lines[0].split() == [
        "resource", "shards", "failed", "records", "pages", "duplicates", "rejected", "deleted",
    ]  # fmt: skip
    assert lines[2].split() == ["patients", "1", "0", "12,345", "42", "3", "0", "1"]


def estimate(*, answer_seconds: float | None) -> Estimate:
    shard = Shard(
        resource="appointments",
        version="v2",
        subdomain="demo",
        location_id=331107,
        window=("2000-01-01T00:00:00Z", "2037-01-01T00:00:00Z"),
        sweep=True,
    )
    one = ShardEstimate(
        shard=shard,
        rate=RateClass.SLOW,
        records=0,
        pages=1,
        requests=2,
        at_least=False,
        sequential=2,
    )
    return Estimate(
        shards=(one,), requests=3, at_least=False, seconds=0.0, answer_seconds=answer_seconds
    )


def test_names_of_shards_are_never_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "appointments/demo/331107/2000-01-01..2037-01-01/sweep"
    monkeypatch.setenv("COLUMNS", "40")
    text = estimate_text(estimate(answer_seconds=None), concurrency=8)
    assert text.startswith(f"{name}: 2 requests\n")
    monkeypatch.setenv("COLUMNS", "100")
    text = estimate_text(estimate(answer_seconds=None), concurrency=8)
    assert text.splitlines()[2].split() == [name, "0", "2"]


def test_a_dry_run_uses_the_pace_of_its_own_counting() -> None:
    measured = estimate_text(estimate(answer_seconds=1.5), concurrency=8)
    assert (
        "at 1.50 s per response (measured while counting), the pull takes about 4.5 s or more,"
        in measured
    )
    unknown = estimate_text(estimate(answer_seconds=None), concurrency=8)
    assert "at 0.3 s per response, the pull takes about 0.9 s\n" in unknown
