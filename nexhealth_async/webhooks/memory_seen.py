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
    """Remembers seen events until the process ends: enough where handling one twice does no harm.

    At most ``most`` keys are kept, each for ``keep``; past that the oldest go first. A key costs
    about 200 bytes. ``clock`` gives seconds that never go back.
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
            raise InvalidArgumentError("most must be at least 1")
        self._most = max_keys
        self._keep, self._lease = check_times(keep, lease)
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        """Until when each is remembered, the soonest first."""
        self._claimed: dict[str, float] = {}
        """Until when each claim holds."""
        self._failures: OrderedDict[str, int] = OrderedDict()
        """How often the handling of each failed, the latest last."""

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
        """Note that a claimed key was handled."""
        self._claimed.pop(key, None)
        self._failures.pop(key, None)
        self._seen[key] = self._clock() + self._keep
        self._seen.move_to_end(key)

    async def release(self, key: str) -> None:
        """Give up a claim."""
        self._claimed.pop(key, None)

    async def fail(self, key: str) -> int:
        """Give up a claim whose handling failed; return how often it has."""
        self._claimed.pop(key, None)
        self._failures[key] = self._failures.pop(key, 0) + 1
        if len(self._failures) > self._most:
            self._failures.popitem(last=False)
        return self._failures[key]

    async def aclose(self) -> None:
        """Do nothing: what is remembered goes with the store."""

    def _forget(self, now: float) -> None:
        while self._seen:
            key, until = next(iter(self._seen.items()))
            if until > now and len(self._seen) <= self._most:
                break
            del self._seen[key]
        if len(self._claimed) > self._most:  # left by handlers that never ended
            self._claimed = {key: until for key, until in self._claimed.items() if until > now}
