"""Webhook receiver, independent of the web framework.

A delivery is verified, parsed and recorded in a store. It is answered when its event was handled,
or when a durable queue holds it. ``webhooks.aiohttp`` and ``webhooks.starlette`` connect it to a
framework; any other needs one call, `Receiver.receive`.
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
"""Status for which the vendor delivers again, first after 30 seconds."""

_POLL_SECONDS: Final = 1.0
"""Seconds between two polls of a queue, for events of other processes and due retries."""
_SETTLE_SECONDS: Final = 3.0
"""Seconds that closing waits for a store's last writes, and again for its closing."""


@define(kw_only=True)
class ReceiverCounts:
    """Counters of a receiver."""

    queued: int = 0
    """Number of accepted events."""
    handled: int = 0
    """Number of events that were handled successfully."""
    failed: int = 0
    """Number of attempts that raised or took too long."""
    parked: int = 0
    """Number of events given up after ``max_attempts``."""
    duplicates: int = 0
    """Number of deliveries of an event that was in progress, stored or handled before."""
    refused: int = 0
    """Number of deliveries without a valid signature; the 1st, 10th, 100th and so on are logged."""
    unreadable: int = 0
    """Number of signed deliveries that could not be parsed, handled as events without a name."""
    put_off: int = 0
    """Number of deliveries answered 503: queue full, store failed, or claimed elsewhere."""
    late: int = 0
    """Number of deliveries answered 503 because handling took longer than ``answer_within``."""


class Receiver:
    """Receiver of deliveries that passes each event to a handler.

    ``handler`` is an async function that takes an `Event`. Without one, iterate over the receiver::

        receiver = Receiver(secret, store=SqliteQueue("events.db"))
        async with receiver:
            async for event in receiver:
                ...

    An event counts as handled when the handler returns, or when the next event is requested.

    **Responses.** With a durable queue as ``store`` (`SqliteQueue`), a delivery is answered 2xx as
    soon as the queue holds its event; events left by a crash are handled at the next start. With
    any other store it is answered when the event was handled. If that takes longer than
    ``answer_within``, the response is 503 while handling continues, and the vendor's next delivery
    of the event joins it. ``answer="queued"`` with such a store responds as soon as the event waits
    in memory: a crash, a close or a handler that raises then loses it.

    **Duplicates.** An event may be handled twice: if a process dies between handling and recording
    it, or if waiting and handling take longer than the store's ``lease`` and another process claims
    it meanwhile. Make handlers idempotent, and read the changes (``updated_since``) after an
    outage.

    **Retries.** An event whose handler raises, or takes longer than ``handler_timeout``, is
    retried: by the vendor's next delivery (30 s, 90 s, 210 s, 10 min, 30 min, 2 h, 5 h after the
    first), or by the receiver if it has a queue. After ``max_attempts`` the event is parked:
    logged, passed to ``on_parked`` and answered 200, so that one event never makes the vendor
    deactivate the endpoint, as it does after 48 hours of failures. A queue keeps parked events.

    A signed body that cannot be parsed is not retried by the vendor: it becomes an event without a
    name, with its ``body``.

    Args:
        secrets: Secret of the endpoint, or several during a rotation.
        handler: Handler of each event.
        store: Store of seen events, or a queue; closed with the receiver. `MemorySeen` by default.
        answer: ``"handled"`` or ``"queued"``; by default the safe one for the store.
        answer_within: Seconds until a delivery is answered. The vendor's timeout is not documented;
            the default is an assumption.
        max_attempts: Attempts before an event is parked.
        handler_timeout: Seconds after which a handler is cancelled; None for no limit.
        retry_after: Seconds before a queue retries an event; the delay triples with each further
            attempt, up to three hours.
        workers: Events handled concurrently; one worker keeps their order of arrival.
        queue_size: Events that wait in memory; further deliveries are answered 503.
        max_bytes: Maximum size of a body.
        body_timeout: Seconds that a body may take to arrive.
        drain: Seconds that `aclose` waits for events in progress.
        tolerance: Maximum age of the timestamp, see `verify`.
        on_error: Called for each attempt that raised.
        on_parked: Called for each parked event.
        codec: A codec with your own hooks.
        now: Clock for ``tolerance``.
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
            raise InvalidArgumentError("answer_within and handler_timeout must be above 0")
        if retry_after < 0 or drain < 0:
            raise InvalidArgumentError("retry_after and drain must not be negative")
        self._secrets = check_secrets(secrets)
        self._handler = handler
        self._event_queue: EventQueue | None = None
        if isinstance(store, EventQueue):
            if answer == "handled":
                raise InvalidArgumentError(
                    "deliveries are answered as soon as a queue holds the event; leave answer out"
                )
            self._event_queue = store
            self._delivery_store: DeliveryStore = QueuedDeliveryStore(
                store, max_attempts, retry_after
            )
        else:
            self._delivery_store = DeduplicatingStore(
                MemorySeen() if store is None else store, max_attempts
            )
        self._answers_handled = self._event_queue is None and answer != "queued"
        self._answer_within, self._max_attempts = answer_within, max_attempts
        self._worker_count, self._queue_size = workers, queue_size
        self._max_bytes, self._body_timeout, self._drain = max_bytes, body_timeout, drain
        self._tolerance, self._now = tolerance, now
        self._on_error, self._on_parked, self._codec = on_error, on_parked, codec
        self._admissions: dict[str, asyncio.Task[int]] = {}
        """Task of each event from its arrival to its end; the result is the response status."""
        self._wake = asyncio.Event()
        """Set when the queue may hold a new event, or there is room for one."""
        self._workers = WorkerPool(self._settle, handler_timeout, self._wake.set)
        self._feed_task: asyncio.Task[None] | None = None
        self._renew_task: asyncio.Task[None] | None = None
        self._counts = ReceiverCounts()
        self._state: Literal["new", "open", "closed"] = "new"

    def __repr__(self) -> str:
        return f"<Receiver {self._state}: {self._workers.waiting} waiting, {self._counts}>"

    @property
    def counts(self) -> ReceiverCounts:
        """Copy of the current counters."""
        return evolve(self._counts)

    # Start and end

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
        """Start to accept deliveries, until `aclose`; needs a running event loop.

        Raises:
            SessionStateError: The receiver was started or closed before.
        """
        if self._state != "new":
            raise SessionStateError("this receiver was started or closed before; create a new one")
        self._state = "open"
        loop = asyncio.get_running_loop()
        if self._handler is not None:
            self._workers.start(self._handler, self._worker_count)
        if (queue := self._event_queue) is not None:
            self._feed_task = loop.create_task(
                self._feed_from_queue(queue), name="nexhealth-webhooks-queue"
            )
            self._renew_task = loop.create_task(
                self._renew(queue), name="nexhealth-webhooks-claims"
            )

    async def aclose(self) -> None:
        """Reject further deliveries, wait up to ``drain`` seconds for events in progress, and stop.

        Handlers that take longer are cancelled; one that ignores its cancellation is abandoned.
        Unhandled events are released in the store, or wait in a queue for the next start. Closing
        takes at most some seconds more than ``drain``, even if the store does not respond. Closing
        twice is allowed.
        """
        if self._state == "closed":
            return
        self._state = "closed"
        self._workers.close()
        self._wake.set()
        try:
            if self._workers.has_workers:
                async with asyncio.timeout(self._drain):
                    await self._workers.wait_until_idle()
        except TimeoutError:
            _LOG.warning("closed with %d webhook events not handled", len(self._workers.jobs))
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        if self._renew_task is not None:
            self._renew_task.cancel()
        await _finish([task for task in (self._feed_task, self._renew_task) if task is not None])
        await self._workers.stop(_SETTLE_SECONDS)
        await _finish(tuple(self._admissions.values()))
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._delivery_store.aclose()
        except Exception as error:  # noqa: BLE001 - the receiver closes in any case
            _LOG.error("the store of webhook events failed: %s", type(error).__name__)

    # Deliveries

    async def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Process one delivery and return the status of its response, which has no body.

        Returns:
            200 if the event was handled or stored durably, now or before; 401 if the signature is
            invalid; 413 if the body is too large; 415 if it is compressed; 503 if the vendor should
            deliver again.

        Raises:
            SessionStateError: The receiver was not started.
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
        """Process one delivery whose body is still arriving, as `receive` does.

        Args:
            headers: Headers of the request.
            chunks: Chunks of the body; those beyond ``max_bytes`` are not read.
            length: Content length, if the request has one.

        Returns:
            A status as from `receive`; 408 if the body took longer than ``body_timeout`` seconds.
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
        """Return a status that does not depend on the body; None to continue."""
        if self._state != "open":
            if self._state == "new":
                raise SessionStateError('the receiver is not started; use "async with receiver:"')
            return _RETRY_LATER
        lower_headers = {name.lower(): value for name, value in headers.items()}
        if "signature" not in lower_headers or "timestamp" not in lower_headers:
            return self._reject()
        if length > self._max_bytes:
            return _TOO_LARGE
        if lower_headers.get("content-encoding", "identity").lower() != "identity":
            return _UNSUPPORTED  # a server may have decompressed the signed body
        return None

    def _reject(self) -> int:
        """Count a delivery without a valid signature; log the 1st, 10th and 100th."""
        self._counts.refused += 1
        number = self._counts.refused
        if number == 10 ** (len(str(number)) - 1):
            _LOG.warning(
                "rejected deliveries so far: %d; the signature is missing or invalid, or the "
                "timestamp is outside the tolerance",
                number,
            )
        return _UNAUTHORIZED

    def _read(self, body: bytes, *, is_test: bool) -> Event:
        try:
            return parse(body, max_bytes=self._max_bytes, codec=self._codec, is_test=is_test)
        except InvalidWebhookError as error:
            self._counts.unreadable += 1
            _LOG.warning("a signed webhook could not be parsed: %s", error.message)
        return unreadable_event(body)

    async def _accept(self, event: Event) -> int:
        admission = self._admissions.get(event.key)
        if admission is None:
            if self._is_full:
                self._counts.put_off += 1
                return _RETRY_LATER
            admission = asyncio.get_running_loop().create_task(self._admit(event))
            self._admissions[event.key] = admission
        else:
            self._counts.duplicates += 1
        # A disconnect or a timeout of the caller does not end the handling.
        await asyncio.wait({admission}, timeout=self._answer_within)
        if not admission.done():
            self._counts.late += 1
            return _RETRY_LATER
        return _RETRY_LATER if admission.cancelled() else admission.result()

    @property
    def _is_full(self) -> bool:
        workers = self._worker_count if self._handler is not None else 0
        return len(self._admissions) >= self._queue_size + workers

    async def _admit(self, event: Event) -> int:
        """Admit an event; return the response status."""
        is_in_progress = False
        try:
            status = await self._check_known(event)
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
            self._workers.add(job)
            is_in_progress = not self._answers_handled
            return await job.done if self._answers_handled else _OK
        finally:
            if not is_in_progress:
                self._admissions.pop(event.key, None)

    async def _check_known(self, event: Event) -> int | None:
        """Return the status for an event that is not new; None for a new one."""
        try:
            admission = await self._delivery_store.admit(event)
        except Exception as error:  # noqa: BLE001 - the vendor must retry in any case
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

    # Queue

    async def _feed_from_queue(self, queue: EventQueue) -> None:
        """Claim due events while there are workers for them."""
        is_failing = False
        while self._state == "open":
            self._wake.clear()
            taken: QueuedEvent | None = None
            try:
                taken = await queue.take() if self._has_room else None
                is_failing = False
            except Exception as error:  # noqa: BLE001 - polling continues in any case
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
        capacity = self._workers.iterators if self._handler is None else self._worker_count
        return len(self._workers.jobs) < capacity

    async def _start_taken(self, taken: QueuedEvent) -> None:
        try:
            event = parse(
                taken.body, max_bytes=len(taken.body), codec=self._codec, is_test=taken.is_test
            )
        except Exception as error:  # noqa: BLE001 - one event must not stop the others
            _LOG.warning("a stored webhook could not be parsed: %s", type(error).__name__)
            event = unreadable_event(taken.body)
        job = self._job(event, taken.key, taken.attempts)
        if self._state != "open":
            await self._record_outcome(job, "released")
        elif taken.attempts > self._max_attempts:  # the process crashed each time
            await self._settle(job, "failed", None)
        else:
            self._workers.add(job)

    async def _renew(self, queue: EventQueue) -> None:
        """Renew the claims of events being handled."""
        while True:
            await asyncio.sleep(queue.renew_every)
            try:
                await queue.renew([job.key for job in self._workers.jobs])
            except Exception as error:  # noqa: BLE001 - expired claims are handled twice, not lost
                _LOG.warning("the queue of webhook events failed: %s", type(error).__name__)

    # Settlement

    async def _settle(self, job: Job, outcome: JobOutcome, error: Exception | None) -> None:
        """Record how an event ended, and resolve the delivery that waits for it."""
        status = _RETRY_LATER
        try:
            if outcome == "failed":
                self._counts.failed += 1
                reason = "was cancelled" if error is None else f"failed with {type(error).__name__}"
                _LOG.error("the handler %s at %r", reason, job.event)
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
                self._admissions.pop(job.key, None)  # otherwise the waiting delivery does this
            self._wake.set()

    async def _record_outcome(self, job: Job, outcome: JobOutcome) -> str:
        try:
            return await self._delivery_store.record(job, outcome)
        except Exception as error:  # noqa: BLE001 - the claim expires
            _LOG.error("the store of webhook events failed: %s", type(error).__name__)
            return "handled" if outcome == "handled" else "again"

    def _report(self, callback: Callable[..., None] | None, *arguments: object) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - a callback must not break settling
            _LOG.error("on_error or on_parked failed with %s", type(error).__name__)

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate over the events until the receiver is closed; iterators share them.

        Raises:
            SessionStateError: The receiver has a handler.
        """
        if self._handler is not None:
            raise SessionStateError("this receiver has a handler; leave it out to iterate")
        return self._workers.iterate()


async def _finish(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait for tasks, and cancel those that take too long."""
    if not tasks:
        return
    _, unfinished = await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
