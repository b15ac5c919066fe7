"""Protocols of stores of seen events and queues of events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from attrs import frozen

from nexhealth_async.errors import InvalidArgumentError

__all__ = [
    "KEEP",
    "LEASE",
    "Claim",
    "EventQueue",
    "QueuedEvent",
    "SeenStore",
    "Stored",
    "check_times",
]

Claim: TypeAlias = Literal["new", "busy", "seen"]
"""Result of a claim.

``new``: handle it. ``seen``: it was handled. ``busy``: it is claimed elsewhere, or the store cannot
tell.
"""

KEEP: Final = timedelta(days=3)
"""Default time to keep a handled event: the vendor repeats deliveries for 48 hours."""
LEASE: Final = timedelta(minutes=5)
"""Default time that a claim lasts unless it is confirmed or released."""


class SeenStore(Protocol):
    """Store of seen events; write your own with these five methods.

    A key is unknown at first. `claim` claims it, `confirm` marks it as seen, and `release` and
    `fail` make it unknown again.
    """

    async def claim(self, key: str) -> Claim:
        """Claim a key; of concurrent calls exactly one returns ``new``."""
        ...

    async def confirm(self, key: str) -> None:
        """Mark a claimed key as seen."""
        ...

    async def release(self, key: str) -> None:
        """Release a claim of this process, so that the next delivery is handled."""
        ...

    async def fail(self, key: str) -> int:
        """Release a claim of this process whose handling failed; return the number of failures.

        The count ends with `confirm`, or expires as seen keys do.
        """
        ...

    async def aclose(self) -> None:
        """Close files and connections. Closing twice is allowed."""
        ...


Stored: TypeAlias = Literal["stored", "known", "busy"]
"""Result of storing an event.

``stored``: it will be handled. ``known``: it was stored before, and may be handled or parked by
now. ``busy``: it was not stored; the vendor must deliver it again.
"""


@frozen(repr=False)
class QueuedEvent:
    """Event in a queue. Its repr shows its key and attempts only."""

    key: str
    """`Event.key` at the time the event was stored."""
    body: bytes
    """Body of the delivery, which is personal data: read it with `webhooks.parse`."""
    is_test: bool
    """True if headers or body of the delivery mark a test."""
    attempts: int
    """Number of attempts, including this one."""

    def __repr__(self) -> str:
        return f"<QueuedEvent {self.key}: {self.attempts} attempts, {len(self.body)} bytes>"


@runtime_checkable
class EventQueue(Protocol):
    """Durable queue that keeps events until they are handled; see `SqliteQueue`.

    An event is waiting, claimed by a receiver, handled or parked. A claim that is not renewed ends
    with its lease, and the event waits again.
    """

    renew_every: float
    """Seconds between two calls of `renew`."""

    async def put(self, key: str, body: bytes, *, is_test: bool = False) -> Stored:
        """Store an event durably, once for each key."""
        ...

    async def take(self) -> QueuedEvent | None:
        """Claim the oldest due event; None if there is none."""
        ...

    async def renew(self, keys: Collection[str]) -> None:
        """Renew the claims of these keys for another lease."""
        ...

    async def confirm(self, key: str) -> None:
        """Mark an event as handled and delete its body."""
        ...

    async def retry(self, key: str, after: float) -> None:
        """Return a failed event to the queue, to be retried in ``after`` seconds."""
        ...

    async def park(self, key: str) -> None:
        """Park an event that is not to be retried."""
        ...

    async def release(self, key: str) -> None:
        """Return an untried event to the queue."""
        ...

    async def aclose(self) -> None:
        """Close files and connections. Closing twice is allowed."""
        ...


def check_times(keep: timedelta, lease: timedelta) -> tuple[float, float]:
    """Validate both times and return them in seconds.

    Raises:
        InvalidArgumentError: One of them is not above zero.
    """
    if keep <= timedelta() or lease <= timedelta():
        raise InvalidArgumentError("keep and lease must be above zero")
    return keep.total_seconds(), lease.total_seconds()
