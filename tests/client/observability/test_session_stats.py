"""`nex.stats`: counters, snapshots, and metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async import APITimeoutError, NotFoundError, Stats
from tests.client.observability.helpers import HookNotes
from tests.session.transport_error_helpers import LoopClock, scene

if TYPE_CHECKING:
    from tests.conftest import MovableLoop


async def test_calls_requests_records_and_bytes_are_counted() -> None:
    notes = HookNotes()
    async with scene(patients=25, hooks=[notes]) as at:
        stats = at.nex.stats
        ids = [
            patient async for patient in at.location.patients.walk(per_page=10, new_patient=None)
        ]
        await at.location.patients.get(at.sandbox.patients.ids[0])
        assert len(ids) == stats.records == 25
        assert (stats.calls, stats.logins, stats.requests) == (4, 1, 5)
        assert stats.requests == len(at.sandbox.requests)
        assert stats.operations == {
            "POST /authenticates": 1,
            "GET /patients": 3,
            "GET /patients/{id}": 1,
        }
        assert stats.bytes_received == sum(one.bytes_received or 0 for one in notes.ended)
        assert not stats.failures


async def test_failures_are_counted_by_class_with_and_without_a_retry() -> None:
    async with scene() as at:
        at.sandbox.fail_next(503)
        at.sandbox.drop_next()
        at.sandbox.fail_next(429, headers={"Retry-After": "0"})
        await at.works()
        with pytest.raises(NotFoundError):
            await at.location.patients.get(1)
        stats = at.nex.stats
        assert stats.failures == {
            "ServerError": 1,
            "ConnectionLostError": 1,
            "RateLimitError": 1,
            "NotFoundError": 1,
        }
        assert (stats.calls, stats.requests, stats.retries, stats.rate_limited) == (2, 6, 3, 1)


async def test_a_rejected_token_counts_as_a_failure_a_login_and_a_retry(
    loop: MovableLoop,
) -> None:
    async with scene(clock=LoopClock()) as at:
        await at.works()
        loop.shift(60)
        at.sandbox.expire_tokens()
        before = at.nex.stats.snapshot()
        await at.works()
        since = at.nex.stats - before
        assert (since.calls, since.logins, since.requests, since.retries) == (1, 1, 3, 1)
        assert since.failures == {"AuthenticationError": 1}
        assert since.waited_login > 0


async def test_timeouts_are_counted() -> None:
    async with scene() as at:
        await at.works()
        at.sandbox.hang_next()
        with pytest.raises(APITimeoutError):
            await at.nex.with_options(timeout=0.05).request("GET", "/practices")
        assert at.nex.stats.failures == {"APITimeoutError": 1}


async def test_a_snapshot_does_not_change() -> None:
    async with scene() as at:
        await at.works()
        kept = at.nex.stats.snapshot()
        copy = kept.snapshot()
        await at.works()
        assert kept == copy != at.nex.stats
        assert (at.nex.stats - kept).operations == {"GET /patients": 1}


async def test_copies_share_their_counters() -> None:
    async with scene() as at:
        assert at.nex.with_options(timeout=5).stats is at.nex.stats


def test_metrics_are_plain_numbers() -> None:
    stats = Stats(requests=3, waited_rate=0.5)
    stats.operations["GET /patients"] += 3
    metrics = stats.as_dict()
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics["operations"] == {"GET /patients": 3}
    assert type(metrics["operations"]) is dict
    assert metrics["waited_rate"] == 0.5
    assert set(metrics) == {field.name for field in fields(Stats)}
    stats.operations["GET /patients"] += 1
    assert metrics["operations"] == {"GET /patients": 3}


_NAMES = st.sampled_from(["GET /patients", "POST /patients", "GET /locations"])


@given(st.lists(_NAMES), st.lists(_NAMES), st.integers(0, 9), st.integers(0, 9))
def test_a_difference_has_the_counts_in_between(
    first: list[str], then: list[str], calls: int, more: int
) -> None:
    stats = Stats(calls=calls)
    for name in first:
        stats.operations[name] += 1
    kept = stats.snapshot()
    stats.calls += more
    for name in then:
        stats.operations[name] += 1
    since = stats - kept
    assert since.calls == more
    assert since.operations == {name: then.count(name) for name in then}
    assert stats - stats == Stats()


def test_only_stats_can_be_subtracted_from_stats() -> None:
    with pytest.raises(TypeError):
        _ = Stats() - 1  # type: ignore[operator]  # which is refused
