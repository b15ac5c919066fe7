"""One shard of a pull, read by one of many processes, and what follows from its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

from attrs import evolve, frozen

from nexhealth_async.bulk.copy_preparation import speaking_for
from nexhealth_async.bulk.plan_validation import check_group, check_start
from nexhealth_async.bulk.pull_state import Progress, ShardState
from nexhealth_async.bulk.rejected_retry import Rereading
from nexhealth_async.bulk.scheduler import Delivered, Engine, Settings, Settled, beginning
from nexhealth_async.bulk.shard_planning import OVERLAP, Plan
from nexhealth_async.bulk.shard_tracker import Books
from nexhealth_async.bulk.shards import Shard
from nexhealth_async.bulk.target_protocol import opened

if TYPE_CHECKING:
    from datetime import datetime

    from nexhealth_async._client.client import Client
    from nexhealth_async.bulk.shared_target import Claim, Reading, SharedTarget, States

__all__ = ["Outcome", "work_on"]


@frozen(kw_only=True)
class Outcome:
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
    then: tuple[Shard, ...] = ()
    """Shards of the same pull to be queued now: they had to wait for this one."""
    deleted: int = 0
    """Rows taken out of the target, where its group was completed and compared."""
    finished: bool = False
    """Whether all of the pull is done."""


async def work_on(
    server: Client,
    target: SharedTarget,
    shard: str,
    *,
    pull: str,
    owner: str,
    settings: Callable[[Reading], Settings],
    alive: Callable[[str], Awaitable[bool]] | None,
    now: datetime,
) -> Outcome:
    """Take a shard, by its name, and read it to its end, page by page into the target.

    What the shard is, the target says: it has the plan of the pull.
    """
    async with opened(target):
        seen = await target.look(pull, shard)
        if seen is None:
            return Outcome(status="replaced")
        check_start(seen.started, now)
        if seen.done:
            caller = await speaking_for(server, seen.origin, seen.shard.version)
            return await _done(caller, target, seen, settings(seen.reading))
        caller = await speaking_for(server, seen.origin, seen.shard.version)
        if alive is not None and _is_anothers(seen, owner) and await alive(seen.holder.owner or ""):
            return Outcome(status="busy")
        claim = await target.take(seen, owner)
        if claim is None:
            return Outcome(status="busy")
        return await _Work(caller, target, claim, settings(claim.reading)).run()


def _is_anothers(seen: Claim, owner: str) -> bool:
    is_open = seen.state is None or seen.state.status == "open"
    return is_open and seen.holder.owner not in (None, owner)


class _Work:
    """A shard that was taken."""

    def __init__(
        self, caller: Client, target: SharedTarget, claim: Claim, settings: Settings
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
        books = Books(progress, stats=caller.stats, began=beginning(caller))
        self._engine = Engine(caller, books, settings)

    async def run(self) -> Outcome:
        """Keep what the engine brings, until it ends or another process has taken the shard."""
        engine, target, claim = self._engine, self._target, self._claim
        engine.start()
        state = claim.state or ShardState()
        held = True
        try:
            while held and (step := await engine.step()) is not None:
                match step:
                    case Delivered(batch=batch, state=state):
                        held = await target.write(claim, batch, state)
                    case Settled(state=state):
                        held = await target.settle(claim, state)
        finally:
            await engine.stop()
        if not held:
            return Outcome(status="overtaken")
        if state.status == "failed":
            return Outcome(status="failed", records=state.records, error=state.error)
        return await _done(
            caller=self._caller,
            target=target,
            claim=evolve(claim, state=state),
            settings=self._settings,
        )


async def _done(caller: Client, target: SharedTarget, claim: Claim, settings: Settings) -> Outcome:
    """Do what follows from a shard's end; all of it may be done again, should we be killed here."""
    records = 0 if claim.state is None else claim.state.records
    group = claim.shard.group
    states = await target.group(claim.pull, group)
    undone = _undone(states)
    if undone:
        waits = claim.shard.sweep or any(not one.sweep for one in undone)
        return Outcome(status="done", records=records, then=() if waits else tuple(undone))
    records += await _read_again(caller, target, claim, states, settings)
    deleted = await _complete(target, claim, states)
    finished = await target.finish(claim.pull)
    return Outcome(status="done", records=records, deleted=deleted, finished=finished)


async def _read_again(
    caller: Client, target: SharedTarget, claim: Claim, states: States, settings: Settings
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
    plan = Plan.of(shard for shard, _ in states).group(group)
    known = {shard.name: state for shard, state in states if state is not None}
    rereading = Rereading(claim.pull, claim.shard.version, earlier)
    due = rereading.due(plan, known, ())
    await target.forget_rejected(due.vanished)
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


def _undone(states: States) -> list[Shard]:
    return [shard for shard, state in states if state is None or state.status != "done"]


async def _complete(target: SharedTarget, claim: Claim, states: States) -> int:
    """Complete a group of which all was read, unless that was not meant to be everything."""
    if not states:
        return 0
    plan = Plan.of(shard for shard, _ in states).group(claim.shard.group)
    check_group(plan, claim.started)
    if not plan.completes:
        return 0
    deleted = await target.complete(
        claim,
        plan.group,
        watermark=claim.started - OVERLAP,
        whole=plan.may_compare((state for _, state in states), keeps_rejected=True),
    )
    return deleted or 0
