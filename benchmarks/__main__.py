"""Run the benchmarks: ``python -m benchmarks [--quick] [--write]``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from benchmarks.concurrency import concurrency_report
from benchmarks.pull import pull_report
from benchmarks.report import surroundings

_RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, one round: shows that it runs, no more"
    )
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md as well")
    parser.add_argument("--rounds", type=int, help="how often each pull is timed")
    chosen = parser.parse_args()
    quick = bool(chosen.quick)
    rounds = chosen.rounds or (1 if quick else 7)
    text = "\n".join(
        (
            "# Results\n",
            f"{surroundings()}\n",
            *(("Quick run: these figures mean nothing.\n",) if quick else ()),
            "## Pulling a list\n",
            pull_report(records=1_200 if quick else 100_000, rounds=rounds),
            "## Asking ahead\n",
            concurrency_report(
                records=1_000 if quick else 10_000,
                latency=0.005 if quick else 0.1,
                jitter=0.004 if quick else 0.08,
                rounds=1 if quick else 3,
            ),
        )
    )
    print(text, end="")
    if chosen.write:
        _RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
