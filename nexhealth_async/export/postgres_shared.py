"""PostgreSQL target of a fleet, written to by many processes at once."""

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
from nexhealth_async.export import postgres_fencing as fencing
from nexhealth_async.export import postgres_rejected as rejected
from nexhealth_async.export import postgres_sql
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.postgres_connection import Connection, DatabaseLink
from nexhealth_async.export.state_tables import is_keyed

__all__ = ["SharedPostgres"]


class SharedPostgres:
    """One schema of a PostgreSQL database that the workers of a fleet write to.

    `nexhealth_async.export.postgres.PostgresTarget.shared` creates it. Any number may be open at a
    time. They lock out a pull by a single process, which needs the schema for itself. Errors are
    those of `PostgresTarget`.
    """

    def __init__(self, url: str, *, schema: str = "public") -> None:
        self._schema = schema
        self._link = DatabaseLink(url, schema, "shared")
        self._ready: set[str] = set()

    def __repr__(self) -> str:
        """Show the schema; the URL may hold a password."""
        return f"<{type(self).__name__} schema {self._schema}>"

    @strip_traceback
    async def open(self) -> None:
        """Connect, and lock out pulls by a single process."""
        await self._link.open()

    @strip_traceback
    async def aclose(self) -> None:
        """Close the connection, which releases the lock."""
        self._ready = set()
        with CancelScope(shield=True):
            await self._link.aclose()

    @strip_traceback
    async def inspect(self, pull: str, shard: str) -> ShardClaim | None:
        """Return a shard by name, with its state; None if another pull has begun."""
        return await self._link.transact(lambda db: fencing.read_claim(db, pull, shard))

    @strip_traceback
    async def claim(self, claim: ShardClaim, owner: str) -> ShardClaim | None:
        """Claim a shard in the state that was read; None if another worker was faster.

        Unless the shard resumes from a position, its rows are marked as not seen by this pull.
        """
        return await self._link.transact(lambda db: fencing.claim_shard(db, claim, owner))

    @strip_traceback
    async def write(self, claim: ShardClaim, batch: Batch, state: ShardState) -> bool:
        """Store a batch and the state of its shard; False if another worker has claimed it."""
        key = (claim.pull, claim.number)
        resource, model = batch.shard.resource, model_of(batch.model)
        rows = await to_thread.run_sync(postgres_sql.rows, batch, model, key)
        may_be_stored = False

        async def replace(db: Connection) -> bool:
            nonlocal may_be_stored
            if rows:  # before locks are taken that others need
                await postgres_sql.stage(db, resource, model, rows, self._link.staged)
            if not await fencing.lock_claim(db, claim):
                return False
            if may_be_stored and await postgres_sql.is_stored(db, key, state):
                return True  # committed before; rows without ids must not be added twice
            may_be_stored = not is_keyed(model)
            if resource not in self._ready:
                await postgres_sql.prepare_table(db, resource, model)
            await postgres_sql.merge_batch(db, batch, model, rows, claim.pull)
            await fencing.save_state(db, claim, state)
            return True

        is_stored = await self._link.transact(replace)
        if rows:
            self._link.staged.add(resource)
        if is_stored:
            self._ready.add(resource)
        return is_stored

    @strip_traceback
    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return the records in ``_rejected``, without their JSON."""
        return await self._link.transact(rejected.read)

    @strip_traceback
    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Remove records from ``_rejected``, except those that another pull has updated."""
        await self._link.transact(lambda db: rejected.forget(db, gone))

    @strip_traceback
    async def settle(self, claim: ShardClaim, state: ShardState) -> bool:
        """Store that a shard is done or has failed; False if another worker has claimed it."""

        async def settle(db: Connection) -> bool:
            is_held = await fencing.lock_claim(db, claim)
            if is_held:
                await fencing.save_state(db, claim, state)
            return is_held

        return await self._link.transact(settle)

    @strip_traceback
    async def group(self, pull: str, group: Group) -> States:
        """Return the states of all shards of a group."""
        return await self._link.transact(lambda db: fencing.group_states(db, pull, group))

    @strip_traceback
    async def complete(
        self, claim: ShardClaim, group: Group, *, watermark: datetime, whole: bool
    ) -> int | None:
        """Store that a group is complete, once.

        Returns:
            The number of deleted rows; None if the group was complete or another pull has begun.
        """
        return await self._link.transact(
            lambda db: fencing.complete(db, claim, group, watermark, whole=whole)
        )

    @strip_traceback
    async def finish(self, pull: str) -> bool:
        """Store that the pull has ended, if every shard is done; return True if it is."""
        return await self._link.transact(lambda db: fencing.finish(db, pull))

    @strip_traceback
    async def keep_reading(self, pull: str, reading: ReadOptions) -> None:
        """Store the read options of a pull, on a separate connection."""
        await self._link.run_outside(lambda db: fencing.keep_reading(db, pull, reading))

    @strip_traceback
    async def overview(self) -> PullOverview | None:
        """Return the last pull, on a separate connection without a lock."""
        return await self._link.run_outside(fencing.overview)
