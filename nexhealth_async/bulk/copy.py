"""Copies a pull to a target: begins or resumes it, writes batches and completes groups."""

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
    base_client: Client,
    target: Target,
    request: PullRequest,
    settings: EngineSettings,
    *,
    now: datetime,
    resume: bool,
    permission: OriginPermission,
    allow_rejected: AllowRejected = None,
) -> Report:
    """Copy to a target, which is opened and closed."""
    began = start_position(base_client)
    visible = None if resume else await inspect_account(base_client, request, now=now)
    async with open_target(target):
        earlier = await _list_rejected(target)
        decision = await decide_copy(
            base_client,
            target,
            request,
            visible,
            now=now,
            resume=resume,
            retries_rejected=bool(earlier),
            permission=permission,
        )
        client = decision.client
        if decision.resumed is None:
            earlier = known_before = () if decision.replaces else earlier
            progress = await _begin_target(target, decision, now, earlier)
            delivered_ids: Mapping[Group, Iterable[int | str]] = {}
        else:
            unreported = None if decision.resumed.finished else decision.resumed.id
            known_before = [entry for entry in earlier if entry.first_pull != unreported]
            progress, delivered_ids = await _rewind_shards(target, decision.resumed, earlier)
        tracker = PullTracker(
            progress,
            stats=client.stats,
            began=began,
            delivered_ids=delivered_ids,
            allow_rejected=allow_rejected,
        )
        engine = Engine(client, tracker, settings)
        if isinstance(target, PageReader):
            engine.reader = target.read_page
        retrier = RejectedRetrier(progress.id, progress.version or "", earlier)
        copy = _CopyRun(client, target, engine, progress, settings, retrier)
        report = await copy.run()
        return await _add_rejected_counts(target, report, progress, known_before)


async def begin_copy(
    base_client: Client,
    target: Target,
    request: PullRequest,
    *,
    now: datetime,
    permission: OriginPermission,
) -> Progress:
    """Plan a pull and store the plan in a target, which is opened and closed."""
    visible = await inspect_account(base_client, request, now=now)
    async with open_target(target):
        decision = await decide_copy(
            base_client, target, request, visible, now=now, resume=False, permission=permission
        )
        rejected = () if decision.replaces else await _list_rejected(target)
        progress = await _begin_target(target, decision, now, rejected)
        if not progress.shards:
            await target.finish()
        return progress


async def _list_rejected(target: Target) -> Sequence[RejectedEntry]:
    return await target.rejected() if isinstance(target, RejectedStore) else ()


async def _add_rejected_counts(
    target: Target, report: Report, progress: Progress, known: Iterable[RejectedEntry]
) -> Report:
    """Add the target's rejected records to a report."""
    if not isinstance(target, RejectedStore):
        return report
    groups = {shard.group for shard in progress.shards}
    known_keys = {(entry.group, entry.key) for entry in known}
    return evolve(report, rejected=count_rejected(await target.rejected(), groups, known_keys))


async def _begin_target(
    target: Target, decision: PullDecision, now: datetime, rejected: Sequence[RejectedEntry]
) -> Progress:
    """Store the plan of a new pull."""
    progress = decision.plan(now, whole=shards_read_whole(rejected, decision.request.version))
    if decision.replaces and isinstance(target, OriginStore):
        await target.begin_replacing(progress)
    else:
        await target.begin(progress)
    return progress


async def _rewind_shards(
    target: Target, progress: Progress, rejected: Iterable[RejectedEntry]
) -> tuple[Progress, Mapping[Group, Iterable[int | str]]]:
    """Rewind the shards to read again; return the resumed progress and the delivered ids.

    Shards start again if they hold rejected records that cannot be fetched by id.
    """
    version = progress.version or ""
    resumed = resumable(
        progress, restarted={entry.shard for entry in rejected if not is_fetchable(entry, version)}
    )
    to_rewind = [
        shard
        for shard in progress.shards
        if shard.name in progress.states
        and (shard.name not in resumed.states or resumed.states[shard.name].status != "done")
    ]
    for shard in to_rewind:
        await target.rewind(shard, resumed.states.get(shard.name))
    if target.merges:
        return resumed, {}
    done = {name for name, state in resumed.states.items() if state.status == "done"}
    open_groups = {shard.group for shard in progress.shards if shard.name not in done}
    return resumed, {group: await target.known(group) for group in open_groups}


class _CopyRun:
    """One run of a copy."""

    def __init__(
        self,
        client: Client,
        target: Target,
        engine: Engine,
        progress: Progress,
        settings: EngineSettings,
        retrier: RejectedRetrier,
    ) -> None:
        self._client = client
        self._target = target
        self._retrier = retrier
        self._concurrency = settings.concurrency
        self._engine = engine
        self._tracker = engine.tracker
        self._watermark = progress.started - OVERLAP
        self._emit = settings.on_event

    async def run(self) -> Report:
        """Write everything the engine delivers."""
        engine, target = self._engine, self._target
        engine.start()
        try:
            for group_plan in self._tracker.plan.groups:
                if not self._tracker.unfinished_shards(group_plan.everything):
                    await self._retry_rejected(group_plan)
            await self._complete_remaining_groups()
            while (step := await engine.step()) is not None:
                match step:
                    case DeliveredBatch(batch=batch, state=state):
                        self._retrier.record_batch(batch)
                        await target.write(batch, state)
                    case SettledShard(shard=shard, state=state):
                        await target.settle(shard, state)
                        plan = self._tracker.plan.group(shard.group)
                        if self._tracker.is_over(plan.everything):
                            await self._retry_rejected(plan)
                        await self._complete(plan)
        finally:
            await engine.stop()
        await target.finish()
        return engine.report()

    async def _retry_rejected(self, plan: GroupPlan) -> None:
        """Retry the group's rejected records that this run has not seen."""
        target = self._target
        if not isinstance(target, RejectedStore):
            return
        shard_logs = [self._tracker.shard_logs[shard.name] for shard in plan.everything]
        states = {shard_log.shard.name: shard_log.current_state for shard_log in shard_logs}
        restarted = {
            shard_log.shard.name
            for shard_log in shard_logs
            if shard_log.started_at is not None and shard_log.initial_state.position is None
        }
        retry_plan = self._retrier.plan_retry(plan, states, restarted)
        if retry_plan.deleted:
            await target.forget_rejected(retry_plan.deleted)
        async for fetched in self._retrier.read(
            self._client, retry_plan.fetched, self._concurrency
        ):
            batch = fetched.batch(self._retrier.shard_for(fetched.entry, plan))
            if batch is None:
                await target.forget_rejected([fetched.entry])
                continue
            state = self._tracker.add(batch.shard, batch.size)
            await target.write(batch, state)
            await target.settle(batch.shard, state)

    async def _complete_remaining_groups(self) -> None:
        """Complete groups that an earlier run had read, but not completed."""
        group_plans = [
            group_plan
            for group_plan in self._tracker.plan.groups
            if not self._tracker.unfinished_shards(group_plan.everything)
        ]
        if not group_plans:
            return
        group_states = await self._target.groups()
        for group_plan in group_plans:
            state = group_states.get(group_plan.group)
            if state is None or state.watermark != self._watermark:
                await self._complete(group_plan)

    async def _complete(self, plan: GroupPlan) -> None:
        """Complete a group if all of it was read and it was planned in full."""
        if self._tracker.unfinished_shards(plan.everything) or not plan.completes:
            return
        states = [self._tracker.shard_logs[shard.name].current_state for shard in plan.everything]
        deleted = await self._target.complete(
            plan.group,
            watermark=self._watermark,
            whole=plan.can_compare(states, keeps_rejected=isinstance(self._target, RejectedStore)),
        )
        if deleted:
            self._tracker.deleted[plan.group.name] = deleted
        if self._emit is not None:
            self._emit(GroupDone(group=plan.group, deleted=deleted))
