"""What receives webhooks, whatever web framework brings them.

A delivery is verified, read, noted in a store and queued; then it is answered, and handled after
that. Frameworks come to it through ``integrations.aiohttp`` and ``integrations.starlette``; any
other needs one call, `Receiver.receive`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from attrs import define, evolve, field

from nexhealth_async.errors import InvalidArgument, SessionStateError, WebhookRefused
from nexhealth_async.stores import MemorySeen
from nexhealth_async.webhooks import LARGEST_BODY, Event, parse, unreadable, verify
from nexhealth_async.webhooks.signature import check_secrets

if TYPE_CHECKING:
    from nexhealth_async.codec import Codec
    from nexhealth_async.stores import SeenStore
    from nexhealth_async.webhooks import Secrets

__all__ = ["Counts", "Handler", "Receiver"]

Handler: TypeAlias = Callable[[Event], Awaitable[None]]
"""What is done with each event; an error it raises lets the next delivery be handled anew."""

_LOG = logging.getLogger("nexhealth_async.webhooks")

_OK = 200
_UNAUTHORIZED = 401
_TIMED_OUT = 408
_TOO_LARGE = 413
_UNSUPPORTED = 415
_LATER = 503
"""Asks the vendor to deliver again, first after 30 seconds."""


@define(kw_only=True)
class Counts:
    """What a receiver has done since it was made."""

    queued: int = 0
    """Deliveries taken."""
    handled: int = 0
    """Events whose handling ended well."""
    failed: int = 0
    """Events whose handler raised; the next delivery of such a one is handled."""
    duplicates: int = 0
    """Deliveries dropped, since their event was in hand or handled."""
    refused: int = 0
    """Deliveries without a good signature; the 1st, 10th, 100th and so on are logged."""
    unreadable: int = 0
    """Signed deliveries that nobody could read, handed on as events without a name."""
    put_off: int = 0
    """Deliveries answered 503: the queue was full, the store failed, another had it in hand."""


@define(eq=False)
class _Item:
    event: Event = field(repr=False)
    done: asyncio.Future[bool]
    is_settled: bool = False


class Receiver:
    """Takes deliveries in, and gives each event to a handler once.

    ``handler`` is an async function of an `Event`; without one, walk the receiver::

        receiver = Receiver(secret, store=SqliteSeen("seen.db"))
        async with receiver:
            async for event in receiver:
                ...

    An event counts as handled when the handler returns, or when the next one is asked for.
    ``workers`` events are handled at once (one keeps their order of arrival). What a handler raises
    is logged without data and given to ``on_error``, if that is set; the event is then forgotten,
    so that another delivery of it is handled.

    **What can be lost, what comes twice.** With ``answer="queued"`` a delivery is answered as soon
    as it waits in memory: what a crash finds there is lost, since the vendor was told 200. With
    ``answer="handled"`` the vendor waits until the handler is done, and delivers again (after 30
    seconds, up to 48 hours) what failed or crashed; handlers must then be quick, since it is not
    documented how long the vendor waits. Either way an event may be handled twice: if a process
    dies between handling it and noting that, or if waiting and handling take longer than the
    store's ``lease`` and another process is given it meanwhile. So bear with repetitions; and read
    what changed meanwhile (``updated_since``) after an outage.

    ``tolerance`` is that of `verify`. ``store`` remembers what was seen, and is closed with the
    receiver. A full queue of ``queue_size`` events is answered 503, so that the vendor comes again.
    A signed body that nobody can read is no reason for the vendor to try again: it becomes an event
    without a name, with its ``body``. Bodies over ``max_bytes`` are not read to their end.
    """

    def __init__(
        self,
        secrets: Secrets,
        handler: Handler | None = None,
        *,
        store: SeenStore | None = None,
        answer: Literal["queued", "handled"] = "queued",
        workers: int = 1,
        queue_size: int = 1_000,
        max_bytes: int = LARGEST_BODY,
        body_timeout: float = 10.0,
        drain: float = 10.0,
        tolerance: timedelta | None = None,
        on_error: Callable[[Event, Exception], None] | None = None,
        codec: Codec | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        if min(workers, queue_size, max_bytes) < 1:
            raise InvalidArgument("workers, queue_size and max_bytes must be at least 1")
        self._secrets = check_secrets(secrets)
        self._handler = handler
        self._store: SeenStore = MemorySeen() if store is None else store
        self._waits = answer == "handled"
        self._size, self._most_workers = queue_size, workers
        self._max_bytes, self._body_timeout, self._drain = max_bytes, body_timeout, drain
        self._tolerance, self._now = tolerance, now
        self._on_error, self._codec = on_error, codec
        self._queue: asyncio.Queue[_Item | None] = asyncio.Queue()
        """Ends with None; bounded by hand, so that there is always room for that."""
        self._in_hand: dict[str, asyncio.Task[int]] = {}
        """For each event between its arrival and the end of its handling, what to answer."""
        self._idle = asyncio.Event()
        self._workers: set[asyncio.Task[None]] = set()
        self._walks = 0
        """How many walk the events at present."""
        self._given: set[_Item] = set()
        """What is being handled."""
        self._settling: set[asyncio.Task[None]] = set()
        self._counts = Counts()
        self._state: Literal["new", "open", "closed"] = "new"

    def __repr__(self) -> str:
        return f"<Receiver {self._state}: {self._queue.qsize()} waiting, {self._counts}>"

    @property
    def counts(self) -> Counts:
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
            self._workers = {
                loop.create_task(self._work(self._handler), name="nexhealth-webhooks")
                for _ in range(self._most_workers)
            }

    async def aclose(self) -> None:
        """Take no more, let what is queued be handled for up to ``drain`` seconds, and stop.

        Handlers that take longer are cancelled, and all that was not handled is released in the
        store. Closing twice is allowed.
        """
        if self._state == "closed":
            return
        self._state = "closed"
        self._queue.put_nowait(None)
        try:
            if self._in_hand and (self._workers or self._walks):
                self._idle.clear()
                async with asyncio.timeout(self._drain):
                    await self._idle.wait()
        except TimeoutError:
            _LOG.warning("closed with %d webhook events not handled", len(self._in_hand))
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        left = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        for item in (*self._given, *left):
            if item is not None:
                await self._settle(item, good=False)
        self._queue.put_nowait(None)
        await asyncio.gather(*self._settling, return_exceptions=True)
        await asyncio.gather(*self._in_hand.values(), return_exceptions=True)
        await self._store.aclose()

    # Taking deliveries

    async def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take one delivery, and return the status to answer it with; the answer has no body.

        200 taken, or seen before; 401 not signed by a secret; 413 and 415 too large, compressed;
        503 not now, so that the vendor delivers again.

        Raises:
            SessionStateError: the receiver was not started.
        """
        if early := self._before(headers, len(body)):
            return early
        if not verify(
            self._secrets,
            headers,
            body,
            tolerance=self._tolerance,
            now=self._now() if self._now else None,
        ):
            return self._refused()
        return await self._take(self._read(body))

    async def receive_stream(
        self, headers: Mapping[str, str], chunks: AsyncIterable[bytes], *, length: int | None = None
    ) -> int:
        """Do what `receive` does with a body that is still arriving: what is too much is not read.

        ``length`` is what the request announces, if it does. 408 means that the body took longer
        than ``body_timeout`` seconds.
        """
        if early := self._before(headers, length or 0):
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

    def _before(self, headers: Mapping[str, str], length: int) -> int | None:
        """Return what can be answered before the body is looked at."""
        if self._state != "open":
            if self._state == "new":
                raise SessionStateError('start the receiver first: "async with receiver:"')
            return _LATER
        sent = {name.lower(): value for name, value in headers.items()}
        if "signature" not in sent or "timestamp" not in sent:
            return self._refused()
        if length > self._max_bytes:
            return _TOO_LARGE
        if sent.get("content-encoding", "identity").lower() != "identity":
            return _UNSUPPORTED  # a server may have unpacked it, and the signature is over it all
        return None

    def _refused(self) -> int:
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

    def _read(self, body: bytes) -> Event:
        try:
            return parse(body, largest=self._max_bytes, codec=self._codec)
        except WebhookRefused as refusal:
            self._counts.unreadable += 1
            _LOG.warning("a signed webhook could not be read: %s", refusal.message)
        return unreadable(body)

    async def _take(self, event: Event) -> int:
        taken = self._in_hand.get(event.key)
        if taken is None:
            taken = asyncio.get_running_loop().create_task(self._admit(event))
            self._in_hand[event.key] = taken
        else:
            self._counts.duplicates += 1
        # A caller that goes away must not leave the key claimed and the event out of the queue.
        return await asyncio.shield(taken)

    async def _admit(self, event: Event) -> int:
        """Claim an event and queue it; return what to answer."""
        status = await self._claim(event.key)
        if status is not None:
            self._off_hand(event.key)
            return status
        if self._state != "open" or self._queue.qsize() >= self._size:
            self._counts.put_off += 1
            await self._note(event.key, good=False)
            self._off_hand(event.key)
            return _LATER
        item = _Item(event, asyncio.get_running_loop().create_future())
        self._counts.queued += 1
        self._queue.put_nowait(item)
        if self._waits and not await item.done:
            return _LATER
        return _OK

    async def _claim(self, key: str) -> int | None:
        """Return what to answer at once, None for an event that is ours to handle."""
        if self._queue.qsize() >= self._size:
            self._counts.put_off += 1
            return _LATER
        try:
            claim = await self._store.claim(key)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the vendor shall retry
            _LOG.error("the store of seen events failed: %s", type(error).__name__)
            self._counts.put_off += 1
            return _LATER
        if claim == "seen":
            self._counts.duplicates += 1
            return _OK
        if claim == "busy":  # in a process that may die before it is done
            self._counts.put_off += 1
            return _LATER
        return None

    def _off_hand(self, key: str) -> None:
        self._in_hand.pop(key, None)
        if not self._in_hand:
            self._idle.set()

    # Handling events

    async def _work(self, handler: Handler) -> None:
        while (item := await self._next()) is not None:
            await self._handle(handler, item)

    async def _next(self) -> _Item | None:
        item = await self._queue.get()
        if item is None:
            self._queue.put_nowait(None)  # for the others who wait
        else:
            self._given.add(item)
        return item

    async def _handle(self, handler: Handler, item: _Item) -> None:
        try:
            await handler(item.event)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            is_ours = task is not None and task.cancelling() > 0
            if not is_ours:
                self._complain(item.event, asyncio.CancelledError.__name__)
            await self._settled(item, good=False)
            if is_ours:
                raise
        except Exception as error:  # noqa: BLE001 - one event must not end the others
            self._complain(item.event, type(error).__name__)
            self._tell(item.event, error)
            await self._settled(item, good=False)
        else:
            await self._settled(item, good=True)

    def _complain(self, event: Event, what: str) -> None:
        self._counts.failed += 1
        _LOG.error("the handler failed with %s at %r", what, event)

    def _tell(self, event: Event, error: Exception) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(event, error)
        except Exception as another:  # noqa: BLE001 - nor may telling of it
            _LOG.error("on_error failed with %s", type(another).__name__)

    async def _settled(self, item: _Item, *, good: bool) -> None:
        """Settle an event to the end, also if who asks for it is cancelled meanwhile."""
        task = asyncio.get_running_loop().create_task(self._settle(item, good=good))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)

    async def _settle(self, item: _Item, *, good: bool) -> None:
        """Note what became of an event, and answer who waits for that."""
        if item.is_settled:
            return  # given up when the receiver was closed
        item.is_settled = True
        self._given.discard(item)
        await self._note(item.event.key, good=good)
        self._counts.handled += good
        item.done.set_result(good)
        self._off_hand(item.event.key)

    async def _note(self, key: str, *, good: bool) -> None:
        try:
            await (self._store.confirm(key) if good else self._store.release(key))
        except Exception as error:  # noqa: BLE001 - the claim ends by itself
            _LOG.error("the store of seen events failed: %s", type(error).__name__)

    def __aiter__(self) -> AsyncIterator[Event]:
        """Give the events one by one, each to one of those who ask; ends when it is closed.

        Raises:
            SessionStateError: a handler gets the events already.
        """
        if self._handler is not None:
            raise SessionStateError("this receiver's events go to its handler")
        return self._walk()

    async def _walk(self) -> AsyncGenerator[Event]:
        self._walks += 1
        try:
            while (item := await self._next()) is not None:
                asked_for_more = False
                try:
                    yield item.event
                    asked_for_more = True
                finally:
                    await self._settled(item, good=asked_for_more)
        finally:
            self._walks -= 1
