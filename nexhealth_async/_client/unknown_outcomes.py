"""Writes with an unknown outcome, kept until the server can no longer execute them.

The API has no idempotency keys, and the server may execute a write long after its response was
lost. A session remembers such writes by fingerprint and does not repeat them too early.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

from nexhealth_async.errors import NexHealthError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

__all__ = ["PendingWrite", "PendingWrites"]


class PendingWrites:
    """The pending writes of a session and its copies."""

    __slots__ = ("_key", "_writes")

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._writes: dict[bytes, PendingWrite] = {}

    def __repr__(self) -> str:
        """Show the number of writes, never their identity."""
        return f"<PendingWrites: {len(self._writes)}>"

    def get(self, *identity: object, late_commit: float) -> PendingWrite:
        """Return the write with this identity, the same object for concurrent callers."""
        for key in [key for key, write in self._writes.items() if not write.is_needed]:
            del self._writes[key]
        text = repr(identity).encode(errors="surrogatepass")
        key = blake2b(text, key=self._key, digest_size=16).digest()
        return self._writes.setdefault(key, PendingWrite(late_commit))


class PendingWrite:
    """One write that must not happen twice; ``async with`` admits one caller at a time."""

    __slots__ = ("_callers", "_late_commit", "_lock", "_pending_until", "_until")

    def __init__(self, late_commit: float) -> None:
        self._late_commit = late_commit
        self._lock = asyncio.Lock()
        self._callers = 0
        self._until = 0.0
        """Time on the loop's clock until which the server may still execute it."""
        self._pending_until: datetime | None = None
        """The same moment in UTC."""

    def __repr__(self) -> str:
        """Show the state, never the content."""
        return f"<PendingWrite {'settled' if self.pending_until is None else 'unsettled'}>"

    async def __aenter__(self) -> Self:
        """Wait until no other caller attempts the same write."""
        self._callers += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._callers -= 1
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Admit the next caller."""
        self._callers -= 1
        self._lock.release()

    @property
    def pending_until(self) -> datetime | None:
        """Time (UTC) until which an earlier attempt may still be executed; None if none may."""
        return self._pending_until if asyncio.get_running_loop().time() < self._until else None

    @property
    def is_needed(self) -> bool:
        """True while a caller uses it or its outcome is unknown."""
        return self._callers > 0 or self.pending_until is not None

    def resolve(self) -> None:
        """Record that the outcome is known."""
        self._until, self._pending_until = 0.0, None

    @contextmanager
    def mark_sent(self) -> Generator[None]:
        """Keep the write pending if the block leaves its outcome unknown.

        A cancellation does so too: the request may have been sent.
        """
        try:
            yield
        except OutcomeUnknownError:
            self._keep_pending()
            raise
        except NexHealthError:
            self.resolve()
            raise
        except BaseException:
            self._keep_pending()
            raise
        self.resolve()

    def _keep_pending(self) -> None:
        self._until = asyncio.get_running_loop().time() + self._late_commit
        self._pending_until = datetime.now(UTC) + timedelta(seconds=self._late_commit)
