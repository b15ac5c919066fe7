"""Cost of sharing the rate limits with other processes, with a Redis on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from benchmarks.measure import Figures, Scale
from benchmarks.report import Table, range_text
from nexhealth_async import Rates
from nexhealth_async._client.rate_limiter import RateLimiter
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Limit, SharedRates

__all__ = ["measure", "tables"]

_ROOMY = Limit(100_000, 1.0)
_RATES = Rates(overall=_ROOMY, slow=None, people=Limit(1_000_000, 60.0), other=None)
_CASES = {"alone": "`Rates()`", "shared": "**`RedisRates(...)`**"}
_TASKS = 20
_TRIP = 0.02
"""Seconds that a request takes: 20 tasks then make up to 1,000 requests a second."""


async def _requests(rates: Rates | SharedRates, each: int) -> tuple[float, float, float]:
    """Return CPU and waiting time in microseconds, and Redis calls, for each request."""
    limiter = RateLimiter(rates, "invented")
    waited = 0.0

    async def task() -> None:
        nonlocal waited
        loop = asyncio.get_running_loop()
        for _ in range(each):
            started = loop.time()
            permit = limiter.try_acquire(RateClass.PEOPLE, started) or await limiter.acquire(
                RateClass.PEOPLE, background=False, deadline=None
            )
            waited += loop.time() - started
            await asyncio.sleep(_TRIP)
            limiter.complete(permit, answered=True)

    cpu = time.process_time()
    await asyncio.gather(*(task() for _ in range(_TASKS)))
    cpu = time.process_time() - cpu
    turns = limiter.turns
    limiter.close()
    await limiter.aclose()
    number = _TASKS * each
    return cpu / number * 1e6, waited / number * 1e6, turns / number


@contextmanager
def _redis() -> Generator[str | None]:
    """Run a server on a Unix socket; gives None where Redis is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        path = Path(folder, "redis.sock")
        server = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            while not path.exists() and server.poll() is None:
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            os.kill(server.pid, signal.SIGTERM)
            server.wait()


def measure(scale: Scale, figures: Figures) -> None:
    """Measure the same requests with local limits and with shared ones."""
    each = scale.of(150, 10)
    with _redis() as url:
        for _ in range(scale.some(2)):
            for name in _CASES:
                rates: Rates | SharedRates = _RATES
                if name == "shared":
                    if url is None:
                        continue
                    from nexhealth_async.stores import RedisRates

                    rates = cast("SharedRates", RedisRates(url, _RATES))
                cpu, waited, turns = asyncio.run(_requests(rates, each))
                figures.add(f"sharing.{name}.cpu", cpu)
                figures.add(f"sharing.{name}.waited", waited)
                figures.add(f"sharing.{name}.turns", turns)


def tables(figures: Figures) -> list[Table]:
    """Format the results."""
    return [
        Table(
            title="A request's way through the gates",
            note="20 tasks whose requests take 20 ms each, limits that are never reached, Redis on "
            "a socket of the same machine. The CPU includes the tasks' own waiting.",
            heads=("limits", "CPU µs", "waited µs", "questions to Redis a request"),
            rows=[
                (
                    label,
                    range_text(figures[f"sharing.{name}.cpu"]),
                    range_text(figures[f"sharing.{name}.waited"]),
                    range_text(figures[f"sharing.{name}.turns"], 3),
                )
                for name, label in _CASES.items()
                if f"sharing.{name}.cpu" in figures
            ],
        )
    ]
