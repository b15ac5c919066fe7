"""Waiting for the end of a write: hear of it by webhook, and look for it with growing pauses.

Reference: v2 1.12, v3 1.8: a write is accepted first and reaches the practice's system later, or
never. Only webhooks tell of failure; a look at the record can tell success alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from attrs import define, evolve, field, frozen

from nexhealth_async._client.backoff_switch import is_testing
from nexhealth_async.errors import (
    BadReply,
    InvalidArgument,
    NexHealthError,
    NotFound,
    RateLimited,
    ServerFailure,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from nexhealth_async.workflows.event_bus import Event, Events

__all__ = ["Followed", "Seen", "WriteStatus", "Written", "followed"]

T = TypeVar("T")

WriteStatus: TypeAlias = Literal[
    "complete",
    "failed",
    "timed out",
    "incomplete",
    "cancelled",
    "gone",
    "held",
    "not connected",
    "waiting",
]
"""How a write stands.

``complete``: the practice's system has it. ``failed``, ``timed out`` (the appointment's time came
first) and ``incomplete``: a webhook said so; the API gives no reason. ``cancelled``: it was
cancelled before it got there. ``gone``: the record is no longer there. ``held``: the location
takes no bookings from NexHealth, so it will never be sent. ``not connected``: there is no
practice's system to write to, as in a fresh test account. ``waiting``: nothing is known yet.
"""

_OUTCOMES: dict[str, WriteStatus] = {
    "complete": "complete",
    "failed": "failed",
    "timed_out": "timed out",
    "incomplete": "incomplete",
}
_PASSING = (TransportError, ServerFailure, RateLimited, BadReply)
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
"""Seconds between looks where nobody tells: writes take minutes, and each look is a call."""
_FIRST_NET, _LONGEST_NET = 60.0, 600.0
"""The same beside webhooks, in case one is lost."""
_TESTING_PAUSE = 0.02
_LAST_LOOK = 2.0
"""Seconds kept for one more look before the time is up."""


@frozen(kw_only=True)
class Written(Generic[T]):
    """What is known of a write when waiting for it ended."""

    status: WriteStatus
    record: T | None = field(default=None, repr=False)
    """What was last seen of the record; None if nothing was."""
    told_by: Literal["webhook", "look"] | None = None
    """Where the status is from; None while it is ``waiting``."""
    reason: str | None = None
    """What is known of why it is not complete, in a sentence; the API itself gives no reasons."""
    looks: int = 0
    """How many requests looked for it."""

    @property
    def complete(self) -> bool:
        """Whether the practice's system has it."""
        return self.status == "complete"

    @property
    def final(self) -> bool:
        """Whether waiting longer can change nothing."""
        return self.status != "waiting"


@frozen(kw_only=True)
class Seen(Generic[T]):
    """What one look found; without a status there is nothing to tell yet."""

    status: WriteStatus | None = None
    record: T | None = None
    reason: str | None = None


@frozen(kw_only=True)
class Followed(Generic[T]):
    """One write: how to look for it, and which events are about it."""

    look: Callable[[], Awaitable[Seen[T]]]
    told: Callable[[Event], bool]
    """Whether an event is about this write."""
    read: Callable[[Event], T | None]
    """The record of such an event, where it brings one of the right kind."""
    gone: str = "the record is no longer there"
    """What to say where the record cannot be found."""
    explain: Callable[[], Awaitable[Seen[T]]] | None = None
    """Finds out, once, why it takes long."""


async def followed(
    write: Followed[T],
    *,
    first: T | None,
    timeout: float | None,  # noqa: ASYNC109 - its end is an answer, not an error
    events: Events | None,
) -> Written[T]:
    """Wait until a write has ended, or so many seconds have passed."""
    if timeout is not None and not timeout >= 0:
        raise InvalidArgument("timeout is a number of seconds of at least 0, or None")
    way = _Way(write=write, record=first)
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    limit = asyncio.timeout_at(end)
    try:
        async with limit:
            if events is None:
                return await way.walk(None, end)
            async with events.subscribe(write.told) as told:
                return await way.walk(told, end)
    except TimeoutError:
        if not limit.expired():
            raise
    return Written(status="waiting", record=way.record, reason=way.reason, looks=way.looks)


@define(kw_only=True)
class _Way(Generic[T]):
    """How far the waiting has come."""

    write: Followed[T]
    record: T | None = field(repr=False)
    looks: int = 0
    reason: str | None = None
    delay: Seen[T] | None = None
    """Why it takes long, once that was asked."""
    told: AsyncIterator[Event] | None = None
    hearing: asyncio.Future[Event] | None = None

    async def walk(self, told: AsyncIterator[Event] | None, end: float | None) -> Written[T]:
        self.told = told
        try:
            for pause in _pauses(end, slowly=told is not None):
                found = await self.look() or await self.rest(pause)
                if found is not None:
                    return found
            raise AssertionError  # pragma: no cover - there is always one more pause
        finally:
            if self.hearing is not None:
                self.hearing.cancel()
                await asyncio.wait({self.hearing})

    async def rest(self, seconds: float) -> Written[T] | None:
        """Wait so long, or until an event tells the end."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        while self.told is not None and (left := until - now()) > 0:
            self.hearing = self.hearing or asyncio.ensure_future(anext(self.told))
            await asyncio.wait({self.hearing}, timeout=left)
            if not self.hearing.done():
                return None
            heard, self.hearing = self.hearing, None
            try:
                event = heard.result()
            except StopAsyncIteration:
                self.told = None
            else:
                if (found := await self.hear(event)) is not None:
                    return found
        await asyncio.sleep(max(0.0, until - now()))
        return None

    async def look(self) -> Written[T] | None:
        self.looks += 1
        try:
            seen = await self.write.look()
        except NotFound:
            seen = Seen[T](status="gone", reason=self.write.gone)
        except _PASSING as error:
            self.reason = f"the latest look failed: {error.message}"
            return None
        self.record = self.record if seen.record is None else seen.record
        if seen.status is None and self.looks > 1 and self.delay is None:
            self.delay = await self.explained()
        if seen.status is None and self.delay is not None:
            seen = evolve(seen, status=self.delay.status, reason=seen.reason or self.delay.reason)
        self.reason = seen.reason
        return None if seen.status is None else self.ended(seen.status, "look", seen.reason)

    async def explained(self) -> Seen[T]:
        """Ask why it takes long; the answer is worth little, so that failing to get it is not."""
        try:
            return Seen() if self.write.explain is None else await self.write.explain()
        except NexHealthError:
            return Seen()

    async def hear(self, event: Event) -> Written[T] | None:
        record = self.write.read(event)
        self.record = self.record if record is None else record
        status = _OUTCOMES.get(event.outcome or "")
        if status is None:
            return await self.look()
        if status == "complete":
            if record is None:
                await self.look()  # for the record alone; the event has said the rest
            return self.ended(status, "webhook", None)
        return self.ended(status, "webhook", "a webhook said so; the API tells no reason")

    def ended(
        self, status: WriteStatus, told_by: Literal["webhook", "look"], reason: str | None
    ) -> Written[T]:
        return Written(
            status=status, record=self.record, told_by=told_by, reason=reason, looks=self.looks
        )


def _pauses(end: float | None, *, slowly: bool) -> Iterator[float]:
    """Yield how long to wait after each look; near the end so that one more look fits in."""
    pause, longest = (_FIRST_NET, _LONGEST_NET) if slowly else (_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        if end is None:
            yield _TESTING_PAUSE if is_testing() else pause
        else:
            left = end - asyncio.get_running_loop().time()
            spare = left - _LAST_LOOK
            due = _TESTING_PAUSE if is_testing() else pause
            yield due if due < left else (spare if spare > 0 else left + 1)
        pause = min(2 * pause, longest)
