"""Seen events in the memory of one process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.webhooks.store_protocols import KEEP, LEASE, check_times

if TYPE_CHECKING:
    from nexhealth_async.webhooks.store_protocols import Claim

__all__ = ["MemorySeen"]


class MemorySeen:
    """Store of seen events in memory, for handlers that are idempotent across restarts.

    A key costs about 200 bytes.

    Args:
        max_keys: Approximate maximum number of keys; the oldest are dropped first.
        keep: Time to keep each key.
        lease: Time that a claim lasts.
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self,
        *,
        max_keys: int = 100_000,
        keep: timedelta = KEEP,
        lease: timedelta = LEASE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_keys < 1:
            raise InvalidArgumentError("max_keys must be at least 1")
        self._max_keys = max_keys
        self._keep, self._lease = check_times(keep, lease)
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        """Expiry of each seen key, the earliest first."""
        self._claimed: dict[str, float] = {}
        """Expiry of each claim."""
        self._failures: OrderedDict[str, int] = OrderedDict()
        """Number of failures by key, the latest last."""

    def __len__(self) -> int:
        return len(self._seen)

    def __repr__(self) -> str:
        return f"<MemorySeen: {len(self._seen)} seen, {len(self._claimed)} claimed>"

    async def claim(self, key: str) -> Claim:
        """Claim a key; see `SeenStore`."""
        now = self._clock()
        self._forget(now)
        if key in self._seen:
            return "seen"
        if self._claimed.get(key, now) > now:
            return "busy"
        self._claimed[key] = now + self._lease
        return "new"

    async def confirm(self, key: str) -> None:
        """Mark a claimed key as seen."""
        self._claimed.pop(key, None)
        self._failures.pop(key, None)
        self._seen[key] = self._clock() + self._keep
        self._seen.move_to_end(key)

    async def release(self, key: str) -> None:
        """Release a claim."""
        self._claimed.pop(key, None)

    async def fail(self, key: str) -> int:
        """Release a claim whose handling failed; return the number of failures."""
        self._claimed.pop(key, None)
        self._failures[key] = self._failures.pop(key, 0) + 1
        if len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)
        return self._failures[key]

    async def aclose(self) -> None:
        """Do nothing; the memory is freed with the store."""

    def _forget(self, now: float) -> None:
        while self._seen:
            key, until = next(iter(self._seen.items()))
            if until > now and len(self._seen) <= self._max_keys:
                break
            del self._seen[key]
        if len(self._claimed) > self._max_keys:  # claims of handlers that never ended
            self._claimed = {key: until for key, until in self._claimed.items() if until > now}
