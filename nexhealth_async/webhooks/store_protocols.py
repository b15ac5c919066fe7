"""What stores of seen events and queues of events can do."""

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
"""``new``: it is yours to handle; ``seen``: it was handled; ``busy``: another has it in hand, or
the store cannot say at present."""

KEEP: Final = timedelta(days=3)
"""How long a handled event is remembered: the vendor repeats a delivery for 48 hours."""
LEASE: Final = timedelta(minutes=5)
"""How long a claim holds that is neither confirmed nor released."""


class SeenStore(Protocol):
    """Remembers which events were handled; write your own with these five methods.

    A key goes from nothing to claimed by `claim`, and from there to seen by `confirm` or back to
    nothing by `release` or `fail`.
    """

    async def claim(self, key: str) -> Claim:
        """Claim a key; exactly one of those who ask at the same time is told ``new``."""
        ...

    async def confirm(self, key: str) -> None:
        """Note that what a claimed key stands for was done."""
        ...

    async def release(self, key: str) -> None:
        """Give up a claim of one's own, so that the next delivery is handled."""
        ...

    async def fail(self, key: str) -> int:
        """Give up a claim of one's own whose handling failed; return how often it has, with this.

        The count ends with `confirm`, or when it is forgotten as seen keys are.
        """
        ...

    async def aclose(self) -> None:
        """Let go of files and connections; closing twice is allowed."""
        ...


Stored: TypeAlias = Literal["stored", "known", "busy"]
"""``stored``: it is kept and will be handled; ``known``: it was stored before, and may be handled
or parked by now; ``busy``: it was not stored, so deliver it again."""


@frozen(repr=False)
class QueuedEvent:
    """An event as a queue keeps it. A printed one shows its key and attempts only."""

    key: str
    """`Event.key` as it was when the event was stored."""
    body: bytes
    """The delivery's body, which is personal data: read it with `webhooks.parse`."""
    is_test: bool
    """Whether the delivery's headers or body marked it as a test."""
    attempts: int
    """How often its handling was begun, this time included."""

    def __repr__(self) -> str:
        return f"<QueuedEvent {self.key}: {self.attempts} attempts, {len(self.body)} bytes>"


@runtime_checkable
class EventQueue(Protocol):
    """Keeps events until they are handled, over crashes and restarts; `SqliteQueue` is one.

    An event is waiting, claimed by a receiver that handles it, handled or parked. What is claimed
    and not renewed is waiting again when the lease ends.
    """

    renew_every: float
    """Seconds between two calls of `renew`."""

    async def put(self, key: str, body: bytes, *, is_test: bool = False) -> Stored:
        """Store an event durably, once for each key."""
        ...

    async def take(self) -> QueuedEvent | None:
        """Claim the event that has waited longest and is due; None if there is none."""
        ...

    async def renew(self, keys: Collection[str]) -> None:
        """Hold the claims of these keys for another lease."""
        ...

    async def confirm(self, key: str) -> None:
        """Note that an event was handled, and forget its body."""
        ...

    async def retry(self, key: str, after: float) -> None:
        """Give back a claimed event whose handling failed, due again in ``after`` seconds."""
        ...

    async def park(self, key: str) -> None:
        """Put an event aside that is not to be tried again."""
        ...

    async def release(self, key: str) -> None:
        """Give back a claimed event that was not tried after all."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections; closing twice is allowed."""
        ...


def check_times(keep: timedelta, lease: timedelta) -> tuple[float, float]:
    """Return both as seconds.

    Raises:
        InvalidArgumentError: one of them is not above zero.
    """
    if keep <= timedelta() or lease <= timedelta():
        raise InvalidArgumentError("keep and lease must be longer than no time")
    return keep.total_seconds(), lease.total_seconds()
