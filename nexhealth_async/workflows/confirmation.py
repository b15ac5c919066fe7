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
    APIConnectionError,
    InvalidArgumentError,
    InvalidResponseError,
    NexHealthError,
    NotFoundError,
    RateLimitError,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from nexhealth_async.workflows.event_bus import EventSource, WriteEvent

__all__ = ["PollResult", "TrackedWrite", "WriteResult", "WriteStatus", "track_write"]

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
_TRANSIENT_ERRORS = (APIConnectionError, ServerError, RateLimitError, InvalidResponseError)
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
"""Seconds between looks where nobody tells: writes take minutes, and each look is a call."""
_FIRST_NET, _LONGEST_NET = 60.0, 600.0
"""The same beside webhooks, in case one is lost."""
_TESTING_DELAY = 0.02
_LAST_POLL_SECONDS = 2.0
"""Seconds kept for one more look before the time is up."""


@frozen(kw_only=True)
class WriteResult(Generic[T]):
    """What is known of a write when waiting for it ended."""

    status: WriteStatus
    record: T | None = field(default=None, repr=False)
    """What was last seen of the record; None if nothing was."""
    source: Literal["webhook", "look"] | None = None
    """Where the status is from; None while it is ``waiting``."""
    reason: str | None = None
    """What is known of why it is not complete, in a sentence; the API itself gives no reasons."""
    polls: int = 0
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
class PollResult(Generic[T]):
    """What one look found; without a status there is nothing to tell yet."""

    status: WriteStatus | None = None
    record: T | None = None
    reason: str | None = None


@frozen(kw_only=True)
class TrackedWrite(Generic[T]):
    """One write: how to look for it, and which events are about it."""

    poll: Callable[[], Awaitable[PollResult[T]]]
    matches_event: Callable[[WriteEvent], bool]
    """Whether an event is about this write."""
    read: Callable[[WriteEvent], T | None]
    """The record of such an event, where it brings one of the right kind."""
    deleted_reason: str = "the record is no longer there"
    """What to say where the record cannot be found."""
    explain: Callable[[], Awaitable[PollResult[T]]] | None = None
    """Finds out, once, why it takes long."""


async def track_write(
    write: TrackedWrite[T],
    *,
    first: T | None,
    timeout: float | None,  # noqa: ASYNC109 - its end is an answer, not an error
    events: EventSource | None,
) -> WriteResult[T]:
    """Wait until a write has ended, or so many seconds have passed."""
    if timeout is not None and not timeout >= 0:
        raise InvalidArgumentError("timeout is a number of seconds of at least 0, or None")
    way = _WriteTracker(write=write, record=first)
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    limit = asyncio.timeout_at(end)
    try:
        async with limit:
            if events is None:
                return await way.run(None, end)
            async with events.subscribe(write.matches_event) as told:
                return await way.run(told, end)
    except TimeoutError:
        if not limit.expired():
            raise
    return WriteResult(status="waiting", record=way.record, reason=way.reason, polls=way.polls)


@define(kw_only=True)
class _WriteTracker(Generic[T]):
    """How far the waiting has come."""

    write: TrackedWrite[T]
    record: T | None = field(repr=False)
    polls: int = 0
    reason: str | None = None
    delay: PollResult[T] | None = None
    """Why it takes long, once that was asked."""
    is_told: AsyncIterator[WriteEvent] | None = None
    listening: asyncio.Future[WriteEvent] | None = None

    async def run(
        self, listener: AsyncIterator[WriteEvent] | None, end: float | None
    ) -> WriteResult[T]:
        self.is_told = listener
        try:
            for pause in _poll_delays(end, slowly=listener is not None):
                found = await self.poll() or await self.wait(pause)
                if found is not None:
                    return found
            raise AssertionError  # pragma: no cover - there is always one more pause
        finally:
            if self.listening is not None:
                self.listening.cancel()
                await asyncio.wait({self.listening})

    async def wait(self, seconds: float) -> WriteResult[T] | None:
        """Wait so long, or until an event tells the end."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        while self.is_told is not None and (left := until - now()) > 0:
            self.listening = self.listening or asyncio.ensure_future(anext(self.is_told))
            await asyncio.wait({self.listening}, timeout=left)
            if not self.listening.done():
                return None
            heard, self.listening = self.listening, None
            try:
                event = heard.result()
            except StopAsyncIteration:
                self.is_told = None
            else:
                if (found := await self.handle_event(event)) is not None:
                    return found
        await asyncio.sleep(max(0.0, until - now()))
        return None

    async def poll(self) -> WriteResult[T] | None:
        self.polls += 1
        try:
            seen = await self.write.poll()
        except NotFoundError:
            seen = PollResult[T](status="gone", reason=self.write.deleted_reason)
        except _TRANSIENT_ERRORS as error:
            self.reason = f"the latest look failed: {error.message}"
            return None
        self.record = self.record if seen.record is None else seen.record
        if seen.status is None and self.polls > 1 and self.delay is None:
            self.delay = await self.explain_pending()
        if seen.status is None and self.delay is not None:
            seen = evolve(seen, status=self.delay.status, reason=seen.reason or self.delay.reason)
        self.reason = seen.reason
        return None if seen.status is None else self.finish(seen.status, "look", seen.reason)

    async def explain_pending(self) -> PollResult[T]:
        """Ask why it takes long; the answer is worth little, so that failing to get it is not."""
        try:
            return PollResult() if self.write.explain is None else await self.write.explain()
        except NexHealthError:
            return PollResult()

    async def handle_event(self, event: WriteEvent) -> WriteResult[T] | None:
        record = self.write.read(event)
        self.record = self.record if record is None else record
        status = _OUTCOMES.get(event.outcome or "")
        if status is None:
            return await self.poll()
        if status == "complete":
            if record is None:
                await self.poll()  # for the record alone; the event has said the rest
            return self.finish(status, "webhook", None)
        return self.finish(status, "webhook", "a webhook said so; the API tells no reason")

    def finish(
        self, status: WriteStatus, source: Literal["webhook", "look"], reason: str | None
    ) -> WriteResult[T]:
        return WriteResult(
            status=status, record=self.record, source=source, reason=reason, polls=self.polls
        )


def _poll_delays(end: float | None, *, slowly: bool) -> Iterator[float]:
    """Yield how long to wait after each look; near the end so that one more look fits in."""
    pause, longest = (_FIRST_NET, _LONGEST_NET) if slowly else (_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        if end is None:
            yield _TESTING_DELAY if is_testing() else pause
        else:
            left = end - asyncio.get_running_loop().time()
            spare = left - _LAST_POLL_SECONDS
            due = _TESTING_DELAY if is_testing() else pause
            yield due if due < left else (spare if spare > 0 else left + 1)
        pause = min(2 * pause, longest)
