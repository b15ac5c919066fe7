"""Run ``python -m tests.pagination.drift.long_run --steps 1000000 --seed 1``.

Every walk has a seed made of the run's seed and its number, so that a failing one can be repeated
alone: ``--seed 1 --walk 4711``. The exit status is 1 for a failure. With ``--hypothesis`` the state
machine takes the steps, in batches with separate seeds. That takes longer, and shrinks its
findings; ``--walk`` names the batch.

``--hypothesis`` lets the state machine take the steps instead of plain chance, in batches with
seeds of their own. That takes longer, and shrinks what it finds; ``--walk`` names the batch.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
import traceback
from collections import Counter

from nexhealth_async.pagination.page_plans import Drift
from tests.pagination.drift.changing_list import KINDS, DriftingList, Kind, ListKind, Sort
from tests.pagination.drift.promises import judge
from tests.pagination.drift.steps import DriftStage, WalkOptions, play

__all__ = ["main", "options", "walk"]

_DRIFTS: tuple[Drift, ...] = ("watch", "verify", "verify", "ignore")


def options(rng: random.Random) -> WalkOptions:
    """Draw the options of a walk."""
    cursor = rng.random() < 0.25
    sorts: tuple[Sort, ...] = ("id", "updated_at", "-updated_at") if cursor else _NUMBERED_SORTS
    return WalkOptions(
        listed=ListKind(
            paging="cursor" if cursor else "numbered",
            sort=rng.choice(sorts),
            active_only=rng.random() < 0.4,
        ),
        per_page=rng.randint(1, 5),
        cap=rng.choice([300, 300, 2, 3]),
        prefetch=rng.randint(0, 4),
        drift="watch" if cursor else rng.choice(_DRIFTS),
        passes=rng.choice([4, 4, 4, 0, 1, 2]),
        limit=rng.choice([None, None, None, None, rng.randint(0, 20)]),
        by_page=rng.random() < 0.4,
    )


_KINDS: tuple[tuple[Kind, ...], ...] = (KINDS, KINDS, KINDS, ("swap", "move"), ("swap",))
"""Draw the kinds of changes: all of them, or only those that keep the count."""
_NUMBERED_SORTS: tuple[Sort, ...] = ("", "", "id", "updated_at", "-updated_at")


async def walk(seed: str, tally: Counter[str]) -> None:
    """Run one walk to its end and judge it."""
    rng = random.Random(seed)
    chosen = options(rng)
    changing_list = DriftingList(chosen.listed, rng.randint(0, 18), cap=chosen.cap)
    stage = DriftStage(changing_list, chosen)
    busy = rng.choice([0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
    kinds = rng.choice(_KINDS)
    steps, changes = await play(stage, rng, most=400, busy=busy, kinds=kinds)
    tally["steps"] += steps
    tally["mutations"] += changes
    tally["requests"] += len(stage.witness.counts)
    tally["records"] += len(stage.got)
    tally["cancelled"] += stage.cancelled
    tally["failed requests"] += stage.failed
    tally["resumed"] += stage.parts > 1
    tally["walks"] += 1
    tally[f"{stage.kind}: {judge(stage)}"] += 1
    if stage.drift == "watch" and stage.witness.openings > 1 and stage.parts == 1:
        tally["watch: saw a sign and verified"] += 1


def batch(number: int, examples: int = 200) -> None:
    """Let hypothesis run some walks by page number and some by cursor."""
    from hypothesis import HealthCheck, Phase, seed, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.pagination.drift.state_machine import CursorWalks, NumberedWalks

    for machine, share in ((NumberedWalks, 4), (CursorWalks, 1)):
        run_state_machine_as_test(
            seed(number)(machine),
            settings=settings(
                max_examples=examples * share // 5,
                stateful_step_count=50,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )


def _run(arguments: argparse.Namespace, tally: Counter[str]) -> int:
    number = arguments.walk or 0
    with asyncio.Runner() as runner:
        while tally["steps"] < arguments.steps:
            try:
                if arguments.hypothesis:
                    batch(arguments.seed * 1_000_000 + number)
                else:
                    runner.run(walk(f"{arguments.seed} {number}", tally))
            except Exception:  # noqa: BLE001 - whatever it is, the seed must be told
                traceback.print_exc()
                again = f"{'--hypothesis ' * arguments.hypothesis}--seed {arguments.seed}"
                sys.stderr.write(f"broken: play it again with {again} --walk {number}\n")
                return 1
            if arguments.walk is not None:
                break
            number += 1
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run until so many steps are taken, and print statistics."""
    parser = argparse.ArgumentParser(prog="python -m tests.pagination.drift.long_run")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--walk", type=int, help="play this walk only")
    parser.add_argument("--hypothesis", action="store_true", help="let the state machine play")
    arguments = parser.parse_args(argv)
    tally: Counter[str] = Counter()
    if arguments.hypothesis:
        from tests.pagination.drift.state_machine import TALLY as tally  # noqa: N811 - it takes its place
    began = time.perf_counter()
    status = _run(arguments, tally)
    for name, number in sorted(tally.items()):
        sys.stdout.write(f"{name:36} {number:>10,}\n")
    sys.stdout.write(f"{'promises broken':36} {status:>10,}\n")
    sys.stdout.write(f"{'seconds':36} {time.perf_counter() - began:>10,.1f}\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
