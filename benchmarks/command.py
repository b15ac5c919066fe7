"""The command ``python -m benchmarks``; see README.md here."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.compare import against
from benchmarks.measure import Figures, Scale
from benchmarks.picture import draw_bulk_svg, draw_svg
from benchmarks.report import machine, versions
from benchmarks.suite import SUITE, module_of
from benchmarks.targets import targets

__all__ = ["main"]

_RESULTS = Path(__file__).with_name("RESULTS.md")
_DOCS = Path(__file__).parents[1] / "docs"


def _chosen(arguments: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in SUITE]
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, one round: shows that it runs, no more"
    )
    parser.add_argument(
        "--write", action="store_true", help="write benchmarks/RESULTS.md and docs/*.svg"
    )
    parser.add_argument("--rounds", type=int, help="how often everything is timed; 7")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--save", type=Path, metavar="FILE", help="save all figures as JSON")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="compare with saved figures")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw docs/benchmarks.svg here"
    )
    parser.add_argument("--bulk-picture", type=Path, metavar="FILE", help="draw docs/bulk.svg here")
    chosen = parser.parse_args(arguments)
    if chosen.write and (chosen.quick or len(chosen.only) < len(names)):
        parser.error("--write writes whole runs only: leave out --quick and --only")
    return chosen


def _save(target: Path | None, figures: Figures, caption: str) -> None:
    """Save the results so far, so that an interrupted run keeps them."""
    if target is not None:
        content = {"made": caption, "figures": figures.values}
        target.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run the selected benchmarks and print the report."""
    chosen = _chosen(arguments)
    quick = bool(chosen.quick)
    scale = Scale(rounds=chosen.rounds or (1 if quick else 7), quick=quick)
    place, made_with = machine(), versions()
    caption = f"{place}; {made_with}; {scale.rounds} interleaved rounds"
    figures = Figures()
    sections: list[str] = []
    for benchmark in SUITE:
        if benchmark.name not in chosen.only:
            continue
        begin = time.perf_counter()
        module = module_of(benchmark)
        module.measure(scale, figures)
        took = time.perf_counter() - begin
        _save(chosen.save, figures, caption)
        print(f"{benchmark.name}: {took:.0f} s", file=sys.stderr)
        drawn = "\n".join(table.markdown() for table in module.tables(figures))
        sections.append(f"## {benchmark.title}\n\n{drawn}")
    text = "\n".join(
        (
            "# Results\n",
            f"{caption}.",
            "Medians (least-greatest); differences under 15 % are noise.\n",
            *(("Quick run: these figures mean nothing.\n",) if quick else ()),
            f"## Targets\n\n{targets(figures).markdown()}",
            *sections,
        )
    )
    print(text, end="")
    if chosen.compare:
        saved: dict[str, list[float]] = json.loads(chosen.compare.read_text("utf-8"))["figures"]
        print("\n" + against(Figures(saved), figures).markdown(), end="")
    if chosen.write:
        _RESULTS.write_text(text, encoding="utf-8")
    whole = chosen.write
    for target, draw in (
        (chosen.picture or (whole and _DOCS / "benchmarks.svg"), draw_svg),
        (chosen.bulk_picture or (whole and _DOCS / "bulk.svg"), draw_bulk_svg),
    ):
        if target:
            target.parent.mkdir(exist_ok=True)
            target.write_text(draw(figures, caption), encoding="utf-8")
