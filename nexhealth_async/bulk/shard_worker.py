"""One shard of a pull, read by one of many processes, and what follows from its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

from attrs import evolve, frozen

from nexhealth_async.bulk.copy_preparation import session_for_origin
from nexhealth_async.bulk.plan_validation import check_group, check_start
from nexhealth_async.bulk.pull_state import Progress, ShardState
from nexhealth_async.bulk.rejected_retry import RejectedRetrier
from nexhealth_async.bulk.scheduler import (
    DeliveredBatch,
    Engine,
    EngineSettings,
    SettledShard,
    start_position,
)
from nexhealth_async.bulk.shard_planning import OVERLAP, PullPlan
from nexhealth_async.bulk.shard_tracker import PullTracker
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.bulk.target_protocol import open_target

if TYPE_CHECKING:
    from datetime import datetime

    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.shared_target import ReadOptions, ShardClaim, SharedTarget, States

__all__ = ["ShardOutcome", "run_shared_shard"]


@frozen(kw_only=True)
class ShardOutcome:
    """What became of a shard."""

    status: Literal["done", "failed", "busy", "overtaken", "replaced"]
    """Done, now or before; failed with an error of the API or the network, so to be tried again;
    busy, since another process that lives is at it; overtaken by one that took it meanwhile, so
    that nothing more of ours was kept; or replaced, its pull having given way to a new one.
    """
    records: int = 0
    """Records of the shard kept so far, those of earlier tries included."""
    error: str | None = None
    """The error's class and text, free of personal data."""
    follow_up: tuple[Shard, ...] = ()
    """Shards of the same pull to be queued now: they had to wait for this one."""
    deleted: int = 0
    """Rows taken out of the target, where its group was completed and compared."""
    finished: bool = False
    """Whether all of the pull is done."""


async def run_shared_shard(
    server: Client,
    target: SharedTarget,
    shard: str,
    *,
    pull: str,
    owner: str,
    settings: Callable[[ReadOptions], EngineSettings],
    alive: Callable[[str], Awaitable[bool]] | None,
    now: datetime,
) -> ShardOutcome:
    """Take a shard, by its name, and read it to its end, page by page into the target.

    What the shard is, the target says: it has the plan of the pull.
    """
    async with open_target(target):
        seen = await target.inspect(pull, shard)
        if seen is None:
            return ShardOutcome(status="replaced")
        check_start(seen.started, now)
        if seen.done:
            caller = await session_for_origin(server, seen.origin, seen.shard.version)
            return await _is_done(caller, target, seen, settings(seen.reading))
        caller = await session_for_origin(server, seen.origin, seen.shard.version)
        if (
            alive is not None
            and _is_held_by_other(seen, owner)
            and await alive(seen.holder.owner or "")
        ):
            return ShardOutcome(status="busy")
        claim = await target.claim(seen, owner)
        if claim is None:
            return ShardOutcome(status="busy")
        return await _SharedShardRun(caller, target, claim, settings(claim.reading)).run()


def _is_held_by_other(claim: ShardClaim, owner: str) -> bool:
    is_open = claim.state is None or claim.state.status == "open"
    return is_open and claim.holder.owner not in (None, owner)


class _SharedShardRun:
    """A shard that was taken."""

    def __init__(
        self, caller: Client, target: SharedTarget, claim: ShardClaim, settings: EngineSettings
    ) -> None:
        self._caller = caller
        self._settings = settings
        self._target = target
        self._claim = claim
        shard, state = claim.shard, claim.state
        progress = Progress(
            id=claim.pull,
            started=claim.started,
            options="",
            shards=(shard,),
            states={} if state is None else {shard.name: state},
        )
        books = PullTracker(progress, stats=caller.stats, began=start_position(caller))
        self._engine = Engine(caller, books, settings)

    async def run(self) -> ShardOutcome:
        """Keep what the engine brings, until it ends or another process has taken the shard."""
        engine, target, claim = self._engine, self._target, self._claim
        engine.start()
        state = claim.state or ShardState()
        held = True
        try:
            while held and (step := await engine.step()) is not None:
                match step:
                    case DeliveredBatch(batch=batch, state=state):
                        held = await target.write(claim, batch, state)
                    case SettledShard(state=state):
                        held = await target.settle(claim, state)
        finally:
            await engine.stop()
        if not held:
            return ShardOutcome(status="overtaken")
        if state.status == "failed":
            return ShardOutcome(status="failed", records=state.records, error=state.error)
        return await _is_done(
            caller=self._caller,
            target=target,
            claim=evolve(claim, state=state),
            settings=self._settings,
        )


async def _is_done(
    caller: Client, target: SharedTarget, claim: ShardClaim, settings: EngineSettings
) -> ShardOutcome:
    """Do what follows from a shard's end; all of it may be done again, should we be killed here."""
    records = 0 if claim.state is None else claim.state.records
    group = claim.shard.group
    states = await target.group(claim.pull, group)
    undone = _unfinished_keys(states)
    if undone:
        waits = claim.shard.sweep or any(not one.sweep for one in undone)
        return ShardOutcome(
            status="done", records=records, follow_up=() if waits else tuple(undone)
        )
    records += await _read_again(caller, target, claim, states, settings)
    deleted = await _complete(target, claim, states)
    finished = await target.finish(claim.pull)
    return ShardOutcome(status="done", records=records, deleted=deleted, finished=finished)


async def _read_again(
    caller: Client,
    target: SharedTarget,
    claim: ShardClaim,
    states: States,
    settings: EngineSettings,
) -> int:
    """Read the group's rejected records again that the pull has not come upon.

    They are written with the shard that was done last. Returns how many are readable now.
    """
    group = claim.shard.group
    earlier = [
        one for one in await target.rejected() if one.group == group and one.pull != claim.pull
    ]
    if not earlier:
        return 0
    plan = PullPlan.of(shard for shard, _ in states).group(group)
    known = {shard.name: state for shard, state in states if state is not None}
    rereading = RejectedRetrier(claim.pull, claim.shard.version, earlier)
    due = rereading.plan_retry(plan, known, ())
    await target.forget_rejected(due.deleted)
    state, readable = claim.state or ShardState(status="done"), 0
    async for found in rereading.read(caller, due.fetched, settings.concurrency):
        batch = found.batch(claim.shard)
        if batch is None:
            await target.forget_rejected([found.entry])
            continue
        readable += batch.size
        state = evolve(state, records=state.records + batch.size)
        if not await target.write(claim, batch, state):
            break
    return readable


def _unfinished_keys(states: States) -> list[Shard]:
    return [shard for shard, state in states if state is None or state.status != "done"]


async def _complete(target: SharedTarget, claim: ShardClaim, states: States) -> int:
    """Complete a group of which all was read, unless that was not meant to be everything."""
    if not states:
        return 0
    plan = PullPlan.of(shard for shard, _ in states).group(claim.shard.group)
    check_group(plan, claim.started)
    if not plan.completes:
        return 0
    deleted = await target.complete(
        claim,
        plan.group,
        watermark=claim.started - OVERLAP,
        whole=plan.can_compare((state for _, state in states), keeps_rejected=True),
    )
    return deleted or 0
