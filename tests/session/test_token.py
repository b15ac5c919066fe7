"""One login serves all callers, even if some are cancelled."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import anyio
import pytest

from nexhealth_async import (
    APITimeoutError,
    AuthenticationError,
    InvalidAPIKeyError,
    NexHealth,
    ServerError,
)
from nexhealth_async._client.token_manager import TokenManager

if TYPE_CHECKING:
    from nexhealth_async import LocationScope
    from nexhealth_async.sandbox import Sandbox
    from tests.conftest import MovableLoop


def rejected(sandbox: Sandbox) -> int:
    return sum(seen.status == 401 for seen in sandbox.requests)


async def gather(location: LocationScope, calls: int) -> list[int]:
    return await asyncio.gather(*(location.patients.walk().count() for _ in range(calls)))


async def test_100_concurrent_tasks_cause_one_login(
    location: LocationScope, sandbox: Sandbox
) -> None:
    assert await gather(location, 100) == [25] * 100
    assert (sandbox.logins, rejected(sandbox)) == (1, 0)


async def test_100_tasks_with_an_expired_token_cause_one_login_and_no_failure(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    await gather(location, 1)
    loop.shift(3_700)
    sandbox.clock.advance(3_700)
    assert await gather(location, 100) == [25] * 100
    assert (sandbox.logins, rejected(sandbox)) == (2, 0)


async def test_an_expiring_token_is_renewed_while_requests_use_it(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    await gather(location, 1)
    loop.shift(3_400)
    sandbox.clock.advance(3_400)
    sandbox.latency = 0.02
    await gather(location, 50)
    async with asyncio.timeout(5):
        while sandbox.logins < 2:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    loop.shift(400)
    sandbox.clock.advance(400)
    await gather(location, 50)
    assert (sandbox.logins, rejected(sandbox)) == (2, 0)


async def test_50_late_401s_cause_one_login_and_one_retry_each(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    await gather(location, 1)
    loop.shift(60)
    sandbox.expire_tokens()
    sandbox.latency = 0.01
    sandbox.clear()
    assert await gather(location, 50) == [25] * 50
    assert sandbox.logins == 2
    assert rejected(sandbox) == 50
    assert len(sandbox.requests) == 101


async def test_late_401s_after_the_new_login_cause_no_other(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    await gather(location, 1)
    loop.shift(60)
    sandbox.expire_tokens()
    sandbox.latency, sandbox.jitter = 0.03, 0.03
    assert await gather(location, 50) == [25] * 50
    assert sandbox.logins == 2


async def test_a_rejected_key_is_raised_to_all_and_not_retried(
    sandbox: Sandbox, loop: MovableLoop
) -> None:
    async with NexHealth("an-invented-wrong-key", base_url=sandbox.url) as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        errors = await asyncio.gather(
            *(location.patients.get(1) for _ in range(20)), return_exceptions=True
        )
        assert {type(error) for error in errors} == {InvalidAPIKeyError}
        assert len({id(error) for error in errors}) == 20, "each task has an error of its own"
        assert len(sandbox.seen("POST", "/authenticates")) == 1
        loop.shift(5.1)
        with pytest.raises(InvalidAPIKeyError):
            await location.patients.get(1)
        loop.shift(5.1)
        with pytest.raises(InvalidAPIKeyError):
            await location.patients.get(1)
        assert len(sandbox.seen("POST", "/authenticates")) == 2, "the second pause is longer"


async def test_a_new_token_that_is_rejected_everywhere_means_a_rejected_key(
    location: LocationScope, sandbox: Sandbox
) -> None:
    sandbox.fail_next(status=401, times=100, path="/patients/1")
    with pytest.raises(InvalidAPIKeyError):
        await location.patients.get(1)
    assert sandbox.logins == 1


async def test_an_operation_that_always_responds_401_does_not_log_in_on_every_call(
    location: LocationScope, sandbox: Sandbox
) -> None:
    await gather(location, 1)
    sandbox.fail_next(status=401, times=100, path="/patients/1")
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            await location.patients.get(1)
    assert sandbox.logins == 1


async def test_an_operation_that_always_responds_401_does_not_mark_the_key_as_rejected(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    await gather(location, 1)
    sandbox.fail_next(status=401, times=100, path="/patients/1")
    for logins in (2, 3):
        loop.shift(60)
        with pytest.raises(AuthenticationError) as caught:
            await location.patients.get(1)
        assert type(caught.value) is AuthenticationError
        assert sandbox.logins == logins


async def test_a_token_revoked_within_ten_seconds_is_replaced_after_them(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    """Until then it looks like an operation that rejects every token."""
    await gather(location, 1)
    sandbox.expire_tokens()
    loop.shift(9)
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            await location.patients.walk().count()
    assert sandbox.logins == 1
    loop.shift(1.5)
    assert await gather(location, 5) == [25] * 5
    assert sandbox.logins == 2


async def test_a_failed_renewal_affects_nobody_while_the_token_is_valid(
    location: LocationScope, sandbox: Sandbox, loop: MovableLoop
) -> None:
    await gather(location, 1)
    loop.shift(3_400)
    sandbox.clock.advance(3_400)
    sandbox.fail_next(status=503, times=1, path="/authenticates")
    assert await gather(location, 5) == [25] * 5
    async with asyncio.timeout(5):
        while not sandbox.seen("POST", "/authenticates"):
            await asyncio.sleep(0)


@pytest.mark.parametrize("steps", range(12))
async def test_cancelling_the_caller_that_logs_in_does_not_affect_the_others(
    location: LocationScope, sandbox: Sandbox, steps: int
) -> None:
    sandbox.latency = 0.002
    first = asyncio.ensure_future(location.patients.walk().count())
    for _ in range(steps):
        await asyncio.sleep(0)
    others = [asyncio.ensure_future(location.patients.walk().count()) for _ in range(3)]
    for _ in range(steps):
        await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*others) == [25] * 3
    assert sandbox.logins == 1


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_a_login_whose_callers_are_all_cancelled_serves_the_next(
    nex: NexHealth, location: LocationScope, sandbox: Sandbox, steps: int
) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(location.patients.get, sandbox.patients.ids[0])
        for _ in range(steps):
            await asyncio.sleep(0)
        group.cancel_scope.cancel()
    async with asyncio.timeout(5):
        assert await location.patients.walk().count() == 25
    assert sandbox.logins == 1


async def test_a_call_with_too_little_time_leaves_the_login_to_the_others(
    nex: NexHealth, location: LocationScope, sandbox: Sandbox
) -> None:
    sandbox.latency = 0.05
    quick = nex.with_options(timeout=0.01).practice(sandbox.subdomain).location(sandbox.location_id)
    patient = asyncio.ensure_future(location.patients.walk().count())
    with pytest.raises(APITimeoutError, match="login"):
        await quick.patients.get(1)
    assert await patient == 25
    assert sandbox.logins == 1


async def test_reprs_show_neither_key_nor_token(
    nex: NexHealth, location: LocationScope, sandbox: Sandbox
) -> None:
    await gather(location, 1)
    keeper = nex._client.state.token_manager
    token = keeper.current(0)
    assert token is not None
    for thing in (nex, location, keeper, token, nex._client.state, nex._client.options):
        assert sandbox.api_key not in repr(thing)
        assert token.value not in repr(thing)


class FakeTokenLogin:
    """A login with several awaits that can be made to fail."""

    def __init__(self, awaits: int) -> None:
        self.awaits = awaits
        self.begun = 0
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.begun += 1
        for _ in range(self.awaits):
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return f"token-{self.begun}"


@pytest.mark.parametrize("awaits", range(4))
@pytest.mark.parametrize("steps", range(8))
async def test_a_waiter_cancelled_at_any_await_affects_no_other(awaits: int, steps: int) -> None:
    login = FakeTokenLogin(awaits)
    keeper = TokenManager(login)
    waiters = [asyncio.ensure_future(keeper.get(None)) for _ in range(3)]
    for _ in range(steps):
        await asyncio.sleep(0)
    waiters[0].cancel()
    tokens = await asyncio.gather(*waiters[1:])
    assert {token.value for token in tokens} == {"token-1"}
    assert login.begun == 1


async def test_the_backoff_grows_with_each_failure(loop: MovableLoop) -> None:
    login = FakeTokenLogin(1)
    login.error = ServerError("the API failed", status=503)
    keeper = TokenManager(login)
    for pause in (5, 10, 20, 40, 80, 160, 300, 300):
        with pytest.raises(ServerError):
            await keeper.get(None)
        begun = login.begun
        loop.shift(pause - 0.5)
        with pytest.raises(ServerError):
            await keeper.get(None)
        assert login.begun == begun, "it was asked again inside the pause"
        loop.shift(0.6)
    login.error = None
    assert (await keeper.get(None)).value == f"token-{login.begun}"


async def test_a_remembered_failure_holds_no_frames() -> None:
    login = FakeTokenLogin(1)
    login.error = ServerError("the API failed", status=503)
    keeper = TokenManager(login)
    for _ in range(3):
        with pytest.raises(ServerError):
            await keeper.get(None)
    assert keeper._failure is not None
    assert keeper._failure.__traceback__ is None
    gc.collect()


async def test_closing_raises_in_those_who_wait_for_the_login(sandbox: Sandbox) -> None:
    sandbox.latency = 10
    nex = await NexHealth(sandbox.api_key, base_url=sandbox.url).open()
    waiting = asyncio.ensure_future(nex.institutions.get(1))
    await asyncio.sleep(0.01)
    await nex.aclose()
    with pytest.raises(Exception, match="closed"):
        await waiting
