"""A target in memory that checks the protocol and can be killed at any call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

from attrs import evolve

from nexhealth_async.bulk import GroupState, Progress
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk import Batch, Group, Shard, ShardState

__all__ = ["KilledError", "RecordingTarget", "id_of"]


def id_of(record: object) -> int | None:
    return cast("int | None", getattr(record, "id", None))


class KilledError(Exception):
    """The process was killed."""


class StoredRow:
    """One row of the target."""

    def __init__(self, shard: Shard, id: int | None, raw: bytes, pull: str) -> None:
        self.shard, self.id, self.raw, self.pull = shard, id, raw, pull


class RecordingTarget:
    """Rows by group, in the order written; ``merges`` says whether a row replaces an older one."""

    def __init__(self, *, merges: bool) -> None:
        self.merges = merges
        self.rows: dict[Group, list[StoredRow]] = {}
        self.known_groups: dict[Group, GroupState] = {}
        self.progress: Progress | None = None
        self.refused = 0
        self.calls = 0
        self.kill_at: int | None = None
        self.kill_after = False
        self.is_open = False
        self.openings = 0
        self.closed = 0
        self._busy = False

    # What tests ask

    def ids(self, resource: str) -> dict[str | None, list[int]]:
        return {
            group.subdomain: sorted(row.id for row in rows if row.id is not None)
            for group, rows in self.rows.items()
            if group.resource == resource and rows
        }

    def raws(self) -> dict[tuple[str, int | None], bytes]:
        found = {(group.name, row.id): row.raw for group, rows in self.rows.items() for row in rows}
        assert len(found) == sum(map(len, self.rows.values())), "a record is there twice"
        return found

    # The protocol

    async def open(self) -> None:
        assert not self.is_open
        self.is_open = True
        self.openings += 1

    async def aclose(self) -> None:
        self.is_open = self._busy = False
        self.closed += 1

    async def load(self) -> Progress | None:
        with self._call():
            return self.progress

    async def groups(self) -> Mapping[Group, GroupState]:
        with self._call():
            return dict(self.known_groups)

    async def begin(self, progress: Progress) -> None:
        with self._call():
            if not self.merges and self.rows:
                raise UsageError("there are records of an earlier pull")
            assert not progress.states
            self.progress = progress

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        with self._call():
            assert shard in self._progress.shards
            states = dict(self._progress.states)
            if state is None:
                states.pop(shard.name, None)
            else:
                assert state.status == "open"
                assert state.position is not None
                states[shard.name] = state
            mine = [row for row in self.rows.get(shard.group, []) if row.shard == shard]
            gone = mine[state.records if state else 0 :]
            if self.merges:  # what has an id will be replaced
                gone = [row for row in mine if row.id is None]
            self._keep(shard.group, lambda row: row not in gone)
            self.progress = evolve(self._progress, states=states)

    async def known(self, group: Group) -> Iterable[int | str]:
        with self._call():
            assert not self.merges
            return [row.id for row in self.rows.get(group, []) if row.id is not None]

    async def write(self, batch: Batch, state: ShardState) -> None:
        with self._call():
            assert batch.records or batch.refused
            assert len(batch.records) == len(batch.raw)
            assert batch.shard in self._progress.shards
            assert state.status == "open"
            assert state.position == batch.position
            before = self._progress.states.get(batch.shard.name)
            assert before is None or before.status == "open"
            had = before.records if before else 0
            assert state.records == had + len(batch.records)
            group = batch.shard.group
            ids = [id_of(record) for record in batch.records]
            again = set(ids) - {None}
            if self.merges:
                self._keep(group, lambda row: row.id not in again)
            else:
                assert not {row.id for row in self.rows.get(group, [])} & again
            assert len(again) == len(ids) - ids.count(None)
            self.rows.setdefault(group, []).extend(
                StoredRow(batch.shard, id, raw, self._progress.id)
                for id, raw in zip(ids, batch.raw, strict=True)
            )
            self.refused += len(batch.refused)
            self._note(batch.shard, state)

    async def settle(self, shard: Shard, state: ShardState) -> None:
        with self._call():
            assert state.status in ("done", "failed")
            self._note(shard, state)

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        with self._call():
            for shard in self._progress.shards:
                if shard.group == group:
                    assert self._progress.states[shard.name].status == "done"
            old = self.known_groups.get(group, GroupState())
            gone = 0
            if whole and self.merges:
                before = len(self.rows.get(group, []))
                self._keep(group, lambda row: row.pull == self._progress.id)
                gone = before - len(self.rows[group])
            self.known_groups[group] = GroupState(
                watermark=watermark, compared=watermark if whole else old.compared
            )
            return gone

    async def finish(self) -> None:
        with self._call():
            self.progress = evolve(self._progress, finished=True)

    # Inside

    @property
    def _progress(self) -> Progress:
        assert self.progress is not None
        return self.progress

    def _note(self, shard: Shard, state: ShardState) -> None:
        self.progress = evolve(self._progress, states={**self._progress.states, shard.name: state})

    def _keep(self, group: Group, keep: Callable[[StoredRow], bool]) -> None:
        self.rows[group] = [row for row in self.rows.get(group, []) if keep(row)]

    def _call(self) -> _Call:
        return _Call(self)


class _Call:
    """Make one call, alone and while open; it is killed before or after it took effect."""

    def __init__(self, book: RecordingTarget) -> None:
        self._book = book

    def __enter__(self) -> None:
        book = self._book
        assert book.is_open
        assert not book._busy
        book._busy = True
        book.calls += 1
        if book.kill_at == book.calls and not book.kill_after:
            raise KilledError

    def __exit__(self, *error: object) -> None:
        book = self._book
        book._busy = False
        if book.kill_at == book.calls and book.kill_after and error == (None, None, None):
            raise KilledError
