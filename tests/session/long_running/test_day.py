"""24 hours of a worker, simulated in seconds: the vendor fails often, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import Limit, Rates, RetryPolicy
from tests.client.rate_limiter.helpers import simulated_time
from tests.session.long_running.helpers import (
    ROUND,
    DayOfFaults,
    Worker,
    library_objects,
    log_sizes,
)
from tests.session.transport_error_helpers import LoopClock, scene

if TYPE_CHECKING:
    from tests.conftest import MovableLoop

ROUNDS = 288

TIGHT = Rates(overall=Limit(30, 1.0), people=Limit(50, 60.0), other=Limit(50, 60.0))
"""So small that the logs are full soon, which shows whether they are ever emptied."""


async def _rest(loop: MovableLoop, until: float) -> None:
    """Move the time ahead while nothing is in flight, at no real cost."""
    io_wait, loop.io_wait = loop.io_wait, 0.0
    await asyncio.sleep(max(0.0, until - loop.time()))
    loop.io_wait = io_wait


async def test_a_worker_loses_nothing_in_24_hours_of_faults(
    loop: MovableLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated_time(loop, io_wait=0.002)
    true, wrong = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: true() + wrong[-1])
    async with scene(patients=45, clock=LoopClock(), retry=RetryPolicy(), rates=TIGHT) as at:
        at.sandbox.rate_limits, at.sandbox.retry_after = "sliding", "exact"
        worker, day = Worker(at), DayOfFaults(at.sandbox, loop, wrong.append)
        began = loop.time()
        objects: list[Counter[str]] = []
        sizes: list[list[int]] = []
        tasks: list[int] = []
        for number in range(ROUNDS):
            await day.begin_round(number)
            await worker.do_round(number)
            await _rest(loop, began + (number + 1) * ROUND)
            if number in (20, ROUNDS - 1):
                objects.append(library_objects())
                tasks.append(len(asyncio.all_tasks()))
            sizes.append(log_sizes(at))
        assert loop.time() - began >= 24 * 3_600
        _check_nothing_lost(worker)
        _check_few_wasted_requests(worker)
        # One an hour, one for each storm and outage that cost the token, and the short lives.
        generation = at.nex._client.state.token_manager._generation
        assert at.sandbox.logins == generation
        assert 24 <= generation <= 24 + 45
        assert max(map(max, sizes)) <= 200, "the logs hold much more than the limits allow"
        grown = objects[1] - objects[0]
        assert sum(grown.values()) < 60, grown.most_common(5)
        assert tasks[1] <= tasks[0] + 2


def _check_nothing_lost(worker: Worker) -> None:
    assert worker.short_walks == 0, "a walk ended well that was not whole"
    kept = Counter(
        str(row["name"])
        for row in map(
            worker.at.sandbox.appointment_types.row, worker.at.sandbox.appointment_types.ids
        )
        if str(row["name"]).startswith("Visit")
    )
    assert max(kept.values()) == 1, "a write was carried out twice"
    assert set(worker.made) <= set(kept)
    assert not set(worker.refused) & set(kept), "a write that was said not to have arrived had"
    assert set(kept) <= set(worker.made) | set(worker.unknown)
    assert len(worker.made) + len(worker.unknown) + len(worker.refused) == ROUNDS
    assert worker.unknown, "no answer was lost, so that this proves little"


def _check_few_wasted_requests(worker: Worker) -> None:
    """Only rounds during an outage may have failed, with errors that fit the outage."""
    assert worker.whole_walks >= ROUNDS - 20
    assert worker.gets >= ROUNDS - 20
    assert len(worker.made) >= ROUNDS - 24
    failures = set(worker.failed_walks) | set(worker.failed_gets) | set(worker.failed_writes)
    assert failures <= {
        "ServerError",
        "ConnectError",
        "ConnectionLostError",
        "AuthenticationError",
        "InvalidAPIKeyError",
        "RateLimitError",
        "APITimeoutError",
        "OutcomeUnknownError",
    }
    assert {"ServerError", "ConnectError", "InvalidAPIKeyError"} <= failures
