"""Dry runs: the estimated requests are those of the pull, no sooner than the limits allow."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async import InvalidAPIKeyError, InvalidArgumentError, NexHealth, Rates
from nexhealth_async._protocol.operations import RateClass
from nexhealth_async._protocol.rate_limits import Limit, SlidingWindowLog
from nexhealth_async.bulk.estimate import (
    CountResult,
    Estimate,
    estimate,
    estimate_from_counts,
    min_seconds,
)
from nexhealth_async.bulk.resource_facts import resources
from nexhealth_async.bulk.shard_filters import walk_arguments
from nexhealth_async.bulk.shard_planning import PracticeLocations, find_practices, plan_shards
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.session import client_of

SLOW, PEOPLE, OTHER = RateClass.SLOW, RateClass.PEOPLE, RateClass.OTHER
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DEMO = PracticeLocations(subdomain="demo", location_ids=(1,))


@pytest.mark.parametrize(
    ("slow", "people", "other", "seconds"),
    [
        (0, 0, 0, 0),
        (10, 0, 0, 0),
        (11, 0, 0, 1),
        (601, 0, 0, 60),
        (0, 100, 0, 0),
        (0, 101, 0, 1),
        (0, 1_000, 0, 9),
        (0, 1_001, 0, 60),
        (0, 1_100, 0, 60),
        (0, 1_101, 0, 61),
        (0, 0, 2_000, 19),
        (0, 0, 2_001, 60),
        (0, 0, 4_001, 120),
        (1, 1_000, 0, 60),  # an appointment list counts among the people's requests
        (0, 50, 51, 1),  # all classes share 100 a second
        (0, 1_000, 2_000, 29),
        (100, 1_000, 2_000, 60),
    ],
)
def test_the_documented_limits_bound_the_estimate(
    slow: int, people: int, other: int, seconds: float
) -> None:
    assert min_seconds({SLOW: slow, PEOPLE: people, OTHER: other}) == seconds


def test_logins_count_in_the_overall_limit_only() -> None:
    assert min_seconds({OTHER: 100}) == 0
    assert min_seconds({OTHER: 100}, logins=1) == 1
    assert min_seconds({SLOW: 10}, logins=1) == 0


def test_without_limits_nothing_waits() -> None:
    assert min_seconds({SLOW: 10_000, OTHER: 10_000}, Rates.unlimited(), logins=1) == 0


def test_a_share_of_the_limits_takes_longer() -> None:
    assert min_seconds({PEOPLE: 251}, Rates().share(1 / 4)) == 60


@st.composite
def small_rates(draw: st.DrawFn) -> Rates:
    def limit(counts: int, seconds: int) -> Limit | None:
        if draw(st.integers(0, 9)) == 0:
            return None
        return Limit(draw(st.integers(1, counts)), float(draw(st.integers(1, seconds))))

    return Rates(overall=limit(6, 2), slow=limit(3, 3), people=limit(8, 6), other=limit(8, 6))


def last_departure(requests: dict[RateClass, int], rates: Rates, order: list[RateClass]) -> float:
    """Compute the time of each request with the session's own limiter and instant responses."""
    log, left, now, last = SlidingWindowLog(rates), dict(requests), 0.0, 0.0
    while any(left.values()):
        for rate in order:
            while left[rate] and log.earliest(rate, now) <= now:
                log.acquire(rate, now).answer(now)
                left[rate] -= 1
                last = now
        waiting = [log.earliest(rate, now) for rate in order if left[rate]]
        now = min(waiting, default=now)
    return last


@given(small_rates(), st.sampled_from(list(RateClass)), st.integers(0, 60))
def test_one_class_matches_the_sessions_own_limiter(
    rates: Rates, rate: RateClass, number: int
) -> None:
    requests = dict.fromkeys(RateClass, 0) | {rate: number}
    assert min_seconds(requests, rates) == last_departure(requests, rates, list(RateClass))


@given(
    small_rates(),
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)),
    st.permutations(list(RateClass)),
)
def test_the_sessions_own_limiter_is_never_faster_in_any_order(
    rates: Rates, numbers: tuple[int, int, int], order: list[RateClass]
) -> None:
    requests = dict(zip(RateClass, numbers, strict=True))
    assert min_seconds(requests, rates) <= last_departure(requests, rates, order)


def reckoned(
    resource: str, version: str, counts: tuple[int | None, ...] | None, **options: object
) -> Estimate:
    shards = plan_shards([resource], version, [DEMO], now=NOW).shards
    tallies = {} if counts is None else {shards[0].name: CountResult(counts=counts)}
    return estimate_from_counts(shards, tallies, **options)  # type: ignore[arg-type]  # a table of cases


@pytest.mark.parametrize(
    ("counts", "drift", "pages", "requests", "sequential"),
    [
        ((0,), "verify", 1, 1, 1),
        ((300,), "verify", 1, 1, 1),
        ((301,), "verify", 2, 4, 4),
        ((3_000,), "verify", 10, 20, 4),
        ((3_000,), "watch", 10, 10, 2),
        ((3_000,), "ignore", 10, 10, 2),
    ],
)
def test_numbered_lists_cost_their_pages_and_twice_when_verified(
    counts: tuple[int], drift: str, pages: int, requests: int, sequential: int
) -> None:
    found = reckoned("operatories", "v2", counts, drift=drift)
    (one,) = found.shards
    assert (one.records, one.pages, one.requests) == (counts[0], pages, requests)
    assert one.sequential == sequential
    assert not one.at_least
    assert found.requests == requests + 1


def test_the_lists_of_a_shard_are_added_up() -> None:
    (one,) = reckoned("patients", "v2", (10, 900)).shards
    assert (one.records, one.pages, one.requests, one.sequential) == (910, 4, 7, 5)


def test_smaller_pages_cost_more_requests() -> None:
    assert reckoned("operatories", "v2", (1_000,), per_page=100).requests == 21


def test_an_uncounted_list_takes_at_least_one_request() -> None:
    found = reckoned("patients", "v2", (None, None))
    (one,) = found.shards
    assert (one.records, one.pages, one.requests, one.at_least) == (None, None, 2, True)
    assert found.at_least


def test_cursor_lists_have_no_upper_bound() -> None:
    (one,) = reckoned("providers", "v3", None).shards
    assert (one.records, one.pages, one.requests, one.at_least) == (None, None, 2, True)


def test_a_whole_list_takes_exactly_one_request() -> None:
    found = reckoned("document_types", "v3", None)
    (one,) = found.shards
    assert (one.records, one.pages, one.requests, one.at_least) == (None, 2, 2, False)
    assert not found.at_least


def test_latency_and_concurrency_extend_the_duration() -> None:
    found = reckoned("operatories", "v2", (300 * 40,))
    assert found.requests == 81
    assert found.seconds_at(latency=0) == found.seconds
    assert found.seconds_at(latency=1.0, concurrency=8) == 11
    assert found.seconds_at(latency=1.0, concurrency=80) == 5  # a login, and four one by one
    patients = reckoned("patients", "v2", (0, 300 * 1_000))
    assert patients.seconds == 120
    assert patients.seconds_at(latency=0.25, concurrency=1_000) == 120.25
    with pytest.raises(InvalidArgumentError):
        found.seconds_at(latency=-1)
    with pytest.raises(InvalidArgumentError):
        found.seconds_at(latency=1, concurrency=0)


def test_an_empty_pull_takes_a_login() -> None:
    found = estimate_from_counts((), {})
    assert (found.requests, found.seconds, found.at_least) == (1, 0, False)
    assert found.seconds_at(latency=0.5) == 0.5


async def walk_all(nex: NexHealth, shards: tuple[Shard, ...], *, drift: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for shard in shards:
        for filters in shard.lists:
            endpoint, arguments, ids = walk_arguments(shard, filters)
            numbered = endpoint.v2 is not None and endpoint.v2.max_per_page is not None
            options = {"drift": drift} if numbered else {}
            async for _ in client_of(nex).walk(endpoint, {**arguments, **options}, *ids):
                found[shard.name] += 1
    return found


@pytest.mark.parametrize("drift", ["verify", "watch"])
async def test_a_pull_of_v2_makes_exactly_the_estimated_requests(drift: str) -> None:
    async with (
        Sandbox(patients=700, practices=2, locations=2, appointments=650, seed=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        shards = plan_shards(
            ["patients", "appointments", "procedures", "providers", "nex_staff", "locations"],
            "v2",
            await find_practices(client_of(nex)),
            now=NOW,
        ).shards
        before = len(sandbox.requests)
        found = await estimate(client_of(nex), shards, drift=drift)  # type: ignore[arg-type]  # two of three
        counted = len(sandbox.requests) - before
        records = await walk_all(nex, shards, drift=drift)
        assert not found.at_least
        assert len(sandbox.requests) - before - counted == found.requests - 1
    assert counted == sum(
        len(shard.shard.lists) for shard in found.shards if shard.records is not None
    )
    assert found.requests > 2 * len(shards)
    for one in found.shards:
        if one.records is not None:
            assert one.records == records.get(one.shard.name, 0)


async def test_a_pull_of_v3_makes_at_least_the_estimated_requests() -> None:
    async with (
        Sandbox(patients=30, locations=2, seed=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url, version="v3") as nex,
    ):
        shards = plan_shards(
            resources("v3"), "v3", await find_practices(client_of(nex)), now=NOW
        ).shards
        found = await estimate(client_of(nex), shards)
        before = len(sandbox.requests)
        await walk_all(nex, tuple(shard for shard in shards), drift="watch")
        assert found.at_least
        assert len(sandbox.requests) - before == found.requests - 1  # each list is one page here


async def test_a_list_that_cannot_be_counted_is_named_and_the_rest_is_counted() -> None:
    async with (
        Sandbox(patients=3) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        (place,) = await find_practices(client_of(nex))
        wrong = PracticeLocations(subdomain=place.subdomain, location_ids=(*place.location_ids, 5))
        shards = plan_shards(["patients"], "v2", [wrong], now=NOW).shards
        found = await estimate(client_of(nex), shards, concurrency=1)
    counted, refused = found.shards
    assert (counted.records, counted.error) == (3, None)
    assert (refused.records, refused.at_least) == (None, True)
    assert refused.error is not None
    assert refused.error.startswith("NotFoundError: GET /patients")


async def test_an_estimate_reports_the_duration_of_counting() -> None:
    async with Sandbox(patients=3) as sandbox:
        sandbox.latency = 0.05
        async with NexHealth(sandbox.api_key, base_url=sandbox.url) as nex:
            places = await find_practices(client_of(nex))
            shards = plan_shards(["patients", "providers"], "v2", places, now=NOW).shards
            found = await estimate(client_of(nex), shards)
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, version="v3") as nex:
            uncounted = plan_shards(["patients"], "v3", places, now=NOW).shards
            nothing = await estimate(client_of(nex), uncounted)
    assert found.answer_seconds is not None
    assert 0.05 <= found.answer_seconds < 2
    assert nothing.answer_seconds is None


def test_one_slow_count_is_ignored_as_an_outlier() -> None:
    shards = plan_shards(["patients", "providers", "nex_staff"], "v2", [DEMO], now=NOW).shards
    seconds = iter((0.1, 9.0, 0.2))
    tallies = {
        shard.name: CountResult(counts=(1,) * len(shard.lists), seconds=next(seconds))
        for shard in shards
    }
    tallies["gone"] = CountResult(counts=(None,), error="NotFoundError: gone")
    found = estimate_from_counts(shards, tallies).answer_seconds
    assert found == 0.2


async def test_a_rejected_key_ends_the_estimate() -> None:
    shards = plan_shards(["patients", "providers"], "v2", [DEMO], now=NOW).shards
    async with (
        Sandbox(patients=1) as sandbox,
        NexHealth("another-key", base_url=sandbox.url) as nex,
    ):
        with pytest.raises(InvalidAPIKeyError):
            await estimate(client_of(nex), shards)
