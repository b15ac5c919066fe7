"""Clocks that jump: wall clock, loop clock, server clock. Ages and waits are unaffected."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from nexhealth_async import APITimeoutError
from tests.client.rate_limiter.helpers import simulated_time
from tests.session.transport_error_helpers import LoopClock, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexhealth_async.sandbox import Sandbox
    from tests.conftest import MovableLoop

HOUR, DAY = 3_600.0, 86_400.0


@pytest.fixture(autouse=True)
def simulated(loop: MovableLoop) -> MovableLoop:
    simulated_time(loop, io_wait=0.004)
    return loop


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the wall clock is wrong; only the last counts."""
    true, jumps = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: true() + jumps[-1])
    return jumps


@pytest.fixture(params=["UTC", "America/New_York", "Pacific/Apia"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


class ServerClock(LoopClock):
    """Follows the loop's time, except for its own jumps."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


async def idle(loop: MovableLoop, seconds: float) -> None:
    """Move the time ahead while nothing is in flight, at no real cost."""
    await asyncio.sleep(1)  # what was begun in the background
    io_wait, loop.io_wait = loop.io_wait, 0.0
    await asyncio.sleep(seconds - 1)
    loop.io_wait = io_wait


def refused(sandbox: Sandbox) -> int:
    return sum(request.status == 401 for request in sandbox.requests)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY, 10 * 365 * DAY])
async def test_changing_the_wall_clock_does_not_affect_tokens(
    jump: float, wall: list[float], simulated: MovableLoop
) -> None:
    """One login an hour, none too late, for any wall clock."""
    async with scene(clock=LoopClock()) as at:
        for step in range(24):
            await at.works()
            if step in (3, 14):
                wall.append(wall[-1] + jump)
            await idle(simulated, 300)
        assert at.sandbox.logins == 3
        assert refused(at.sandbox) == 0


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
async def test_a_date_in_retry_after_is_read_by_the_servers_own_clock(
    jump: float, wall: list[float], zone: str, simulated: MovableLoop
) -> None:
    async with scene(clock=LoopClock()) as at:
        await at.works()
        # The night in which New York's clocks are put back; HTTP's dates do not know of it.
        dates = {
            "Date": "Sun, 01 Nov 2026 05:59:55 GMT",
            "Retry-After": "Sun, 01 Nov 2026 06:00:02 GMT",
        }
        at.sandbox.fail_next(429, headers=dates)
        wall.append(jump)
        began = simulated.time()
        await at.works()
        assert 7 <= simulated.time() - began < 7.5


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
async def test_a_loop_clock_that_leaps_hours_ahead_causes_no_burst(
    kind: Literal["fixed", "sliding"], simulated: MovableLoop
) -> None:
    """All waiting calls wake at once; they must not be sent at once."""
    async with scene(clock=LoopClock(), timeout=None) as at:
        await at.works()
        at.sandbox.rate_limits = kind
        query = {"subdomain": at.sandbox.subdomain, "location_id": at.sandbox.location_id}
        query |= {"start": "2026-06-01", "end": "2026-06-02"}
        calls = [
            asyncio.ensure_future(at.nex.request("GET", "/appointments", params=query))
            for _ in range(80)
        ]
        for hours in (3, 20):
            await asyncio.sleep(2)
            simulated.shift(hours * HOUR)
        await asyncio.gather(*calls)
        assert at.sandbox.rejected == 0
        assert refused(at.sandbox) == 0, "a token that had died was sent"
        assert at.sandbox.logins == 3
        times = [request.at for request in at.sandbox.seen("GET", "/appointments")]
        assert all(late - early >= 1 for early, late in zip(times, times[10:], strict=False))


@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_a_walk_continues_after_the_machine_slept(
    prefetch: int, simulated: MovableLoop
) -> None:
    """The requests in flight are lost during the sleep, and sent again."""
    async with scene(clock=LoopClock(), timeout=None) as at:
        at.sandbox.page_cap = 4
        found: list[int] = []
        async for patient in at.location.patients.walk(new_patient=None, prefetch=prefetch):
            found.append(patient.id)
            if len(found) in (4, 9):
                simulated.shift(5 * HOUR)
        assert found == list(at.sandbox.patients.ids)
        assert refused(at.sandbox) <= 2 * prefetch, "only what was under way may have been too late"


@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_a_walk_that_overslept_its_deadline_names_its_resume_value(
    prefetch: int, simulated: MovableLoop
) -> None:
    async with scene(clock=LoopClock()) as at:
        at.sandbox.page_cap = 4
        found: set[int] = set()
        after: str | None = None
        for sleeps in (True, False):
            walk = at.location.patients.walk(new_patient=None, prefetch=prefetch, after=after)
            try:
                async for patient in walk:
                    found.add(patient.id)
                    if sleeps and len(found) == 9:
                        simulated.shift(5 * HOUR)
            except APITimeoutError as error:
                after = error.resume
                assert after is not None
            else:
                break
        assert found == set(at.sandbox.patients.ids)


async def test_a_loop_clock_that_stopped_during_sleep_costs_one_login() -> None:
    """Linux's monotonic clock does not count a suspended machine's hours; the server's does."""
    async with scene(clock=ServerClock()) as at:
        await at.works()
        await asyncio.sleep(60)
        at.sandbox.clock.advance(2 * HOUR)
        await asyncio.gather(*(at.works() for _ in range(50)))
        assert at.sandbox.logins == 2
        assert len([request for request in at.sandbox.seen("GET") if request.status == 200]) == 51


async def test_a_machine_that_slept_right_after_the_login_logs_in_again(wall: list[float]) -> None:
    async with scene(clock=ServerClock()) as at:
        await at.works()
        at.sandbox.clock.advance(2 * HOUR)
        wall.append(2 * HOUR)
        await at.works()
        assert at.sandbox.logins == 2


def _claiming(sandbox: Sandbox, claims: dict[str, float]) -> None:
    """Let the sandbox issue tokens with these claims, valid for its own lifetime."""
    keys: Any = sandbox.keys

    def login(authorization: str | None) -> str | None:
        keys.logins += 1
        now = keys.clock.now()
        body = {name: round(now + offset) for name, offset in claims.items()}
        head = "e30"
        middle = urlsafe_b64encode(msgspec.json.encode(body)).rstrip(b"=").decode()
        token = f"{head}.{middle}.{keys._sign(f'{head}.{middle}')}"
        keys._live[token] = now + keys.lifetime
        return token

    keys.login = login


@pytest.mark.parametrize(
    ("claims", "lifetime"),
    [
        ({"iat": -2 * HOUR, "exp": -HOUR}, HOUR),
        ({"iat": DAY, "exp": DAY + HOUR}, HOUR),
        ({"iat": 0, "exp": 50 * 365 * DAY}, DAY),
        ({"iat": HOUR, "exp": 0}, 3_300),
        ({"iat": 0, "exp": 0}, 3_300),
        ({"exp": HOUR}, 3_300),
    ],
    ids=[
        "a server whose clock is late",
        "a server whose clock is early",
        "no end in sight",
        "ends before it began",
        "ends at once",
        "no iat",
    ],
)
async def test_implausible_claims_neither_block_nor_repeat_logins(
    claims: dict[str, float], lifetime: float, simulated: MovableLoop
) -> None:
    async with scene(clock=LoopClock()) as at:
        at.sandbox.token_lifetime = lifetime
        _claiming(at.sandbox, claims)
        assert await at.nex.log_in() == lifetime
        for _ in range(48):
            await idle(simulated, lifetime / 12)
            await at.works()
        assert refused(at.sandbox) == 0
        assert at.sandbox.logins in (5, 6), "about one for each life"
