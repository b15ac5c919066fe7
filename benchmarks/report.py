"""Medians, spreads and tables."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median

__all__ = ["middle", "spread", "surroundings", "table"]

_LIBRARIES = ("nexhealth-async", "aiohttp", "msgspec", "attrs", "cattrs", "orjson")


def middle(values: Iterable[float], places: int = 2) -> str:
    """Show the median."""
    return f"{median(values):.{places}f}"


def spread(values: Sequence[float], places: int = 2) -> str:
    """Show the median, and the least and the greatest in parentheses."""
    return f"{median(values):.{places}f} ({min(values):.{places}f}-{max(values):.{places}f})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table in Markdown; every column but the first is of figures."""
    rule = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def surroundings() -> str:
    """Tell what a figure depends on: machine class, Python, libraries; nothing that names it."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    libraries = ", ".join(f"{name} {_version_of(name)}" for name in _LIBRARIES)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{datetime.now(UTC).date()}; {os.cpu_count()} cores ({platform.machine()}, "
        f"{sys.platform}), load average before the run {load}; {python}; {libraries}."
    )


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
