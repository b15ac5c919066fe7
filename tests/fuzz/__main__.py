"""Run ``python -m tests.fuzz``: coverage-guided fuzzing of one target or of all.

Corpus, logs and findings go to a folder outside of the repository: a new temporary one, or the one
that ``--folder`` names, where an earlier run is continued.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz import engine
from tests.fuzz.cases import OPEN


def main() -> int:
    """Fuzz the selected targets; the status is 1 if there is a new finding."""
    options = _options()
    if not engine.INSTALLED:
        sys.stderr.write("atheris is not installed; `nox -s fuzz` brings it where it exists\n")
        return 2
    names = engine.instrumented()
    names_to_run = options.target or names
    if unknown := sorted(set(names_to_run) - set(names)):
        sys.stderr.write(f"no such target: {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    folder = options.folder or Path(tempfile.mkdtemp(prefix="nexhealth-fuzz-"))
    seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    sys.stdout.write(f"folder {folder}, seed {seed}\n")
    bad = 0
    for name in names_to_run:
        outcome = engine.fuzz(name, folder, seconds=options.seconds, runs=options.runs, seed=seed)
        fell = "" if outcome.clean_exit else f", STOPPED: see {outcome.log}"
        sys.stdout.write(
            f"{name}: {outcome.runs} runs, {outcome.edges} branches, "
            f"{len(outcome.findings)} findings{fell}\n"
        )
        for signature in outcome.findings:
            sys.stdout.write(f"  {'KNOWN' if signature in OPEN else 'FOUND'} {signature}\n")
        sys.stdout.flush()
        bad += bool(set(outcome.findings) - OPEN) or not outcome.clean_exit
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--seconds", type=int, default=0, help="for each target")
    parser.add_argument("--runs", type=int, default=0, help="for each target, instead of seconds")
    parser.add_argument("--seed", type=int, default=0, help="repeat a run")
    parser.add_argument("--folder", type=Path, help="corpus, logs and findings")
    options = parser.parse_args()
    if not options.seconds and not options.runs:
        options.seconds = 60
    return options


if __name__ == "__main__":
    sys.exit(main())
