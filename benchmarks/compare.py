"""Comparison of this run's figures with saved ones."""

from __future__ import annotations

from statistics import median

from benchmarks.measure import Figures
from benchmarks.report import Table, range_text

__all__ = ["NOISE", "against"]

NOISE = 0.15
"""Relative differences below this are noise."""


def against(saved: Figures, now: Figures) -> Table:
    """Format the medians of both runs side by side, and mark those that differ."""
    rows: list[tuple[str, ...]] = []
    for name, values in now.values.items():
        if name not in saved:
            rows.append((name, "", range_text(values), "", "new"))
            continue
        before, after = median(saved[name]), median(values)
        if not before:
            rows.append(
                (name, range_text(saved[name]), range_text(values), "", "differs" * (after > 0))
            )
            continue
        ratio = after / before
        mark = ""
        if ratio > 1 + NOISE:
            mark = "**more**"
        elif ratio < 1 / (1 + NOISE):
            mark = "**less**"
        rows.append((name, range_text(saved[name]), range_text(values), f"{ratio:.2f}", mark))
    return Table(
        title="Against the saved figures",
        note="Marked where the medians differ by more than 15 %. Only figures of the same machine "
        "compare, and not even those if it was busy.",
        heads=("figure", "saved", "now", "now / saved", "mark"),
        rows=rows,
    )
