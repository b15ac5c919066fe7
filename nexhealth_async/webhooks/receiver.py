"""Receive webhooks, whatever web framework brings them.

A delivery is verified, read and noted in a store; it is answered when its event was handled, or
when a durable queue holds it. Frameworks come to it through ``webhooks.aiohttp`` and
``webhooks.starlette``; any other needs one call, `Receiver.receive`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from attrs import define, evolve

from nexhealth_async.errors import InvalidArgumentError, InvalidWebhookError, SessionStateError
from nexhealth_async.webhooks.deduplication import (
    DeduplicatingStore,
    DeliveryStore,
    QueuedDeliveryStore,
)
from nexhealth_async.webhooks.event import Event
from nexhealth_async.webhooks.handler_workers import Handler, Job, JobOutcome, WorkerPool
from nexhealth_async.webhooks.memory_seen import MemorySeen
from nexhealth_async.webhooks.parsing import (
    MAX_BODY_BYTES,
    is_test_delivery,
    parse,
    unreadable_event,
)
from nexhealth_async.webhooks.signature import check_secrets, verify
from nexhealth_async.webhooks.store_protocols import EventQueue

if TYPE_CHECKING:
    from nexhealth_async.codec import Codec
    from nexhealth_async.webhooks.signature import Secrets
    from nexhealth_async.webhooks.store_protocols import QueuedEvent, SeenStore

__all__ = ["Handler", "Receiver", "ReceiverCounts"]

_LOG = logging.getLogger("nexhealth_async.webhooks")

_OK = 200
_UNAUTHORIZED = 401
_TIMED_OUT = 408
_TOO_LARGE = 413
_UNSUPPORTED = 415
_RETRY_LATER = 503
"""Asks the vendor to deliver again, first after 30 seconds."""

_POLL_SECONDS: Final = 1.0
"""Seconds between two looks into a queue: for what other processes left, and what is due again."""
_SETTLE_SECONDS: Final = 3.0
"""Seconds that a store has for its last notes, and again for closing, when a receiver closes."""


@define(kw_only=True)
class ReceiverCounts:
    """What a receiver has done since it was made."""

    queued: int = 0
    """Events taken."""
    handled: int = 0
    """Events whose handling ended well."""
    failed: int = 0
    """Attempts at handling an event that raised or took too long."""
    parked: int = 0
    """Events given up after ``max_attempts``."""
    duplicates: int = 0
    """Deliveries of an event that was in hand, stored or handled before."""
    refused: int = 0
    """Deliveries without a good signature; the 1st, 10th, 100th and so on are logged."""
    unreadable: int = 0
    """Signed deliveries that nobody could read, handed on as events without a name."""
    put_off: int = 0
    """Deliveries answered 503: the queue was full, the store failed, another had it in hand."""
    late: int = 0
    """Deliveries answered 503 because handling took longer than ``answer_within``."""


class Receiver:
    """Take deliveries in, and give each event to a handler.

    ``handler`` is an async function of an `Event`; without one, iterate over the receiver::

        receiver = Receiver(secret, store=SqliteQueue("events.db"))
        async with receiver:
            async for event in receiver:
                ...

    An event counts as handled when the handler returns, or when the next one is asked for.

    **When a delivery is answered 2xx.** With a durable queue as ``store`` (`SqliteQueue`), as
    soon as that holds the event; what a crash leaves unhandled is handled at the next start. With
    any other store, when the event was handled. If that takes longer than ``answer_within``, the
    answer is 503 while handling goes on, and the vendor's next delivery of the event joins it.
    ``answer="queued"`` with such a store answers as soon as the event waits in memory: a crash, a
    close or a handler that raises then loses it, so ask for that only if you can do without.

    **What comes twice.** An event may be handled twice: if a process dies between handling it and
    noting that, or if waiting and handling take longer than the ``lease`` of a store of keys and
    another process is given it meanwhile. So bear with repetitions; and read what changed
    meanwhile (``updated_since``) after an outage.

    **What fails again and again.** A handler that raises, or takes longer than ``handler_timeout``,
    is tried again: by the vendor's next delivery (30 s, 90 s, 210 s, 10 min, 30 min, 2 h, 5 h after
    the first), or by the receiver if it has a queue. After ``max_attempts`` the event is parked:
    logged, given to ``on_parked`` and answered 200, so that one event never has the vendor switch
    the endpoint off, as it does after 48 hours of failures. A queue keeps parked events.

    A signed body that nobody can read is no reason for the vendor to try again: it becomes an event
    without a name, with its ``body``.

    Args:
        secrets: The endpoint's secret, or several while one replaces another.
        handler: What is done with each event.
        store: What was seen, or a queue; closed with the receiver. `MemorySeen` if left out.
        answer: ``"handled"`` or ``"queued"``; left out, the safe one for the store.
        answer_within: Seconds until a delivery is answered. How long the vendor waits is not
            documented; this is an assumption.
        max_attempts: How often an event is tried before it is parked.
        handler_timeout: Seconds after which a handler is cancelled; None for no limit.
        retry_after: Seconds before a queue's event is tried again; three times as long before each
            further attempt, up to three hours.
        workers: Events handled at once; one keeps their order of arrival.
        queue_size: Events held in memory beside those; beyond that deliveries are answered 503.
        max_bytes: Bodies over this are not read to their end.
        body_timeout: Seconds that a body may take to arrive.
        drain: Seconds that `aclose` waits for events in hand.
        tolerance: That of `verify`.
        on_error: Told of each attempt that raised.
        on_parked: Told of each event that is given up.
        codec: One with hooks of your own.
        now: The present, for ``tolerance``.
    """

    def __init__(
        self,
        secrets: Secrets,
        handler: Handler | None = None,
        *,
        store: SeenStore | EventQueue | None = None,
        answer: Literal["handled", "queued"] | None = None,
        answer_within: float = 10.0,
        max_attempts: int = 8,
        handler_timeout: float | None = 60.0,
        retry_after: float = 30.0,
        workers: int = 1,
        queue_size: int = 1_000,
        max_bytes: int = MAX_BODY_BYTES,
        body_timeout: float = 10.0,
        drain: float = 10.0,
        tolerance: timedelta | None = None,
        on_error: Callable[[Event, Exception], None] | None = None,
        on_parked: Callable[[Event], None] | None = None,
        codec: Codec | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        if min(workers, queue_size, max_bytes, max_attempts) < 1:
            raise InvalidArgumentError(
                "workers, queue_size, max_bytes and max_attempts must be at least 1"
            )
        if min(answer_within, 1.0 if handler_timeout is None else handler_timeout) <= 0:
            raise InvalidArgumentError("answer_within and handler_timeout must be above zero")
        if retry_after < 0 or drain < 0:
            raise InvalidArgumentError("retry_after and drain cannot be negative")
        self._secrets = check_secrets(secrets)
        self._handler = handler
        self._event_queue: EventQueue | None = None
        if isinstance(store, EventQueue):
            if answer == "handled":
                raise InvalidArgumentError(
                    "a queue is answered for as soon as it holds the event: leave answer out"
                )
            self._event_queue = store
            self._keeping: DeliveryStore = QueuedDeliveryStore(store, max_attempts, retry_after)
        else:
            self._keeping = DeduplicatingStore(
                MemorySeen() if store is None else store, max_attempts
            )
        self._answers_handled = self._event_queue is None and answer != "queued"
        self._answer_within, self._max_attempts = answer_within, max_attempts
        self._worker_count, self._size = workers, queue_size
        self._max_bytes, self._body_timeout, self._drain = max_bytes, body_timeout, drain
        self._tolerance, self._now = tolerance, now
        self._on_error, self._on_parked, self._codec = on_error, on_parked, codec
        self._in_hand: dict[str, asyncio.Task[int]] = {}
        """For each event between its arrival and the end of its handling, what to answer."""
        self._wake = asyncio.Event()
        """Set when the queue may hold something new, or there is room for it."""
        self._processing = WorkerPool(self._settle, handler_timeout, self._wake.set)
        self._feeding: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._counts = ReceiverCounts()
        self._state: Literal["new", "open", "closed"] = "new"

    def __repr__(self) -> str:
        return f"<Receiver {self._state}: {self._processing.waiting} waiting, {self._counts}>"

    @property
    def counts(self) -> ReceiverCounts:
        """What was done so far, as it is now."""
        return evolve(self._counts)

    # Life

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def start(self) -> None:
        """Begin to take deliveries; needs a running loop. `aclose` ends it.

        Raises:
            SessionStateError: it was started or closed before.
        """
        if self._state != "new":
            raise SessionStateError("a receiver is started once; make another")
        self._state = "open"
        loop = asyncio.get_running_loop()
        if self._handler is not None:
            self._processing.start(self._handler, self._worker_count)
        if (queue := self._event_queue) is not None:
            self._feeding = loop.create_task(
                self._feed_from_queue(queue), name="nexhealth-webhooks-queue"
            )
            self._renewing = loop.create_task(self._renew(queue), name="nexhealth-webhooks-claims")

    async def aclose(self) -> None:
        """Take no more, let what is in hand be handled for up to ``drain`` seconds, and stop.

        Handlers that take longer are cancelled; one that goes on all the same is left to itself.
        What was not handled is released in the store, and waits in a queue for the next start. All
        that takes some seconds more than ``drain`` at the most, also if the store does not answer.
        Closing twice is allowed.
        """
        if self._state == "closed":
            return
        self._state = "closed"
        self._processing.close()
        self._wake.set()
        try:
            if self._processing.has_workers:
                async with asyncio.timeout(self._drain):
                    await self._processing.wait_until_idle()
        except TimeoutError:
            _LOG.warning("closed with %d webhook events not handled", len(self._processing.jobs))
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        await _finish([task for task in (self._feeding, self._renewing) if task is not None])
        await self._processing.stop(_SETTLE_SECONDS)
        await _finish(tuple(self._in_hand.values()))
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._keeping.aclose()
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the receiver is closed
            _LOG.error("the store of webhook events failed: %s", type(error).__name__)

    # Taking deliveries

    async def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take one delivery, and return the status to answer it with; the answer has no body.

        200 handled or durably stored, now or before; 401 not signed by a secret; 413 and 415 too
        large, compressed; 503 not now, so that the vendor delivers again.

        Raises:
            SessionStateError: the receiver was not started.
        """
        if early := self._check_headers(headers, len(body)):
            return early
        if not verify(
            self._secrets,
            headers,
            body,
            tolerance=self._tolerance,
            now=self._now() if self._now else None,
        ):
            return self._reject()
        return await self._accept(self._read(body, is_test=is_test_delivery(headers)))

    async def receive_stream(
        self, headers: Mapping[str, str], chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> int:
        """Do what `receive` does with a body that is still arriving: what is too much is not read.

        ``length`` is what the request announces, if it does. 408 means that the body took longer
        than ``body_timeout`` seconds.
        """
        if early := self._check_headers(headers, length or 0):
            return early
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_timeout):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self._max_bytes:
                        return _TOO_LARGE
        except TimeoutError:
            return _TIMED_OUT
        return await self.receive(headers, bytes(body))

    def _check_headers(self, headers: Mapping[str, str], length: int) -> int | None:
        """Return what can be answered before the body is looked at."""
        if self._state != "open":
            if self._state == "new":
                raise SessionStateError('start the receiver first: "async with receiver:"')
            return _RETRY_LATER
        sent = {name.lower(): value for name, value in headers.items()}
        if "signature" not in sent or "timestamp" not in sent:
            return self._reject()
        if length > self._max_bytes:
            return _TOO_LARGE
        if sent.get("content-encoding", "identity").lower() != "identity":
            return _UNSUPPORTED  # a server may have unpacked it, and the signature is over it all
        return None

    def _reject(self) -> int:
        """Count a delivery without a good signature; tell of the 1st, the 10th, the 100th."""
        self._counts.refused += 1
        number = self._counts.refused
        if number == 10 ** (len(str(number)) - 1):
            _LOG.warning(
                "deliveries refused so far: %d; the signature is missing or wrong, or the "
                "timestamp is outside the tolerance",
                number,
            )
        return _UNAUTHORIZED

    def _read(self, body: bytes, *, is_test: bool) -> Event:
        try:
            return parse(body, largest=self._max_bytes, codec=self._codec, is_test=is_test)
        except InvalidWebhookError as refusal:
            self._counts.unreadable += 1
            _LOG.warning("a signed webhook could not be read: %s", refusal.message)
        return unreadable_event(body)

    async def _accept(self, event: Event) -> int:
        admission = self._in_hand.get(event.key)
        if admission is None:
            if self._is_full:
                self._counts.put_off += 1
                return _RETRY_LATER
            admission = asyncio.get_running_loop().create_task(self._admit(event))
            self._in_hand[event.key] = admission
        else:
            self._counts.duplicates += 1
        # Neither a caller that goes away nor one that has waited long enough ends the handling.
        await asyncio.wait({admission}, timeout=self._answer_within)
        if not admission.done():
            self._counts.late += 1
            return _RETRY_LATER
        return _RETRY_LATER if admission.cancelled() else admission.result()

    @property
    def _is_full(self) -> bool:
        served = self._worker_count if self._handler is not None else 0
        return len(self._in_hand) >= self._size + served

    async def _admit(self, event: Event) -> int:
        """Take an event in; return what to answer."""
        in_hand = False
        try:
            status = await self._admitted(event)
            if status is not None:
                return status
            if self._event_queue is not None:
                self._counts.queued += 1
                self._wake.set()
                return _OK
            job = self._job(event, event.key)
            if self._state != "open":
                self._counts.put_off += 1
                await self._record_outcome(job, "released")
                return _RETRY_LATER
            self._counts.queued += 1
            self._processing.add(job)
            in_hand = not self._answers_handled
            return await job.done if self._answers_handled else _OK
        finally:
            if not in_hand:
                self._in_hand.pop(event.key, None)

    async def _admitted(self, event: Event) -> int | None:
        """Return what to answer at once, None for an event that is new."""
        try:
            admission = await self._keeping.admit(event)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the vendor shall retry
            _LOG.error("the store of webhook events failed: %s", type(error).__name__)
            admission = "busy"
        if admission == "known":
            self._counts.duplicates += 1
            return _OK
        if admission == "busy":
            self._counts.put_off += 1
            return _RETRY_LATER
        return None

    def _job(self, event: Event, key: str, attempts: int = 0) -> Job:
        done = asyncio.get_running_loop().create_future()
        return Job(event=event, key=key, done=done, attempts=attempts)

    # Events from a queue

    async def _feed_from_queue(self, queue: EventQueue) -> None:
        """Claim what is due in the queue whenever there is somebody to handle it."""
        is_failing = False
        while self._state == "open":
            self._wake.clear()
            taken: QueuedEvent | None = None
            try:
                taken = await queue.take() if self._has_room else None
                is_failing = False
            except Exception as error:  # noqa: BLE001 - whatever a store raises, it is asked again
                if not is_failing:
                    _LOG.error("the queue of webhook events failed: %s", type(error).__name__)
                is_failing = True
            if taken is not None:
                await self._start_taken(taken)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()

    @property
    def _has_room(self) -> bool:
        takers = self._processing.iterators if self._handler is None else self._worker_count
        return len(self._processing.jobs) < takers

    async def _start_taken(self, taken: QueuedEvent) -> None:
        try:
            event = parse(
                taken.body, largest=len(taken.body), codec=self._codec, is_test=taken.is_test
            )
        except Exception as error:  # noqa: BLE001 - one event must not stop the others
            _LOG.warning("a stored webhook could not be read: %s", type(error).__name__)
            event = unreadable_event(taken.body)
        job = self._job(event, taken.key, taken.attempts)
        if self._state != "open":
            await self._record_outcome(job, "released")
        elif taken.attempts > self._max_attempts:  # the process ended each time
            await self._settle(job, "failed", None)
        else:
            self._processing.add(job)

    async def _renew(self, queue: EventQueue) -> None:
        """Hold the claims of what is being handled."""
        while True:
            await asyncio.sleep(queue.renew_every)
            try:
                await queue.renew([job.key for job in self._processing.jobs])
            except Exception as error:  # noqa: BLE001 - the claims may end: handled twice, not lost
                _LOG.warning("the queue of webhook events failed: %s", type(error).__name__)

    # The end of an event

    async def _settle(self, job: Job, outcome: JobOutcome, error: Exception | None) -> None:
        """Note what became of an event, and answer who waits for that."""
        status = _RETRY_LATER
        try:
            if outcome == "failed":
                self._counts.failed += 1
                what = "was cancelled" if error is None else f"failed with {type(error).__name__}"
                _LOG.error("the handler %s at %r", what, job.event)
                if error is not None:
                    self._report(self._on_error, job.event, error)
            ending = await self._record_outcome(job, outcome)
            self._counts.handled += ending == "handled"
            if ending == "parked":
                self._counts.parked += 1
                _LOG.error("gave up after %d attempts: %r", self._max_attempts, job.event)
                self._report(self._on_parked, job.event)
            status = _RETRY_LATER if ending == "again" else _OK
        finally:
            if not job.done.done():
                job.done.set_result(status)
            if self._event_queue is None and not self._answers_handled:
                self._in_hand.pop(job.key, None)  # else the delivery that waits does that
            self._wake.set()

    async def _record_outcome(self, job: Job, outcome: JobOutcome) -> str:
        try:
            return await self._keeping.record(job, outcome)
        except Exception as failure:  # noqa: BLE001 - the claim ends by itself
            _LOG.error("the store of webhook events failed: %s", type(failure).__name__)
            return "handled" if outcome == "handled" else "again"

    def _report(self, callback: Callable[..., None] | None, *arguments: object) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - telling of a failure must not be another
            _LOG.error("on_error or on_parked failed with %s", type(error).__name__)

    def __aiter__(self) -> AsyncIterator[Event]:
        """Give the events one by one, each to one of those who ask; ends when it is closed.

        Raises:
            SessionStateError: a handler gets the events already.
        """
        if self._handler is not None:
            raise SessionStateError("this receiver's events go to its handler")
        return self._processing.iterate()


async def _finish(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait for tasks, and cancel those that take too long."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
