"""What a confirmation needs of webhooks: somewhere to hear of events as they arrive."""

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
    """What a confirmation reads of a webhook's event."""

    @property
    def event(self) -> str:
        """Its base name, such as ``appointment_insertion``."""
        ...

    @property
    def outcome(self) -> str | None:
        """What stood behind the name's dot, such as ``complete`` or ``failed``."""
        ...

    @property
    def resource_type(self) -> str | None:
        """What it is about, such as ``Appointment``."""
        ...

    @property
    def records(self) -> Sequence[object]:
        """The records it brings: models, or mappings where they have none."""
        ...


class EventSource(Protocol):
    """Where events can be heard; `EventBus` is one, and anything with this method will do."""

    def subscribe(
        self, matches: Callable[[WriteEvent], bool], /
    ) -> AbstractAsyncContextManager[AsyncIterator[WriteEvent]]:
        """Return a block inside which the wanted events come one by one."""
        ...


class EventBus:
    """Hands a receiver's events to those who wait for one of them: ``confirm(..., events=board)``.

    Give each event that was received to `publish`, in the event loop's own thread. The latest ones
    are kept, ``keep`` of them, and shown to those who subscribe later: a failure is often told
    before anybody has begun to wait for it. They are people's data, held in memory only. With
    several processes each board knows only what its own process received; confirmations poll as
    well, so that success is found out all the same.
    """

    def __init__(self, *, history_size: int = 1000) -> None:
        self._kept: deque[WriteEvent] = deque(maxlen=history_size)
        self._listeners: set[_Listener] = set()

    def __repr__(self) -> str:
        """Show numbers only; events are people's data."""
        return f"<EventBus: {len(self._kept)} kept, {len(self._listeners)} listening>"

    def publish(self, event: WriteEvent, /) -> None:
        """Show an event to everybody who waits for such a one, now or soon."""
        self._kept.append(event)
        for listener in tuple(self._listeners):
            listener.publish(event)

    async def __call__(self, event: WriteEvent, /) -> None:
        """Publish an event: the board itself can be a receiver's handler."""
        self.publish(event)

    @asynccontextmanager
    async def subscribe(
        self, matches: Callable[[WriteEvent], bool], /
    ) -> AsyncGenerator[AsyncIterator[WriteEvent], None]:
        """Return a block inside which the wanted events come one by one, those kept first."""
        listener = _Listener(matches)
        for event in self._kept:
            listener.publish(event)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


class _Listener:
    """One subscription: an async iterator that does not end by itself."""

    def __init__(self, wanted: Callable[[WriteEvent], bool]) -> None:
        self._wanted = wanted
        self._waiting: asyncio.Queue[WriteEvent] = asyncio.Queue()

    def publish(self, event: WriteEvent) -> None:
        if self._wanted(event):
            self._waiting.put_nowait(event)

    def __aiter__(self) -> _Listener:
        return self

    async def __anext__(self) -> WriteEvent:
        return await self._waiting.get()
