"""Nothing that was answered 2xx is lost, and nothing hangs: by default, with a store of keys."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nexhealth_async import InvalidArgumentError, SessionStateError
from nexhealth_async.stores import MemorySeen, SqliteQueue, SqliteSeen
from nexhealth_async.webhooks import Event, Receiver, ReceiverCounts
from tests.webhooks.test_receiver import SECRET, SENTINEL, Handler, ids, posted, turns


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Path]:
    """A store's file that another process keeps locked."""
    path = tmp_path / "seen.db"
    store = SqliteSeen(path)
    await store.claim("made")
    await store.aclose()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield path


async def test_closing_with_many_waiting_events_loses_none_that_was_acknowledged(
    handler: Handler,
) -> None:
    receiver = Receiver(SECRET, slowly(handler, 0.002), drain=0.1)
    receiver.start()
    calls = [asyncio.create_task(receiver.receive(*posted(id))) for id in range(400)]
    await turns()
    await receiver.aclose()
    answers = await asyncio.gather(*calls)
    taken = {id for id, status in enumerate(answers) if status == 200}
    assert not taken - set(ids(handler.got))
    assert len(taken) < 400


def slowly(handler: Handler, seconds: float) -> Callable[[Event], Any]:
    async def handle(event: Event) -> None:
        await asyncio.sleep(seconds)
        await handler(event)

    return handle


async def test_an_event_whose_handler_raises_is_not_answered_200(handler: Handler) -> None:
    handler.fail = ValueError
    async with Receiver(SECRET, handler) as receiver:
        assert [await receiver.receive(*posted(id)) for id in range(20)] == [503] * 20
        handler.fail = None
        assert [await receiver.receive(*posted(id)) for id in range(20)] == [200] * 20
    assert ids(handler.got) == [*range(20), *range(20)]


async def test_slow_handling_is_answered_503_and_the_next_delivery_waits_for_it(
    handler: Handler,
) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler, answer_within=0.05) as receiver:
        assert await receiver.receive(*posted()) == 503
        joining = asyncio.create_task(receiver.receive(*posted()))
        await turns()
        assert not joining.done()
        handler.free.set()
        assert await joining == 200
        assert await receiver.receive(*posted()) == 200
    assert ids(handler.got) == [1]
    assert receiver.counts == ReceiverCounts(queued=1, handled=1, late=1, duplicates=2)


async def test_a_hanging_store_does_not_block_a_delivery(handler: Handler) -> None:
    class Silent(MemorySeen):
        async def claim(self, key: str) -> Any:
            await asyncio.sleep(3600)

        async def aclose(self) -> None:
            await asyncio.sleep(3600)

    receiver = Receiver(SECRET, handler, store=Silent(), answer_within=0.05, queue_size=3)
    async with receiver:
        answers = await asyncio.gather(*(receiver.receive(*posted(id)) for id in range(9)))
        started = time.monotonic()
    assert answers == [503] * 9
    assert receiver.counts.put_off == 5
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_an_event_that_always_fails_is_parked_and_answered_200(
    handler: Handler, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parked: list[Event] = []
    handler.fail = lambda: ValueError(SENTINEL)
    held = MemorySeen()
    options: dict[str, Any] = {"max_attempts": 4, "on_parked": parked.append}
    answers: list[int] = []
    counts = ReceiverCounts()
    for _ in range(2):  # a restart amid the attempts, or another process
        store = held if kind == "memory" else SqliteSeen(tmp_path / "seen.db")
        async with Receiver(SECRET, handler, store=store, **options) as receiver:
            answers += [await receiver.receive(*posted()) for _ in range(3)]
        counts = receiver.counts
    assert answers == [503, 503, 503, 200, 200, 200]
    assert len(handler.got) == 4
    assert [event.key for event in parked] == [handler.got[0].key]
    assert counts == ReceiverCounts(queued=1, failed=1, parked=1, duplicates=2)
    assert "gave up after 4 attempts" in caplog.text
    assert SENTINEL not in caplog.text


async def test_a_handled_event_starts_with_fresh_attempts(handler: Handler) -> None:
    store = MemorySeen()
    assert [await store.fail("a"), await store.fail("a")] == [1, 2]
    await store.confirm("a")
    assert await store.fail("a") == 1


async def test_a_hanging_handler_is_cancelled_and_the_next_event_is_handled() -> None:
    errors: list[Exception] = []
    got: list[int] = []

    async def handle(event: Event) -> None:
        if ids([event]) == [1]:
            await asyncio.sleep(3600)
        got.extend(ids([event]))

    def on_error(_: Event, error: Exception) -> None:
        errors.append(error)

    options: dict[str, Any] = {"handler_timeout": 0.05, "on_error": on_error}
    async with Receiver(SECRET, handle, **options) as receiver:
        assert await receiver.receive(*posted(1)) == 503
        assert await receiver.receive(*posted(2)) == 200
    assert got == [2]
    assert [type(error) for error in errors] == [TimeoutError]


class UncancellableHandler:
    """A handler that ignores cancellation until it is released."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.ended = asyncio.Event()
        self.calls = 0

    async def __call__(self, event: Event) -> None:
        self.calls += 1
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        self.ended.set()


@pytest.fixture
async def stubborn() -> AsyncIterator[UncancellableHandler]:
    handler = UncancellableHandler()
    yield handler
    handler.let_go.set()
    if handler.calls:
        await handler.ended.wait()


async def test_a_handler_that_suppresses_cancellation_does_not_block_closing(
    stubborn: UncancellableHandler,
) -> None:
    store = MemorySeen()
    receiver = Receiver(SECRET, stubborn, store=store, drain=0.05)
    receiver.start()
    calls = [asyncio.create_task(receiver.receive(*posted(id))) for id in (1, 2)]
    await turns()
    closing_task = asyncio.create_task(receiver.aclose())
    done, _ = await asyncio.wait({closing_task}, timeout=8)
    if not done:
        stubborn.let_go.set()
        await closing_task
    assert done
    assert await asyncio.gather(*calls) == [503, 503]
    assert store._claimed == {}


async def test_a_handler_that_suppresses_cancellation_blocks_no_other_event(
    stubborn: UncancellableHandler,
) -> None:
    got: list[int] = []

    async def handle(event: Event) -> None:
        if ids([event]) == [1]:
            await stubborn(event)
        got.extend(ids([event]))

    async with Receiver(SECRET, handle, handler_timeout=0.05, drain=0) as receiver:
        assert [await receiver.receive(*posted(id)) for id in (1, 2)] == [503, 200]
    assert got == [2]


async def test_a_handler_that_finishes_during_its_cancellation_has_handled_the_event() -> None:
    async def handle(event: Event) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return

    receiver = Receiver(SECRET, handle, drain=0.01)
    receiver.start()
    call = asyncio.create_task(receiver.receive(*posted()))
    await turns()
    await receiver.aclose()
    assert await call == 200


async def test_a_locked_store_is_answered_503_and_closes_at_once(
    locked: Path, handler: Handler
) -> None:
    receiver = Receiver(SECRET, handler, store=SqliteSeen(locked), queue_size=50, drain=0.1)
    receiver.start()
    calls = [asyncio.create_task(receiver.receive(*posted(id))) for id in range(500)]
    await asyncio.sleep(0.2)
    refused = [call.result() for call in calls if call.done()]
    assert refused == [503] * 449
    started = time.monotonic()
    await receiver.aclose()
    assert set(await asyncio.gather(*calls)) == {503}
    assert time.monotonic() - started < 10
    assert not handler.got


async def test_claims_on_a_locked_file_are_bounded_and_end_on_closing(locked: Path) -> None:
    store = SqliteSeen(locked)
    claims = [asyncio.create_task(store.claim(str(at))) for at in range(1_200)]
    await asyncio.sleep(0.3)
    assert [claim.result() for claim in claims if claim.done()] == ["busy"] * 200
    started = time.monotonic()
    await store.aclose()
    left = await asyncio.gather(*claims, return_exceptions=True)
    assert {type(one) for one in left} == {str, SessionStateError}
    assert time.monotonic() - started < 3


async def test_claims_that_waited_for_the_same_lock_end_together(locked: Path) -> None:
    store = SqliteSeen(locked)
    store._file._busy = 0.3
    started = time.monotonic()
    left = await asyncio.gather(*map(store.claim, "abcdefghij"), return_exceptions=True)
    assert {type(one) for one in left} == {sqlite3.OperationalError}
    assert time.monotonic() - started < 2
    await store.aclose()


WRONG: list[dict[str, Any]] = [
    {"max_attempts": 0},
    {"answer_within": 0},
    {"handler_timeout": 0},
    {"retry_after": -1},
    {"drain": -1},
]


@pytest.mark.parametrize("options", WRONG, ids=repr)
def test_impossible_limits_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        Receiver(SECRET, **options)


def test_a_queue_cannot_answer_after_handling(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="leave answer out"):
        Receiver(SECRET, store=SqliteQueue(tmp_path / "events.db"), answer="handled")
