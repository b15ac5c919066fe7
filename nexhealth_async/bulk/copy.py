"""Copies a pull to a target: begins or resumes it, writes batch after batch, completes groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve

from nexhealth_async.bulk.checkpoint_json import resumable
from nexhealth_async.bulk.copy_preparation import decide_copy, inspect_account
from nexhealth_async.bulk.progress_events import GroupDone
from nexhealth_async.bulk.rejected_records import (
    AllowRejected,
    RejectedEntry,
    RejectedStore,
    count_rejected,
    is_fetchable,
    shards_read_whole,
)
from nexhealth_async.bulk.rejected_retry import RejectedRetrier
from nexhealth_async.bulk.report import Report
from nexhealth_async.bulk.scheduler import (
    DeliveredBatch,
    Engine,
    EngineSettings,
    SettledShard,
    start_position,
)
from nexhealth_async.bulk.shard_planning import OVERLAP, GroupPlan
from nexhealth_async.bulk.shard_tracker import PullTracker
from nexhealth_async.bulk.target_protocol import OriginStore, PageReader, open_target

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.copy_preparation import OriginPermission, PullDecision
    from nexhealth_async.bulk.pull_arguments import PullRequest
    from nexhealth_async.bulk.pull_state import Progress
    from nexhealth_async.bulk.shards import Group
    from nexhealth_async.bulk.target_protocol import Target

__all__ = ["begin_copy", "run_copy"]


async def run_copy(
    server: Client,
    target: Target,
    wanted: PullRequest,
    settings: EngineSettings,
    *,
    now: datetime,
    resume: bool,
    allowed: OriginPermission,
    allow_rejected: AllowRejected = None,
) -> Report:
    """Copy to a target, which is opened and closed."""
    began = start_position(server)
    seen = None if resume else await inspect_account(server, wanted, now=now)
    async with open_target(target):
        before = await _rejected(target)
        agreed = await decide_copy(
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
            progress = await _begin_target(target, agreed, now, before)
            ids: Mapping[Group, Iterable[int | str]] = {}
        else:
            unreported = None if agreed.resumed.finished else agreed.resumed.id
            known = [one for one in before if one.first_pull != unreported]
            progress, ids = await _rewind_shards(target, agreed.resumed, before)
        books = PullTracker(
            progress, stats=caller.stats, began=began, seen=ids, allow_rejected=allow_rejected
        )
        engine = Engine(caller, books, settings)
        if isinstance(target, PageReader):
            engine.reader = target.read_page
        rereading = RejectedRetrier(progress.id, progress.version or "", before)
        copy = _CopyRun(caller, target, engine, progress, settings, rereading)
        report = await copy.run()
        return await _with_rejected_counts(target, report, progress, known)


async def begin_copy(
    server: Client, target: Target, wanted: PullRequest, *, now: datetime, allowed: OriginPermission
) -> Progress:
    """Plan a pull and keep the plan in a target, which is opened and closed."""
    seen = await inspect_account(server, wanted, now=now)
    async with open_target(target):
        agreed = await decide_copy(
            server, target, wanted, seen, now=now, resume=False, allowed=allowed
        )
        before = () if agreed.replaces else await _rejected(target)
        progress = await _begin_target(target, agreed, now, before)
        if not progress.shards:
            await target.finish()
        return progress


async def _rejected(target: Target) -> Sequence[RejectedEntry]:
    return await target.rejected() if isinstance(target, RejectedStore) else ()


async def _with_rejected_counts(
    target: Target, report: Report, progress: Progress, known: Iterable[RejectedEntry]
) -> Report:
    """Add to a report what the target keeps of rejected records."""
    if not isinstance(target, RejectedStore):
        return report
    groups = {shard.group for shard in progress.shards}
    before = {(one.group, one.key) for one in known}
    return evolve(report, rejected=count_rejected(await target.rejected(), groups, before))


async def _begin_target(
    target: Target, agreed: PullDecision, now: datetime, rejected: Sequence[RejectedEntry]
) -> Progress:
    """Keep the plan of a new pull."""
    progress = agreed.plan(now, whole=shards_read_whole(rejected, agreed.request.version))
    if agreed.replaces and isinstance(target, OriginStore):
        await target.begin_replacing(progress)
    else:
        await target.begin(progress)
    return progress


async def _rewind_shards(
    target: Target, progress: Progress, rejected: Iterable[RejectedEntry]
) -> tuple[Progress, Mapping[Group, Iterable[int | str]]]:
    """Cut back what is to be read again; return where to go on, and the ids that were kept.

    Shards start again that hold rejected records which the API cannot be asked for alone.
    """
    version = progress.version or ""
    kept = resumable(
        progress, again={one.shard for one in rejected if not is_fetchable(one, version)}
    )
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


class _CopyRun:
    """One run of a copy."""

    def __init__(
        self,
        caller: Client,
        target: Target,
        engine: Engine,
        progress: Progress,
        settings: EngineSettings,
        rereading: RejectedRetrier,
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
                if not self._books.unfinished_shards(one.everything):
                    await self._read_again(one)
            await self._complete_remaining_groups()
            while (step := await engine.step()) is not None:
                match step:
                    case DeliveredBatch(batch=batch, state=state):
                        self._rereading.record_batch(batch)
                        await target.write(batch, state)
                    case SettledShard(shard=shard, state=state):
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
        if not isinstance(target, RejectedStore):
            return
        accounts = [self._books.accounts[shard.name] for shard in plan.everything]
        states = {one.shard.name: one.current_state for one in accounts}
        restarted = {
            one.shard.name
            for one in accounts
            if one.started_at is not None and one.first.position is None
        }
        due = self._rereading.plan_retry(plan, states, restarted)
        if due.deleted:
            await target.forget_rejected(due.deleted)
        async for found in self._rereading.read(self._caller, due.fetched, self._concurrency):
            batch = found.batch(self._rereading.group_of(found.entry, plan))
            if batch is None:
                await target.forget_rejected([found.entry])
                continue
            state = self._books.add(batch.shard, batch.size)
            await target.write(batch, state)
            await target.settle(batch.shard, state)

    async def _complete_remaining_groups(self) -> None:
        """Complete what an earlier run had read, but not completed."""
        read = [
            one
            for one in self._books.plan.groups
            if not self._books.unfinished_shards(one.everything)
        ]
        if not read:
            return
        known = await self._target.groups()
        for one in read:
            state = known.get(one.group)
            if state is None or state.watermark != self._watermark:
                await self._complete(one)

    async def _complete(self, plan: GroupPlan) -> None:
        """Keep that a group is complete, if it is: all of it was read, and was to be read."""
        if self._books.unfinished_shards(plan.everything) or not plan.completes:
            return
        states = [self._books.accounts[shard.name].current_state for shard in plan.everything]
        deleted = await self._target.complete(
            plan.group,
            watermark=self._watermark,
            whole=plan.can_compare(states, keeps_rejected=isinstance(self._target, RejectedStore)),
        )
        if deleted:
            self._books.deleted[plan.group.name] = deleted
        if self._emit is not None:
            self._emit(GroupDone(group=plan.group, deleted=deleted))
