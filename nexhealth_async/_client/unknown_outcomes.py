"""Writes whose answer was lost, kept until the server can no longer carry them out.

The API has no idempotency keys, and nobody can know how late a lost write is carried out. So a
session remembers such writes, by a fingerprint, and sends none of them again too early.
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
    """The unsettled writes of one session and its copies."""

    __slots__ = ("_key", "_writes")

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._writes: dict[bytes, PendingWrite] = {}

    def __repr__(self) -> str:
        """Show how many there are, never which."""
        return f"<PendingWrites: {len(self._writes)}>"

    def get(self, *identity: object, late_commit: float) -> PendingWrite:
        """Return the write of this identity, the same object for all who try it at once."""
        for key in [key for key, write in self._writes.items() if not write.is_needed]:
            del self._writes[key]
        text = repr(identity).encode(errors="surrogatepass")
        key = blake2b(text, key=self._key, digest_size=16).digest()
        return self._writes.setdefault(key, PendingWrite(late_commit))


class PendingWrite:
    """One write that must not happen twice; ``async with`` lets one caller at a time try it."""

    __slots__ = ("_callers", "_expires", "_late_commit", "_lock", "_until")

    def __init__(self, late_commit: float) -> None:
        self._late_commit = late_commit
        self._lock = asyncio.Lock()
        self._callers = 0
        self._until = 0.0
        """Until when it may still be carried out, in the loop's time."""
        self._expires: datetime | None = None
        """The same by the clock on the wall."""

    def __repr__(self) -> str:
        """Show the state, never what is written."""
        return f"<Write {'settled' if self.pending_until is None else 'unsettled'}>"

    async def __aenter__(self) -> Self:
        """Wait until nobody else tries the same write."""
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
        """Let the next one try."""
        self._callers -= 1
        self._lock.release()

    @property
    def pending_until(self) -> datetime | None:
        """Until when an earlier try may still be carried out; None if there is none such."""
        return self._expires if asyncio.get_running_loop().time() < self._until else None

    @property
    def is_needed(self) -> bool:
        """Whether anybody tries it, or it is unsettled."""
        return self._callers > 0 or self.pending_until is not None

    def resolve(self) -> None:
        """Note that its outcome is known."""
        self._until, self._expires = 0.0, None

    @contextmanager
    def mark_sent(self) -> Generator[None]:
        """Send the write inside; whatever leaves its outcome open makes it unsettled.

        A cancellation does, too: the request may have left.
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
        self._expires = datetime.now(UTC) + timedelta(seconds=self._late_commit)
