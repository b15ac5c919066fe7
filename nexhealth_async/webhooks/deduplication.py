"""What a receiver asks of its store: take an event in, and note how its handling ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from nexhealth_async.webhooks.event import Event
    from nexhealth_async.webhooks.handler_workers import Job, JobOutcome
    from nexhealth_async.webhooks.store_protocols import EventQueue, SeenStore

__all__ = ["Admission", "DeduplicatingStore", "DeliveryStore", "QueuedDeliveryStore", "Settlement"]

Admission: TypeAlias = Literal["new", "known", "busy"]
"""``known``: handled before, or stored already; ``busy``: it has to be delivered again."""
Settlement: TypeAlias = Literal["handled", "again", "parked"]

_MAX_DELAY: Final = 3 * 3600.0
_FACTOR: Final = 3


class DeliveryStore(Protocol):
    """What `DeduplicatingStore` and `QueuedDeliveryStore` have in common."""

    async def admit(self, event: Event) -> Admission:
        """Take an event in, and tell whether it is new."""
        ...

    async def record(self, job: Job, outcome: JobOutcome) -> Settlement:
        """Note how the handling ended, and tell what becomes of the event."""
        ...

    async def aclose(self) -> None:
        """Close the store."""
        ...


class DeduplicatingStore:
    """A store of keys: the vendor repeats what was not handled."""

    def __init__(self, store: SeenStore, max_attempts: int) -> None:
        self._store, self._max_attempts = store, max_attempts

    async def admit(self, event: Event) -> Admission:
        """Claim an event."""
        claim = await self._store.claim(event.key)
        return "new" if claim == "new" else "known" if claim == "seen" else "busy"

    async def record(self, job: Job, outcome: JobOutcome) -> Settlement:
        """Confirm or release the claim; an event that has failed too often counts as seen."""
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
    """A durable queue: the receiver repeats what was not handled.

    Args:
        queue: Where events are kept.
        max_attempts: How often an event is tried before it is parked.
        retry_after: Seconds before the first repetition; three times as long before each further
            one, up to three hours.
    """

    def __init__(self, queue: EventQueue, max_attempts: int, retry_after: float) -> None:
        self._queue, self._max_attempts, self._retry_after = queue, max_attempts, retry_after

    async def admit(self, event: Event) -> Admission:
        """Store an event."""
        stored = await self._queue.put(event.key, event.body, is_test=event.is_test)
        return "new" if stored == "stored" else "known" if stored == "known" else "busy"

    async def record(self, job: Job, outcome: JobOutcome) -> Settlement:
        """Confirm, release, repeat or park the event."""
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
