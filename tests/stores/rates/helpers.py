"""A fleet of processes, the sandbox they call, and a Redis connection that can be cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import frozen

__all__ = ["FleetProcess", "RequestLog", "fleet", "run_sandbox"]


class FleetProcess:
    """A process of `tests.stores.rates.processes`."""

    def __init__(self, role: str, options: dict[str, Any]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.stores.rates.processes", role, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "error::ResourceWarning"},
        )

    def heard(self) -> Any:
        """Wait for its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program ended"
        return json.loads(line)

    def say(self, line: str) -> None:
        """Let it continue."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Stop it in any state."""
        self.process.kill()
        self.process.communicate()


@frozen
class RequestLog:
    """Requests that the sandbox saw."""

    seen: Sequence[tuple[float, int | None, str]]
    now: float

    @property
    def refused(self) -> int:
        return sum(status == 429 for _, status, _ in self.seen)

    def times(self) -> list[float]:
        """Return the times of accepted requests."""
        return sorted(at for at, status, _ in self.seen if status != 429)

    def most_within(self, seconds: float) -> int:
        """Return the highest number of requests in any window of this length, rejected ones too."""
        times, begin, most = sorted(at for at, _, _ in self.seen), 0, 0
        for end, at in enumerate(times):
            while times[begin] <= at - seconds:
                begin += 1
            most = max(most, end - begin + 1)
        return most

    def by_process(self, since: float = 0.0, until: float = 1e18) -> Counter[str]:
        """Count accepted requests by the process that sent them."""
        return Counter(
            agent.split()[0]
            for at, status, agent in self.seen
            if status != 429 and since <= at < until
        )


@contextmanager
def run_sandbox(**options: Any) -> Generator[tuple[FleetProcess, dict[str, str]]]:
    """Run a sandbox; gives its process, its address and its key."""
    program = FleetProcess("serve", options)
    try:
        yield program, program.heard()
    finally:
        program.end()


def arrivals(program: FleetProcess) -> RequestLog:
    """Ask a sandbox for its requests."""
    program.say("report")
    return RequestLog(**program.heard())


@contextmanager
def fleet(count: int, **options: Any) -> Generator[list[FleetProcess]]:
    """Start processes together; all are ready before the first one calls."""
    programs = [FleetProcess("work", {**options, "name": f"p{at}"}) for at in range(count)]
    try:
        for program in programs:
            assert program.heard() == "ready"
        for program in programs:
            program.say("go")
        yield programs
    finally:
        for program in programs:
            program.end()
