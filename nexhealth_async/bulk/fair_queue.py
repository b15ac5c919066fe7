"""Who reads when: requests of one rate class are shared out among the shards that are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Protocol

from attrs import define

from nexhealth_async.bulk.shards import Shard

__all__ = ["Lane", "Seat", "in_turns"]


class _Widens(Protocol):
    def widen(self, prefetch: int) -> None: ...


@define(eq=False, kw_only=True)
class Seat:
    """A shard being read, and how many requests it may have in flight."""

    shard: Shard
    wide: bool
    """Whether it has a use for more than one: pages with numbers can be asked for in any order."""
    slots: int = 1
    pages: _Widens | None = None
    """The walk it is at, while it is at one."""

    def grow(self) -> None:
        """Take one more request in flight, at once."""
        self.slots += 1
        if self.pages is not None:
            self.pages.widen(self.slots)


class Lane:
    """The shards of one rate class: so many requests in flight among them, and no more.

    Each shard begins with one. When none is waiting, those being read share what is free, so that
    one long list at the end has all of it.
    """

    def __init__(self, concurrency: int) -> None:
        self._free = concurrency
        self._waiting: deque[tuple[Shard, bool]] = deque()
        self._seats: list[Seat] = []

    def add(self, shards: Iterable[Shard], *, wide: bool) -> None:
        """Let shards wait at the end."""
        self._waiting.extend((shard, wide) for shard in shards)

    def admit(self) -> list[Seat]:
        """Return the shards to begin now."""
        begun: list[Seat] = []
        while self._waiting and self._free:
            shard, wide = self._waiting.popleft()
            begun.append(Seat(shard=shard, wide=wide))
            self._free -= 1
        self._seats += begun
        if not self._waiting:
            self._share_out()
        return begun

    def leave(self, seat: Seat) -> None:
        """Take back what a shard had that is read, or failed."""
        self._seats.remove(seat)
        self._free += seat.slots

    def _share_out(self) -> None:
        wide = [seat for seat in self._seats if seat.wide]
        while wide and self._free:
            min(wide, key=lambda seat: seat.slots).grow()
            self._free -= 1


def in_turns(shards: Iterable[Shard]) -> list[Shard]:
    """Order shards so that practices take turns, and within a practice its locations."""
    practices: dict[str | None, dict[int | None, list[Shard]]] = {}
    for shard in shards:
        offices = practices.setdefault(shard.subdomain, {})
        offices.setdefault(shard.location_id, []).append(shard)
    return _alternating([_alternating([*offices.values()]) for offices in practices.values()])


def _alternating(queues: Sequence[Sequence[Shard]]) -> list[Shard]:
    return [one for turn in zip_longest(*queues) for one in turn if one is not None]
