"""Event bus: passes received webhook events to confirmations that wait for them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

__all__ = ["EventBus", "EventSource", "WriteEvent"]


class WriteEvent(Protocol):
    """The parts of a webhook event that confirmations use."""

    @property
    def event(self) -> str:
        """Name without outcome, such as ``appointment_insertion``."""
        ...

    @property
    def outcome(self) -> str | None:
        """Part of the name after the dot, such as ``complete`` or ``failed``."""
        ...

    @property
    def resource_type(self) -> str | None:
        """Type of the resource, such as ``Appointment``."""
        ...

    @property
    def records(self) -> Sequence[object]:
        """Records of the event: models, or mappings for types without a model."""
        ...


class EventSource(Protocol):
    """Source of webhook events, such as an `EventBus`."""

    def subscribe(
        self, matches: Callable[[WriteEvent], bool], /
    ) -> AbstractAsyncContextManager[AsyncIterator[WriteEvent]]:
        """Return a context whose iterator yields the matching events."""
        ...


class EventBus:
    """In-process bus of webhook events for confirmations: ``confirm(..., events=bus)``.

    Pass each received event to `publish`, in the event loop's thread; the bus itself can be a
    receiver's handler. The latest events are kept in memory for later subscribers, since a failure
    is often reported before the application waits for it. Events hold personal data. With several
    processes, each bus has only the events of its own process; confirmations also poll, so that
    they detect success without an event.

    Args:
        history_size: Number of events kept for later subscribers.
    """

    def __init__(self, *, history_size: int = 1000) -> None:
        self._history: deque[WriteEvent] = deque(maxlen=history_size)
        self._subscriptions: set[_Subscription] = set()

    def __repr__(self) -> str:
        """Show numbers only; events hold personal data."""
        return f"<EventBus: {len(self._history)} kept, {len(self._subscriptions)} listening>"

    def publish(self, event: WriteEvent, /) -> None:
        """Pass an event to current and later subscribers."""
        self._history.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.publish(event)

    async def __call__(self, event: WriteEvent, /) -> None:
        """Publish an event, as a receiver's handler."""
        self.publish(event)

    @asynccontextmanager
    async def subscribe(
        self, matches: Callable[[WriteEvent], bool], /
    ) -> AsyncGenerator[AsyncIterator[WriteEvent], None]:
        """Return a context whose iterator yields the matching events, kept ones first."""
        subscription = _Subscription(matches)
        for event in self._history:
            subscription.publish(event)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class _Subscription:
    """Endless async iterator over the events of a subscriber."""

    def __init__(self, matches: Callable[[WriteEvent], bool]) -> None:
        self._matches = matches
        self._queue: asyncio.Queue[WriteEvent] = asyncio.Queue()

    def publish(self, event: WriteEvent) -> None:
        if self._matches(event):
            self._queue.put_nowait(event)

    def __aiter__(self) -> _Subscription:
        return self

    async def __anext__(self) -> WriteEvent:
        return await self._queue.get()
