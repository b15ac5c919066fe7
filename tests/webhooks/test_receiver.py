"""A receiver responds fast, delivers each event once, and repeats unhandled ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexhealth_async import InvalidArgumentError, SessionStateError
from nexhealth_async.models import Patient
from nexhealth_async.stores import Claim, MemorySeen
from nexhealth_async.webhooks import Event, Receiver, ReceiverCounts, sign
from tests.webhooks.payloads import delivery, sample

SECRET = "an-invented-secret"
SENTINEL = "Zaphquill"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def posted(id: int = 1, secret: str = SECRET, at: datetime = NOW) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a delivery about a patient."""
    record = {**sample("Patient"), "id": id, "name": SENTINEL}
    body = delivery("patient_created", {"patients": [record]})
    return sign(secret, body, at), body


def ids(events: list[Event]) -> list[int]:
    return [patient.id for event in events for patient in event.of(Patient)]


class Handler:
    """Records its events; waits and fails on request."""

    def __init__(self) -> None:
        self.got: list[Event] = []
        self.free = asyncio.Event()
        self.free.set()
        self.fail: Callable[[], BaseException] | None = None

    async def __call__(self, event: Event) -> None:
        self.got.append(event)
        await self.free.wait()
        if self.fail is not None:
            raise self.fail()


@pytest.fixture
def handler() -> Handler:
    return Handler()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_delivery_can_be_answered_before_it_is_handled(handler: Handler) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler, answer="queued") as receiver:
        assert [await receiver.receive(*posted(id)) for id in (1, 2, 3)] == [200] * 3
        await turns()
        assert ids(handler.got) == [1]
        handler.free.set()
    assert ids(handler.got) == [1, 2, 3]
    assert receiver.counts == ReceiverCounts(queued=3, handled=3)


async def test_duplicates_are_dropped_during_handling_and_after(handler: Handler) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler, answer="queued") as receiver:
        later = NOW + timedelta(minutes=1)  # retries are signed anew
        answers = await asyncio.gather(
            *(receiver.receive(*posted(at=NOW if at % 2 else later)) for at in range(20))
        )
        handler.free.set()
        await turns()
        answers += [await receiver.receive(*posted())]
    assert set(answers) == {200}
    assert ids(handler.got) == [1]
    assert receiver.counts == ReceiverCounts(queued=1, handled=1, duplicates=20)


async def test_one_change_delivered_in_two_versions_is_handled_once(handler: Handler) -> None:
    record = sample("Patient")
    async with Receiver(SECRET, handler) as receiver:
        for data in ({"patients": [record]}, {"user": record}):
            body = delivery("patient_created", data)
            assert await receiver.receive(sign(SECRET, body, NOW), body) == 200
    assert len(handler.got) == 1


async def test_unsigned_bodies_are_refused(handler: Handler) -> None:
    headers, body = posted()
    async with Receiver([SECRET, "new"], handler) as receiver:
        assert await receiver.receive(*posted(secret="other")) == 401
        assert await receiver.receive(headers, body[:-1]) == 401
        assert await receiver.receive({}, body) == 401
        assert await receiver.receive({**headers, "signature": ""}, body) == 401
        assert await receiver.receive(*posted(secret="new")) == 200
    assert len(handler.got) == 1
    assert receiver.counts.refused == 4


async def test_refusals_are_logged_less_and_less_often(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver(SECRET, handler) as receiver:
        for _ in range(120):
            await receiver.receive(*posted(secret="other"))
    reported = [
        record.getMessage()
        for record in caplog.records
        if record.name == "nexhealth_async.webhooks"
    ]
    assert [text.partition(";")[0].split()[-1] for text in reported] == ["1", "10", "100"]
    assert "signature is missing or invalid" in reported[0]


async def test_a_tolerance_refuses_old_recordings(handler: Handler) -> None:
    now = NOW + timedelta(minutes=6)
    options: dict[str, Any] = {"tolerance": timedelta(minutes=5), "now": lambda: now}
    async with Receiver(SECRET, handler, **options) as receiver:
        assert await receiver.receive(*posted()) == 401
        assert await receiver.receive(*posted(at=now)) == 200


async def test_an_unreadable_signed_body_becomes_an_event_without_a_name(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    body = f"<html>{SENTINEL}".encode()
    async with Receiver(SECRET, handler) as receiver:
        assert await receiver.receive(sign(SECRET, body, NOW), body) == 200
    (event,) = handler.got
    assert (event.event, event.body) == ("", body)
    assert receiver.counts.unreadable == 1
    assert SENTINEL not in caplog.text


async def test_a_full_queue_is_answered_503_and_the_next_try_is_accepted(handler: Handler) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler, answer="queued", queue_size=2) as receiver:
        first = await receiver.receive(*posted(0))
        await turns()
        answers = [await receiver.receive(*posted(id)) for id in (1, 2, 3, 4)]
        assert [first, *answers] == [200, 200, 200, 503, 503]
        handler.free.set()
        await turns(60)
        assert await receiver.receive(*posted(3)) == 200
    assert ids(handler.got) == [0, 1, 2, 3]
    assert receiver.counts.put_off == 2


async def test_a_failing_handler_is_logged_without_data_and_its_event_is_repeated(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[tuple[Event, Exception]] = []

    def on_error(event: Event, error: Exception) -> None:
        reported.append((event, error))

    handler.fail = lambda: ValueError(SENTINEL)
    receiver = Receiver(SECRET, handler, on_error=on_error)
    async with receiver:
        assert await receiver.receive(*posted(1)) == 503
        handler.fail = None
        assert await receiver.receive(*posted(2)) == 200
        assert await receiver.receive(*posted(1)) == 200
    assert ids(handler.got) == [1, 2, 1]
    assert receiver.counts == ReceiverCounts(queued=3, handled=2, failed=1)
    assert "ValueError" in caplog.text
    assert SENTINEL not in caplog.text
    assert [(event.key, str(error)) for event, error in reported] == [
        (handler.got[0].key, SENTINEL)
    ]


async def test_a_failing_on_error_callback_has_no_effect(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    def on_error(event: Event, error: Exception) -> None:
        raise RuntimeError(SENTINEL)

    handler.fail = lambda: ValueError(SENTINEL)
    async with Receiver(SECRET, handler, on_error=on_error) as receiver:
        for id in (1, 2):
            await receiver.receive(*posted(id))
    assert ids(handler.got) == [1, 2]
    assert "RuntimeError" in caplog.text
    assert SENTINEL not in caplog.text


async def test_a_handler_that_cancels_itself_does_not_end_the_worker(handler: Handler) -> None:
    handler.fail = asyncio.CancelledError
    async with Receiver(SECRET, handler) as receiver:
        for id in (1, 2):
            await receiver.receive(*posted(id))
    assert ids(handler.got) == [1, 2]
    assert receiver.counts.failed == 2


async def test_several_workers_handle_several_events_concurrently(handler: Handler) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler, answer="queued", workers=3) as receiver:
        for id in range(5):
            await receiver.receive(*posted(id))
        await turns()
        assert len(handler.got) == 3
        handler.free.set()
    assert len(handler.got) == 5


async def test_answering_after_handling_reports_failures_to_the_vendor(handler: Handler) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler) as receiver:
        pending = [asyncio.create_task(receiver.receive(*posted())) for _ in range(3)]
        await turns()
        assert not any(one.done() for one in pending)
        handler.fail = ValueError
        handler.free.set()
        assert await asyncio.gather(*pending) == [503] * 3
        handler.fail = None
        assert await receiver.receive(*posted()) == 200
        assert await receiver.receive(*posted()) == 200
    assert ids(handler.got) == [1, 1]


@pytest.mark.parametrize("answer", ["queued", "handled"])
async def test_a_disconnected_caller_loses_no_event(handler: Handler, answer: Any) -> None:
    class SlowClaims(MemorySeen):
        async def claim(self, key: str) -> Claim:
            await turns(5)
            return await super().claim(key)

    async with Receiver(SECRET, handler, answer=answer, store=SlowClaims()) as receiver:
        for at in range(12):
            call = asyncio.create_task(receiver.receive(*posted(at)))
            await turns(at)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await turns(40)
        again = [await receiver.receive(*posted(at)) for at in range(12)]
    assert set(again) == {200}
    assert sorted(ids(handler.got)) == list(range(12))


class UnavailableStore:
    """A store whose server is down, or whose keys another process holds."""

    def __init__(self, claim: Claim | None) -> None:
        self.answer: Claim | None = claim
        self.closed = False

    async def claim(self, key: str) -> Claim:
        if self.answer is None:
            raise ConnectionError(SENTINEL)
        return self.answer

    async def confirm(self, key: str) -> None:
        raise ConnectionError(SENTINEL)

    release = confirm

    async def fail(self, key: str) -> int:
        raise ConnectionError(SENTINEL)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_failing_store_makes_the_vendor_retry(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    store = UnavailableStore(None)
    async with Receiver(SECRET, handler, store=store) as receiver:
        assert await receiver.receive(*posted()) == 503
        store.answer = "new"
        assert await receiver.receive(*posted()) == 200
    assert len(handler.got) == 1
    assert store.closed
    assert "ConnectionError" in caplog.text
    assert SENTINEL not in caplog.text


async def test_an_event_claimed_by_another_process_is_answered_for_a_retry(
    handler: Handler,
) -> None:
    async with Receiver(SECRET, handler, store=UnavailableStore("busy")) as receiver:
        assert await receiver.receive(*posted()) == 503
    assert not handler.got
    assert receiver.counts.put_off == 1


async def test_events_can_be_iterated(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(SECRET)
    got: list[Event] = []

    async def consume() -> None:
        async for event in receiver:
            got.append(event)

    async with receiver:
        task = asyncio.create_task(consume())
        for id in range(5):
            assert await receiver.receive(*posted(id)) == 200
    await task
    assert ids(got) == list(range(5))
    assert receiver.counts == ReceiverCounts(queued=5, handled=5)


async def test_an_event_at_which_an_iteration_stopped_is_repeated() -> None:
    async with Receiver(SECRET, answer="queued") as receiver:
        for id in (1, 2, 3):
            await receiver.receive(*posted(id))
        async for event in receiver:
            if ids([event]) == [2]:
                break
        await turns()
        assert await receiver.receive(*posted(1)) == 200  # seen
        assert await receiver.receive(*posted(2)) == 200  # taken again
        walk: Any = aiter(receiver)
        async with aclosing(walk):
            assert [ids([await anext(walk)]) for _ in range(2)] == [[3], [2]]
    assert receiver.counts.duplicates == 1


async def test_iterating_beside_a_handler_is_a_usage_error(handler: Handler) -> None:
    with pytest.raises(SessionStateError, match="handler"):
        aiter(Receiver(SECRET, handler))


async def test_closing_drains_the_queue_and_accepts_no_more(handler: Handler) -> None:
    receiver = Receiver(SECRET, handler, answer="queued")
    receiver.start()
    for id in range(50):
        await receiver.receive(*posted(id))
    closing = asyncio.create_task(receiver.aclose())
    await asyncio.sleep(0)
    assert await receiver.receive(*posted(99)) == 503
    await closing
    await receiver.aclose()
    assert ids(handler.got) == list(range(50))
    assert await receiver.receive(*posted(99)) == 503


async def test_closing_has_a_time_limit_and_releases_the_remaining_claims(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemorySeen()
    handler.free.clear()
    receiver = Receiver(SECRET, handler, store=store, answer="queued", drain=0.05)
    receiver.start()
    for id in (1, 2, 3):
        await receiver.receive(*posted(id))
    await turns()
    await receiver.aclose()
    assert "3 webhook events not handled" in caplog.text
    assert store._claimed == {}
    handler.free.set()
    async with Receiver(SECRET, handler, store=store) as another:
        assert [await another.receive(*posted(id)) for id in (1, 2, 3)] == [200] * 3
    assert ids(handler.got) == [1, 1, 2, 3]


@pytest.mark.parametrize("answer", ["queued", "handled"])
async def test_closing_lets_a_slow_store_record_handled_events(
    handler: Handler, answer: Any
) -> None:
    class SlowConfirms(MemorySeen):
        async def confirm(self, key: str) -> None:
            await asyncio.sleep(0.2)
            await super().confirm(key)

    store = SlowConfirms()
    receiver = Receiver(SECRET, handler, store=store, answer=answer, drain=0.02)
    receiver.start()
    pending = asyncio.create_task(receiver.receive(*posted()))
    await turns()
    async with asyncio.timeout(5):
        await receiver.aclose()
        assert await pending == 200
    assert (len(store), store._claimed) == (1, {})
    assert receiver.counts.handled == 1


async def test_closing_a_receiver_without_a_consumer_is_quick(loop: Any) -> None:
    store = MemorySeen()
    async with Receiver(SECRET, store=store, answer="queued") as receiver:
        await receiver.receive(*posted())
        before = loop.time()
    assert loop.time() - before < 1
    assert store._claimed == {}


@pytest.mark.parametrize("answer", ["queued", "handled"])
async def test_waiting_callers_are_answered_on_closing(handler: Handler, answer: Any) -> None:
    handler.free.clear()
    receiver = Receiver(SECRET, handler, answer=answer, drain=0.02)
    receiver.start()
    pending = [asyncio.create_task(receiver.receive(*posted(id))) for id in (1, 2)]
    await turns()
    await receiver.aclose()
    assert await asyncio.gather(*pending) == [200 if answer == "queued" else 503] * 2


async def test_an_unstarted_receiver_raises_with_advice(handler: Handler) -> None:
    receiver = Receiver(SECRET, handler)
    with pytest.raises(SessionStateError, match="start"):
        await receiver.receive(*posted())
    async with receiver:
        with pytest.raises(SessionStateError, match="started or closed before"):
            receiver.start()
    with pytest.raises(SessionStateError, match="started or closed before"):
        receiver.start()


OPTIONS: list[dict[str, Any]] = [
    {"secrets": ""},
    {"secrets": []},
    {"workers": 0},
    {"queue_size": 0},
    {"max_bytes": 0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=repr)
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    options = dict(options)
    with pytest.raises(InvalidArgumentError):
        Receiver(options.pop("secrets", SECRET), **options)


async def chunks(*parts: bytes, pause: float = 0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


async def test_a_body_is_read_up_to_the_limit(handler: Handler) -> None:
    headers, body = posted()
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield b"x" * 1000

    async with Receiver(SECRET, handler, max_bytes=20_000) as receiver:
        assert await receiver.receive_stream(headers, chunks(body[:9], b"", body[9:])) == 200
        assert await receiver.receive_stream(headers, endless()) == 413
        assert read == 21_000
        assert await receiver.receive_stream(headers, endless(), length=20_001) == 413
        assert await receiver.receive_stream({}, endless()) == 401
        assert read == 21_000
        assert await receiver.receive(headers, b"x" * 20_001) == 413
        packed = {**headers, "Content-Encoding": "gzip"}
        assert await receiver.receive_stream(packed, endless()) == 415
    assert len(handler.got) == 1


async def test_a_slow_body_times_out(handler: Handler) -> None:
    headers, body = posted()
    async with Receiver(SECRET, handler, body_timeout=0.05) as receiver:
        slow = chunks(*(bytes([one]) for one in body), pause=0.02)
        assert await receiver.receive_stream(headers, slow) == 408


async def test_reprs_show_no_personal_data(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver(SECRET, handler) as receiver:
        await receiver.receive(*posted())
        shown = repr(receiver)
    assert SENTINEL not in shown + caplog.text
    assert SECRET not in shown + caplog.text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    headers=st.dictionaries(
        st.sampled_from(["timestamp", "signature", "content-encoding", "x"]) | st.text(), st.text()
    ),
    body=st.binary(),
    good=st.booleans(),
)
def test_every_delivery_is_answered(headers: dict[str, str], body: bytes, good: bool) -> None:  # noqa: FBT001 - drawn
    async def arrive() -> int:
        async with Receiver(SECRET, Handler()) as receiver:
            return await receiver.receive(sign(SECRET, body, NOW) if good else headers, body)

    assert asyncio.run(arrive()) in ({200} if good else {401, 415})
