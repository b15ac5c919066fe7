"""Medians, spreads, tables, and the environment of a run."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from attrs import field, frozen

__all__ = ["Table", "machine", "median_text", "range_text", "versions"]

_LIBRARIES = (
    "nexhealth-async",
    "aiohttp",
    "msgspec",
    "attrs",
    "cattrs",
    "orjson",
    "httpx",
    "pydantic",
)


@frozen(kw_only=True)
class Table:
    """A table of figures with its notes."""

    title: str
    note: str = ""
    heads: Sequence[str]
    rows: Sequence[Sequence[str]] = field(converter=tuple[Sequence[str], ...])

    def markdown(self) -> str:
        """Format it; every column but the first holds figures."""
        rule = ["---", *("---:" for _ in self.heads[1:])]
        lines = [f"| {' | '.join(row)} |" for row in (self.heads, rule, *self.rows)]
        note = f"{self.note}\n\n" if self.note else ""
        return f"### {self.title}\n\n{note}" + "\n".join(lines) + "\n"


def median_text(values: Iterable[float], places: int = 2) -> str:
    """Format the median."""
    return f"{median(values):,.{places}f}"


def range_text(values: Sequence[float], places: int = 2) -> str:
    """Format the median, with minimum and maximum in parentheses."""
    return f"{median(values):,.{places}f} ({min(values):,.{places}f}-{max(values):,.{places}f})"


def machine() -> str:
    """Describe the kind of machine and its load, without identifying it."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{datetime.now(UTC).date()}; {os.cpu_count()} shared cores ({platform.machine()}, "
        f"{sys.platform}), load average before the run {load}"
    )


def versions() -> str:
    """Name Python and the libraries with their versions."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return ", ".join((python, *(f"{name} {_version_of(name)}" for name in _LIBRARIES)))


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
