"""A pull copied to PostgreSQL by many processes at once: what the workers of a fleet write to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from anyio import CancelScope, to_thread

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.bulk import (
    Batch,
    Group,
    PullOverview,
    ReadOptions,
    RejectedEntry,
    ShardClaim,
    ShardState,
    States,
)
from nexhealth_async.export import postgres_fencing as fences
from nexhealth_async.export import postgres_rejected as rejected
from nexhealth_async.export import postgres_sql as work
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.postgres_connection import Connection, DatabaseLink
from nexhealth_async.export.state_tables import is_keyed

__all__ = ["SharedPostgres"]


class SharedPostgres:
    """One schema of a PostgreSQL database, written to by the workers of a fleet.

    Made by `nexhealth_async.export.postgres.PostgresTarget.shared`. Any number of them may be open
    at a time; a pull by a single process, which wants the schema for itself, is kept out
    meanwhile. Raises `TargetError` as `PostgresTarget` does.
    """

    def __init__(self, url: str, *, schema: str = "public") -> None:
        self._schema = schema
        self._link = DatabaseLink(url, schema, "shared")
        self._ready: set[str] = set()

    def __repr__(self) -> str:
        """Show the schema; the address may hold a password."""
        return f"<{type(self).__name__} schema {self._schema}>"

    @strip_traceback
    async def open(self) -> None:
        """Connect, and lock out whoever wants to write alone."""
        await self._link.open()

    @strip_traceback
    async def aclose(self) -> None:
        """Let go of the connection and of the lock."""
        self._ready = set()
        with CancelScope(shield=True):
            await self._link.aclose()

    @strip_traceback
    async def inspect(self, pull: str, shard: str) -> ShardClaim | None:
        """Return a shard, by its name, and how it stands; None if another pull was begun."""
        return await self._link.transact(lambda db: fences.read_claim(db, pull, shard))

    @strip_traceback
    async def claim(self, claim: ShardClaim, owner: str) -> ShardClaim | None:
        """Take a shard as it was seen; None if another was faster.

        Unless it goes on from a place, its rows count as not seen by this pull.
        """
        return await self._link.transact(lambda db: fences.claim_shard(db, claim, owner))

    @strip_traceback
    async def write(self, claim: ShardClaim, batch: Batch, state: ShardState) -> bool:
        """Keep a batch and how far its shard has come; False if another has the shard now."""
        key = (claim.pull, claim.number)
        resource, model = batch.shard.resource, model_of(batch.model)
        rows = await to_thread.run_sync(work.rows, batch, model, key)
        unsure = False

        async def replace(db: Connection) -> bool:
            nonlocal unsure
            if rows:  # before anything is locked that others need
                await work.stage(db, resource, model, rows, self._link.staged)
            if not await fences.lock_claim(db, claim):
                return False
            if unsure and await work.is_kept(db, key, state):
                return True  # only the answer was lost, and rows without ids must not come twice
            unsure = not is_keyed(model)
            if resource not in self._ready:
                await work.make_ready(db, resource, model)
            await work.merge_batch(db, batch, model, rows, claim.pull)
            await fences.save_state(db, claim, state)
            return True

        kept = await self._link.transact(replace)
        if rows:
            self._link.staged.add(resource)
        if kept:
            self._ready.add(resource)
        return kept

    @strip_traceback
    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return the records in ``_rejected``, without their JSON."""
        return await self._link.transact(rejected.read)

    @strip_traceback
    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Remove records from ``_rejected``, except those that another pull has read."""
        await self._link.transact(lambda db: rejected.forget(db, gone))

    @strip_traceback
    async def settle(self, claim: ShardClaim, state: ShardState) -> bool:
        """Keep that a shard is done or has failed; False if another has the shard now."""

        async def settle(db: Connection) -> bool:
            held = await fences.lock_claim(db, claim)
            if held:
                await fences.save_state(db, claim, state)
            return held

        return await self._link.transact(settle)

    @strip_traceback
    async def group(self, pull: str, group: Group) -> States:
        """Return how all shards of a group stand."""
        return await self._link.transact(lambda db: fences.group_states(db, pull, group))

    @strip_traceback
    async def complete(
        self, claim: ShardClaim, group: Group, *, watermark: datetime, whole: bool
    ) -> int | None:
        """Keep that a group is complete, once; returns how many rows were deleted.

        None if it was kept before, or another pull was begun.
        """
        return await self._link.transact(
            lambda db: fences.complete(db, claim, group, watermark, whole=whole)
        )

    @strip_traceback
    async def finish(self, pull: str) -> bool:
        """Keep that the pull has ended if every shard is done; tells whether it is."""
        return await self._link.transact(lambda db: fences.finish(db, pull))

    @strip_traceback
    async def keep_reading(self, pull: str, reading: ReadOptions) -> None:
        """Keep how the shards of a pull are read, on a connection of its own."""
        await self._link.run_outside(lambda db: fences.keep_reading(db, pull, reading))

    @strip_traceback
    async def overview(self) -> PullOverview | None:
        """Return the last pull, on a connection of its own that keeps nobody out."""
        return await self._link.run_outside(fences.overview)
