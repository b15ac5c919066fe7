"""The benchmarks run, compare like with like and check their counts. Speed is not asserted."""

from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path
from statistics import median

import msgspec
import pytest
from attrs import evolve, fields

from benchmarks import command
from benchmarks.auth_server import AuthServer
from benchmarks.compare import against
from benchmarks.concurrency import LATENCIES, PREFETCHES
from benchmarks.ideal import ideal
from benchmarks.measure import Figures, PullResult, Scale, WrongRecordsError, interleave, run
from benchmarks.ours import OURS
from benchmarks.peers import PEERS, peer_clients
from benchmarks.picture import draw_svg
from benchmarks.pull import LABELS, PLACES
from benchmarks.pull import tables as pull_tables
from benchmarks.records import FIRST_ID, RecordKind, odd_places, records
from benchmarks.server import RunningServer, serving
from benchmarks.stock import ServerData, ServerWindow, latency_of
from benchmarks.suite import SUITE
from benchmarks.targets import TARGETS, PerformanceTarget, targets
from nexhealth_async import models
from nexhealth_async.codec import Codec

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"


def rows_by_heading(report: str) -> dict[str, list[list[str]]]:
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


def invented(value: float = 1.0) -> Figures:
    """Return figures for pulls and prefetching, each a different number."""
    figures = Figures()
    for nth, ((kind, per_page), name) in enumerate(product(PLACES, LABELS)):
        for round_ in range(3):
            figures.add(f"pull.{kind}.{per_page}.{name}.cpu", value * (nth + 3 + round_))
            figures.add(f"pull.{kind}.{per_page}.{name}.wall", value * (nth + 4 + round_))
    for nth, (latency, prefetch) in enumerate(product(LATENCIES, PREFETCHES)):
        figures.add(f"ahead.{latency}.{prefetch}.rate", value * (1_000 + 37 * nth))
    return figures


@pytest.mark.timeout(180)
def test_a_quick_run_shows_every_case_draws_a_chart_and_names_no_path(tmp_path: Path) -> None:
    target, saved = tmp_path / "run.svg", tmp_path / "run.json"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "benchmarks", "--quick", "--picture", target, "--save", saved],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = done.stdout
    found = rows_by_heading(report)
    for benchmark in SUITE:
        assert f"## {benchmark.title}\n" in report
    for kind, per_page in PLACES:
        pulled = [row[0] for row in found[f"Pulling {kind} records, {per_page:,} a page"]]
        assert pulled == list(LABELS.values())
    for name in ("0", "20", "20 ± 16"):
        walked = [row[0] for row in found[f"Asking ahead, latency {name} ms"]]
        assert walked == [str(prefetch) for prefetch in PREFETCHES]
    for kind in ("light", "wide"):
        shares = [row[0] for row in found[f"Odd records among {kind} ones"]]
        assert shares == ["0%", "0.1%", "1%", "100%"]
    assert {row[0] for row in found["Compressed bodies and TLS, 1,000 light records a page"]} == {
        "plain",
        "gzip",
        "TLS",
    }
    assert len(found["What we hold ourselves to"]) == len(TARGETS)
    assert "Quick run: these figures mean nothing." in report
    values: dict[str, list[float]] = msgspec.json.decode(saved.read_bytes())["figures"]
    assert {name.partition(".")[0] for name in values} == {
        *("pull", "decode", "calls", "ahead", "cursor", "wire", "stall", "memory", "storm"),
        *("limiter", "imports", "backend", "bulk", "sharing"),
    }
    drawn = target.read_text("utf-8")
    assert ET.fromstring(drawn).tag == f"{SVG}svg"  # noqa: S314 - our own picture
    for text in (report, drawn, saved.read_text("utf-8")):
        assert str(ROOT) not in text


def test_every_peer_and_every_method_of_ours_is_in_the_pull() -> None:
    assert list(LABELS) == [peer.name for peer in PEERS] + list(OURS)


def test_the_charts_numbers_match_the_tables() -> None:
    figures = invented()
    root = ET.fromstring(draw_svg(figures, "an invented machine"))  # noqa: S314 - our own picture
    shown = [text.text or "" for text in root.iter(f"{SVG}text")]
    labels = {label.replace("*", "").replace("`", "") for label in LABELS.values()}
    bars = [(words, shown[at + 1]) for at, words in enumerate(shown) if words in labels]
    assert bars == [
        (row[0].replace("*", "").replace("`", ""), row[1].partition(" ")[0])
        for table in pull_tables(figures)
        if "1,000 a page" in table.title
        for row in table.rows
    ]
    for latency in LATENCIES[1:]:
        for prefetch in PREFETCHES:
            assert f"{median(figures[f'ahead.{latency}.{prefetch}.rate']):,.0f}" in shown
    assert "an invented machine" in shown


def test_a_longer_bar_has_a_larger_number() -> None:
    figures = invented()
    root = ET.fromstring(draw_svg(figures, ""))  # noqa: S314 - our own picture
    bars = [float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect")][1:]
    for kind, drawn in (("light", bars[: len(LABELS)]), ("wide", bars[len(LABELS) :])):
        expected = [median(figures[f"pull.{kind}.1000.{name}.cpu"]) for name in LABELS]
        assert drawn == [
            pytest.approx(max(drawn) * value / max(expected), abs=0.1) for value in expected
        ]


def test_a_caption_cannot_break_the_chart() -> None:
    root = ET.fromstring(draw_svg(invented(), "a < b & c"))  # noqa: S314 - our own picture
    assert "a < b & c" in [text.text for text in root.iter(f"{SVG}text")]


def test_a_difference_above_the_noise_is_marked() -> None:
    saved = Figures({"same": [1.0], "more": [1.0, 1.0, 9.0], "less": [1.0], "gone": [1.0]})
    now = Figures({"same": [1.14], "more": [1.2], "less": [0.8], "new": [1.0]})
    marks = {row[0]: (row[3], row[4]) for row in against(saved, now).rows}
    assert marks == {
        "same": ("1.14", ""),
        "more": ("1.20", "**more**"),
        "less": ("0.80", "**less**"),
        "new": ("", "new"),
    }


@pytest.mark.parametrize(
    "wrong",
    [
        PullResult(records=1),
        PullResult(sum_of_ids=4),
        PullResult(record_bytes=0),
        PullResult(body_bytes=31),
    ],
    ids=["records", "ids", "record bytes", "body bytes"],
)
def test_a_client_with_other_records_is_refused(wrong: PullResult) -> None:
    served = RunningServer(
        url="http://invented.example",
        stock=ServerData(records=2),
        record_bytes=20,
        body_bytes={300: 30},
    )
    PullResult(records=2, sum_of_ids=2 * FIRST_ID + 1, record_bytes=20, body_bytes=30).check(
        served, 300
    )
    with pytest.raises(WrongRecordsError):
        wrong.check(served, 300)


def test_a_pull_that_misses_a_record_stops_the_run() -> None:
    clients = {**peer_clients("light"), **{name: client for name, (_, client) in OURS.items()}}
    with serving(ServerData(records=20, per_page=(10,))) as served:
        more = evolve(
            served,
            stock=evolve(served.stock, records=19),
            body_bytes={10: served.body_bytes[10] + 1},
        )
        for name in ("bytes", "dicts", "cattrs", "walk", "pages", "raw", "raw_json"):
            run(clients[name], served, 10)
            with pytest.raises(WrongRecordsError):
                run(clients[name], more, 10)


@pytest.mark.parametrize(("kind", "size", "known"), [("light", 600, 22), ("wide", 1_650, 41)])
def test_records_have_the_size_and_shape_of_their_name(
    kind: RecordKind, size: int, known: int
) -> None:
    rows = records(kind, 100)
    names = {field.name for field in fields(models.Patient)}
    assert sum(map(len, rows)) / 100 == pytest.approx(size, rel=0.05)
    assert len(names & msgspec.json.decode(rows[0]).keys()) == known
    read = [Codec().decode(models.Patient, row) for row in rows]
    assert [patient.id for patient, _ in read] == list(range(FIRST_ID, FIRST_ID + 100))
    assert not any(repairs for _, repairs in read)


@pytest.mark.parametrize("kind", ["light", "wide"])
def test_malformed_records_are_refused_by_msgspec_and_read_by_the_library(kind: RecordKind) -> None:
    native = msgspec.json.Decoder(dict)
    rows = records(kind, 200, odd=0.1)
    places = odd_places(200, 0.1)
    assert len(places) == 20
    for place in places:
        assert native.decode(rows[place]) != native.decode(records(kind, 200)[place])
        patient, _ = Codec().decode(models.Patient, rows[place])
        assert patient.id == FIRST_ID + place
    assert len(odd_places(1_000, 0.001)) == 1
    assert len(odd_places(1_000, 1.0)) == 1_000
    assert not odd_places(1_000, 0.0)


@pytest.mark.parametrize(("pages", "prefetch"), [(100, 4), (100, 16), (34, 8), (2, 2)])
def test_without_jitter_the_ideal_is_a_formula(pages: int, prefetch: int) -> None:
    waves = 1 + math.ceil((pages - 2) / prefetch)
    assert ideal(ServerData(latency=0.1), pages, prefetch) == pytest.approx(0.1 * waves)


def test_with_jitter_the_ideal_uses_the_servers_latencies() -> None:
    stock = ServerData(latency=0.1, jitter=0.08)
    drawn = [latency_of(stock, page) for page in range(1, 101)]
    assert max(drawn) - min(drawn) > 0.1
    assert ideal(stock, 100, 1) == pytest.approx(sum(drawn))
    assert sum(drawn) / 8 < ideal(stock, 100, 8) < sum(drawn) / 8 + 3 * max(drawn)


def test_the_server_rejects_requests_over_its_limit() -> None:
    auth_server = AuthServer(ServerData(window=ServerWindow(2, 1.0, sliding=True)))
    refused = [auth_server.refusal(b"", moment) is not None for moment in (0.0, 0.5, 0.9, 1.1, 3.0)]
    assert refused == [False, False, True, True, False]
    assert len(auth_server.seen["too_many"]) == 2


def test_the_server_rejects_expired_tokens() -> None:
    auth_server = AuthServer(ServerData())
    auth_server.log_in(0.0)
    old = b"Authorization: Bearer 1.e30.x\r\n"
    assert auth_server.refusal(old, 1.0) is None
    auth_server.expire()
    assert auth_server.refusal(old, 2.0) is not None
    auth_server.log_in(3.0)
    assert auth_server.refusal(b"Authorization: Bearer 2.e30.x\r\n", 4.0) is None
    assert (len(auth_server.seen["logins"]), len(auth_server.seen["unauthorized"])) == (1, 1)


def test_every_case_goes_first_once() -> None:
    assert [interleave("abc", round_)[0] for round_ in range(4)] == ["a", "b", "c", "a"]


def test_a_target_is_met_by_the_median_and_an_unmeasured_one_is_reported() -> None:
    kept = PerformanceTarget(
        name="n", how="h", at_most=1.2, needs=("x",), values=lambda of: of["x"]
    )
    assert kept.is_met([1.1, 1.2, 9.0])
    assert not kept.is_met([1.1, 1.21, 9.0])
    least = PerformanceTarget(
        name="n", how="h", at_least=0.95, needs=("x",), values=lambda of: of["x"]
    )
    assert least.is_met([0.95])
    assert not least.is_met([0.94])
    shown = {row[-1] for row in targets(Figures()).rows}
    assert shown == {"not measured"}
    assert {row[-1] for row in targets(invented()).rows} == {"yes", "**no**", "not measured"}


def test_each_target_names_figures_of_a_run() -> None:
    names = {name.partition(".")[0] for target in TARGETS for name in target.needs}
    assert names == {
        *("pull", "decode", "calls", "ahead", "cursor", "stall", "memory", "limiter", "storm"),
        *("imports", "bulk"),
    }


def test_results_are_written_for_complete_runs_only() -> None:
    for partial in (["--quick", "--write"], ["--only", "imports", "--write"]):
        with pytest.raises(SystemExit):
            command.main(partial)


def test_a_quick_scale_is_small_and_a_long_benchmark_has_some_rounds() -> None:
    assert Scale(quick=True).of(1_000, 10) == 10
    assert Scale().of(1_000, 10) == 1_000
    assert [Scale(rounds=rounds).some(3) for rounds in (1, 3, 7)] == [1, 1, 3]
