"""All benchmarks, by name and in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol, cast

from attrs import frozen

from benchmarks.measure import Figures, Scale
from benchmarks.report import Table

__all__ = ["SUITE", "Benchmark", "module_of"]


class BenchmarkModule(Protocol):
    """Interface of a benchmark module."""

    measure: Callable[[Scale, Figures], None]
    tables: Callable[[Figures], Sequence[Table]]


@frozen
class Benchmark:
    """One thing measured."""

    name: str
    title: str


SUITE = (
    Benchmark("pull", "Pulling a list"),
    Benchmark("decode", "Decoding"),
    Benchmark("calls", "Single calls"),
    Benchmark("backend", "Inside a web backend"),
    Benchmark("concurrency", "Asking ahead"),
    Benchmark("cursor", "Cursors"),
    Benchmark("wire", "Compression and TLS"),
    Benchmark("stall", "The event loop"),
    Benchmark("memory", "Memory"),
    Benchmark("storm", "Tokens"),
    Benchmark("limiter", "Limits"),
    Benchmark("bulk", "Bulk pulls"),
    Benchmark("sharing", "Limits kept by many processes"),
    Benchmark("imports", "Import"),
)


def module_of(benchmark: Benchmark) -> BenchmarkModule:
    """Load a benchmark; each is imported only when it is run or shown."""
    return cast("BenchmarkModule", import_module(f"benchmarks.{benchmark.name}"))
