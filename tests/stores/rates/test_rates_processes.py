"""Twelve processes and one key: the limits are kept, used up, and divided fairly.

With ``NEXHEALTH_FLEET_LONG`` set: for longer, also with fixed windows, and with a frozen Redis.
"""

from __future__ import annotations

import heapq
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from nexhealth_async._protocol.rate_limits import ANSWER_SLACK
from nexhealth_async.stores.hand import LEASE
from tests.stores.rates.helpers import RequestLog, arrivals, fleet, run_sandbox

pytestmark = pytest.mark.timeout(180)

COUNT, SECONDS = 60, 1.0
LIMITS = {"other": (COUNT, SECONDS)}
NO_COMMON_LIMIT = {"all": (10**6, 1.0), **LIMITS}
TASKS = 6
LONG = bool(os.environ.get("NEXHEALTH_FLEET_LONG"))
WINDOWS = 30 if LONG else 2
"""Number of windows for which the twelve are observed."""
SOME = 6 if LONG else 4
"""Number of processes that lose Redis."""


@frozen
class FleetRun:
    """Results of a fleet."""

    reports: list[dict[str, Any]]
    seen: RequestLog

    def trips(self) -> list[tuple[float, float]]:
        return sorted((left, back) for report in self.reports for left, back in report["trips"])

    def most_held(self, slack: float = ANSWER_SLACK) -> int:
        """Return the most permits held at once, according to the log."""
        most, ends = 0, list[float]()
        for left, back in self.trips():
            while ends and ends[0] <= left:
                heapq.heappop(ends)
            heapq.heappush(ends, min(back, left + slack) + SECONDS)
            most = max(most, len(ends))
        return most

    def late(self) -> int:
        """Count the requests that may have arrived later than the quarter second allowed."""
        return sum(back - left >= ANSWER_SLACK for left, back in self.trips())

    def common_time(self) -> tuple[float, float]:
        """Return the period in which all tasks of all processes were calling."""
        starts = [
            report["start"] + 1.0 for report in self.reports
        ]  # the tasks start within a second
        return max(starts), min(report["end"] for report in self.reports)

    def shares(self, since: float, until: float) -> Counter[str]:
        """Count the requests of each process."""
        found = Counter[str]()
        for report in self.reports:
            found[report["name"]] = sum(since <= left < until for left, _ in report["trips"])
        return found

    def idle(self) -> dict[str, float]:
        """Return the seconds for which a busy machine kept each process from asking for a permit.

        It was not run, or its tasks waited for late answers.
        """
        return {
            report["name"]: report["stalled"]
            + sum(max(0.0, back - left - ANSWER_SLACK) for left, back in report["trips"]) / TASKS
            for report in self.reports
        }

    def left_between(self, since: float, until: float) -> int:
        return sum(since <= left < until for left, _ in self.trips())

    def longest_gap(self) -> float:
        """Return the longest time without a request from any process."""
        left = [moment for moment, _ in self.trips()]
        return max(after - before for before, after in pairwise(left))


class RedisProcess:
    """A Redis server that can be killed, frozen and restarted on the same port."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [program, "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: S603 - a tool of this machine
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        pytest.fail("redis-server does not answer")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisProcess]:
    made = RedisProcess(tmp_path)
    yield made
    made.thaw()
    made.kill()


@contextmanager
def running(url: str, seconds: float, count: int, **options: Any) -> Generator[Any]:
    """Run a fleet; gives its processes, and a function that waits for them."""
    kind = options.pop("kind", "sliding")
    with run_sandbox(limits=NO_COMMON_LIMIT, kind=kind, phase=0.37, pause=1) as (program, at):
        given = {"redis": url, "limits": LIMITS, "tasks": TASKS, "seconds": seconds, **at}
        with fleet(count, **given, **options) as programs:

            def finish() -> FleetRun:
                alive = [one for one in programs if one.process.poll() is None]
                return FleetRun([one.heard() for one in alive], arrivals(program))

            yield programs, finish, program


@pytest.mark.parametrize("kind", ["fixed", "sliding"] if LONG else ["sliding"])
def test_twelve_processes_get_no_429_and_share_the_whole_limit(redis_url: str, kind: str) -> None:
    with running(redis_url, WINDOWS * SECONDS + 2.0, 12, kind=kind) as (_programs, finish, _box):
        run = finish()
    late = run.late()
    assert run.most_held() <= COUNT + late, "what is answered late holds its place for longer"
    assert run.seen.refused <= late, "only what arrived later than the log allows may be refused"
    since, until = run.common_time()
    span, idle = until - since, run.idle()
    assert span >= SECONDS, "the processes did not run together"
    used = run.left_between(since, until) / (span / SECONDS * COUNT)
    # What is answered late holds its place for longer, and a refusal stops all for a second.
    lost = late / (span * COUNT) + run.seen.refused / span + sum(idle.values()) / (12 * span)
    assert used >= 0.95 - lost
    shares = run.shares(since, until)
    even = shares.total() / 12
    short = {name for name in shares if shares[name] < 0.5 * even * (1 - idle[name] / span)}
    assert not short, (shares, idle)
    assert not any(report["failures"] for report in run.reports)


def test_a_429_of_one_process_slows_all(redis_url: str) -> None:
    with running(redis_url, 2.5, 4) as (_programs, finish, sandbox):
        time.sleep(1.2)
        sandbox.say("refuse")
        sandbox.heard()
        run = finish()
    refused = [at for at, status, _ in run.seen.seen if status == 429]
    assert refused
    # What was in hand when the 429 came may leave until the others have asked again.
    quiet = [at for at, _, _ in run.seen.seen if refused[0] + 0.6 < at < refused[0] + 0.99]
    assert not quiet


def test_the_permits_of_a_killed_process_are_freed(redis_url: str) -> None:
    with running(redis_url, 5.8, 3) as (programs, finish, _box):
        time.sleep(1.2)
        killed = time.monotonic()
        programs[0].process.kill()
        programs[0].process.wait()
        run = finish()
    after = killed + LEASE + ANSWER_SLACK + SECONDS + 0.5
    used = run.left_between(after, after + 2 * SECONDS) / (2 * COUNT)
    assert used >= 0.75, "two go on with what three had"


@pytest.mark.parametrize(
    "how", ["killed and restarted", "frozen"] if LONG else ["killed and restarted"]
)
def test_without_redis_the_fleet_stays_within_the_limits_and_recovers(
    server: RedisProcess, how: str
) -> None:
    with running(server.url, 7.5, SOME) as (_programs, finish, _box):
        time.sleep(1.5)
        server.kill() if how == "killed and restarted" else server.freeze()
        away = time.monotonic()
        time.sleep(3.0)
        server.start() if how == "killed and restarted" else server.thaw()
        run = finish()
    # Half a second until it counts as away, and a window that had been used up.
    assert run.longest_gap() <= 0.5 + SECONDS + ANSWER_SLACK + 0.5
    alone = run.left_between(away + 1.0, away + 3.0) / (2 * COUNT)
    assert 0.5 <= alone <= 1.0, "each goes on with its part"
    assert run.most_held() <= COUNT * (2 - 1 / SOME)
    assert not any(report["alone"] for report in run.reports), "all share again at the end"
    assert not any(report["failures"] for report in run.reports)


def test_without_redis_from_the_start_each_process_gets_an_eighth(server: RedisProcess) -> None:
    server.kill()
    with running(server.url, 2.5, 2) as (_programs, finish, _box):
        run = finish()
    server.start()
    assert run.most_held() <= 2 * (COUNT // 8)
    assert run.left_between(0, float("inf")) >= 2 * 2 * (COUNT // 8)
