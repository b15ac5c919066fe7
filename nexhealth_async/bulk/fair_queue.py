"""Who reads when: requests of one rate class are shared out among the shards that are read."""

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
    """A shard being read, and how many requests it may have in flight."""

    shard: Shard
    can_prefetch: bool
    """Whether it has a use for more than one: pages with numbers can be asked for in any order."""
    permits: int = 1
    pages: _HasPrefetch | None = None
    """The walk it is at, while it is at one."""

    def set_permits(self) -> None:
        """Take one more request in flight, at once."""
        self.permits += 1
        if self.pages is not None:
            self.pages.set_prefetch(self.permits)


class ShardQueue:
    """The shards of one rate class: so many requests in flight among them, and no more.

    Each shard begins with one. When none is waiting, those being read share what is free, so that
    one long list at the end has all of it.
    """

    def __init__(self, concurrency: int) -> None:
        self._free = concurrency
        self._waiting: deque[tuple[Shard, bool]] = deque()
        self._seats: list[ShardSlot] = []

    def add(self, shards: Iterable[Shard], *, can_prefetch: bool) -> None:
        """Let shards wait at the end."""
        self._waiting.extend((shard, can_prefetch) for shard in shards)

    def acquire(self) -> list[ShardSlot]:
        """Return the shards to begin now."""
        begun: list[ShardSlot] = []
        while self._waiting and self._free:
            shard, wide = self._waiting.popleft()
            begun.append(ShardSlot(shard=shard, can_prefetch=wide))
            self._free -= 1
        self._seats += begun
        if not self._waiting:
            self._share_slots()
        return begun

    def release(self, slot: ShardSlot) -> None:
        """Take back what a shard had that is read, or failed."""
        self._seats.remove(slot)
        self._free += slot.permits

    def _share_slots(self) -> None:
        wide = [seat for seat in self._seats if seat.can_prefetch]
        while wide and self._free:
            min(wide, key=lambda seat: seat.permits).set_permits()
            self._free -= 1


def interleave(shards: Iterable[Shard]) -> list[Shard]:
    """Order shards so that practices take turns, and within a practice its locations."""
    practices: dict[str | None, dict[int | None, list[Shard]]] = {}
    for shard in shards:
        offices = practices.setdefault(shard.subdomain, {})
        offices.setdefault(shard.location_id, []).append(shard)
    return _round_robin([_round_robin([*offices.values()]) for offices in practices.values()])


def _round_robin(queues: Sequence[Sequence[Shard]]) -> list[Shard]:
    return [one for turn in zip_longest(*queues) for one in turn if one is not None]
