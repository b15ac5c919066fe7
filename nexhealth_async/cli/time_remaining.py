"""How long a bulk pull still takes, judged by what of it is known."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from nexhealth_async.bulk import Event, PullStarted, ShardDone, ShardProgress, ShardStarted

if TYPE_CHECKING:
    from nexhealth_async.bulk import Snapshot

__all__ = ["PaceEstimator", "RemainingWork", "format_duration"]


@frozen(kw_only=True)
class RemainingWork:
    """What is still to come."""

    records: int
    is_certain: bool
    """Whether something is known of every shard; if not, there is more to come than that."""
    seconds: float | None
    """At the pace so far; None before there is one."""

    def __str__(self) -> str:
        """Say it, such as ``about 0:01:20 left``; nothing where there is little to go by."""
        if self.seconds is None or (not self.is_certain and self.seconds < 1):
            return ""
        return f"{'about' if self.is_certain else 'at least'} {format_duration(self.seconds)} left"


@define
class PaceEstimator:
    """Learns from events how large the lists of a resource are.

    A shard that was not begun is taken to be as large as those of its resource were so far. Sweeps
    bring next to nothing.
    """

    _waiting: Counter[str] = field(factory=Counter[str])
    _done: Counter[str] = field(factory=Counter[str])
    _records: Counter[str] = field(factory=Counter[str])

    def record_event(self, event: Event) -> None:
        """Learn from an event."""
        match event:
            case PullStarted(shards=shards):
                self._waiting = Counter(one.resource for one in shards if not one.sweep)
            case ShardStarted(shard=shard) if not shard.sweep:
                self._waiting[shard.resource] -= 1
            case ShardDone(shard=shard, records=records) if not shard.sweep:
                self._done[shard.resource] += 1
                self._records[shard.resource] += records
            case _:
                pass

    def remaining(self, now: Snapshot) -> RemainingWork:
        """Judge what is still to come."""
        sure = True
        records = 0.0
        for one in now.active:
            size = one.total if one.total is not None else self._size(one.shard.resource, now)
            sure = sure and size is not None
            records += max(0.0, (size or 0.0) - one.read)
        expected = sum(self._waiting.values())
        waiting = min(expected, now.shards - now.done - now.failed - len(now.active))
        ahead = 0.0
        for resource, number in self._waiting.items():
            size = self._size(resource, now) if number > 0 else 0.0
            sure = sure and (size is not None or not waiting)
            ahead += number * (size or 0.0)
        if expected > 0:
            # Shards that an earlier run has done wait for nothing; which they are is not told.
            records += ahead * max(0, waiting) / expected
        seconds = records / now.rate if now.rate > 0 else None
        return RemainingWork(records=round(records), is_certain=sure, seconds=seconds)

    def _size(self, resource: str, now: Snapshot) -> float | None:
        if self._done[resource]:
            return self._records[resource] / self._done[resource]
        totals = [one.total for one in _others(now, resource) if one.total is not None]
        return sum(totals) / len(totals) if totals else None


def _others(now: Snapshot, resource: str) -> list[ShardProgress]:
    return [one for one in now.active if one.shard.resource == resource and not one.shard.sweep]


def format_duration(seconds: float) -> str:
    """Return a span of time as hours, minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
