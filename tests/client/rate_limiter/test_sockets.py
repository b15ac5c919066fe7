"""End to end: 200 tasks on one session, over sockets, to a sandbox that enforces the limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest

from tests.client.rate_limiter.limiter_model import DOCUMENTED
from tests.session.transport_error_helpers import LoopClock, scene

if TYPE_CHECKING:
    from tests.conftest import MovableLoop
    from tests.session.transport_error_helpers import ErrorScene


@pytest.fixture(autouse=True)
def sockets(simulated: MovableLoop) -> None:
    """Real seconds for bytes in flight on loopback before a wait is skipped."""
    simulated.io_wait = 0.004


async def _calls(at: ErrorScene, path: str, each: int, tasks: int = 200) -> float:
    """Let every task call so often, sequentially; return how long all took."""
    loop = asyncio.get_running_loop()
    subject = {"subdomain": at.sandbox.subdomain, "location_id": at.sandbox.location_id}
    days = {"start": "2026-06-01", "end": "2026-06-02"} if path == "/appointments" else {}

    async def one() -> None:
        for _ in range(each):
            await at.nex.request("GET", path, params={**subject, **days})

    began = loop.time()
    await asyncio.gather(*(one() for _ in range(tasks)))
    return loop.time() - began


def _most_within(times: list[float], seconds: float) -> int:
    """Return the highest number of arrivals in any interval of so many seconds."""
    ordered, first, most = sorted(times), 0, 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize(("kind", "phase"), [("fixed", 0.0), ("fixed", 0.61), ("sliding", 0.0)])
@pytest.mark.parametrize(
    ("path", "limit", "each"),
    [("/appointments", "slow", 1), ("/providers", "overall", 2)],
    ids=["10 a second", "100 a second"],
)
async def test_200_tasks_get_no_429_on_the_wire(
    path: str, limit: str, each: int, kind: Literal["fixed", "sliding"], phase: float
) -> None:
    async with scene(clock=LoopClock(), timeout=None) as at:
        await at.works()
        await asyncio.sleep(2)
        at.sandbox.rate_limits, at.sandbox.rate_phase = kind, phase
        at.sandbox.latency, at.sandbox.jitter = 0.06, 0.05
        took = await _calls(at, path, each)
        assert at.sandbox.rejected == 0
        times = [request.at for request in at.sandbox.seen("GET", path)]
        count, seconds = DOCUMENTED[limit]
        assert len(times) == 200 * each
        assert _most_within(times, seconds) <= count
        # The last window's requests need not wait for its end.
        assert took <= (len(times) / count - 1) * (seconds + 0.25) / 0.97 + 0.4


async def test_a_paused_server_does_not_receive_two_windows_at_once() -> None:
    """A permitted request must reach the wire before its permit is free again."""
    async with scene(clock=LoopClock(), timeout=None) as at:
        await at.works()
        await asyncio.sleep(2)
        at.sandbox.latency = 3.0
        calls = asyncio.ensure_future(_calls(at, "/providers", 2))
        await asyncio.sleep(1.1)
        at.sandbox.latency = 0.05
        await calls
        times = [request.at for request in at.sandbox.seen("GET", "/providers")]
        assert _most_within(times, 1.0) <= 100
