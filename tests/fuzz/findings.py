"""Fuzz targets, and the kinds of findings: a crash, a leak, or too much time.

A target is a function of bytes. It may raise anything: `judge` turns foreign errors into a
`Finding`, and checks that our own errors show no value.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from attrs import field, frozen

import nexhealth_async
from nexhealth_async import NexHealthError

__all__ = [
    "SENTINEL",
    "TARGETS",
    "ChoiceReader",
    "Finding",
    "FuzzTarget",
    "judge",
    "private",
    "target",
]

T = TypeVar("T")
Run: TypeAlias = Callable[[bytes], None]

SENTINEL = "Zaphquill"
"""Sentinel for personal data: the seeds hold it as values, and no message may show it."""

PACKAGE = Path(nexhealth_async.__file__).parent
_PATIENCE = 2.0
"""Seconds of CPU that one input may take, at any length."""
_PATIENCE_PER_BYTE = 5e-6


class Finding(AssertionError):
    """A promise was broken; equal ``signature`` means the same defect."""

    def __init__(self, signature: str, detail: str = "") -> None:
        super().__init__(f"{signature}\n{detail}" if detail else signature)
        self.signature = signature


@frozen(kw_only=True)
class FuzzTarget:
    """One entry point for untrusted bytes."""

    name: str
    run: Run = field(repr=False)
    choices: int
    """Number of leading bytes that choose rows, versions or options; the payload follows."""
    seeds: Callable[[], list[bytes]] = field(repr=False)
    """Seeds with wide coverage, to be mutated."""


TARGETS: dict[str, FuzzTarget] = {}
"""Every target by name; `tests.fuzz.targets` fills it."""


def target(*, choices: int = 0, seeds: Callable[[], list[bytes]]) -> Callable[[Run], Run]:
    """Register a function as a target, under its name with hyphens."""

    def enter(run: Run) -> Run:
        name = run.__name__.replace("_", "-")
        TARGETS[name] = FuzzTarget(name=name, run=run, choices=choices, seeds=seeds)
        return run

    return enter


class ChoiceReader:
    """Reads choices from the front of an input; the rest is the payload."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def number(self, limit: int) -> int:
        """Return a number below the limit; 0 once the input is used up."""
        first, self.rest = self.rest[:1], self.rest[1:]
        return (first[0] if first else 0) % limit

    def pick(self, among: Sequence[T]) -> T:
        return among[self.number(len(among))]


def judge(fuzz_target: FuzzTarget, data: bytes, *, slowness: float = 1.0) -> None:
    """Run a target; raises `Finding` and nothing else.

    ``slowness`` is the factor by which instrumentation slows the code down.
    """
    started = time.thread_time()
    try:
        fuzz_target.run(data)
    except Finding:
        raise
    except NexHealthError as error:
        private(error)
    except Exception as error:  # noqa: BLE001 - whatever is raised is the finding
        crash = Finding(_signature(fuzz_target, error), "".join(traceback.format_exception(error)))
        raise crash from None
    took = time.thread_time() - started
    if took > (_PATIENCE + _PATIENCE_PER_BYTE * len(data)) * slowness:
        raise Finding(f"{fuzz_target.name}: too slow", f"{took:.1f} s for {len(data)} bytes")


def private(error: BaseException) -> None:
    """Raise a `Finding` if an error, or one it is chained to, shows the sentinel."""
    for at, link in enumerate(_chain(error)):
        for text in (str(link), repr(link)):
            if SENTINEL in text:
                where = "" if at == 0 else f" chained to a {type(link).__name__}"
                raise Finding(f"a {type(error).__name__}{where} shows a value", text[:300])


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [
                fuzz_target
                for fuzz_target in (link.__cause__, link.__context__)
                if fuzz_target is not None
            ]


def _signature(fuzz_target: FuzzTarget, error: Exception) -> str:
    """Name a crash by the innermost line of the package in its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else fuzz_target.name
    return f"{type(error).__name__} from {place}"
