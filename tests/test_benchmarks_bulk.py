"""The benchmark of bulk pulls: its ideals, its charts, and its checks."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path
from statistics import median

import pytest
from attrs import evolve

from benchmarks.bulk_pace import CONCURRENCIES, LATENCIES, LIMITED, limits_table, pulled
from benchmarks.ideal import ideal
from benchmarks.measure import Figures, WrongRecordsError
from benchmarks.picture import draw_bulk_svg
from benchmarks.server import serving
from benchmarks.stock import ServerData, ServerWindow
from nexhealth_async import Rates
from nexhealth_async._protocol.rate_limits import ANSWER_SLACK, Limit

DOCS = Path(__file__).parent.parent / "docs"
SVG = "{http://www.w3.org/2000/svg}"


def invented() -> Figures:
    """Return a pace for each case, each a different number."""
    figures = Figures()
    for nth, (latency, one) in enumerate(product(LATENCIES, CONCURRENCIES)):
        for round_ in range(3):
            figures.add(f"bulk.pace.{latency}.{one}.rate", 1_000 + 37 * nth + round_)
    return figures


@pytest.mark.parametrize(
    ("latency", "hold"),
    [(0.02, 0.02), (ANSWER_SLACK / 2, ANSWER_SLACK / 2), (2 * ANSWER_SLACK, ANSWER_SLACK)],
    ids=["quick answers", "answers within the slack", "slow answers"],
)
def test_the_ideal_within_limits_is_the_sum_of_the_librarys_windows(
    latency: float, hold: float
) -> None:
    rates = Rates(overall=None, people=Limit(10, 2.0))
    # Twenty at once: pages 1 and 2, and eight more when the count is known, each ten a window.
    found = ideal(ServerData(latency=latency), 40, 20, rates)
    assert found == pytest.approx(3 * (2.0 + hold) + 2 * latency)


def test_unreached_limits_change_nothing() -> None:
    stock = ServerData(latency=0.1, jitter=0.08)
    assert ideal(stock, 50, 8, Rates(overall=Limit(50, 60.0))) == ideal(stock, 50, 8)


@pytest.mark.parametrize("name", LIMITED)
def test_a_limited_pull_is_bound_by_the_limits_and_not_by_the_latency(name: str) -> None:
    case = LIMITED[name]
    assert ideal(case.stock, case.pages, case.concurrency) < case.least / 2
    assert case.least <= case.ideal < 1.2 * case.least


def test_a_server_with_the_same_limit_rejects_nothing_of_a_limited_pull() -> None:
    window = ServerWindow(10, 0.5, sliding=True)
    rates = Rates(overall=None, people=Limit(10, 0.5))
    case = evolve(LIMITED["small"], rates=rates, window=window, pages=25)
    with serving(case.stock) as served:
        wall = asyncio.run(pulled(served, case.concurrency, 10, case.rates))
        assert served.seen()["too_many"] == []
        assert wall >= case.least
        with pytest.raises(WrongRecordsError):
            more = evolve(served, stock=evolve(served.stock, records=251))
            asyncio.run(pulled(more, case.concurrency, 10, case.rates))


def test_the_bulk_chart_shows_the_medians_and_a_line_for_each_latency() -> None:
    figures = invented()
    root = ET.fromstring(draw_bulk_svg(figures, "a < b"))  # noqa: S314 - our own picture
    shown = [text.text or "" for text in root.iter(f"{SVG}text")]
    for latency in LATENCIES:
        assert f"{latency} ms latency" in shown
        for one in CONCURRENCIES:
            assert f"{median(figures[f'bulk.pace.{latency}.{one}.rate']):,.0f}" in shown
    assert {str(concurrency) for concurrency in CONCURRENCIES} <= set(shown)
    assert "a < b" in shown
    heights = [
        [float(point.partition(",")[2]) for point in line.attrib["points"].split()]
        for line in root.iter(f"{SVG}polyline")
    ]
    # Each number is greater than the one before, and what is greater stands higher.
    flat = [height for line in heights for height in line]
    assert len(heights) == len(LATENCIES)
    assert flat == sorted(flat, reverse=True)
    assert len(set(flat)) == len(flat)


def test_unmeasured_cases_are_empty_in_the_table() -> None:
    figures = Figures({"bulk.limits.small.reached": [0.5]})
    rows = {row[0]: tuple(row[1:]) for row in limits_table(figures).rows}
    assert rows == {
        LIMITED["small"].label: ("", "0.50 (0.50-0.50)", "", ""),
        LIMITED["documented"].label: ("", "", "", ""),
    }


def test_the_published_chart_has_a_number_for_every_case() -> None:
    assert "](bulk.svg)" in (DOCS / "bulk.md").read_text("utf-8")
    root = ET.fromstring((DOCS / "bulk.svg").read_text("utf-8"))  # noqa: S314 - our own picture
    assert len(list(root.iter(f"{SVG}circle"))) == len(LATENCIES) * len(CONCURRENCIES)
