"""The library's performance targets as data, and the report on how a run met them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from attrs import frozen

from benchmarks.measure import Figures
from benchmarks.report import Table, range_text

__all__ = ["TARGETS", "PerformanceTarget", "targets"]


@frozen(kw_only=True)
class PerformanceTarget:
    """One target: a bound, and the values of a run that it bounds."""

    name: str
    how: str
    at_most: float | None = None
    at_least: float | None = None
    needs: Sequence[str]
    values: Callable[[Figures], Sequence[float]]
    places: int = 2

    @property
    def bound(self) -> str:
        """The bound as text."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return f"≥ {self.at_least:g}"

    def is_met(self, values: Sequence[float]) -> bool:
        """Tell whether the median is within the bound."""
        middle = median(values)
        if self.at_most is not None:
            return middle <= self.at_most
        return self.at_least is not None and middle >= self.at_least


def _ratio(name: str, how: str, of: str, to: str, **bound: float) -> PerformanceTarget:
    return PerformanceTarget(
        name=name,
        how=how,
        needs=(of, to),
        values=lambda figures: figures.ratios(of, to),
        **bound,  # type: ignore[arg-type]  # at_most or at_least
    )


def _plain(name: str, how: str, of: str, **bound: float) -> PerformanceTarget:
    return PerformanceTarget(
        name=name,
        how=how,
        needs=(of,),
        values=lambda figures: figures[of],
        **bound,  # type: ignore[arg-type]  # at_most or at_least
    )


_PULL = "pull.{}.1000.{}.cpu"


def _pulls() -> list[PerformanceTarget]:
    made: list[PerformanceTarget] = []
    for kind, most in (("light", 1.2), ("wide", 0.8)):
        ours = _PULL.format(kind, "walk")
        name = f"CPU of a decoded pull, 1,000 a page, {kind}"
        for peer, label, bound in (("dicts", "x aiohttp + orjson, dicts", {"at_most": most}),):
            made.append(_ratio(name, label, ours, _PULL.format(kind, peer), **bound))
        for peer, label, least in (
            ("cattrs", "cattrs alone, x ours", 4.0),
            ("generated", "generated httpx client, x ours", 5.0),
        ):
            made.append(_ratio(name, label, _PULL.format(kind, peer), ours, at_least=least))
    return made


def _decodes() -> list[PerformanceTarget]:
    made: list[PerformanceTarget] = []
    for kind in ("light", "wide"):
        base = f"decode.{kind}."
        for way, label, most in (
            ("pages", "whole page", 1.4),
            ("walk", "streamed", 1.8),
        ):
            how = f"a whole `{way}` from memory, x msgspec.Struct"
            made.append(
                _ratio(f"decode, {label}, {kind}", how, base + way, base + "struct", at_most=most)
            )
        made.append(
            _ratio(
                f"decode, record by record, {kind}",
                "`Codec.decode` alone, x msgspec.Struct",
                base + "codec",
                base + "struct",
                at_most=1.8,
            )
        )
        made.append(
            _ratio(
                f"1 % odd records, {kind}",
                "x the clean page, none lost",
                base + "odd.0.01",
                base + "odd.0",
                at_most=1.2,
            )
        )
    return made


def _calls() -> list[PerformanceTarget]:
    return [
        _ratio(
            "CPU per request at 5 a page",
            "walk, models, x aiohttp reading bytes",
            "pull.light.5.walk.cpu",
            "pull.light.5.bytes.cpu",
            at_most=1.15,
        ),
        _ratio(
            "CPU per single call",
            "`patients.get`, model, x aiohttp reading bytes",
            "calls.get",
            "calls.bytes",
            at_most=1.15,
        ),
        _plain("token, limit and bookkeeping, us", "nothing waits", "calls.keeping", at_most=3.0),
    ]


def _concurrency_targets() -> list[PerformanceTarget]:
    made: list[PerformanceTarget] = []
    for latency in (100, 300):
        for jitter, varies in (("", ""), ("j", " ± 80 %")):
            made += [
                _plain(
                    f"concurrent pull, {latency} ms{varies}, prefetch {prefetch}",
                    "ideal / wall; the ideal replays the server's latencies",
                    f"ahead.{latency}{jitter}.{prefetch}.reached",
                    at_least=0.95,
                )
                for prefetch in (4, 8, 16)
            ]
    made += [
        _ratio(
            f"cursor pull, latency 20 ms, {kind}",
            "rate x the plain walk",
            f"cursor.{kind}.plain",
            f"cursor.{kind}.ahead",
            at_least=1.08,
        )
        for kind in ("light", "wide")
    ]
    return made


def _memory_targets() -> list[PerformanceTarget]:
    made = [
        _plain(
            f"stall at 1,000 a page, {kind}{beside}",
            "p99 ms of CPU between two beats, first call included",
            f"stall.{kind}.{name}.cpu",
            at_most=most,
        )
        for kind, most in (("light", 3.0), ("wide", 8.0))
        for name, beside in (("walk", ""), ("walk-heap", ", beside 500,000 objects"))
    ]
    for name, label, most in (
        ("watch.8", "prefetch 8, above 10 bytes an id", 12.0),
        ("ignore.8", "prefetch 8, no ids", 12.0),
        ("watch.1", "prefetch 1, above 10 bytes an id", 6.0),
        ("ignore.1", "prefetch 1, no ids", 6.0),
        ("cursor.1", "cursors", 6.0),
    ):
        made += [
            _plain(
                f"memory, 1,000,000 records, {label}",
                "peak rise, MB",
                f"memory.{name}.above",
                at_most=most,
            ),
            _plain(
                f"memory, 1,000,000 records, {label}",
                "drift in the second half, MB",
                f"memory.{name}.crept",
                at_most=2.0,
            ),
        ]
    return made


def _bulk() -> list[PerformanceTarget]:
    name = "1,000,000 records to Parquet"
    made = [
        _ratio(name, "CPU x the walk", "bulk.parquet.cpu", "bulk.walk.cpu", at_most=2.0),
        _plain(name, "growth in the second half, MB above ids", "bulk.parquet.crept", at_most=10.0),
        _ratio(
            "bulk pull, latency 20 ms",
            "wall x by hand",
            "bulk.ours.wall",
            "bulk.asyncio.wall",
            at_most=1.0,
        ),
    ]
    made += [
        _plain(
            f"bulk pull, {latency} ms, {concurrency} at once",
            "ideal / wall",
            f"bulk.pace.{latency}.{concurrency}.reached",
            at_least=0.95,
        )
        for latency in (100, 300)
        for concurrency in (4, 8, 16)
    ]
    for limits, label in (("small", "20 a second"), ("documented", "the documented limits")):
        name = f"bulk pull within {label}"
        made += [
            _plain(name, "ideal / wall", f"bulk.limits.{limits}.reached", at_least=0.95),
            _plain(name, "429s", f"bulk.limits.{limits}.too_many", at_most=0),
        ]
    return made


def _shared() -> list[PerformanceTarget]:
    made: list[PerformanceTarget] = []
    for name in ("fixed.10", "sliding.10", "sliding.200"):
        kind, _, latency = name.partition(".")
        label = f"limits of a server with {kind} windows, {latency} ms"
        made += [
            _plain(label, "429s", f"limiter.{name}.too_many", at_most=0),
            _plain(label, "pace x N / (W + 0.25 s)", f"limiter.{name}.reached", at_least=0.97),
        ]
    name = "100 tasks meeting an expired token"
    made += [
        _plain(name, "logins", "storm.known.logins", at_most=1),
        _plain(name, "rejections, `exp` known", "storm.known.rejected", at_most=0),
        _plain(name, "requests' time above the login's", "storm.known.requests", at_most=1.3),
        _plain(f"{name}, `exp` unknown", "logins", "storm.unknown.logins", at_most=1),
        _ratio(
            "import", "CPU x `import aiohttp`", "imports.session", "imports.aiohttp", at_most=1.15
        ),
    ]
    return made


TARGETS: tuple[PerformanceTarget, ...] = (
    *_pulls(),
    *_decodes(),
    *_calls(),
    *_concurrency_targets(),
    *_memory_targets(),
    *_bulk(),
    *_shared(),
)


def targets(figures: Figures) -> Table:
    """Format which targets this run met, and which it did not measure."""
    rows: list[tuple[str, ...]] = []
    for target in TARGETS:
        if not all(name in figures for name in target.needs):
            rows.append((target.name, target.how, target.bound, "", "not measured"))
            continue
        values = target.values(figures)
        met = "yes" if target.is_met(values) else "**no**"
        rows.append((target.name, target.how, target.bound, range_text(values, target.places), met))
    return Table(
        title="What we hold ourselves to",
        note="Each is the median of this run; ratios are of the same round.",
        heads=("what", "how", "target", "measured", "met"),
        rows=rows,
    )
