"""A small soak test with every kind of fault; ``python -m tests.soak --walks 50000`` is longer."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.soak.measure import ResourceCounts, leaks
from tests.soak.run import soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is held")


def test_walks_left_in_every_way_leak_nothing() -> None:
    report = asyncio.run(soak(250, seed=7, looks=2))
    assert not report.wrong
    assert not [leak for leak in report.leaks if "memory" not in leak and "objects" not in leak]
    assert len(report.outcomes) > 8, "hardly anything happened to the walks"


def look(**other: int) -> ResourceCounts:
    held = dict.fromkeys(("walks", "rss", "objects", "uncollected", "files", "tasks"), 0)
    return ResourceCounts(**{**held, "connections": 0, "places": 0, **other})


@pytest.mark.parametrize(
    "grown",
    [
        {"rss": 2_000_000},
        {"files": 9},
        {"objects": 5_000},
        {"tasks": 1},
        {"connections": 1},
        {"places": 1},
    ],
    ids=str,
)
def test_each_kind_of_growth_is_called_a_leak(grown: dict[str, int]) -> None:
    assert leaks([look(), look(**grown)], memory=1_000_000, idle=8)
    assert not leaks([look(), look()], memory=1_000_000, idle=8)
