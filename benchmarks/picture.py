"""Charts of a run as SVG, for light and dark pages: bars and lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, log10
from statistics import median
from xml.sax.saxutils import escape

from attrs import frozen

from benchmarks.bulk_pace import CONCURRENCIES
from benchmarks.bulk_pace import LATENCIES as BULK_LATENCIES
from benchmarks.concurrency import LATENCIES, PREFETCHES
from benchmarks.measure import Figures
from benchmarks.pull import LABELS
from benchmarks.records import RecordKind
from benchmarks.report import median_text

__all__ = ["draw_bulk_svg", "draw_svg"]

_WIDTH = 860
_LEFT = 250
"""Left edge of the bars, in pixels; their labels are to the left of it."""
_ROW = 22
_STYLE = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; }
  .paper { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; font-size: 11px; }
  .title { font-weight: 600; font-size: 15px; } .ours-text { font-weight: 600; }
  .peer { fill: #8c959f; } .ours { fill: #0969da; } .axis { stroke: #d1d9e0; stroke-width: 1; }
  .line { fill: none; stroke-width: 2; } .l0 { stroke: #0969da; } .l1 { stroke: #1a7f37; }
  .l2 { stroke: #9a6700; } .d0 { fill: #0969da; } .d1 { fill: #1a7f37; } .d2 { fill: #9a6700; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .peer { fill: #656c76; } .ours { fill: #4493f8; } .axis { stroke: #3d444d; }
    .l0 { stroke: #4493f8; } .l1 { stroke: #3fb950; } .l2 { stroke: #d29922; }
    .d0 { fill: #4493f8; } .d1 { fill: #3fb950; } .d2 { fill: #d29922; }
  }
"""


def draw_svg(figures: Figures, caption: str) -> str:
    """Draw the figures of pulls at 1,000 a page and of prefetching."""
    parts: list[str] = []
    top = 20
    for kind in ("light", "wide"):
        if f"pull.{kind}.1000.walk.cpu" in figures:
            drawn, top = _bars(figures, kind, top)
            parts += drawn
    ahead = {
        latency: [figures[f"ahead.{latency}.{prefetch}.rate"] for prefetch in PREFETCHES]
        for latency in LATENCIES
        if latency and f"ahead.{latency}.1.rate" in figures
    }
    if ahead:
        title = "Records a second by prefetch, 300 a page (higher is better)"
        drawn, top = _lines(title, "prefetch", PREFETCHES, ahead, top)
        parts += drawn
    about = "Benchmarks of nexhealth_async: CPU of pulls, and speed by prefetch"
    return _sheet(about, caption, parts, top)


def draw_bulk_svg(figures: Figures, caption: str) -> str:
    """Draw the pace of bulk pulls by latency and concurrency."""
    pace = {
        latency: [figures[f"bulk.pace.{latency}.{one}.rate"] for one in CONCURRENCIES]
        for latency in BULK_LATENCIES
        if f"bulk.pace.{latency}.{CONCURRENCIES[0]}.rate" in figures
    }
    parts: list[str] = []
    top = 20
    if pace:
        title = "Records a second of a bulk pull, 300 a page, no limits kept (higher is better)"
        parts, top = _lines(title, "requests under way", CONCURRENCIES, pace, top)
    about = "Benchmarks of nexhealth_async: speed of bulk pulls by latency and concurrency"
    return _sheet(about, caption, parts, top)


def _sheet(about: str, caption: str, parts: Sequence[str], top: int) -> str:
    lines = list(_wrapped(caption, 135))
    below = [_text(20, top + 15 * nth, line, "quiet") for nth, line in enumerate(lines)]
    height = top + 15 * len(lines) + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="t">\n'
        f'<title id="t">{escape(about)}</title>\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="6"/>\n'
        + "\n".join([*parts, *below])
        + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(words)}</text>"


def _wrapped(words: str, width: int) -> Iterable[str]:
    line = ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _bars(figures: Figures, kind: RecordKind, top: int) -> tuple[list[str], int]:
    """Draw a bar for each client; a bar that is too long is cut and shows its value."""
    seconds = {
        name: [cpu / 10 for cpu in figures[f"pull.{kind}.1000.{name}.cpu"]] for name in LABELS
    }
    room = _WIDTH - _LEFT - 90
    longest = max(median(values) for values in seconds.values())
    title = f"CPU seconds to pull 100,000 {kind} records, 1,000 a page (shorter is better)"
    parts = [_text(20, top + 6, title, "title")]
    y = top + 18
    for name, label in LABELS.items():
        ours = "*" in label
        words = label.replace("*", "").replace("`", "")
        values = seconds[name]
        length = max(1.0, median(values) / longest * room)
        place = f'x="{_LEFT}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 6}" rx="2"'
        parts += [
            _text(_LEFT - 8, y + 14, words, "ours-text" if ours else "", "end"),
            f'<rect {place} class="{"ours" if ours else "peer"}"/>',
            _text(_LEFT + length + 6, y + 14, median_text(values), "ours-text" if ours else ""),
        ]
        y += _ROW
    parts.append(f'<line x1="{_LEFT}" y1="{top + 16}" x2="{_LEFT}" y2="{y}" class="axis"/>')
    return parts, y + 34


@frozen
class _Frame:
    """Plot area of a line chart; both axes are logarithmic."""

    steps: Sequence[int]
    top: float
    lowest: int
    highest: int
    left: float = 90
    right: float = _WIDTH - 150
    height: float = 240

    def x(self, place: int) -> float:
        """Return the x coordinate of a step, by its index."""
        return self.left + 20 + place * (self.right - self.left - 40) / (len(self.steps) - 1)

    def y(self, rate: float) -> float:
        """Return the y coordinate of a rate."""
        share = (log10(rate) - self.lowest) / (self.highest - self.lowest)
        return self.top + self.height * (1 - share)


def _lines(
    title: str,
    axis: str,
    steps: Sequence[int],
    series: Mapping[int, Sequence[Sequence[float]]],
    top: int,
) -> tuple[list[str], int]:
    """Draw a line for each latency."""
    medians = [median(rates) for rates_of in series.values() for rates in rates_of]
    frame = _Frame(
        steps=steps,
        top=top + 36,
        lowest=int(log10(min(medians))),
        highest=max(ceil(log10(max(medians))), int(log10(min(medians))) + 1),
    )
    parts = [
        _text(20, top + 6, title, "title"),
        *_axes(frame, axis),
    ]
    for nth, (latency, rates) in enumerate(series.items()):
        parts += _line(frame, nth, f"{latency} ms latency", rates)
    return parts, int(frame.top + frame.height + 70)


def _axes(frame: _Frame, axis: str) -> list[str]:
    parts: list[str] = []
    for power in range(frame.lowest, frame.highest + 1):
        y = frame.y(10.0**power)
        parts += [
            f'<line x1="{frame.left}" y1="{y:.1f}" x2="{frame.right}" y2="{y:.1f}" class="axis"/>',
            _text(frame.left - 8, y + 4, f"{10**power:,}", "quiet", "end"),
        ]
    below = frame.top + frame.height
    for place, step in enumerate(frame.steps):
        parts.append(_text(frame.x(place), below + 18, str(step), "quiet", "middle"))
    parts += [
        _text((frame.left + frame.right) / 2, below + 36, axis, "quiet", "middle"),
        _text(20, frame.top - 12, "records/s (logarithmic)", "quiet"),
    ]
    return parts


def _line(frame: _Frame, nth: int, label: str, rates: Sequence[Sequence[float]]) -> list[str]:
    points = [(frame.x(place), frame.y(median(values))) for place, values in enumerate(rates)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" class="line l{nth}"/>']
    for (x, y), values in zip(points, rates, strict=True):
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="d{nth}"/>',
            _text(x, y - 8, median_text(values, 0), "quiet", "middle"),
        ]
    x, y = points[-1]
    return [*parts, _text(x + 30, y + 4, label, f"d{nth}")]
