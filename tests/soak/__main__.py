"""Run ``python -m tests.soak --walks 50000 --seed 1``; the exit status is 1 for a leak."""

from __future__ import annotations

import argparse
import asyncio
import sys
from time import monotonic

from tests.soak.run import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--walks", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=12)
    options = parser.parse_args()
    began = monotonic()

    def tell(line: str) -> None:
        sys.stdout.write(f"{monotonic() - began:6.0f} s {line}\n")
        sys.stdout.flush()

    report = asyncio.run(soak(options.walks, seed=options.seed, workers=options.workers, tell=tell))
    tell(f"closed: {report.after}")
    tell("how walks ended: " + ", ".join(f"{n:,} {o}" for o, n in report.outcomes.most_common()))
    collected = sum(look.uncollected for look in report.looks)
    tell(f"walks that the garbage collector had to end, at the looks: {collected}")
    for problem in (*report.leaks, *report.wrong):
        tell(f"LEAK OR LOSS: {problem}")
    return 1 if report.leaks or report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
