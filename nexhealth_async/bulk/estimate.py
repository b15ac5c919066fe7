"""What a pull would cost, before it is begun: records, requests, and the least time they take.

What is asked of the server, one small request per list that has a count, is apart from the
arithmetic, which is pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

import anyio
from attrs import asdict, define, field, frozen

from nexhealth_async._protocol.operations import Paging, RateClass
from nexhealth_async._protocol.rate_limits import LIMITS_OF_CLASS, Limit, Rates
from nexhealth_async.bulk.resource_facts import ResourceFacts, facts
from nexhealth_async.bulk.shard_filters import walk_arguments
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.errors import (
    InvalidAPIKeyError,
    InvalidArgumentError,
    NexHealthError,
    UsageError,
    VersionNotEnabledError,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from nexhealth_async._client.client import Client
    from nexhealth_async.pagination.page_plans import Drift

__all__ = [
    "CountResult",
    "Estimate",
    "ShardEstimate",
    "count_records",
    "estimate",
    "estimate_from_counts",
    "min_seconds",
]


@frozen(kw_only=True)
class CountResult:
    """How many records the lists of a shard have."""

    counts: tuple[int | None, ...]
    """By list; None where the API does not say."""
    error: str | None = None
    """Why counting failed: the error's class and text, free of personal data."""
    seconds: float | None = None
    """How long a count took on average, waiting for the limits included."""


@frozen(kw_only=True)
class ShardEstimate:
    """What one shard would cost."""

    shard: Shard
    rate: RateClass
    records: int | None
    """What its lists count together; None where the API does not say.

    Records that stand in several shards of a group are counted in each but delivered once.
    """
    pages: int | None
    requests: int
    """Requests it takes if nothing changes and nothing fails meanwhile, without the login.

    Where pages are asked for ahead, a list of one page may cost a second request.
    """
    at_least: bool
    """Whether it may take more requests, since the API does not tell how long the list is."""
    sequential: int
    """Requests of which each must wait for the answer to the one before."""
    error: str | None = None
    """Why it could not be counted; the pull itself would likely fail there too."""


@frozen(kw_only=True)
class Estimate:
    """What a pull would cost at the least."""

    shards: tuple[ShardEstimate, ...]
    requests: int
    """All requests, the login included."""
    at_least: bool
    """Whether it may be more requests, since some lists do not tell how long they are."""
    seconds: float
    """When the last request can leave at the earliest, by the limits alone."""
    answer_seconds: float | None = None
    """How long half of the counts took at the most; None where nothing could be counted.

    A count is a page of one record: full pages take a server longer. Waiting for the limits is
    part of it.
    """

    def cost(self, price_per_call: Decimal) -> Decimal:
        """Return what all requests cost at the least, at a price that your contract tells.

        What a contract leaves free is not taken off.
        """
        if not price_per_call.is_finite() or price_per_call < 0:
            raise InvalidArgumentError("price_per_call must be an amount of money, not below 0")
        return self.requests * price_per_call

    def seconds_at(self, *, latency: float, concurrency: int = 8) -> float:
        """Return the least seconds until the last answer, if each takes ``latency`` to come.

        Each rate class has so many requests under way at most; pages behind cursors, and the lists
        of a shard, follow each other; the limits hold as well.
        """
        if latency < 0 or concurrency < 1:
            raise InvalidArgumentError("latency must not be below 0, nor concurrency below 1")
        lanes: dict[RateClass, int] = dict.fromkeys(RateClass, 0)
        for one in self.shards:
            lanes[one.rate] += one.requests
        rounds = max(-(-requests // concurrency) for requests in lanes.values())
        chain = max((one.sequential for one in self.shards), default=0)
        return max(self.seconds + latency, (1 + max(rounds, chain)) * latency)


async def estimate(
    caller: Client,
    shards: Iterable[Shard],
    *,
    rates: Rates | None = None,
    drift: Drift = "verify",
    per_page: int | None = None,
    concurrency: int = 8,
) -> Estimate:
    """Count what the server counts, with one small request per numbered list, and reckon the rest.

    The caller must be bound to no practice and no location. A list that cannot be counted is told
    with its error; only a key or a version that is refused ends the estimate.
    """
    every = tuple(shards)
    tallies = await count_records(caller, every, concurrency=concurrency)
    return estimate_from_counts(every, tallies, rates=rates, drift=drift, per_page=per_page)


async def count_records(
    caller: Client, shards: Sequence[Shard], *, concurrency: int = 8
) -> Mapping[str, CountResult]:
    """Ask how many records the lists of each shard have; returns tallies by the shards' names."""
    found: dict[str, CountResult] = {}
    fatal: list[NexHealthError] = []
    limiter = anyio.CapacityLimiter(concurrency)

    async def count(shard: Shard) -> None:
        async with limiter:
            try:
                found[shard.name] = await _count_shard(caller, shard)
            except NexHealthError as error:
                fatal.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for shard in shards:
            if facts(shard.resource, shard.version).paging is Paging.NUMBERED:
                tasks.start_soon(count, shard)
    if fatal:
        raise fatal[0]
    return found


async def _count_shard(caller: Client, shard: Shard) -> CountResult:
    counts: list[int | None] = []
    began = anyio.current_time()
    for filters in shard.lists:
        endpoint, arguments, ids = walk_arguments(shard, filters)
        try:
            counts.append(await caller.walk(endpoint, arguments, *ids).count())
        except (InvalidAPIKeyError, VersionNotEnabledError, UsageError):
            raise
        except NexHealthError as error:
            nothing = (None,) * len(shard.lists)
            return CountResult(counts=nothing, error=f"{type(error).__name__}: {error}")
    seconds = (anyio.current_time() - began) / max(1, len(counts))
    return CountResult(counts=tuple(counts), seconds=seconds)


def estimate_from_counts(
    shards: Iterable[Shard],
    count_results: Mapping[str, CountResult],
    *,
    rates: Rates | None = None,
    drift: Drift = "verify",
    per_page: int | None = None,
) -> Estimate:
    """Work out requests and least time; shards without a tally are lists of unknown length."""
    every = tuple(
        _estimate_shard(shard, count_results.get(shard.name), drift=drift, per_page=per_page)
        for shard in shards
    )
    taken = [one.seconds for one in count_results.values() if one.seconds is not None]
    wanted: dict[RateClass, int] = dict.fromkeys(RateClass, 0)
    for one in every:
        wanted[one.rate] += one.requests
    return Estimate(
        shards=every,
        requests=1 + sum(wanted.values()),
        at_least=any(one.at_least for one in every),
        seconds=min_seconds(wanted, rates or Rates(), logins=1),
        answer_seconds=median(taken) if taken else None,
    )


def min_seconds(
    requests_by_class: Mapping[RateClass, int], rates: Rates | None = None, *, logins: int = 0
) -> float:
    """Return how long after the first the last of so many requests leaves at the earliest.

    No order of requests can be faster. It is exact for requests of one class; of several classes
    that compete within one limit some may have to wait longer than that.
    """
    rates = rates or Rates()
    limits: Mapping[str, Limit | None] = asdict(rates, recurse=False)
    together: list[tuple[int, tuple[str, ...]]] = [
        (sum(requests_by_class.values()) + logins, ("overall",))
    ]
    for names in LIMITS_OF_CLASS.values():
        counted = [rate for rate, others in LIMITS_OF_CLASS.items() if {*names} <= {*others}]
        together.append((sum(requests_by_class.get(rate, 0) for rate in counted), names))
    return max(_last_leaves(number, map(limits.get, names)) for number, names in together)


def _estimate_shard(
    shard: Shard, count_result: CountResult | None, *, drift: Drift, per_page: int | None
) -> ShardEstimate:
    about = facts(shard.resource, shard.version)
    counts = count_result.counts if count_result else (None,) * len(shard.lists)
    known = [count for count in counts if count is not None]
    certain = len(known) == len(counts)
    pages = [_pages(about, count, per_page) for count in counts]
    twice = drift == "verify" and about.paging is Paging.NUMBERED
    # One page is proof of itself; of more, page 1 goes ahead of the rest, in either pass.
    requests = [number * (2 if twice and number > 1 else 1) for number in pages]
    rounds = [min(number, 2) * (2 if twice and number > 1 else 1) for number in pages]
    whole = about.paging is Paging.WHOLE
    return ShardEstimate(
        shard=shard,
        rate=about.rate,
        records=sum(known) if certain else None,
        pages=sum(pages) if certain or whole else None,
        requests=sum(requests),
        at_least=not certain and not whole,
        sequential=sum(rounds),
        error=count_result.error if count_result else None,
    )


def _pages(facts: ResourceFacts, count: int | None, per_page: int | None) -> int:
    size = per_page or facts.row.max_per_page or 1
    return max(1, -(-(count or 0) // size))


@define
class _LimitSimulation:
    """The departures that still count in one limit, in lots that left together."""

    limit: Limit
    used: int = 0
    reservations: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]])

    def room(self, now: float) -> int:
        """Return how many may leave now."""
        while self.reservations and self.next_release() <= now:
            self.used -= self.reservations.popleft()[1]
        return self.limit.count - self.used

    def reserve(self, now: float, number: int) -> None:
        self.used += number
        self.reservations.append((now, number))

    def next_release(self) -> float:
        """Return when the oldest lot stops counting."""
        return self.reservations[0][0] + self.limit.seconds


def _last_leaves(number: int, limits: Iterable[Limit | None]) -> float:
    """Return when the last of so many requests leaves, all of which count in all of the limits."""
    meters = [_LimitSimulation(limit) for limit in limits if limit is not None]
    now = 0.0
    while meters and number > 0:
        room = min(number, *(meter.room(now) for meter in meters))
        for meter in meters:
            meter.reserve(now, room)
        number -= room
        if number > 0:
            now = max(meter.next_release() for meter in meters if meter.room(now) == 0)
    return now
