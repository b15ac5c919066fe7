"""Estimate of a pull: records, requests and the shortest time they take.

Counting sends one small request per list that has a count; the calculation itself is pure.
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
    """Result of counting the lists of a shard."""

    counts: tuple[int | None, ...]
    """Records by list; None where the API has no count."""
    error: str | None = None
    """Reason that counting failed: class and text of the error, without personal data."""
    seconds: float | None = None
    """Average seconds per count, including waits for the limits."""


@frozen(kw_only=True)
class ShardEstimate:
    """Estimated cost of one shard."""

    shard: Shard
    rate: RateClass
    records: int | None
    """Records of its lists; None if the API has no count.

    Records in several shards of a group count in each but are delivered once.
    """
    pages: int | None
    requests: int
    """Requests without changes, failures or the login.

    With prefetching a list of one page may cost a second request.
    """
    at_least: bool
    """True if it may take more requests, because the length of the list is unknown."""
    sequential: int
    """Number of requests that must wait for the previous response."""
    error: str | None = None
    """Reason that counting failed; the pull itself would likely fail as well."""


@frozen(kw_only=True)
class Estimate:
    """Estimated minimum cost of a pull."""

    shards: tuple[ShardEstimate, ...]
    requests: int
    """Number of requests, including the login."""
    at_least: bool
    """True if it may take more requests, because the length of some lists is unknown."""
    seconds: float
    """Seconds until the limits allow the last request."""
    answer_seconds: float | None = None
    """Median seconds of the counts; None if nothing could be counted.

    A count requests a page of one record: full pages take longer. Waits for the limits are
    included.
    """

    def cost(self, price_per_call: Decimal) -> Decimal:
        """Return the minimum cost of all requests at the price of your contract.

        Free requests of a contract are not subtracted.
        """
        if not price_per_call.is_finite() or price_per_call < 0:
            raise InvalidArgumentError("price_per_call must be a finite amount of at least 0")
        return self.requests * price_per_call

    def seconds_at(self, *, latency: float, concurrency: int = 8) -> float:
        """Return the minimum seconds until the last response.

        Each rate class has at most ``concurrency`` requests in flight; cursor pages and the lists
        of a shard are sequential; the limits apply as well.

        Args:
            latency: Seconds per request.
            concurrency: Requests in flight per rate class.
        """
        if latency < 0 or concurrency < 1:
            raise InvalidArgumentError("latency must be at least 0 and concurrency at least 1")
        requests_by_class: dict[RateClass, int] = dict.fromkeys(RateClass, 0)
        for shard in self.shards:
            requests_by_class[shard.rate] += shard.requests
        rounds = max(-(-requests // concurrency) for requests in requests_by_class.values())
        chain = max((shard.sequential for shard in self.shards), default=0)
        return max(self.seconds + latency, (1 + max(rounds, chain)) * latency)


async def estimate(
    client: Client,
    shards: Iterable[Shard],
    *,
    rates: Rates | None = None,
    drift: Drift = "verify",
    per_page: int | None = None,
    concurrency: int = 8,
) -> Estimate:
    """Estimate shards, with one small request per numbered list.

    The client must not be bound to a practice or location. A list that cannot be counted is
    included with its error; only an invalid key or version ends the estimate.
    """
    shard_list = tuple(shards)
    count_results = await count_records(client, shard_list, concurrency=concurrency)
    return estimate_from_counts(
        shard_list, count_results, rates=rates, drift=drift, per_page=per_page
    )


async def count_records(
    client: Client, shards: Sequence[Shard], *, concurrency: int = 8
) -> Mapping[str, CountResult]:
    """Count the records of each shard's lists; return the results by shard name."""
    results: dict[str, CountResult] = {}
    errors: list[NexHealthError] = []
    limiter = anyio.CapacityLimiter(concurrency)

    async def count(shard: Shard) -> None:
        async with limiter:
            try:
                results[shard.name] = await _count_shard(client, shard)
            except NexHealthError as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for shard in shards:
            if facts(shard.resource, shard.version).paging is Paging.NUMBERED:
                tasks.start_soon(count, shard)
    if errors:
        raise errors[0]
    return results


async def _count_shard(client: Client, shard: Shard) -> CountResult:
    counts: list[int | None] = []
    began = anyio.current_time()
    for filters in shard.lists:
        endpoint, arguments, ids = walk_arguments(shard, filters)
        try:
            counts.append(await client.walk(endpoint, arguments, *ids).count())
        except (InvalidAPIKeyError, VersionNotEnabledError, UsageError):
            raise
        except NexHealthError as error:
            no_counts = (None,) * len(shard.lists)
            return CountResult(counts=no_counts, error=f"{type(error).__name__}: {error}")
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
    """Calculate requests and minimum time; shards without a count have unknown length."""
    estimates = tuple(
        _estimate_shard(shard, count_results.get(shard.name), drift=drift, per_page=per_page)
        for shard in shards
    )
    durations = [result.seconds for result in count_results.values() if result.seconds is not None]
    requests_by_class: dict[RateClass, int] = dict.fromkeys(RateClass, 0)
    for shard_estimate in estimates:
        requests_by_class[shard_estimate.rate] += shard_estimate.requests
    return Estimate(
        shards=estimates,
        requests=1 + sum(requests_by_class.values()),
        at_least=any(shard_estimate.at_least for shard_estimate in estimates),
        seconds=min_seconds(requests_by_class, rates or Rates(), logins=1),
        answer_seconds=median(durations) if durations else None,
    )


def min_seconds(
    requests_by_class: Mapping[RateClass, int], rates: Rates | None = None, *, logins: int = 0
) -> float:
    """Return the minimum seconds between the first and the last of these requests.

    No order of requests can be faster. The result is exact for requests of one class; requests of
    several classes that share a limit may have to wait longer.
    """
    rates = rates or Rates()
    limits: Mapping[str, Limit | None] = asdict(rates, recurse=False)
    constraints: list[tuple[int, tuple[str, ...]]] = [
        (sum(requests_by_class.values()) + logins, ("overall",))
    ]
    for names in LIMITS_OF_CLASS.values():
        classes = [rate for rate, others in LIMITS_OF_CLASS.items() if {*names} <= {*others}]
        constraints.append((sum(requests_by_class.get(rate, 0) for rate in classes), names))
    return max(_last_leaves(number, map(limits.get, names)) for number, names in constraints)


def _estimate_shard(
    shard: Shard, count_result: CountResult | None, *, drift: Drift, per_page: int | None
) -> ShardEstimate:
    resource_facts = facts(shard.resource, shard.version)
    counts = count_result.counts if count_result else (None,) * len(shard.lists)
    known_counts = [count for count in counts if count is not None]
    is_exact = len(known_counts) == len(counts)
    pages = [_pages(resource_facts, count, per_page) for count in counts]
    twice = drift == "verify" and resource_facts.paging is Paging.NUMBERED
    # One page needs no second pass; of several, page 1 is read before the rest in each pass.
    requests = [number * (2 if twice and number > 1 else 1) for number in pages]
    rounds = [min(number, 2) * (2 if twice and number > 1 else 1) for number in pages]
    whole = resource_facts.paging is Paging.WHOLE
    return ShardEstimate(
        shard=shard,
        rate=resource_facts.rate,
        records=sum(known_counts) if is_exact else None,
        pages=sum(pages) if is_exact or whole else None,
        requests=sum(requests),
        at_least=not is_exact and not whole,
        sequential=sum(rounds),
        error=count_result.error if count_result else None,
    )


def _pages(facts: ResourceFacts, count: int | None, per_page: int | None) -> int:
    size = per_page or facts.spec.max_per_page or 1
    return max(1, -(-(count or 0) // size))


@define
class _LimitSimulation:
    """Requests that still count in one limit, grouped by the time they left."""

    limit: Limit
    used: int = 0
    reservations: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]])

    def room(self, now: float) -> int:
        """Return how many requests may leave now."""
        while self.reservations and self.next_release() <= now:
            self.used -= self.reservations.popleft()[1]
        return self.limit.count - self.used

    def reserve(self, now: float, number: int) -> None:
        self.used += number
        self.reservations.append((now, number))

    def next_release(self) -> float:
        """Return the time at which the oldest group stops counting."""
        return self.reservations[0][0] + self.limit.seconds


def _last_leaves(number: int, limits: Iterable[Limit | None]) -> float:
    """Return the time at which the last request leaves, if all count in all limits."""
    simulations = [_LimitSimulation(limit) for limit in limits if limit is not None]
    now = 0.0
    while simulations and number > 0:
        room = min(number, *(simulation.room(now) for simulation in simulations))
        for simulation in simulations:
            simulation.reserve(now, room)
        number -= room
        if number > 0:
            now = max(
                simulation.next_release() for simulation in simulations if simulation.room(now) == 0
            )
    return now
