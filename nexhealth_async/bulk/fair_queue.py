"""Fair queue: divides the requests of one rate class among the shards being read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Protocol

from attrs import define

from nexhealth_async.bulk.shards import Shard

__all__ = ["ShardQueue", "ShardSlot", "interleave"]


class _HasPrefetch(Protocol):
    def set_prefetch(self, prefetch: int) -> None: ...


@define(eq=False, kw_only=True)
class ShardSlot:
    """Shard being read, with its limit of requests in flight."""

    shard: Shard
    can_prefetch: bool
    """True if it can use more than one: numbered pages can be requested in any order."""
    permits: int = 1
    pages: _HasPrefetch | None = None
    """Its current walk, if any."""

    def add_permit(self) -> None:
        """Allow one more request in flight, at once."""
        self.permits += 1
        if self.pages is not None:
            self.pages.set_prefetch(self.permits)


class ShardQueue:
    """Shards of one rate class, with a limit of requests in flight among them.

    Each shard begins with one permit. When none is waiting, those being read share the free
    permits, so that one long list at the end has all of them.
    """

    def __init__(self, concurrency: int) -> None:
        self._free = concurrency
        self._waiting: deque[tuple[Shard, bool]] = deque()
        self._slots: list[ShardSlot] = []

    def add(self, shards: Iterable[Shard], *, can_prefetch: bool) -> None:
        """Append shards to the queue."""
        self._waiting.extend((shard, can_prefetch) for shard in shards)

    def acquire(self) -> list[ShardSlot]:
        """Return the shards to start now."""
        started: list[ShardSlot] = []
        while self._waiting and self._free:
            shard, can_prefetch = self._waiting.popleft()
            started.append(ShardSlot(shard=shard, can_prefetch=can_prefetch))
            self._free -= 1
        self._slots += started
        if not self._waiting:
            self._share_slots()
        return started

    def release(self, slot: ShardSlot) -> None:
        """Return the permits of a shard that is read or has failed."""
        self._slots.remove(slot)
        self._free += slot.permits

    def _share_slots(self) -> None:
        prefetching = [slot for slot in self._slots if slot.can_prefetch]
        while prefetching and self._free:
            min(prefetching, key=lambda slot: slot.permits).add_permit()
            self._free -= 1


def interleave(shards: Iterable[Shard]) -> list[Shard]:
    """Order shards so that practices alternate, and within a practice its locations."""
    practices: dict[str | None, dict[int | None, list[Shard]]] = {}
    for shard in shards:
        locations = practices.setdefault(shard.subdomain, {})
        locations.setdefault(shard.location_id, []).append(shard)
    return _round_robin([_round_robin([*locations.values()]) for locations in practices.values()])


def _round_robin(queues: Sequence[Sequence[Shard]]) -> list[Shard]:
    return [shard for turn in zip_longest(*queues) for shard in turn if shard is not None]
