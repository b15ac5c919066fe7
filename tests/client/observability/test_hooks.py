"""Hooks: called before and after every attempt, without any personal data."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from nexhealth_async import (
    NO_RETRY,
    APITimeoutError,
    Attempt,
    AttemptOutcome,
    Hook,
    InvalidArgumentError,
    Limit,
    NexHealth,
    NexHealthError,
    NotFoundError,
    Rates,
    RetryPolicy,
    ServerError,
)
from nexhealth_async._client.hooks import Hooks
from tests.client.observability.helpers import HookNotes
from tests.session.transport_error_helpers import QUICK, SENTINEL, ErrorScene, LoopClock, scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async.sandbox import Sandbox
    from tests.conftest import MovableLoop

ATTEMPT = Attempt(
    operation="GET /patients",
    method="GET",
    path="/patients",
    resource="patients",
    rate_class="people",
    version="v2",
    base_url="https://nexhealth.info",
)


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_hook_receives_operation_version_and_scope(version: str) -> None:
    notes = HookNotes()
    async with scene(hooks=[notes], version=version) as at:
        await at.location.patients.get(at.sandbox.patients.ids[0])
        assert notes.only.attempt is notes.began[-1]
        attempts = attrs.asdict(notes.began[-1])
        assert attempts.pop("version") in {"v2", "v3.0.0"}
        assert attempts.pop("waited_login") > 0
        assert attempts == {
            "operation": "GET /patients/{id}",
            "method": "GET",
            "path": "/patients/{id}",
            "resource": "patients",
            "rate_class": "people",
            "base_url": at.sandbox.url,
            "subdomain": at.sandbox.subdomain,
            "number": 1,
            "is_login": False,
            "waited_rate": 0.0,
            "waited_retry": 0.0,
            "waited_for": ("login",),
        }


async def test_the_login_is_a_separate_attempt() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        await at.works()
        login, call = notes.began
        assert (login.operation, login.is_login) == ("POST /authenticates", True)
        assert (login.resource, login.subdomain) == ("authenticates", None)
        assert not call.is_login
        assert call.waited_login >= notes.ended[0].seconds > 0


async def test_the_outcome_has_status_bytes_records_and_seconds() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes], patients=25) as at:
        async for _ in at.location.patients.walk(per_page=10, new_patient=None, prefetch=0):
            pass
        assert [call.records for call in notes.calls] == [10, 10, 5]
        assert {call.status for call in notes.calls} == {200}
        assert {call.error for call in notes.calls} == {None}
        assert all(call.seconds > 0 for call in notes.calls)
        sizes = [call.bytes_received or 0 for call in notes.calls]
        assert sizes[0] > sizes[2] > 100
        assert at.nex.stats.bytes_received == sum(one.bytes_received or 0 for one in notes.ended)


async def test_a_record_has_no_count_and_a_deletion_no_bytes() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        await at.location.patients.get(at.sandbox.patients.ids[0])
        await at.location.appointment_types.delete(at.sandbox.appointment_types.ids[-1])
        assert [call.records for call in notes.calls] == [None, None]
        assert notes.calls[1].attempt.method == "DELETE"


async def test_a_download_ends_for_hooks_when_its_response_begins() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        documents = at.sandbox.practice.documents
        person = at.sandbox.patients.ids[0]
        id = documents.add({"patient_id": person, "type": "text/plain"})
        documents.update(id, url=f"/documents/{id}/download")
        at.sandbox.practice.document_bytes[id] = b"x" * 1000
        url = f"/documents/{id}/download?subdomain={at.sandbox.subdomain}"
        async with at.nex.download(url) as file:
            assert notes.only.attempt.operation == "GET /documents/{id}/download"
            assert (notes.only.status, notes.only.bytes_received) == (200, None)
            assert await file.read() == b"x" * 1000


FAULTS: dict[str, tuple[Callable[[Sandbox], object], int | None, str]] = {
    "503": (lambda sandbox: sandbox.fail_next(503, times=2), 503, "ServerError"),
    "429": (
        lambda sandbox: sandbox.fail_next(429, headers={"Retry-After": "0"}, times=2),
        429,
        "RateLimitError",
    ),
    "lost": (lambda sandbox: sandbox.drop_next(times=2), None, "ConnectionLostError"),
    "garbage": (lambda sandbox: sandbox.garbage_next(times=2), 200, "MalformedBodyError"),
    "cut": (lambda sandbox: sandbox.truncate_next(times=2), 200, "MalformedBodyError"),
}


@pytest.mark.parametrize(("order", "status", "error"), FAULTS.values(), ids=FAULTS)
async def test_each_retry_has_the_failure_it_follows(
    order: Callable[[Sandbox], object], status: int | None, error: str
) -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        await at.works()
        notes.ended.clear()
        order(at.sandbox)
        await at.works()
        assert [call.attempt.number for call in notes.calls] == [1, 2, 3]
        assert [call.error for call in notes.calls] == [error, error, None]
        assert [call.status for call in notes.calls] == [status, status, 200]


async def test_a_rejected_token_is_an_attempt_and_the_new_login_is_a_wait(
    loop: MovableLoop,
) -> None:
    notes = HookNotes()
    async with scene(hooks=[notes], clock=LoopClock()) as at:
        await at.works()
        loop.shift(60)  # a younger token would not be replaced
        at.sandbox.expire_tokens()
        notes.ended.clear()
        await at.works()
        refused, login, done = notes.ended
        assert (refused.status, refused.error) == (401, "AuthenticationError")
        assert login.attempt.is_login
        assert done.attempt.number == 2
        assert done.attempt.waited_login >= login.seconds
        assert refused.attempt.waited_login == 0
        assert [one.attempt.waited_for for one in (refused, login, done)] == [(), (), ("login",)]


async def test_waits_are_reported_by_cause(loop: MovableLoop) -> None:
    loop.skip_waits, loop.io_wait = True, 0.01
    notes = HookNotes()
    retry = RetryPolicy(base_delay=2.0, attempt_timeout=None)
    rates = Rates(overall=None, slow=None, people=Limit(1, 10.0), other=None)
    async with scene(hooks=[notes], retry=retry, rates=rates, clock=LoopClock(), timeout=90) as at:
        await at.works()
        at.sandbox.fail_next(503)
        await at.works()
        first, failed, again = (call.attempt for call in notes.calls)
        assert [one.waited_for for one in (first, failed, again)] == [
            ("login",),
            ("rate",),
            ("retry", "rate"),
        ]
        assert first.waited_rate == 0
        assert 1 < failed.waited_rate <= 10.3
        assert (first.waited_retry, failed.waited_retry) == (0, 0)
        assert again.waited_retry > 0
        assert again.waited_login == 0
        stats = at.nex.stats
        attempts = [call.attempt for call in notes.calls]
        assert stats.waited_rate == pytest.approx(sum(one.waited_rate for one in attempts))
        assert stats.waited_retry == pytest.approx(sum(one.waited_retry for one in attempts))
        assert stats.waited_login == pytest.approx(sum(one.waited_login for one in attempts))


async def test_the_seconds_of_an_attempt_include_no_wait(loop: MovableLoop) -> None:
    loop.skip_waits, loop.io_wait = True, 0.01
    notes = HookNotes()
    rates = Rates(overall=None, slow=None, people=Limit(1, 1000.0), other=None)
    async with scene(hooks=[notes], rates=rates, clock=LoopClock(), timeout=None) as at:
        await at.works()
        await at.works()
        assert notes.calls[1].attempt.waited_rate > 900
        assert notes.calls[1].seconds < 500


async def test_a_cancelled_call_is_reported_as_cancelled() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        await at.works()
        notes.ended.clear()
        at.sandbox.hang_next()
        task, sent = asyncio.create_task(at.works()), at.sent
        while at.sent == sent:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (notes.only.status, notes.only.error) == (None, "CancelledError")
        assert at.nex.stats.failures["CancelledError"] == 1


async def test_a_call_that_sends_nothing_is_not_reported() -> None:
    notes = HookNotes()
    rates = Rates(overall=None, slow=None, people=Limit(1, 1000.0), other=None)
    async with scene(hooks=[notes], rates=rates) as at:
        await at.works()
        with pytest.raises(APITimeoutError):
            await at.works()
        with pytest.raises(InvalidArgumentError):
            await at.nex.request("GET", "patients")
        assert len(notes.calls) == 1
        assert at.nex.stats.requests == 2


async def test_a_repeated_deletion_that_finds_nothing_is_reported_with_the_servers_status() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        at.sandbox.drop_next(when="after", method="DELETE")
        await at.location.appointment_types.delete(at.sandbox.appointment_types.ids[-1])
        assert [call.error for call in notes.calls] == ["ConnectionLostError", "NotFoundError"]
        assert notes.calls[1].status == 404


async def test_copies_and_scopes_have_the_hooks_too() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        await (
            at.nex.with_options(timeout=9)
            .practice(at.sandbox.subdomain)
            .patients.walk(location_id=at.sandbox.location_id)
            .count()
        )
        assert notes.only.status == 200


async def test_several_hooks_nest() -> None:
    line: list[str] = []
    async with scene(hooks=[HookNotes("a", line=line), HookNotes("b", line=line)]) as at:
        await at.nex.log_in()
    assert line == ["a before", "b before", "b after", "a after"]


_REQUEST: ContextVar[str] = ContextVar("request", default="none")


class _ContextHook(Hook):
    """Records a context variable of the caller."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def before(self, attempt: Attempt, /) -> None:
        self.seen.append((attempt.operation, _REQUEST.get()))

    def after(self, outcome: AttemptOutcome, /) -> None:
        self.seen.append((outcome.attempt.operation, _REQUEST.get()))


async def test_hooks_run_in_the_callers_context_for_prefetched_pages_and_logins_too() -> None:
    hook = _ContextHook()
    async with scene(hooks=[hook], patients=25) as at:
        _REQUEST.set("mine")
        ids = [
            patient.id
            async for patient in at.location.patients.walk(per_page=5, new_patient=None, prefetch=3)
        ]
        assert len(ids) == 25
        assert len(hook.seen) == 2 * (5 + 1)
        assert {name for _, name in hook.seen} == {"mine"}


class _RaisingHook(Hook):
    def before(self, attempt: Attempt, /) -> None:
        raise RuntimeError(SENTINEL)

    def after(self, outcome: AttemptOutcome, /) -> None:
        raise ValueError(SENTINEL)


async def test_an_error_in_a_hook_has_no_effect_and_is_logged_once_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notes = HookNotes()
    with caplog.at_level(logging.WARNING, "nexhealth_async"):
        async with scene(hooks=[_RaisingHook(), notes, _RaisingHook()]) as at:
            for _ in range(3):
                await at.works()
    assert len(notes.calls) == 3
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert all("the hook _RaisingHook raised RuntimeError" in text for text in texts)
    assert SENTINEL not in caplog.text


class _InterruptingHook(Hook):
    def after(self, outcome: AttemptOutcome, /) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_inside_a_hook_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        Hooks([_InterruptingHook()]).after(AttemptOutcome(attempt=ATTEMPT, seconds=1.0))


class _AsyncHook(Hook):
    async def after(self, outcome: AttemptOutcome, /) -> None:  # type: ignore[override]  # what is refused
        pass


@pytest.mark.parametrize("wrong", [_AsyncHook(), print, object(), HookNotes])
def test_an_invalid_hook_is_refused_when_the_session_is_created(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="hook"):
        NexHealth("a-key", hooks=[wrong])


async def test_a_hook_needs_only_one_method() -> None:
    class Counting(Hook):
        ends = 0

        def after(self, outcome: AttemptOutcome, /) -> None:
            self.ends += 1

    hook = Counting()
    async with scene(hooks=[Hook(), hook]) as at:
        await at.works()
    assert hook.ends == 2


async def test_values_are_frozen_and_their_reprs_show_no_practice() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes]) as at:
        await at.works()
        outcome = notes.only
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            outcome.attempt.number = 2  # type: ignore[misc]  # which is refused
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            outcome.status = 2  # type: ignore[misc]  # which is refused
        assert at.sandbox.subdomain not in repr(outcome)
        assert len({outcome.attempt: 1, notes.began[0]: 2}) == 2


async def _fails(at: ErrorScene, kind: type[NexHealthError]) -> None:
    with pytest.raises(kind):
        await at.location.patients.get(1)


async def test_a_permanent_failure_ends_once() -> None:
    notes = HookNotes()
    async with scene(hooks=[notes], retry=NO_RETRY) as at:
        await _fails(at, NotFoundError)
        at.sandbox.fail_next(500)
        await _fails(at, ServerError)
        assert [call.error for call in notes.calls] == ["NotFoundError", "ServerError"]
        assert len(notes.began) == len(notes.ended)


async def test_a_session_without_hooks_creates_no_values_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(*_: object, **__: object) -> None:
        raise AssertionError("made for nobody")

    monkeypatch.setattr("nexhealth_async._client.call.HookRecorder.of", made)
    async with scene(retry=QUICK) as at:
        await at.works()
    with pytest.raises(AssertionError, match="for nobody"):
        async with scene(hooks=[Hook()]) as at:
            await at.nex.log_in()
