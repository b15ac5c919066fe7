"""The soak test: many walks beside a misbehaving server, then a check of the resources."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from nexhealth_async import Limit, NexHealth, Rates, RetryPolicy
from tests.soak.measure import ResourceCounts, leaks, measure
from tests.soak.walkers import SoakWalks

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncGenerator, Callable

__all__ = ["SoakReport", "soak"]

_MEMORY = 4 * 1024 * 1024
_WARM = 0.1
"""Fraction of the walks after which everything is warm: pools, caches and the heap."""
_RATES = Rates(overall=Limit(300, 0.2), slow=None, people=None, other=None)
"""So small that walks wait for it now and then."""
_RETRY = RetryPolicy(attempts=4, base_delay=0.002, max_wait=0.01)


@define
class SoakReport:
    """Results of the soak test."""

    looks: list[ResourceCounts]
    outcomes: Counter[str]
    wrong: list[str]
    after: ResourceCounts | None = None
    """The last measurement, after the session was closed."""
    leaks: list[str] = Factory(list[str])


async def soak(
    walks: int,
    *,
    seed: int,
    workers: int = 12,
    looks: int = 10,
    tell: Callable[[str], object] = lambda _: None,
) -> SoakReport:
    """Make so many walks and return measurements from the start to the end."""
    rng = random.Random(seed)
    async with _server(seed) as address:
        nex = NexHealth(address["api_key"], base_url=address["url"], rates=_RATES, retry=_RETRY)
        async with nex:
            walkers = SoakWalks(
                nex.practice(address["subdomain"]).location(address["location_id"]),
                nex.with_options(version="v3")
                .practice(address["subdomain"])
                .location(address["location_id"]),
                address["patients"],
                rng,
            )
            report = SoakReport([], walkers.outcomes, walkers.wrong)
            done = 0
            for look in range(looks + 1):
                upto = round(walks * (_WARM + (1 - _WARM) * look / looks))
                await _walk(walkers, upto - done, workers)
                done = upto
                report.looks.append(await measure(nex, done))
                tell(str(report.looks[-1]))
        report.after = await measure(nex, done)
    report.leaks = leaks(report.looks, memory=_MEMORY, idle=8 * workers)
    # One socket to nobody would be one too many: all were opened after the session was.
    if report.after.files > min(look.files for look in report.looks):
        report.leaks.append(f"{report.after.files} descriptors after the session was closed")
    return report


async def _walk(walkers: SoakWalks, walks: int, workers: int) -> None:
    left = iter(range(walks))

    async def work() -> None:
        for _ in left:
            await walkers.one()

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())


@asynccontextmanager
async def _server(seed: int) -> AsyncGenerator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.soak.server",
        "--seed",
        str(seed),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        with suppress(ConnectionError):
            process.stdin.close()
        await process.wait()
