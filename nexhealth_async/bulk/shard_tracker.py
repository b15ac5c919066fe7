"""Per-shard state of a pull: checkpoint, pace and delivered ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, evolve, field
from msgspec import Raw

from nexhealth_async._client.statistics import Stats
from nexhealth_async.bulk.batch import Batch, Reader
from nexhealth_async.bulk.page_decoding import PageDecoding, ReceivedPage
from nexhealth_async.bulk.progress_events import ShardProgress, Snapshot
from nexhealth_async.bulk.pull_state import Progress, ShardState
from nexhealth_async.bulk.rejected_records import AllowRejected, RejectedCount
from nexhealth_async.bulk.report import Report, ShardReport
from nexhealth_async.bulk.resource_facts import facts
from nexhealth_async.bulk.shard_planning import PullPlan
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.errors import (
    InvalidRequestError,
    NexHealthError,
    NotFoundError,
    StalledCursorError,
)
from nexhealth_async.pagination.prefetching import renumber_repairs
from nexhealth_async.pagination.record_ids import IdSet, read_ids

__all__ = ["PullTracker", "ShardProgressLog"]

_MAX_DIGITS = 18
"""Most digits of a text that is compared as a number."""


@define(eq=False, kw_only=True)
class ShardProgressLog:
    """Progress of one shard in this run."""

    shard: Shard
    saved_state: ShardState | None
    """State for the checkpoint; None before the first page."""
    current_state: ShardState
    """State that includes the batch the consumer holds."""
    initial_state: ShardState
    """State at the start of this run."""
    started_at: float | None = None
    ended_at: float | None = None
    totals: dict[int, int] = field(factory=dict[int, int])
    """Number of records by list, as the server counts them."""
    error: NexHealthError | None = None

    @classmethod
    def of(cls, shard: Shard, state: ShardState | None) -> ShardProgressLog:
        """Start tracking a shard."""
        current = state or ShardState()
        return cls(shard=shard, saved_state=state, current_state=current, initial_state=current)

    @property
    def done(self) -> bool:
        """True if all of it was delivered."""
        return self.saved_state is not None and self.saved_state.status == "done"

    @property
    def is_over(self) -> bool:
        """True if this run reads nothing more of it."""
        return self.done or self.ended_at is not None

    @property
    def total(self) -> int | None:
        """Number of records of all its lists; None unless the server counts all."""
        return sum(self.totals.values()) if len(self.totals) == len(self.shard.lists) else None

    @property
    def has_lost_position(self) -> bool:
        """True if the server rejected the position that an earlier run left."""
        stuck = self.current_state.pages == self.initial_state.pages
        return stuck and isinstance(
            self.error, (InvalidRequestError, NotFoundError, StalledCursorError)
        )

    @property
    def read(self) -> int:
        """Number of records read so far, including dropped ones."""
        return (
            self.current_state.records + self.current_state.duplicates + self.current_state.refused
        )

    def record_state(self) -> None:
        """Confirm the state after the consumer is done with a batch."""
        self.saved_state = self.current_state

    def seconds(self, now: float) -> float:
        """Return the seconds spent reading it."""
        if self.started_at is None:
            return 0.0
        return (now if self.ended_at is None else self.ended_at) - self.started_at


class PullTracker:
    """Progress of all shards of a pull, with the ids that each group has delivered."""

    def __init__(
        self,
        progress: Progress,
        *,
        stats: Stats,
        began: tuple[float, Stats],
        delivered_ids: Mapping[Group, Iterable[int | str]] | None = None,
        allow_rejected: AllowRejected = None,
    ) -> None:
        self.allow_rejected: AllowRejected = allow_rejected
        self._progress = progress
        self._stats = stats
        self._began, self._stats_at_start = began
        self.ended: float | None = None
        self.deleted: dict[str, int] = {}
        self.plan: PullPlan = PullPlan.of(progress.shards)
        self.shard_logs: dict[str, ShardProgressLog] = {
            shard.name: ShardProgressLog.of(shard, progress.states.get(shard.name))
            for shard in progress.shards
        }
        self._ids = {
            group_plan.group: IdSet()
            for group_plan in self.plan.groups
            if sum(len(shard.lists) for shard in group_plan.everything) > 1
        }
        for group, ids in (delivered_ids or {}).items():
            if group in self._ids:
                for id in ids:
                    self._ids[group].add(_plain_id(id))

    def unfinished_shards(self, shards: Iterable[Shard]) -> list[Shard]:
        """Return the shards that are not done."""
        return [shard for shard in shards if not self.shard_logs[shard.name].done]

    def is_over(self, shards: Iterable[Shard]) -> bool:
        """Return whether this run reads nothing more of these shards."""
        shard_logs = [self.shard_logs[shard.name] for shard in shards]
        failed = any(
            shard_log.ended_at is not None and shard_log.error is not None
            for shard_log in shard_logs
        )
        return all(
            shard_log.is_over or (failed and shard_log.shard.sweep) for shard_log in shard_logs
        )

    def decode_page(
        self, page: ReceivedPage[object], reader: Reader | None
    ) -> PageDecoding[object]:
        """Start to decode the records of a page that its group has not delivered yet."""
        records: Sequence[Raw] = page.page.records
        repaired = page.page.repairs
        delivered = self._ids.get(page.shard.group)
        if delivered is not None:
            repeated = _repeated_ids(delivered, page.page.ids or read_ids(records))
            if repeated:
                positions = [
                    position for position in range(len(records)) if position not in repeated
                ]
                records = [records[position] for position in positions]
                repaired = renumber_repairs(repaired, positions)
        return PageDecoding(page, records, reader, repaired)

    def record_page(self, page: PageDecoding[object]) -> Batch:
        """Turn a decoded page into a batch and record it."""
        shard = page.shard
        shard_log = self.shard_logs[shard.name]
        if page.count is not None:
            shard_log.totals[page.list] = page.count
        last = shard_log.current_state
        shard_log.current_state = evolve(
            last,
            status="open",
            position=page.position,
            records=last.records + page.size,
            pages=last.pages + 1,
            duplicates=last.duplicates + page.duplicates,
            refused=last.refused + len(page.refused),
            repaired=last.repaired + len(page.repairs),
        )
        return Batch(
            shard=shard,
            model=facts(shard.resource, shard.version).model,
            records=page.records(),
            raw=page.raw(),
            fast_arrow=page.fast_arrow,
            repairs=tuple(page.repairs),
            refused=tuple(page.refused),
            duplicates=page.duplicates,
            warnings=page.warnings,
            position=page.position,
            total=page.count,
        )

    def add(self, shard: Shard, records: int) -> ShardState:
        """Add records that were fetched besides a shard's own lists."""
        shard_log = self.shard_logs[shard.name]
        shard_log.current_state = evolve(
            shard_log.current_state, records=shard_log.current_state.records + records
        )
        shard_log.record_state()
        return shard_log.current_state

    def finish_shard(self, shard: Shard, error: NexHealthError | None, now: float) -> ShardState:
        """Record the end of a shard."""
        shard_log = self.shard_logs[shard.name]
        shard_log.ended_at, shard_log.error = now, error
        if error is None:
            shard_log.current_state = evolve(
                shard_log.current_state, status="done", position=None, error=None
            )
        else:
            text = f"{type(error).__name__}: {error}"
            position = None if shard_log.has_lost_position else shard_log.current_state.position
            shard_log.current_state = evolve(
                shard_log.current_state, status="failed", position=position, error=text
            )
        shard_log.record_state()
        shards = self.plan.group(shard.group).everything
        if all(self.shard_logs[shard.name].is_over for shard in shards):
            self._ids.pop(shard.group, None)
        return shard_log.current_state

    # Output

    def progress(self, *, finished: bool) -> Progress:
        """Return the state to store in a checkpoint."""
        states = {
            name: shard_log.saved_state
            for name, shard_log in self.shard_logs.items()
            if shard_log.saved_state is not None
        }
        return evolve(self._progress, states=states, finished=finished)

    def snapshot(self, now: float) -> Snapshot:
        """Return the progress of the pull."""
        shard_logs = self.shard_logs.values()
        status = [shard_log.current_state.status for shard_log in shard_logs]
        seconds = (now if self.ended is None else self.ended) - self._began
        records = sum(shard_log.current_state.records for shard_log in shard_logs)
        new_records = records - sum(shard_log.initial_state.records for shard_log in shard_logs)
        totals = [shard_log.total for shard_log in shard_logs if not shard_log.done]
        return Snapshot(
            seconds=seconds,
            shards=len(status),
            done=status.count("done"),
            failed=status.count("failed"),
            active=tuple(
                ShardProgress(
                    shard=shard_log.shard,
                    records=shard_log.current_state.records,
                    read=shard_log.read,
                    total=shard_log.total,
                    seconds=shard_log.seconds(now),
                )
                for shard_log in shard_logs
                if shard_log.started_at is not None and shard_log.ended_at is None
            ),
            records=records,
            new_records=new_records,
            rate=new_records / seconds if seconds > 0 else 0.0,
            total=sum(shard_log.current_state.records for shard_log in shard_logs if shard_log.done)
            + sum(total or 0 for total in totals),
            unknown=totals.count(None),
            stats=self._stats - self._stats_at_start,
        )

    def report(self, now: float) -> Report:
        """Return the report so far."""
        return Report(
            shards=tuple(_report(shard_log, now) for shard_log in self.shard_logs.values()),
            stats=self._stats - self._stats_at_start,
            seconds=(now if self.ended is None else self.ended) - self._began,
            earlier_records=sum(
                shard_log.initial_state.records for shard_log in self.shard_logs.values()
            ),
            deleted=dict(self.deleted),
            rejected=self._rejected(),
            allow_rejected=self.allow_rejected,
        )

    def _rejected(self) -> dict[str, RejectedCount]:
        """Count rejected records, for pulls and targets that do not keep them."""
        counts: dict[str, RejectedCount] = {}
        for shard_log in self.shard_logs.values():
            if total := shard_log.current_state.refused:
                name = shard_log.shard.group.name
                count = counts.get(name, RejectedCount(total=0, new=0))
                new = total - shard_log.initial_state.refused
                counts[name] = RejectedCount(total=count.total + total, new=count.new + new)
        return counts


def _report(shard_log: ShardProgressLog, now: float) -> ShardReport:
    state = shard_log.current_state
    return ShardReport(
        shard=shard_log.shard,
        status=state.status,
        records=state.records,
        pages=state.pages,
        duplicates=state.duplicates,
        refused=state.refused,
        repaired=state.repaired,
        error=shard_log.error,
        error_text=state.error,
        seconds=shard_log.seconds(now),
    )


def _repeated_ids(delivered: IdSet, ids: Sequence[int | str | None]) -> set[int]:
    """Add ids; return the positions of known ones. Records without an id are always new."""
    plain_ids = [id if type(id) is int else _plain_id(id) for id in ids]
    return {
        position for position in delivered.add_all(plain_ids) if plain_ids[position] is not None
    }


def _plain_id(id: int | str | None) -> int | str | None:
    """Convert a decimal text to a number, as models do."""
    if isinstance(id, str) and id.isdecimal() and len(id) <= _MAX_DIGITS:
        number = int(id)
        return number if str(number) == id else id
    return id
