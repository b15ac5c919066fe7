"""Confirmation of writes, by webhook events and by polling with increasing delays.

Reference: v2 1.12, v3 1.8: a write is accepted first and reaches the practice's system later, or
never. Only webhooks report a failure; polling can detect success only.
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
"""Status of a write.

- ``complete``: the write is in the practice's system.
- ``failed``, ``timed out`` (the appointment's time passed first) and ``incomplete``: reported by a
  webhook; the API gives no reason.
- ``cancelled``: cancelled before it reached the practice's system.
- ``gone``: the record no longer exists.
- ``held``: the location accepts no bookings from NexHealth, so it will never be written.
- ``not connected``: no practice system is connected, as in a new test account.
- ``waiting``: no result yet.
"""

_OUTCOMES: dict[str, WriteStatus] = {
    "complete": "complete",
    "failed": "failed",
    "timed_out": "timed out",
    "incomplete": "incomplete",
}
_TRANSIENT_ERRORS = (APIConnectionError, ServerError, RateLimitError, InvalidResponseError)
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
"""Seconds between polls without webhooks: writes take minutes, and each poll is a call."""
_FIRST_WEBHOOK_PAUSE, _LONGEST_WEBHOOK_PAUSE = 60.0, 600.0
"""Seconds between polls with webhooks, in case an event is lost."""
_TESTING_DELAY = 0.02
_LAST_POLL_SECONDS = 2.0
"""Seconds reserved for a last poll before the timeout."""


@frozen(kw_only=True)
class WriteResult(Generic[T]):
    """Result of waiting for a write."""

    status: WriteStatus
    record: T | None = field(default=None, repr=False)
    """The record as last read; None if it was not read."""
    source: Literal["webhook", "look"] | None = None
    """Source of the status: a webhook or a poll (``"look"``); None while it is ``waiting``."""
    reason: str | None = None
    """Reason why it is not complete, as far as it is known; the API gives no reasons."""
    polls: int = 0
    """Number of polls."""

    @property
    def complete(self) -> bool:
        """True if the write is in the practice's system."""
        return self.status == "complete"

    @property
    def final(self) -> bool:
        """True if the status cannot change by waiting longer."""
        return self.status != "waiting"


@frozen(kw_only=True)
class PollResult(Generic[T]):
    """Result of one poll, without a status while the write is pending."""

    status: WriteStatus | None = None
    record: T | None = None
    reason: str | None = None


@frozen(kw_only=True)
class TrackedWrite(Generic[T]):
    """One write, with its poll and its events."""

    poll: Callable[[], Awaitable[PollResult[T]]]
    matches_event: Callable[[WriteEvent], bool]
    """Returns True for events about this write."""
    read: Callable[[WriteEvent], T | None]
    """Returns the record in such an event, if it has the right model."""
    deleted_reason: str = "the record no longer exists"
    """Reason if the record is not found."""
    explain: Callable[[], Awaitable[PollResult[T]]] | None = None
    """Determines, once, why the write is pending."""


async def track_write(
    write: TrackedWrite[T],
    *,
    first: T | None,
    timeout: float | None,  # noqa: ASYNC109 - its end is a result, not an error
    events: EventSource | None,
) -> WriteResult[T]:
    """Wait until the status of a write is final.

    Args:
        write: The write.
        first: The record as it was written, if it is known.
        timeout: Seconds to wait; None without a limit.
        events: Source of webhook events, if there is one.
    """
    if timeout is not None and not timeout >= 0:
        raise InvalidArgumentError("timeout must be a number of seconds, at least 0, or None")
    tracker = _WriteTracker(write=write, record=first)
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    limit = asyncio.timeout_at(end)
    try:
        async with limit:
            if events is None:
                return await tracker.run(None, end)
            async with events.subscribe(write.matches_event) as subscription:
                return await tracker.run(subscription, end)
    except TimeoutError:
        if not limit.expired():
            raise
    return WriteResult(
        status="waiting", record=tracker.record, reason=tracker.reason, polls=tracker.polls
    )


@define(kw_only=True)
class _WriteTracker(Generic[T]):
    """State of waiting for a write."""

    write: TrackedWrite[T]
    record: T | None = field(repr=False)
    polls: int = 0
    reason: str | None = None
    explanation: PollResult[T] | None = None
    """Result of `TrackedWrite.explain`, once it was called."""
    subscription: AsyncIterator[WriteEvent] | None = None
    next_event: asyncio.Future[WriteEvent] | None = None

    async def run(
        self, subscription: AsyncIterator[WriteEvent] | None, end: float | None
    ) -> WriteResult[T]:
        self.subscription = subscription
        try:
            for delay in _poll_delays(end, with_webhooks=subscription is not None):
                result = await self.poll() or await self.wait(delay)
                if result is not None:
                    return result
            raise AssertionError  # pragma: no cover - the delays do not end
        finally:
            if self.next_event is not None:
                self.next_event.cancel()
                await asyncio.wait({self.next_event})

    async def wait(self, seconds: float) -> WriteResult[T] | None:
        """Wait for some seconds, or until an event gives the final status."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        while self.subscription is not None and (left := until - now()) > 0:
            self.next_event = self.next_event or asyncio.ensure_future(anext(self.subscription))
            await asyncio.wait({self.next_event}, timeout=left)
            if not self.next_event.done():
                return None
            received, self.next_event = self.next_event, None
            try:
                event = received.result()
            except StopAsyncIteration:
                self.subscription = None
            else:
                if (result := await self.handle_event(event)) is not None:
                    return result
        await asyncio.sleep(max(0.0, until - now()))
        return None

    async def poll(self) -> WriteResult[T] | None:
        self.polls += 1
        try:
            result = await self.write.poll()
        except NotFoundError:
            result = PollResult[T](status="gone", reason=self.write.deleted_reason)
        except _TRANSIENT_ERRORS as error:
            self.reason = f"the last poll failed: {error.message}"
            return None
        self.record = self.record if result.record is None else result.record
        if result.status is None and self.polls > 1 and self.explanation is None:
            self.explanation = await self.explain_pending()
        if result.status is None and self.explanation is not None:
            result = evolve(
                result,
                status=self.explanation.status,
                reason=result.reason or self.explanation.reason,
            )
        self.reason = result.reason
        return None if result.status is None else self.finish(result.status, "look", result.reason)

    async def explain_pending(self) -> PollResult[T]:
        """Determine why the write is pending; errors are ignored, since this is optional."""
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
                await self.poll()  # only to read the record
            return self.finish(status, "webhook", None)
        return self.finish(status, "webhook", "reported by a webhook; the API gives no reason")

    def finish(
        self, status: WriteStatus, source: Literal["webhook", "look"], reason: str | None
    ) -> WriteResult[T]:
        return WriteResult(
            status=status, record=self.record, source=source, reason=reason, polls=self.polls
        )


def _poll_delays(end: float | None, *, with_webhooks: bool) -> Iterator[float]:
    """Yield the seconds to wait after each poll; the last ones leave time for a last poll."""
    pause, longest = _FIRST_PAUSE, _LONGEST_PAUSE
    if with_webhooks:
        pause, longest = _FIRST_WEBHOOK_PAUSE, _LONGEST_WEBHOOK_PAUSE
    while True:
        delay = _TESTING_DELAY if is_testing() else pause
        if end is None:
            yield delay
        else:
            left = end - asyncio.get_running_loop().time()
            spare = left - _LAST_POLL_SECONDS
            yield delay if delay < left else (spare if spare > 0 else left + 1)
        pause = min(2 * pause, longest)
