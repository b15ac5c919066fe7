"""Read one shard of a pull that many processes share, and complete its group."""

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
    """Result of running a shard."""

    status: Literal["done", "failed", "busy", "overtaken", "replaced"]
    """Status of the shard.

    ``done``: read, now or before. ``failed``: ended with an error of the API or the network; try
    again. ``busy``: another live process reads it. ``overtaken``: another process claimed it
    meanwhile, so nothing more was written here. ``replaced``: a new pull replaced its pull.
    """
    records: int = 0
    """Records of the shard written so far, including earlier attempts."""
    error: str | None = None
    """Class and text of the error, without personal data."""
    follow_up: tuple[Shard, ...] = ()
    """Shards of the same pull to queue now, which had to wait for this one."""
    deleted: int = 0
    """Rows deleted from the target, if its group was completed and compared."""
    finished: bool = False
    """True if the whole pull is done."""


async def run_shared_shard(
    base_client: Client,
    target: SharedTarget,
    shard: str,
    *,
    pull: str,
    owner: str,
    settings: Callable[[ReadOptions], EngineSettings],
    alive: Callable[[str], Awaitable[bool]] | None,
    now: datetime,
) -> ShardOutcome:
    """Claim a shard by its name and read it to its end into the target."""
    async with open_target(target):
        claim = await target.inspect(pull, shard)
        if claim is None:
            return ShardOutcome(status="replaced")
        check_start(claim.started, now)
        if claim.done:
            client = await session_for_origin(base_client, claim.origin, claim.shard.version)
            return await _finish_shard(client, target, claim, settings(claim.reading))
        client = await session_for_origin(base_client, claim.origin, claim.shard.version)
        if (
            alive is not None
            and _is_held_by_other(claim, owner)
            and await alive(claim.holder.owner or "")
        ):
            return ShardOutcome(status="busy")
        new_claim = await target.claim(claim, owner)
        if new_claim is None:
            return ShardOutcome(status="busy")
        return await _SharedShardRun(client, target, new_claim, settings(new_claim.reading)).run()


def _is_held_by_other(claim: ShardClaim, owner: str) -> bool:
    is_open = claim.state is None or claim.state.status == "open"
    return is_open and claim.holder.owner not in (None, owner)


class _SharedShardRun:
    """Run of a claimed shard."""

    def __init__(
        self, client: Client, target: SharedTarget, claim: ShardClaim, settings: EngineSettings
    ) -> None:
        self._client = client
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
        tracker = PullTracker(progress, stats=client.stats, began=start_position(client))
        self._engine = Engine(client, tracker, settings)

    async def run(self) -> ShardOutcome:
        """Write what the engine delivers, until it ends or another process claims the shard."""
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
        return await _finish_shard(
            client=self._client,
            target=target,
            claim=evolve(claim, state=state),
            settings=self._settings,
        )


async def _finish_shard(
    client: Client, target: SharedTarget, claim: ShardClaim, settings: EngineSettings
) -> ShardOutcome:
    """Complete the group and the pull if this was the last shard. Safe to repeat."""
    records = 0 if claim.state is None else claim.state.records
    group = claim.shard.group
    states = await target.group(claim.pull, group)
    unfinished = _unfinished_shards(states)
    if unfinished:
        waits = claim.shard.sweep or any(not shard.sweep for shard in unfinished)
        return ShardOutcome(
            status="done", records=records, follow_up=() if waits else tuple(unfinished)
        )
    records += await _retry_rejected(client, target, claim, states, settings)
    deleted = await _complete(target, claim, states)
    finished = await target.finish(claim.pull)
    return ShardOutcome(status="done", records=records, deleted=deleted, finished=finished)


async def _retry_rejected(
    client: Client,
    target: SharedTarget,
    claim: ShardClaim,
    states: States,
    settings: EngineSettings,
) -> int:
    """Retry the group's rejected records that the pull has not seen.

    They are written with the shard that was done last. Returns the number that are readable now.
    """
    group = claim.shard.group
    earlier = [
        entry
        for entry in await target.rejected()
        if entry.group == group and entry.pull != claim.pull
    ]
    if not earlier:
        return 0
    plan = PullPlan.of(shard for shard, _ in states).group(group)
    known = {shard.name: state for shard, state in states if state is not None}
    retrier = RejectedRetrier(claim.pull, claim.shard.version, earlier)
    retry_plan = retrier.plan_retry(plan, known, ())
    await target.forget_rejected(retry_plan.deleted)
    state, readable = claim.state or ShardState(status="done"), 0
    async for fetched in retrier.read(client, retry_plan.fetched, settings.concurrency):
        batch = fetched.batch(claim.shard)
        if batch is None:
            await target.forget_rejected([fetched.entry])
            continue
        readable += batch.size
        state = evolve(state, records=state.records + batch.size)
        if not await target.write(claim, batch, state):
            break
    return readable


def _unfinished_shards(states: States) -> list[Shard]:
    return [shard for shard, state in states if state is None or state.status != "done"]


async def _complete(target: SharedTarget, claim: ShardClaim, states: States) -> int:
    """Complete a group that was read and planned in full; return the deleted rows."""
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
