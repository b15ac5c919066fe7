"""Shared parts of the benchmarks: scale, figures, timing and checking of clients."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

from attrs import define, field, frozen

from benchmarks.server import RunningServer
from nexhealth_async import NexHealth, Rates
from nexhealth_async.scopes import LocationScope

__all__ = [
    "Client",
    "Figures",
    "PullResult",
    "Scale",
    "WrongRecordsError",
    "cpu_of",
    "interleave",
    "open_location",
    "timed",
]

T = TypeVar("T")


class WrongRecordsError(Exception):
    """A client did not deliver the server's records, so its time is meaningless."""


@frozen(kw_only=True)
class Scale:
    """Scale of a run."""

    rounds: int = 7
    quick: bool = False

    def of(self, full: T, quick: T) -> T:
        """Return the size for this scale."""
        return quick if self.quick else full

    def some(self, part: int) -> int:
        """Return the number of rounds of a long benchmark: a fraction of them, at least one."""
        return max(1, -(-self.rounds // part))


@define
class Figures:
    """Measurements by name; a list with one value for each round, aligned within a table."""

    values: dict[str, list[float]] = field(factory=dict[str, list[float]])

    def add(self, name: str, value: float) -> None:
        """Add the value of another round."""
        self.values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def ratios(self, of: str, to: str) -> list[float]:
        """Return the ratio within each round."""
        return [mine / theirs for mine, theirs in zip(self[of], self[to], strict=True)]


@frozen(kw_only=True)
class PullResult:
    """Summary of the records that a client delivered."""

    records: int | None = None
    sum_of_ids: int | None = None
    record_bytes: int | None = None
    body_bytes: int | None = None

    def check(self, served: RunningServer, per_page: int) -> None:
        """Compare with the server's records; raises `WrongRecordsError`."""
        expected = {
            "records": served.records,
            "sum_of_ids": served.sum_of_ids,
            "record_bytes": served.record_bytes,
            "body_bytes": served.body_bytes.get(per_page),
        }
        for name, number in expected.items():
            brought: int | None = getattr(self, name)
            if brought is not None and brought != number:
                raise WrongRecordsError(f"{name} is {brought}, and should be {number}")


Client: TypeAlias = Callable[[RunningServer, int], Awaitable[PullResult]]
"""Reads all records of a server, in pages of the given size."""


async def timed(client: Client, served: RunningServer, per_page: int) -> tuple[float, float]:
    """Return the CPU and wall-clock seconds of one pull, after checking its records."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    haul = await client(served, per_page)
    seconds = time.process_time() - cpu, time.perf_counter() - wall
    haul.check(served, per_page)
    return seconds


def cpu_of(work: Callable[[], object], times: int = 1) -> float:
    """Return the CPU seconds of a function whose result is discarded."""
    gc.collect()
    begin = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begin) / times


def interleave(cases: Sequence[T], round_: int) -> Sequence[T]:
    """Return the cases, rotated in each round, so that none always follows the same one."""
    at = round_ % len(cases)
    return (*cases[at:], *cases[:at])


@asynccontextmanager
async def open_location(
    served: RunningServer, *, warm: bool = False, rates: Rates | None = None, http: object = None
) -> AsyncGenerator[LocationScope, None]:
    """Open a session, logged in if it should be warm, and give the server's only location."""
    # The documented limits (1,000 requests a minute for patients) would be all that is measured.
    async with NexHealth(
        "invented-key",
        base_url=served.url,
        rates=rates or Rates.unlimited(),
        version="v3" if served.stock.cursor else "v2",
        http=http,  # type: ignore[arg-type]  # a canned session has what is used of aiohttp's
    ) as nex:
        if warm:
            await nex.log_in()
        yield nex.practice(served.subdomain).location(served.location_id)


def run(client: Client, served: RunningServer, per_page: int) -> tuple[float, float]:
    """Time a client in a separate event loop."""
    return asyncio.run(timed(client, served, per_page))
