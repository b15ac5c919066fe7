"""Stores of a receiver: admit an event and record how its handling ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from nexhealth_async.webhooks.event import Event
    from nexhealth_async.webhooks.handler_workers import Job, JobOutcome
    from nexhealth_async.webhooks.store_protocols import EventQueue, SeenStore

__all__ = ["Admission", "DeduplicatingStore", "DeliveryStore", "QueuedDeliveryStore", "Settlement"]

Admission: TypeAlias = Literal["new", "known", "busy"]
"""Result of admitting an event.

``known``: handled or stored before. ``busy``: the vendor must deliver it again.
"""
Settlement: TypeAlias = Literal["handled", "again", "parked"]

_MAX_DELAY: Final = 3 * 3600.0
_FACTOR: Final = 3


class DeliveryStore(Protocol):
    """Store that admits events and records how their handling ended."""

    async def admit(self, event: Event) -> Admission:
        """Admit an event and return whether it is new."""
        ...

    async def record(self, job: Job, outcome: JobOutcome) -> Settlement:
        """Record how the handling ended; return what follows for the event."""
        ...

    async def aclose(self) -> None:
        """Close the store."""
        ...


class DeduplicatingStore:
    """Store of keys, for which the vendor repeats unhandled deliveries."""

    def __init__(self, store: SeenStore, max_attempts: int) -> None:
        self._store, self._max_attempts = store, max_attempts

    async def admit(self, event: Event) -> Admission:
        """Claim an event."""
        claim = await self._store.claim(event.key)
        return "new" if claim == "new" else "known" if claim == "seen" else "busy"

    async def record(self, job: Job, outcome: JobOutcome) -> Settlement:
        """Confirm or release the claim; an event that failed too often counts as seen."""
        if outcome == "released":
            await self._store.release(job.key)
            return "again"
        if outcome == "failed" and await self._store.fail(job.key) < self._max_attempts:
            return "again"
        await self._store.confirm(job.key)
        return "handled" if outcome == "handled" else "parked"

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()


class QueuedDeliveryStore:
    """Durable queue, for which the receiver retries unhandled events.

    Args:
        queue: Queue of events.
        max_attempts: Attempts before an event is parked.
        retry_after: Seconds before the first retry; the delay triples with each further one, up to
            three hours.
    """

    def __init__(self, queue: EventQueue, max_attempts: int, retry_after: float) -> None:
        self._queue, self._max_attempts, self._retry_after = queue, max_attempts, retry_after

    async def admit(self, event: Event) -> Admission:
        """Store an event."""
        stored = await self._queue.put(event.key, event.body, is_test=event.is_test)
        return "new" if stored == "stored" else "known" if stored == "known" else "busy"

    async def record(self, job: Job, outcome: JobOutcome) -> Settlement:
        """Confirm, release, retry or park the event."""
        if outcome == "handled":
            await self._queue.confirm(job.key)
            return "handled"
        if outcome == "released":
            await self._queue.release(job.key)
            return "again"
        if job.attempts >= self._max_attempts:
            await self._queue.park(job.key)
            return "parked"
        delay = self._retry_after * _FACTOR ** min(job.attempts - 1, 20)
        await self._queue.retry(job.key, min(delay, _MAX_DELAY))
        return "again"

    async def aclose(self) -> None:
        """Close the queue."""
        await self._queue.aclose()
