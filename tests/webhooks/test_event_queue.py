"""A durable queue: events are handled at least once, across crashes and restarts."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import stat
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nexhealth_async import InvalidArgumentError, SessionStateError
from nexhealth_async.stores import SqliteQueue
from nexhealth_async.webhooks import Event, Receiver, ReceiverCounts, sign
from nexhealth_async.webhooks.store_protocols import EventQueue
from tests.webhooks.payloads import delivery, sample
from tests.webhooks.test_receiver import NOW, SECRET, SENTINEL, Handler, ids, posted, turns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def handler() -> Handler:
    return Handler()


class ManualClock:
    """A clock (seconds since 1970) that tests set."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_delivery_is_answered_once_the_queue_has_stored_it(
    path: Path, handler: Handler
) -> None:
    handler.free.clear()
    async with Receiver(SECRET, handler, store=SqliteQueue(path)) as receiver:
        assert [await receiver.receive(*posted(id)) for id in (1, 2, 3)] == [200] * 3
        assert [await receiver.receive(*posted(id)) for id in (1, 2, 3)] == [200] * 3
        await until(lambda: bool(handler.got))
        assert ids(handler.got) == [1]
        handler.free.set()
        await until(lambda: receiver.counts.handled == 3)
        assert await receiver.receive(*posted(1)) == 200
    assert ids(handler.got) == [1, 2, 3]
    assert receiver.counts == ReceiverCounts(queued=3, handled=3, duplicates=4)


async def test_events_left_at_closing_are_handled_at_the_next_start(
    path: Path, handler: Handler
) -> None:
    handler.free.clear()
    receiver = Receiver(SECRET, handler, store=SqliteQueue(path), drain=0.05)
    receiver.start()
    answers = await asyncio.gather(*(receiver.receive(*posted(id)) for id in range(400)))
    assert answers == [200] * 400
    await until(lambda: bool(handler.got))
    started = time.monotonic()
    await receiver.aclose()
    assert time.monotonic() - started < 5
    later = Handler()
    async with Receiver(SECRET, later, store=SqliteQueue(path)) as another:
        await until(lambda: another.counts.handled == 400)
    assert sorted(ids(later.got)) == list(range(400))


async def test_events_can_be_iterated_and_an_unfinished_one_is_repeated(path: Path) -> None:
    got: list[int] = []
    async with Receiver(SECRET, store=SqliteQueue(path), retry_after=0) as receiver:
        for id in (1, 2, 3):
            assert await receiver.receive(*posted(id)) == 200
        async for event in receiver:
            got += ids([event])
            if got == [1, 2]:
                break
        await turns()
        async for event in receiver:
            got += ids([event])
            if sorted(got) == [1, 2, 2, 3]:
                break
    assert got[:2] == [1, 2]
    queue = SqliteQueue(path)
    assert (await queue.counts())["handled"] == 2  # the last one was left, too
    await queue.aclose()


async def test_a_failing_event_is_retried_and_finally_parked(
    path: Path, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    parked: list[Event] = []
    handler.fail = lambda: ValueError(SENTINEL)
    queue = SqliteQueue(path)
    options: dict[str, Any] = {"max_attempts": 3, "retry_after": 0.01, "on_parked": parked.append}
    async with Receiver(SECRET, handler, store=queue, **options) as receiver:
        assert await receiver.receive(*posted(1)) == 200
        await until(lambda: receiver.counts.parked == 1)
        assert await receiver.receive(*posted(1)) == 200
        assert len(handler.got) == 3
        (kept,) = await queue.parked()
        assert (kept.key, kept.attempts) == (handler.got[0].key, 3)
        assert kept.body == posted(1)[1]
        assert SENTINEL not in repr(kept)
        assert [event.key for event in parked] == [kept.key]
        handler.fail = None
        assert await queue.unpark(kept.key)
        assert not await queue.unpark(kept.key)
        await until(lambda: receiver.counts.handled == 1)
        assert await queue.parked() == []
    assert SENTINEL not in caplog.text
    assert "gave up after 3 attempts" in caplog.text


async def test_the_delays_between_attempts_grow(path: Path) -> None:
    clock = ManualClock()
    queue = SqliteQueue(path, clock=clock)
    handled: list[float] = []

    async def handle(_: Event) -> None:
        handled.append(clock.now)
        raise ValueError

    async with Receiver(SECRET, handle, store=queue, max_attempts=4) as receiver:
        await receiver.receive(*posted())
        for wait in (30, 90, 270):
            count = len(handled)
            await until(lambda: receiver.counts.failed == count + 1)  # noqa: B023 - awaited here
            clock.now += wait - 1
            receiver._wake.set()
            await asyncio.sleep(0.05)
            assert len(handled) == count + 1
            clock.now += 1
            receiver._wake.set()
        await until(lambda: receiver.counts.parked == 1)
    assert len(handled) == 4


async def test_an_event_that_kills_the_process_each_time_is_parked_untried(
    path: Path, handler: Handler
) -> None:
    queue = SqliteQueue(path)
    assert await queue.put("k", posted()[1]) == "stored"
    for _ in range(3):
        taken = await queue.take()
        assert taken is not None
        await queue.retry("k", 0)  # as a start after a crash finds it
    parked: list[Event] = []
    async with Receiver(
        SECRET, handler, store=queue, max_attempts=3, on_parked=parked.append
    ) as receiver:
        await until(lambda: receiver.counts.parked == 1)
        assert len(await queue.parked()) == 1
    assert not handler.got
    assert len(parked) == 1


async def test_a_discarded_event_is_not_repeated(path: Path) -> None:
    queue = SqliteQueue(path)
    await queue.put("a", b"{}")
    await queue.take()
    await queue.park("a")
    await queue.discard("a")
    assert await queue.parked() == []
    assert await queue.put("a", b"{}") == "known"
    await queue.aclose()


async def test_handled_keys_are_forgotten_finally_and_bodies_at_once(path: Path) -> None:
    clock = ManualClock()
    queue = SqliteQueue(path, clock=clock, keep=timedelta(hours=1))
    body = SENTINEL.encode() * 100
    assert await queue.put("a", body) == "stored"
    assert await queue.put("a", body) == "known"
    taken = await queue.take()
    assert taken is not None
    assert (taken.body, taken.attempts, taken.is_test) == (body, 1, False)
    await queue.confirm("a")
    assert await queue.put("a", body) == "known"
    await queue.aclose()
    assert not [one for one in path.parent.iterdir() if SENTINEL.encode() in one.read_bytes()]
    clock.now += 3601
    queue = SqliteQueue(path, clock=clock)
    assert await queue.put("a", body) == "stored"
    await queue.aclose()


async def test_the_files_are_private(path: Path) -> None:
    queue = SqliteQueue(path)
    await queue.put("a", b"{}")
    files = list(path.parent.iterdir())
    assert len(files) >= 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await queue.aclose()
    await queue.aclose()
    assert isinstance(queue, EventQueue)
    assert str(path) not in repr(queue)
    with pytest.raises(SessionStateError):
        await queue.take()
    with pytest.raises(InvalidArgumentError):
        SqliteQueue(path, max_events=0)


async def test_a_full_queue_defers_deliveries(path: Path) -> None:
    async with Receiver(SECRET, store=SqliteQueue(path, max_events=2)) as receiver:
        answers = [await receiver.receive(*posted(id)) for id in (1, 2, 3, 1)]
        assert answers[:3] == [200, 200, 503]
    queue = SqliteQueue(path)
    assert (await queue.counts())["waiting"] == 2
    await queue.aclose()


async def test_a_test_delivery_is_recognized_after_the_queue_too(
    path: Path, handler: Handler
) -> None:
    body = delivery("patient_created", {"patients": [sample("Patient")]})
    headers = {**sign(SECRET, body, NOW), "Nex-Webhook-Test": "true"}
    async with Receiver(SECRET, handler, store=SqliteQueue(path)) as receiver:
        assert await receiver.receive(headers, body) == 200
        assert await receiver.receive(sign(SECRET, body, NOW), body) == 200
        await until(lambda: receiver.counts.handled == 2)
    assert [event.is_test for event in handler.got] == [True, False]


async def test_a_claim_is_held_while_its_handler_runs(path: Path, handler: Handler) -> None:
    handler.free.clear()
    lease = timedelta(seconds=0.3)
    other = Handler()
    async with (
        Receiver(SECRET, handler, store=SqliteQueue(path, lease=lease)) as receiver,
        Receiver(SECRET, other, store=SqliteQueue(path, lease=lease)) as second,
    ):
        await until(lambda: second._workers.has_workers)
        await receiver.receive(*posted())
        await until(lambda: len(handler.got) + len(other.got) == 1)
        handler, other = (handler, other) if handler.got else (other, handler)
        await asyncio.sleep(1)
        assert len(other.got) == 0
        handler.free.set()
        await until(lambda: receiver.counts.handled + second.counts.handled == 1)


async def test_an_abandoned_claim_is_taken_over(path: Path) -> None:
    clock = ManualClock()
    first, second = SqliteQueue(path, clock=clock), SqliteQueue(path, clock=clock)
    await first.put("a", b"{}")
    assert await first.take() is not None
    assert await second.take() is None
    clock.now += 31
    taken = await second.take()
    assert taken is not None
    assert taken.attempts == 2
    await first.retry("a", 0)  # too late: it is another's
    assert await first.take() is None
    await first.aclose()
    await second.aclose()


async def test_opening_a_queue_takes_over_the_events_of_a_crash(path: Path) -> None:
    first = SqliteQueue(path)
    await first.put("a", b"{}")
    assert await first.take() is not None
    await first.aclose()  # as a crash, it leaves the claim
    second = SqliteQueue(path)
    taken = await second.take()
    assert taken is not None
    third = SqliteQueue(path)
    assert await third.take() is None  # the second lives
    await second.aclose()
    await third.aclose()


async def test_a_tampered_queue_can_still_be_read(path: Path, handler: Handler) -> None:
    queue = SqliteQueue(path)
    await queue.put("a", b"{}")
    await queue.aclose()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("update events set body = 999999999999, attempts = 'x', is_test = 'y'")
        file.execute("update events set key = x'00ff'")
    async with Receiver(SECRET, handler, store=SqliteQueue(path)):
        await until(lambda: bool(handler.got))
    assert handler.got[0].event == ""


async def test_a_failing_queue_is_retried(
    path: Path, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(SqliteQueue):
        fails = True

        async def take(self) -> Any:
            if self.fails:
                raise ConnectionError(SENTINEL)
            return await super().take()

        async def confirm(self, key: str) -> None:
            raise ConnectionError(SENTINEL)

    queue = Failing(path)
    async with Receiver(SECRET, handler, store=queue) as receiver:
        assert await receiver.receive(*posted()) == 200
        await asyncio.sleep(0.05)
        queue.fails = False
        receiver._wake.set()
        await until(lambda: receiver.counts.handled == 1)
    assert len(handler.got) == 1
    assert "ConnectionError" in caplog.text
    assert SENTINEL not in caplog.text


_PROCESS = """
import asyncio, os, sys
from datetime import UTC, datetime
from nexhealth_async.stores import SqliteQueue
from nexhealth_async.webhooks import Receiver, sign

path, handled, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
notes = open(handled, "a", buffering=1)

async def handle(event):
    await asyncio.sleep(0.002)
    notes.write(f"{event.records[0]['id']}\\n")

async def main():
    receiver = Receiver("secret", handle, store=SqliteQueue(path), workers=3)
    async with receiver:
        print("ready", flush=True)
        async def deliver(id):
            body = b'{"event_name":"chair_polished","data":{"chair":{"id":%d}}}' % id
            if await receiver.receive(sign("secret", body, datetime.now(UTC)), body) == 200:
                os.write(1, b"%d\\n" % id)
        for start in range(first, first + count, 20):
            await asyncio.gather(*map(deliver, range(start, start + 20)))
        left = count == 0
        while left:
            counts = await receiver._event_queue.counts()
            left = counts["waiting"] + counts["claimed"]
            await asyncio.sleep(0.01)

asyncio.run(main())
"""


@pytest.mark.timeout(180)
async def test_every_2xx_is_handled_despite_kill_9_at_any_moment(
    path: Path,
) -> None:
    dice = random.Random(14)
    handled = path.with_name("handled.txt")
    answered: set[int] = set()
    for turn in range(13):
        count = 0 if turn == 12 else 400
        arguments = (str(path), str(handled), str(turn * 1_000), str(count))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROCESS, *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
        said = [await process.stdout.readline() for _ in range(dice.randrange(60) if count else 0)]
        if count:
            await asyncio.sleep(dice.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        said += (await process.stdout.read()).splitlines()
        answered |= set(map(int, said))
        await process.wait()
        assert process.returncode == (-signal.SIGKILL if count else 0)
    done = [int(line) for line in handled.read_text().split()]
    assert len(answered) > 100
    assert answered <= set(done)
    # Twice only what was being handled when the process was killed: three workers, twelve kills.
    assert len(done) - len(set(done)) <= 36
