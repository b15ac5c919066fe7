"""What is known of each shard of a pull: its checkpoint, its pace, and which records it brought."""

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
"""Digits of a text that may stand for an id."""


@define(eq=False, kw_only=True)
class ShardProgressLog:
    """One shard."""

    shard: Shard
    saved_state: ShardState | None
    """How far it is done with: what a checkpoint says; None if it was not begun."""
    current_state: ShardState
    """The same with the batch that the consumer is at."""
    first: ShardState
    """How far an earlier run had come."""
    started_at: float | None = None
    ended_at: float | None = None
    totals: dict[int, int] = field(factory=dict[int, int])
    """Records the server counts, by list."""
    error: NexHealthError | None = None

    @classmethod
    def of(cls, shard: Shard, state: ShardState | None) -> ShardProgressLog:
        """Open the account of a shard."""
        latest = state or ShardState()
        return cls(shard=shard, saved_state=state, current_state=latest, first=latest)

    @property
    def done(self) -> bool:
        """Whether all of it was delivered."""
        return self.saved_state is not None and self.saved_state.status == "done"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it in this run."""
        return self.done or self.ended_at is not None

    @property
    def total(self) -> int | None:
        """Records of all its lists, if the server has told of all."""
        return sum(self.totals.values()) if len(self.totals) == len(self.shard.lists) else None

    @property
    def has_lost_position(self) -> bool:
        """Whether the server refused at once to go on where an earlier run had stopped."""
        stuck = self.current_state.pages == self.first.pages
        return stuck and isinstance(
            self.error, (InvalidRequestError, NotFoundError, StalledCursorError)
        )

    @property
    def read(self) -> int:
        """Records read so far, those left out included."""
        return (
            self.current_state.records + self.current_state.duplicates + self.current_state.refused
        )

    def record_state(self) -> None:
        """Note that the consumer is done with what it was given."""
        self.saved_state = self.current_state

    def seconds(self, now: float) -> float:
        """Return for how long it has been read, or was."""
        if self.started_at is None:
            return 0.0
        return (now if self.ended_at is None else self.ended_at) - self.started_at


class PullTracker:
    """The accounts of a pull, and the ids that each group has delivered."""

    def __init__(
        self,
        progress: Progress,
        *,
        stats: Stats,
        began: tuple[float, Stats],
        seen: Mapping[Group, Iterable[int | str]] | None = None,
        allow_rejected: AllowRejected = None,
    ) -> None:
        self.allow_rejected: AllowRejected = allow_rejected
        self._progress = progress
        self._stats = stats
        self._began, self._at_start = began
        self.ended: float | None = None
        self.deleted: dict[str, int] = {}
        self.plan: PullPlan = PullPlan.of(progress.shards)
        self.accounts: dict[str, ShardProgressLog] = {
            shard.name: ShardProgressLog.of(shard, progress.states.get(shard.name))
            for shard in progress.shards
        }
        self._ids = {
            one.group: IdSet()
            for one in self.plan.groups
            if sum(len(shard.lists) for shard in one.everything) > 1
        }
        for group, ids in (seen or {}).items():
            if group in self._ids:
                for id in ids:
                    self._ids[group].add(_plain_id(id))

    def unfinished_shards(self, shards: Iterable[Shard]) -> list[Shard]:
        """Return those of the shards that are not done."""
        return [shard for shard in shards if not self.accounts[shard.name].done]

    def is_over(self, shards: Iterable[Shard]) -> bool:
        """Tell whether this run will read nothing more of these shards."""
        every = [self.accounts[shard.name] for shard in shards]
        failed = any(one.ended_at is not None and one.error is not None for one in every)
        return all(one.is_over or (failed and one.shard.sweep) for one in every)

    def decode_page(
        self, page: ReceivedPage[object], reader: Reader | None
    ) -> PageDecoding[object]:
        """Begin to decode what a page brings that its group has not delivered."""
        records: Sequence[Raw] = page.page.records
        repaired = page.page.repairs
        seen = self._ids.get(page.shard.group)
        if seen is not None:
            again = _repeated_ids(seen, page.page.ids or read_ids(records))
            if again:
                places = [place for place in range(len(records)) if place not in again]
                records = [records[place] for place in places]
                repaired = renumber_repairs(repaired, places)
        return PageDecoding(page, records, reader, repaired)

    def record_page(self, page: PageDecoding[object]) -> Batch:
        """Turn a page that is decoded into a batch, and note it."""
        shard = page.shard
        account = self.accounts[shard.name]
        if page.count is not None:
            account.totals[page.list] = page.count
        last = account.current_state
        account.current_state = evolve(
            last,
            status="open",
            position=page.place,
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
            fast_arrow=page.sheet,
            repairs=tuple(page.repairs),
            refused=tuple(page.refused),
            duplicates=page.duplicates,
            warnings=page.warnings,
            position=page.place,
            total=page.count,
        )

    def add(self, shard: Shard, records: int) -> ShardState:
        """Note records that came beside a shard's own reading, which is over."""
        account = self.accounts[shard.name]
        account.current_state = evolve(
            account.current_state, records=account.current_state.records + records
        )
        account.record_state()
        return account.current_state

    def finish_shard(self, shard: Shard, error: NexHealthError | None, now: float) -> ShardState:
        """Note that a shard has ended; nothing more will come of it."""
        account = self.accounts[shard.name]
        account.ended_at, account.error = now, error
        if error is None:
            account.current_state = evolve(
                account.current_state, status="done", position=None, error=None
            )
        else:
            text = f"{type(error).__name__}: {error}"
            place = None if account.has_lost_position else account.current_state.position
            account.current_state = evolve(
                account.current_state, status="failed", position=place, error=text
            )
        account.record_state()
        group = self.plan.group(shard.group).everything
        if all(self.accounts[one.name].is_over for one in group):
            self._ids.pop(shard.group, None)
        return account.current_state

    # What others are shown

    def progress(self, *, finished: bool) -> Progress:
        """Return what a checkpoint keeps."""
        states = {
            name: account.saved_state
            for name, account in self.accounts.items()
            if account.saved_state is not None
        }
        return evolve(self._progress, states=states, finished=finished)

    def snapshot(self, now: float) -> Snapshot:
        """Return how far the pull has come."""
        every = self.accounts.values()
        status = [account.current_state.status for account in every]
        seconds = (now if self.ended is None else self.ended) - self._began
        records = sum(account.current_state.records for account in every)
        fresh = records - sum(account.first.records for account in every)
        totals = [account.total for account in every if not account.done]
        return Snapshot(
            seconds=seconds,
            shards=len(status),
            done=status.count("done"),
            failed=status.count("failed"),
            active=tuple(
                ShardProgress(
                    shard=account.shard,
                    records=account.current_state.records,
                    read=account.read,
                    total=account.total,
                    seconds=account.seconds(now),
                )
                for account in every
                if account.started_at is not None and account.ended_at is None
            ),
            records=records,
            new_records=fresh,
            rate=fresh / seconds if seconds > 0 else 0.0,
            total=sum(account.current_state.records for account in every if account.done)
            + sum(total or 0 for total in totals),
            unknown=totals.count(None),
            stats=self._stats - self._at_start,
        )

    def report(self, now: float) -> Report:
        """Return what has become of each shard so far."""
        return Report(
            shards=tuple(_report(account, now) for account in self.accounts.values()),
            stats=self._stats - self._at_start,
            seconds=(now if self.ended is None else self.ended) - self._began,
            earlier_records=sum(account.first.records for account in self.accounts.values()),
            deleted=dict(self.deleted),
            rejected=self._rejected(),
            allow_rejected=self.allow_rejected,
        )

    def _rejected(self) -> dict[str, RejectedCount]:
        """Count what could not be read, for targets and pulls that keep nothing of it."""
        found: dict[str, RejectedCount] = {}
        for account in self.accounts.values():
            if total := account.current_state.refused:
                name = account.shard.group.name
                old = found.get(name, RejectedCount(total=0, new=0))
                new = total - account.first.refused
                found[name] = RejectedCount(total=old.total + total, new=old.new + new)
        return found


def _report(account: ShardProgressLog, now: float) -> ShardReport:
    state = account.current_state
    return ShardReport(
        shard=account.shard,
        status=state.status,
        records=state.records,
        pages=state.pages,
        duplicates=state.duplicates,
        refused=state.refused,
        repaired=state.repaired,
        error=account.error,
        error_text=state.error,
        seconds=account.seconds(now),
    )


def _repeated_ids(seen: IdSet, ids: Sequence[int | str | None]) -> set[int]:
    """Add ids; return the places of those that were there. Records without an id are all new."""
    plain = [id if type(id) is int else _plain_id(id) for id in ids]
    return {place for place in seen.add_all(plain) if plain[place] is not None}


def _plain_id(id: int | str | None) -> int | str | None:
    """Return a number that was sent as text as the number, since models take it for that."""
    if isinstance(id, str) and id.isdecimal() and len(id) <= _MAX_DIGITS:
        number = int(id)
        return number if str(number) == id else id
    return id
