"""Copies a pull to a target: begins or resumes it, writes batch after batch, completes groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve

from nexhealth_async.bulk.checkpoint_json import resumable
from nexhealth_async.bulk.copy_preparation import agree, look_first
from nexhealth_async.bulk.progress_events import GroupDone
from nexhealth_async.bulk.rejected_records import (
    AllowRejected,
    KeepsRejected,
    Rejected,
    can_fetch,
    counts_of,
    reading_whole,
)
from nexhealth_async.bulk.rejected_retry import Rereading
from nexhealth_async.bulk.report import Report
from nexhealth_async.bulk.scheduler import Delivered, Engine, Settings, Settled, beginning
from nexhealth_async.bulk.shard_planning import OVERLAP, GroupPlan
from nexhealth_async.bulk.shard_tracker import Books
from nexhealth_async.bulk.target_protocol import KeepsOrigin, ReadsPages, opened

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.copy_preparation import Agreement, Permission
    from nexhealth_async.bulk.pull_arguments import Wanted
    from nexhealth_async.bulk.pull_state import Progress
    from nexhealth_async.bulk.shards import Group
    from nexhealth_async.bulk.target_protocol import Target

__all__ = ["begin", "copy"]


async def copy(
    server: Client,
    target: Target,
    wanted: Wanted,
    settings: Settings,
    *,
    now: datetime,
    resume: bool,
    allowed: Permission,
    allow_rejected: AllowRejected = None,
) -> Report:
    """Copy to a target, which is opened and closed."""
    began = beginning(server)
    seen = None if resume else await look_first(server, wanted, now=now)
    async with opened(target):
        before = await _rejected(target)
        agreed = await agree(
            server,
            target,
            wanted,
            seen,
            now=now,
            resume=resume,
            reads_again=bool(before),
            allowed=allowed,
        )
        caller = agreed.caller
        if agreed.resumed is None:
            before = known = () if agreed.replaces else before
            progress = await _begin(target, agreed, now, before)
            ids: Mapping[Group, Iterable[int | str]] = {}
        else:
            unreported = None if agreed.resumed.finished else agreed.resumed.id
            known = [one for one in before if one.first_pull != unreported]
            progress, ids = await _rewound(target, agreed.resumed, before)
        books = Books(
            progress, stats=caller.stats, began=began, seen=ids, allow_rejected=allow_rejected
        )
        engine = Engine(caller, books, settings)
        if isinstance(target, ReadsPages):
            engine.reader = target.read_page
        rereading = Rereading(progress.id, progress.version or "", before)
        copy = _Copy(caller, target, engine, progress, settings, rereading)
        report = await copy.run()
        return await _counted(target, report, progress, known)


async def begin(
    server: Client, target: Target, wanted: Wanted, *, now: datetime, allowed: Permission
) -> Progress:
    """Plan a pull and keep the plan in a target, which is opened and closed."""
    seen = await look_first(server, wanted, now=now)
    async with opened(target):
        agreed = await agree(server, target, wanted, seen, now=now, resume=False, allowed=allowed)
        before = () if agreed.replaces else await _rejected(target)
        progress = await _begin(target, agreed, now, before)
        if not progress.shards:
            await target.finish()
        return progress


async def _rejected(target: Target) -> Sequence[Rejected]:
    return await target.rejected() if isinstance(target, KeepsRejected) else ()


async def _counted(
    target: Target, report: Report, progress: Progress, known: Iterable[Rejected]
) -> Report:
    """Add to a report what the target keeps of rejected records."""
    if not isinstance(target, KeepsRejected):
        return report
    groups = {shard.group for shard in progress.shards}
    before = {(one.group, one.key) for one in known}
    return evolve(report, rejected=counts_of(await target.rejected(), groups, before))


async def _begin(
    target: Target, agreed: Agreement, now: datetime, rejected: Sequence[Rejected]
) -> Progress:
    """Keep the plan of a new pull."""
    progress = agreed.plan(now, whole=reading_whole(rejected, agreed.wanted.version))
    if agreed.replaces and isinstance(target, KeepsOrigin):
        await target.begin_anew(progress)
    else:
        await target.begin(progress)
    return progress


async def _rewound(
    target: Target, progress: Progress, rejected: Iterable[Rejected]
) -> tuple[Progress, Mapping[Group, Iterable[int | str]]]:
    """Cut back what is to be read again; return where to go on, and the ids that were kept.

    Shards start again that hold rejected records which the API cannot be asked for alone.
    """
    version = progress.version or ""
    kept = resumable(progress, again={one.shard for one in rejected if not can_fetch(one, version)})
    again = [
        shard
        for shard in progress.shards
        if shard.name in progress.states
        and (shard.name not in kept.states or kept.states[shard.name].status != "done")
    ]
    for shard in again:
        await target.rewind(shard, kept.states.get(shard.name))
    if target.merges:
        return kept, {}
    done = {name for name, state in kept.states.items() if state.status == "done"}
    open_groups = {shard.group for shard in progress.shards if shard.name not in done}
    return kept, {group: await target.known(group) for group in open_groups}


class _Copy:
    """One run of a copy."""

    def __init__(
        self,
        caller: Client,
        target: Target,
        engine: Engine,
        progress: Progress,
        settings: Settings,
        rereading: Rereading,
    ) -> None:
        self._caller = caller
        self._target = target
        self._rereading = rereading
        self._concurrency = settings.concurrency
        self._engine = engine
        self._books = engine.books
        self._watermark = progress.started - OVERLAP
        self._emit = settings.on_event

    async def run(self) -> Report:
        """Write everything the engine brings."""
        engine, target = self._engine, self._target
        engine.start()
        try:
            for one in self._books.plan.groups:
                if not self._books.undone(one.everything):
                    await self._read_again(one)
            await self._complete_leftovers()
            while (step := await engine.step()) is not None:
                match step:
                    case Delivered(batch=batch, state=state):
                        self._rereading.note(batch)
                        await target.write(batch, state)
                    case Settled(shard=shard, state=state):
                        await target.settle(shard, state)
                        plan = self._books.plan.group(shard.group)
                        if self._books.is_over(plan.everything):
                            await self._read_again(plan)
                        await self._complete(plan)
        finally:
            await engine.stop()
        await target.finish()
        return engine.report()

    async def _read_again(self, plan: GroupPlan) -> None:
        """Read the group's rejected records again that this run has not come upon."""
        target = self._target
        if not isinstance(target, KeepsRejected):
            return
        accounts = [self._books.accounts[shard.name] for shard in plan.everything]
        states = {one.shard.name: one.latest for one in accounts}
        restarted = {
            one.shard.name for one in accounts if one.begun is not None and one.first.place is None
        }
        due = self._rereading.due(plan, states, restarted)
        if due.vanished:
            await target.forget_rejected(due.vanished)
        async for found in self._rereading.read(self._caller, due.fetched, self._concurrency):
            batch = found.batch(self._rereading.home_of(found.entry, plan))
            if batch is None:
                await target.forget_rejected([found.entry])
                continue
            state = self._books.add(batch.shard, batch.size)
            await target.write(batch, state)
            await target.settle(batch.shard, state)

    async def _complete_leftovers(self) -> None:
        """Complete what an earlier run had read, but not completed."""
        read = [one for one in self._books.plan.groups if not self._books.undone(one.everything)]
        if not read:
            return
        known = await self._target.groups()
        for one in read:
            state = known.get(one.group)
            if state is None or state.watermark != self._watermark:
                await self._complete(one)

    async def _complete(self, plan: GroupPlan) -> None:
        """Keep that a group is complete, if it is: all of it was read, and was to be read."""
        if self._books.undone(plan.everything) or not plan.completes:
            return
        states = [self._books.accounts[shard.name].latest for shard in plan.everything]
        deleted = await self._target.complete(
            plan.group,
            watermark=self._watermark,
            whole=plan.may_compare(states, keeps_rejected=isinstance(self._target, KeepsRejected)),
        )
        if deleted:
            self._books.deleted[plan.group.name] = deleted
        if self._emit is not None:
            self._emit(GroupDone(group=plan.group, deleted=deleted))
