"""Retries: which requests are repeated, and when an unsafe write has an unknown outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sized
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest
from attrs import frozen

from nexhealth_async import (
    NO_RETRY,
    APITimeoutError,
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    InvalidRequestError,
    InvalidResponseError,
    MalformedBodyError,
    NexHealth,
    NexHealthError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnexpectedStructureError,
)
from tests.session.transport_error_helpers import (
    QUICK,
    SENTINEL,
    ErrorScene,
    RawServer,
    check_text,
    envelope,
    head,
    scene,
)

if TYPE_CHECKING:
    from nexhealth_async._protocol.http_messages import Request, Response
    from nexhealth_async.sandbox import Sandbox
    from tests.conftest import MovableLoop

Fault: TypeAlias = Callable[["Sandbox", int], object]

HIT_AND_RUN: dict[str, Fault] = {
    "500": lambda sandbox, times: sandbox.fail_next(500, times=times),
    "502": lambda sandbox, times: sandbox.fail_next(502, body=b"<html>bad gateway", times=times),
    "503": lambda sandbox, times: sandbox.fail_next(503, times=times),
    "504": lambda sandbox, times: sandbox.fail_next(504, body=b"", times=times),
    "drop before": lambda sandbox, times: sandbox.drop_next(times=times),
    "drop after": lambda sandbox, times: sandbox.drop_next(when="after", times=times),
    "drop inside": lambda sandbox, times: sandbox.drop_next(when="mid_body", times=times),
    "cut": lambda sandbox, times: sandbox.truncate_next(times=times),
    "empty": lambda sandbox, times: sandbox.empty_next(times=times),
    "web page": lambda sandbox, times: sandbox.garbage_next(times=times),
}
"""Transient failures, after which reads are repeated."""


def far_ahead() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)


@frozen(kw_only=True)
class WriteCase:
    """An operation, its call, and the table that shows its effect."""

    operation: str
    does: Callable[[ErrorScene], Awaitable[object]]
    table: Callable[[Sandbox], Sized]


UNSAFE = {
    "patient": WriteCase(
        operation="POST /patients",
        does=lambda at: at.location.patients.create(
            provider_id=at.sandbox.providers.ids[0],
            first_name="Ada",
            last_name=SENTINEL,
            email="ada@example.com",
            bio={"date_of_birth": date(1990, 1, 2), "phone_number": "2125550133"},
        ),
        table=lambda sandbox: sandbox.patients,
    ),
    "appointment": WriteCase(
        operation="POST /appointments",
        does=lambda at: at.location.appointments.create(
            patient_id=at.sandbox.patients.ids[0],
            provider_id=at.sandbox.providers.ids[0],
            operatory_id=at.sandbox.operatories.ids[0],
            start_time=far_ahead(),
            appointment_type_id=at.sandbox.appointment_types.ids[0],
            note=SENTINEL,
        ),
        table=lambda sandbox: sandbox.appointments,
    ),
    "working hours": WriteCase(
        operation="POST /availabilities",
        does=lambda at: at.location.working_hours.create(
            provider_id=at.sandbox.providers.ids[0],
            begin_time="08:00",
            end_time="09:00",
            days=["Monday"],
        ),
        table=lambda sandbox: sandbox.availabilities,
    ),
    "appointment type": WriteCase(
        operation="POST /appointment_types",
        does=lambda at: at.location.appointment_types.create(name=SENTINEL),
        table=lambda sandbox: sandbox.appointment_types,
    ),
}
unsafe = pytest.mark.parametrize("write", UNSAFE.values(), ids=UNSAFE)


async def arrived(at: ErrorScene, requests: int) -> None:
    """Wait until so many data requests have reached the sandbox."""
    while at.sent < requests:
        await asyncio.sleep(0)


# Reads


@pytest.mark.parametrize("fault", HIT_AND_RUN.values(), ids=HIT_AND_RUN)
@pytest.mark.parametrize("times", [1, 3])
async def test_a_read_is_repeated_until_it_succeeds(fault: Fault, times: int) -> None:
    async with scene() as at:
        fault(at.sandbox, times)
        id = at.sandbox.patients.ids[4]
        assert (await at.location.patients.get(id)).id == id
        assert at.sent == times + 1
        fault(at.sandbox, times)
        await at.works()
        assert at.sent == 2 * (times + 1)
        assert at.sandbox.logins == 1


@pytest.mark.parametrize("fault", HIT_AND_RUN.values(), ids=HIT_AND_RUN)
@pytest.mark.parametrize("attempts", [1, 2, 6])
async def test_attempts_are_bounded_and_counted(fault: Fault, attempts: int) -> None:
    async with scene(retry=RetryPolicy(attempts=attempts, base_delay=0.0)) as at:
        fault(at.sandbox, 100)
        with pytest.raises((ServerError, ConnectionLostError, MalformedBodyError)) as caught:
            await at.names()
        check_text(caught.value, attempts=attempts)
        assert at.sent == attempts


@pytest.mark.parametrize("fault", HIT_AND_RUN.values(), ids=HIT_AND_RUN)
async def test_no_retry_sends_once(fault: Fault) -> None:
    async with scene(retry=NO_RETRY) as at:
        fault(at.sandbox, 1)
        with pytest.raises(NexHealthError):
            await at.names()
        assert at.sent == 1
        await at.works()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequestError),
        (404, NotFoundError),
        (415, InvalidRequestError),
        (422, InvalidRequestError),
        (418, InvalidRequestError),
        (501, ServerError),
        (505, ServerError),
        (599, ServerError),
        (302, UnexpectedStructureError),
    ],
)
async def test_a_permanent_failure_is_not_repeated(
    status: int, error: type[NexHealthError]
) -> None:
    async with scene() as at:
        at.sandbox.fail_next(status, times=9)
        with pytest.raises(error) as caught:
            await at.names()
        check_text(caught.value, attempts=1, status=status)
        assert at.sent == 1


async def test_code_false_in_a_success_is_an_error_and_not_repeated() -> None:
    async with scene() as at:
        body = b'{"code":false,"error":["' + SENTINEL.encode() + b'"],"data":null}'
        at.sandbox.fail_next(200, body=body, times=9)
        with pytest.raises(InvalidRequestError) as caught:
            await at.names()
        check_text(caught.value, attempts=1, status=200)
        assert caught.value.texts == (SENTINEL,)


async def test_pauses_grow_up_to_their_maximum(loop: MovableLoop) -> None:
    policy = RetryPolicy(attempts=6, base_delay=1.0, max_wait=4.0)
    async with scene(retry=policy, timeout=None) as at:
        await at.works()
        at.sandbox.fail_next(503, times=9)
        loop.skip_waits, loop.io_wait = True, 0.002
        began = loop.time()
        with pytest.raises(ServerError):
            await at.names()
        assert (1 + 2 + 4 + 4 + 4) / 2 <= loop.time() - began < 15 + 1


# Unsafe writes


@unsafe
@pytest.mark.parametrize("fault", HIT_AND_RUN.values(), ids=HIT_AND_RUN)
async def test_an_unsafe_write_that_may_have_happened_is_never_sent_twice(
    write: WriteCase, fault: Fault
) -> None:
    async with scene() as at:
        rows = len(write.table(at.sandbox))
        fault(at.sandbox, 9)
        with pytest.raises(OutcomeUnknownError) as caught:
            await write.does(at)
        error = caught.value
        check_text(error, operation=write.operation, attempts=1)
        assert error.lookup.endswith(".")
        assert "Walk " in error.lookup
        assert error.lookup in str(error)
        assert len(at.sandbox.seen("POST", write.operation.removeprefix("POST "))) == 1
        assert len(write.table(at.sandbox)) <= rows + 1
        at.sandbox.clear()
        await at.works()


@unsafe
@pytest.mark.parametrize("status", [200, 201, 204, 500, 503])
async def test_the_status_of_an_unreadable_response_is_reported(
    write: WriteCase, status: int
) -> None:
    async with scene() as at:
        at.sandbox.garbage_next(b"", status=status)
        with pytest.raises(OutcomeUnknownError) as caught:
            await write.does(at)
        assert caught.value.status == status


@unsafe
@pytest.mark.parametrize("body", [envelope(None), envelope("x"), envelope([1])])
async def test_a_success_without_a_record_is_an_unknown_outcome(
    write: WriteCase, body: bytes
) -> None:
    async with scene() as at:
        at.sandbox.garbage_next(body, status=201)
        with pytest.raises(OutcomeUnknownError) as caught:
            await write.does(at)
        assert caught.value.status == 201
        assert at.sent == 1


@unsafe
async def test_an_unsafe_write_refused_by_429_is_sent_again(
    write: WriteCase, loop: MovableLoop
) -> None:
    async with scene() as at:
        rows = len(write.table(at.sandbox))
        at.sandbox.fail_next(429, times=2, headers={"Retry-After": "2"})
        loop.skip_waits, loop.io_wait = True, 0.005
        await write.does(at)
        assert at.sent == 3
        assert len(write.table(at.sandbox)) == rows + 1


@unsafe
async def test_an_unsafe_write_that_meets_an_expired_token_is_sent_again(
    write: WriteCase, loop: MovableLoop
) -> None:
    async with scene() as at:
        await at.works()
        rows = len(write.table(at.sandbox))
        at.sandbox.expire_tokens()
        loop.shift(60)
        await write.does(at)
        assert (at.sent, at.sandbox.logins) == (3, 2)
        assert len(write.table(at.sandbox)) == rows + 1


@unsafe
async def test_an_unsafe_write_refused_by_401_twice_is_refused(
    write: WriteCase, loop: MovableLoop
) -> None:
    async with scene() as at:
        await at.works()
        loop.shift(60)
        at.sandbox.fail_next(401, times=9)
        with pytest.raises(AuthenticationError):
            await write.does(at)
        assert (at.sent, at.sandbox.logins) == (3, 2)


@unsafe
async def test_an_unsafe_write_without_a_connection_is_retried(write: WriteCase) -> None:
    async with scene() as at:
        await at.works()
        await at.sandbox.stop()
        with pytest.raises(ConnectError) as caught:
            await write.does(at)
        check_text(caught.value, operation=write.operation, attempts=4)


async def test_an_unsafe_write_arrives_once_when_a_connection_succeeds_at_last() -> None:
    server = RawServer()
    policy = RetryPolicy(attempts=6, base_delay=0.01)
    async with (
        server.listening(),
        NexHealth("a-key", base_url=server.url, subdomain="demo", retry=policy) as nex,
    ):
        await nex.patients.walk(location_id=1).count()
        async with server.gone(back_after=0.01):
            server.says = head(envelope({"id": 7, "name": "Polish"}), status="201 Created")
            assert (await nex.appointment_types.create(name="Polish")).id == 7
        assert server.hits == 2


@unsafe
async def test_an_unsafe_write_rejected_by_400_raises_a_plain_error(write: WriteCase) -> None:
    async with scene() as at:
        at.sandbox.fail_next(400)
        with pytest.raises(InvalidRequestError):
            await write.does(at)
        assert at.sent == 1


@unsafe
async def test_an_unsafe_write_that_runs_out_of_time_has_an_unknown_outcome(
    write: WriteCase, loop: MovableLoop
) -> None:
    async with scene(timeout=10.0, retry=RetryPolicy(attempt_timeout=None)) as at:
        await at.works()
        at.sandbox.delay_next(1000)
        task = asyncio.ensure_future(write.does(at))
        await arrived(at, 2)
        loop.shift(11)
        with pytest.raises(OutcomeUnknownError) as caught:
            await task
        assert caught.value.status is None
        assert at.sent == 2
        loop.shift(1000)


@unsafe
async def test_an_outer_cancellation_of_a_write_is_unchanged(
    write: WriteCase, loop: MovableLoop
) -> None:
    async with scene() as at:
        await at.works()
        at.sandbox.delay_next(1000)
        task = asyncio.ensure_future(write.does(at))
        await arrived(at, 2)
        task.cancel("by a stranger")
        with pytest.raises(asyncio.CancelledError, match="by a stranger"):
            await task
        await at.works()
        assert at.sent == 3
        loop.shift(1000)


@unsafe
async def test_an_outer_timeout_of_a_write_is_unchanged(
    write: WriteCase, loop: MovableLoop
) -> None:
    async def bounded(at: ErrorScene) -> None:
        async with asyncio.timeout(3):
            await write.does(at)

    async with scene() as at:
        await at.works()
        at.sandbox.delay_next(1000)
        task = asyncio.ensure_future(bounded(at))
        await arrived(at, 2)
        loop.shift(3.5)
        with pytest.raises(TimeoutError) as caught:
            await task
        assert type(caught.value) is TimeoutError
        assert at.sent == 2
        loop.shift(1000)


@unsafe
async def test_unsafe_writes_use_a_fresh_connection(write: WriteCase) -> None:
    async with scene() as at:
        await at.works()
        await write.does(at)
        await at.works()
        read, sent, again = list(at.sandbox.requests)[-3:]
        assert sent.method == "POST"
        assert read.port == again.port, "reads share a connection"
        assert sent.port not in {None, read.port}


async def test_an_unsafe_write_never_uses_a_connection_closed_while_idle() -> None:
    """A server closes idle connections silently; a write on one would have an unknown outcome."""
    closing = head(envelope({"id": 7}), status="201 Created")
    server = RawServer(says=closing)
    async with (
        server.listening(),
        NexHealth("a-key", base_url=server.url, subdomain="demo", retry=QUICK) as nex,
    ):
        await nex.appointment_types.get(7)
        server.hang_up()
        assert (await nex.appointment_types.create(name="Polish")).id == 7
        assert server.hits == 2


async def test_aiohttp_makes_no_retries_itself() -> None:
    async with scene(retry=NO_RETRY) as at:
        await at.works()
        at.sandbox.drop_next(times=9)
        with pytest.raises(ConnectionLostError) as caught:
            await at.names()
        assert at.sent == 2
        assert caught.value.attempts == 1
        with pytest.raises(ConnectionLostError):
            await at.location.appointment_types.delete(at.sandbox.appointment_types.ids[0])
        assert at.sent == 3


@pytest.mark.parametrize("safe", [True, None])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_request_repeats_writes_only_if_allowed(
    method: str,
    safe: bool | None,  # noqa: FBT001 - a column of the table
) -> None:
    async with scene() as at:
        at.sandbox.fail_next(503)
        if safe:
            at.sandbox.fail_next(200, body=envelope({"done": True}))
            answer = await at.nex.request(method, "/invented", json={}, safe=True)
            assert answer.data == {"done": True}
            assert at.sent == 2
        else:
            with pytest.raises(OutcomeUnknownError) as caught:
                await at.nex.request(method, "/invented", json={})
            assert caught.value.lookup
            assert at.sent == 1


# Writes that may be repeated


@pytest.mark.parametrize("fault", HIT_AND_RUN.values(), ids=HIT_AND_RUN)
async def test_a_change_is_repeated(fault: Fault) -> None:
    async with scene() as at:
        id = at.sandbox.appointment_types.ids[0]
        fault(at.sandbox, 2)
        assert (await at.location.appointment_types.update(id, minutes=25)).minutes == 25
        assert at.sent == 3
        assert at.sandbox.appointment_types.row(id)["minutes"] == 25


@pytest.mark.parametrize("when", ["after", "mid_body"])
@pytest.mark.parametrize("by_request", [False, True], ids=["method", "nex.request"])
async def test_a_deletion_with_a_lost_response_succeeds(
    when: Literal["after", "mid_body"],
    by_request: bool,  # noqa: FBT001 - a column of the table
) -> None:
    async with scene() as at:
        id = at.sandbox.appointment_types.ids[0]
        at.sandbox.drop_next(when=when)
        if by_request:
            params = {"subdomain": at.sandbox.subdomain}
            answer = await at.nex.request("DELETE", f"/appointment_types/{id}", params=params)
            assert answer.data is None
        else:
            await at.location.appointment_types.delete(id)
        assert [request.status for request in at.sandbox.seen("DELETE")][-1] == 404
        assert id not in at.sandbox.appointment_types
        assert at.sent == 2


async def test_a_deletion_that_finds_nothing_raises() -> None:
    async with scene() as at:
        with pytest.raises(NotFoundError):
            await at.location.appointment_types.delete(987_654)
        assert at.sent == 1


async def test_a_deletion_that_finds_nothing_after_a_429_raises(
    loop: MovableLoop,
) -> None:
    async with scene() as at:
        await at.works()
        at.sandbox.fail_next(429, headers={"Retry-After": "1"})
        loop.skip_waits, loop.io_wait = True, 0.005
        with pytest.raises(NotFoundError) as caught:
            await at.location.appointment_types.delete(987_654)
        assert caught.value.attempts == 2


async def test_a_deletion_that_finds_nothing_after_an_unsent_attempt_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that failed deleted nothing, so the 404 after it is true."""
    async with scene() as at:
        await at.works()
        transport = at.nex._client.state.transport
        send, failures = transport.send, [ConnectError("no connection")]

        async def first_failing(request: Request, *, timeout: float | None) -> Response:  # noqa: ASYNC109 - as what it replaces
            if failures:
                raise failures.pop()
            return await send(request, timeout=timeout)

        monkeypatch.setattr(transport, "send", first_failing)
        with pytest.raises(NotFoundError) as caught:
            await at.location.appointment_types.delete(987_654)
        assert caught.value.attempts == 2


async def test_a_renewed_token_costs_no_attempt(loop: MovableLoop) -> None:
    async with scene() as at:
        await at.works()
        loop.shift(60)
        at.sandbox.expire_tokens()
        at.sandbox.fail_next(401)
        at.sandbox.fail_next(503, times=3)
        await at.works()
        assert (at.sent, at.sandbox.logins) == (1 + 1 + 4, 2)


# Deadlines


async def test_a_pause_longer_than_the_timeout_is_not_begun(loop: MovableLoop) -> None:
    policy = RetryPolicy(base_delay=8.0)
    async with scene(retry=policy, timeout=2.0) as at:
        await at.works()
        at.sandbox.fail_next(503, times=9)
        began = loop.time()
        with pytest.raises(ServerError) as caught:
            await at.names()
        check_text(caught.value, attempts=1, status=503)
        assert loop.time() - began < 1
        assert at.sent == 2


@pytest.mark.parametrize("write", [None, *UNSAFE.values()], ids=["read", *UNSAFE])
async def test_a_retry_after_beyond_the_timeout_is_raised_at_once(
    write: WriteCase | None, loop: MovableLoop
) -> None:
    async with scene(timeout=5.0) as at:
        await at.works()
        at.sandbox.fail_next(429, headers={"Retry-After": "30"})
        began = loop.time()
        with pytest.raises(RateLimitError) as caught:
            await (write.does(at) if write else at.names())
        assert caught.value.retry_after == 30
        assert caught.value.attempts == 1
        assert loop.time() - began < 1
        assert at.sent == 2


async def test_a_timeout_of_a_copy_applies_to_the_copy_only(loop: MovableLoop) -> None:
    async with scene(timeout=None) as at:
        await at.works()
        at.sandbox.fail_next(429, headers={"Retry-After": "30"}, times=2)
        id = at.sandbox.patients.ids[0]
        hasty = at.nex.with_options(timeout=3, subdomain=at.sandbox.subdomain)
        with pytest.raises(RateLimitError):
            await hasty.patients.get(id)
        loop.skip_waits, loop.io_wait = True, 0.005
        began = loop.time()
        assert (await at.location.patients.get(id)).id == id
        assert 59 < loop.time() - began < 61.5


async def test_the_login_counts_into_the_timeout_and_continues_for_others(
    loop: MovableLoop,
) -> None:
    async with scene(timeout=4.0, retry=RetryPolicy()) as at:
        at.sandbox.delay_next(7, path="/authenticates")
        task = asyncio.ensure_future(at.names())
        while not at.sandbox.requests:
            await asyncio.sleep(0)
        loop.shift(4.5)
        with pytest.raises(APITimeoutError) as caught:
            await task
        check_text(caught.value, attempts=0)
        assert at.sent == 0
        loop.shift(3)
        await at.works()
        assert at.sandbox.logins == 1


async def test_attempts_share_one_deadline(loop: MovableLoop) -> None:
    async with scene(timeout=10.0, retry=RetryPolicy(base_delay=0.0, attempt_timeout=4.0)) as at:
        await at.works()
        at.sandbox.delay_next(1000, times=9)
        loop.skip_waits, loop.io_wait = True, 0.005
        began = loop.time()
        with pytest.raises(APITimeoutError) as caught:
            await at.names()
        assert 10 <= loop.time() - began < 11
        check_text(caught.value, attempts=3)
        loop.shift(1000)


async def test_an_unreadable_success_of_a_write_is_not_an_invalid_response() -> None:
    """Callers who catch InvalidResponseError and retry must not write twice."""
    async with scene() as at:
        at.sandbox.truncate_next()
        with pytest.raises(OutcomeUnknownError) as caught:
            await at.location.appointment_types.create(name="Polish")
        assert not isinstance(caught.value, InvalidResponseError)
        assert len(at.sandbox.appointment_types) == 5
