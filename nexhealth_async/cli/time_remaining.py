"""Estimate of the remaining time of a bulk pull."""

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
    """The estimated remaining work of a bulk pull."""

    records: int
    is_certain: bool
    """Whether every shard has an estimate; if not, the numbers are lower bounds."""
    seconds: float | None
    """Seconds at the rate so far; None while there is no rate."""

    def __str__(self) -> str:
        """Return text such as ``about 0:01:20 left``; empty if the estimate is too vague."""
        if self.seconds is None or (not self.is_certain and self.seconds < 1):
            return ""
        return f"{'about' if self.is_certain else 'at least'} {format_duration(self.seconds)} left"


@define
class PaceEstimator:
    """An estimator of the remaining records, fed by the events of a pull.

    A shard that has not started is assumed to have as many records as the average shard of its
    resource. Sweeps are assumed to be empty.
    """

    _waiting: Counter[str] = field(factory=Counter[str])
    _done: Counter[str] = field(factory=Counter[str])
    _records: Counter[str] = field(factory=Counter[str])

    def record_event(self, event: Event) -> None:
        """Update the sizes by an event."""
        match event:
            case PullStarted(shards=shards):
                self._waiting = Counter(shard.resource for shard in shards if not shard.sweep)
            case ShardStarted(shard=shard) if not shard.sweep:
                self._waiting[shard.resource] -= 1
            case ShardDone(shard=shard, records=records) if not shard.sweep:
                self._done[shard.resource] += 1
                self._records[shard.resource] += records
            case _:
                pass

    def remaining(self, snapshot: Snapshot) -> RemainingWork:
        """Estimate the remaining work."""
        is_certain = True
        records = 0.0
        for shard in snapshot.active:
            size: float | None = shard.total
            if size is None:
                size = self._mean_size(shard.shard.resource, snapshot)
            is_certain = is_certain and size is not None
            records += max(0.0, (size or 0.0) - shard.read)
        expected = sum(self._waiting.values())
        unstarted = snapshot.shards - snapshot.done - snapshot.failed - len(snapshot.active)
        waiting = min(expected, unstarted)
        waiting_records = 0.0
        for resource, number in self._waiting.items():
            size = self._mean_size(resource, snapshot) if number > 0 else 0.0
            is_certain = is_certain and (size is not None or not waiting)
            waiting_records += number * (size or 0.0)
        if expected > 0:
            # Some of the expected shards were done by an earlier run; the events do not say which.
            records += waiting_records * max(0, waiting) / expected
        seconds = records / snapshot.rate if snapshot.rate > 0 else None
        return RemainingWork(records=round(records), is_certain=is_certain, seconds=seconds)

    def _mean_size(self, resource: str, snapshot: Snapshot) -> float | None:
        if self._done[resource]:
            return self._records[resource] / self._done[resource]
        totals = [shard.total for shard in _active(snapshot, resource) if shard.total is not None]
        return sum(totals) / len(totals) if totals else None


def _active(snapshot: Snapshot, resource: str) -> list[ShardProgress]:
    return [
        shard
        for shard in snapshot.active
        if shard.shard.resource == resource and not shard.shard.sweep
    ]


def format_duration(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
