"""Coverage-guided fuzzing with atheris: one forked process for each target.

A finding does not stop a run: it is stored once for each signature in the folder of findings.
Atheris has wheels for Linux only, and is untyped.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import random
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["INSTALLED", "FuzzResult", "fuzz", "instrumented"]

INSTALLED = find_spec("atheris") is not None

_SLOWNESS = 4.0
"""Generous factor for the cost of counting branches."""
_LONGEST_INPUT = 16_384
_MOST_MEMORY = 2048
"""Megabytes of a process above which libFuzzer reports a finding."""
_HANGS = 60
"""Seconds for one input above which libFuzzer reports a finding."""
_RUNS = re.compile(rb"^#(\d+)\s", re.MULTILINE)
_COVERED = re.compile(rb"cov: (\d+)")


@frozen(kw_only=True)
class FuzzResult:
    """Result of fuzzing one target."""

    name: str
    runs: int
    edges: int
    """Branches seen, as libFuzzer counts them."""
    findings: tuple[str, ...]
    """Signatures of the findings."""
    clean_exit: bool
    """False if libFuzzer itself stopped: a crash of the interpreter, a hang, too much memory."""
    log: Path


def instrumented() -> tuple[str, ...]:
    """Import the package and the targets instrumented; return the targets' names.

    Must come before anything else imports the package.
    """
    atheris = _atheris()
    chatter = redirect_stderr(io.StringIO())
    with chatter, atheris.instrument_imports(include=["nexhealth_async"]):
        targets = importlib.import_module("tests.fuzz.targets")
        models = importlib.import_module("nexhealth_async.models")
        for name in models.__all__:
            getattr(models, name)
        importlib.import_module("nexhealth_async.session")
    return tuple(targets.TARGETS)


def _atheris() -> Any:
    return importlib.import_module("atheris")


def fuzz(name: str, folder: Path, *, seconds: int = 0, runs: int = 0, seed: int = 0) -> FuzzResult:
    """Fuzz one target in a separate process, for so many seconds or runs."""
    corpus, found = folder / "corpus" / name, folder / "findings" / name
    log = folder / f"{name}.log"
    for one in (corpus, found):
        one.mkdir(parents=True, exist_ok=True)
    arguments = [
        f"-max_len={_LONGEST_INPUT}",
        f"-rss_limit_mb={_MOST_MEMORY}",
        f"-timeout={_HANGS}",
        f"-artifact_prefix={found}/stopped-",
        f"-seed={seed}",
        "-print_final_stats=1",
        *([f"-max_total_time={seconds}"] if seconds else []),
        *([f"-runs={runs}"] if runs else []),
        str(corpus),
    ]
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child, which libFuzzer ends
        _child(name, corpus, found, log, arguments)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said = log.read_bytes()
    counts = [int(number) for number in _RUNS.findall(said)]
    edges = [int(number) for number in _COVERED.findall(said)]
    signatures = [path.read_text() for path in sorted(found.glob("*.txt"))]
    return FuzzResult(
        name=name,
        runs=max(counts, default=0),
        edges=max(edges, default=0),
        findings=tuple(signatures),
        clean_exit=status == 0 and not list(found.glob("stopped-*")),
        log=log,
    )


def _child(  # pragma: no cover
    name: str, corpus: Path, found: Path, log: Path, arguments: Sequence[str]
) -> None:
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
            os.dup2(file.fileno(), 1)
        _begin(name, corpus, found, arguments)
    finally:
        os._exit(3)


def _begin(  # pragma: no cover
    name: str, corpus: Path, found: Path, arguments: Sequence[str]
) -> None:
    from tests.fuzz.findings import TARGETS, Finding, judge
    from tests.fuzz.mutations import mutated

    atheris = _atheris()
    one = TARGETS[name]
    for data in one.seeds():
        (corpus / sha256(data).hexdigest()[:16]).write_bytes(data)
    known: set[str] = set()
    ran = 0

    def feed(data: bytes) -> None:
        nonlocal ran
        ran += 1
        if ran % 5_000 == 0:
            gc.collect()
        try:
            judge(one, data, slowness=_SLOWNESS)
        except Finding as finding:
            if finding.signature in known:
                return
            known.add(finding.signature)
            path = found / f"{len(known):03}"
            path.with_suffix(".bin").write_bytes(data)
            path.with_suffix(".txt").write_text(finding.signature)
            path.with_suffix(".why").write_text(str(finding), errors="backslashreplace")

    def mutate(data: bytes, longest: int, dice: int) -> bytes:
        if dice % 2:
            return bytes(atheris.Mutate(data, longest))
        rng = random.Random(dice)
        return mutated(data, rng, rng.randrange(1, 4))[:longest]

    atheris.Setup([sys.argv[0], *arguments], feed, custom_mutator=mutate)
    atheris.Fuzz()
