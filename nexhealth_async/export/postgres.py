"""PostgreSQL target: a typed table for each resource.

Tables are named after their resources, with underscores for dots. `nexhealth_async.export.columns`
and `.postgres_columns` describe the columns; ``_shard`` is the number in ``_nexhealth_shards`` of
the shard the row came with. The target needs the extra ``postgres``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from anyio import CancelScope, to_thread

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.bulk import (
    Batch,
    Group,
    GroupState,
    Origin,
    Progress,
    RejectedEntry,
    Shard,
    ShardState,
)
from nexhealth_async.errors import UsageError
from nexhealth_async.export import postgres_rejected as rejected
from nexhealth_async.export import postgres_sql
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.postgres_connection import Connection, DatabaseLink
from nexhealth_async.export.postgres_shared import SharedPostgres
from nexhealth_async.export.postgres_url import parse_address
from nexhealth_async.export.state_tables import ExportPlan, is_keyed

__all__ = ["PostgresTarget"]


class PostgresTarget:
    """Copies a pull to one schema of a PostgreSQL database, which is created if it is missing.

    Rows are replaced by primary key: ``_practice`` and ``id``. Records without an id
    (``sync_status``) cannot be recognized, so after their list is read to its end, only rows of
    this pull stay.

    The connection must be a dedicated session. A pooler that shares it between transactions would
    lose the lock that keeps a second pull out of the schema. A lost connection is replaced a few
    times.

    Args:
        url: URL such as ``postgresql://user@host/database``. Keep the password in ``PGPASSWORD``
            or a password file, as for any PostgreSQL program.
        schema: Schema of the tables.

    Raises:
        InvalidArgumentError: The URL is not valid.
        TargetError: The database cannot be reached, another pull is writing to the schema, or a
            column has a type that does not fit the records.
    """

    merges = True

    def __init__(self, url: str, *, schema: str = "public") -> None:
        self._url = url
        self._link = DatabaseLink(url, schema)
        self._schema = schema
        self._plan: ExportPlan | None = None
        self._ready: set[str] = set()
        """Resources whose tables have all columns."""

    def __repr__(self) -> str:
        """Show the schema; the URL may hold a password."""
        return f"<{type(self).__name__} schema {self._schema}>"

    @property
    def address(self) -> str:
        """The database and its server, without user and password."""
        return parse_address(self._url).text

    def shared(self) -> SharedPostgres:
        """Return a target for the same schema that many workers can write to at once."""
        return SharedPostgres(self._url, schema=self._schema)

    @strip_traceback
    async def open(self) -> None:
        """Connect, lock out other pulls, and create the state tables."""
        await self._link.open()
        try:
            await self._link.transact(postgres_sql.make_state_tables)
            await self._link.transact(rejected.make_table)
        except BaseException:
            await self.aclose()
            raise

    @strip_traceback
    async def aclose(self) -> None:
        """Close the connection, which releases the lock."""
        self._plan, self._ready = None, set()
        with CancelScope(shield=True):
            await self._link.aclose()

    @strip_traceback
    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there is none."""
        progress = await self._link.transact(postgres_sql.load_progress)
        self._plan = None if progress is None else ExportPlan.of(progress)
        return progress

    @strip_traceback
    async def inspect(self) -> Progress | None:
        """Return the last pull, finished or not; None if there is none."""
        return await self._link.transact(postgres_sql.load_progress)

    @strip_traceback
    async def holds_records(self) -> bool:
        """Return True if the target holds records."""
        return await self._link.transact(postgres_sql.holds_records)

    @strip_traceback
    async def save_origin(self, origin: Origin) -> None:
        """Replace the origin stored with the last pull."""
        last = await self._link.transact(postgres_sql.load_progress_without_shards)
        if last is not None:
            await self._link.transact(lambda db: postgres_sql.save_origin(db, last.id, origin))

    @strip_traceback
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return the stored state of each resource of each practice."""
        return await self._link.transact(postgres_sql.groups)

    @strip_traceback
    async def begin(self, progress: Progress) -> None:
        """Store the plan of a new pull and create its tables, in one transaction."""
        await self._begin(progress, clear=False)

    @strip_traceback
    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and begin a new pull, in one transaction."""
        await self._begin(progress, clear=True)

    async def _begin(self, progress: Progress, *, clear: bool) -> None:
        plan = ExportPlan.of(progress)
        models = plan.models()

        async def start(db: Connection) -> None:
            if clear:
                await postgres_sql.clear_tables(db)
            for resource, model in models.items():
                await postgres_sql.prepare_table(db, resource, model)
            await postgres_sql.begin(db, progress)

        await self._link.transact(start)
        self._plan = plan
        self._ready |= models.keys()

    @strip_traceback
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Reset a shard to the position in its state, or to its start.

        Existing rows stay until they are replaced. They are marked as not seen by this pull, so
        that rows deleted at the source are found.
        """
        key = self._pull.key(shard)
        if state is None or state.position is None:  # rows and position are stored together
            await self._link.transact(lambda db: postgres_sql.rewind(db, shard, key))

    @strip_traceback
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids of a group that this pull has seen."""
        pull = self._pull.progress.id
        return await self._link.transact(lambda db: postgres_sql.ids_seen(db, group, pull))

    @strip_traceback
    async def write(self, batch: Batch, state: ShardState) -> None:
        """Store a batch and the new state of its shard; rows with the same ids are replaced."""
        key = self._pull.key(batch.shard)
        resource, model = batch.shard.resource, model_of(batch.model)
        rows = await to_thread.run_sync(postgres_sql.rows, batch, model, key)
        may_be_stored = False

        async def replace(db: Connection) -> None:
            nonlocal may_be_stored
            if may_be_stored and await postgres_sql.is_stored(db, key, state):
                return  # the commit succeeded, and rows without ids must not be added twice
            may_be_stored = not is_keyed(model)
            if resource not in self._ready:
                await postgres_sql.prepare_table(db, resource, model)
            if rows:
                await postgres_sql.stage(db, resource, model, rows, self._link.staged)
            await postgres_sql.merge_batch(db, batch, model, rows, key[0])
            await postgres_sql.save_state(db, key, state)

        await self._link.transact(replace)
        self._ready.add(resource)
        if rows:
            self._link.staged.add(resource)

    @strip_traceback
    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return the records in ``_rejected``, without their JSON."""
        return await self._link.transact(rejected.read)

    @strip_traceback
    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Remove records from ``_rejected``."""
        await self._link.transact(lambda db: rejected.forget(db, gone))

    @strip_traceback
    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Store that a shard is done or has failed."""
        key = self._pull.key(shard)
        await self._link.transact(lambda db: postgres_sql.save_state(db, key, state))

    @strip_traceback
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Store that a group is complete up to the watermark.

        If the pull read the whole group, rows that it did not see are deleted.

        Returns:
            The number of deleted rows.
        """
        pull = self._pull.progress
        return await self._link.transact(
            lambda db: postgres_sql.complete(db, group, pull, watermark, whole=whole)
        )

    @strip_traceback
    async def finish(self) -> None:
        """Store that the pull has ended."""
        pull = self._pull.progress.id
        await self._link.transact(lambda db: postgres_sql.finish(db, pull))

    @property
    def _pull(self) -> ExportPlan:
        if self._plan is None:
            raise UsageError("no pull is loaded; call load or begin first")
        return self._plan
