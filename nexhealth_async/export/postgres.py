"""A pull copied to PostgreSQL: a typed table for each resource.

Tables are named after their resources, dots made underscores. Their columns are described in
`nexhealth_async.export.columns` and `.postgres_columns`; ``_shard`` says which
part of its pull a row came with, by its number in ``_nexhealth_shards``. This needs the extra
``postgres``.
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
from nexhealth_async.export import postgres_sql as work
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.postgres_connection import Connection, DatabaseLink
from nexhealth_async.export.postgres_shared import SharedPostgres
from nexhealth_async.export.postgres_url import parse_address
from nexhealth_async.export.state_tables import ExportPlan, is_keyed

__all__ = ["PostgresTarget"]


class PostgresTarget:
    """Copies a pull to one schema of a PostgreSQL database, which is made if it is missing.

    ``url`` is such as ``postgresql://user@host/database``; a password is better kept in
    ``PGPASSWORD`` or a password file, as for any PostgreSQL program. Rows are replaced when they
    come again: ``_practice`` and ``id`` are the primary key. Records without an id
    (``sync_status``) cannot be told apart: once their list was read to its end, only what this
    pull brought stays.

    The connection has to be a session of its own: a pooler that hands it to others between
    transactions would give away the lock that keeps a second pull out of the schema. Lost, it is
    made anew a few times. Raises `InvalidArgumentError` for what is no address, and `TargetError`
    where the database cannot be reached, another pull is writing to the schema, or a column has
    another type than the records need.
    """

    merges = True

    def __init__(self, url: str, *, schema: str = "public") -> None:
        self._url = url
        self._link = DatabaseLink(url, schema)
        self._schema = schema
        self._plan: ExportPlan | None = None
        self._ready: set[str] = set()
        """Resources whose tables are known to have all columns."""

    def __repr__(self) -> str:
        """Show the schema; the address may hold a password."""
        return f"<{type(self).__name__} schema {self._schema}>"

    @property
    def address(self) -> str:
        """The database and its server, without user and password."""
        return parse_address(self._url).text

    def shared(self) -> SharedPostgres:
        """Return the same schema as the workers of a fleet write to it, many at once."""
        return SharedPostgres(self._url, schema=self._schema)

    @strip_traceback
    async def open(self) -> None:
        """Connect, lock out other pulls, and make the tables of the state."""
        await self._link.open()
        try:
            await self._link.transact(work.make_state_tables)
            await self._link.transact(rejected.make_table)
        except BaseException:
            await self.aclose()
            raise

    @strip_traceback
    async def aclose(self) -> None:
        """Let go of the connection and of the lock."""
        self._plan, self._ready = None, set()
        with CancelScope(shield=True):
            await self._link.aclose()

    @strip_traceback
    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        progress = await self._link.transact(work.load)
        self._plan = None if progress is None else ExportPlan.of(progress)
        return progress

    @strip_traceback
    async def inspect(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        return await self._link.transact(work.load)

    @strip_traceback
    async def holds_records(self) -> bool:
        """Tell whether there are records."""
        return await self._link.transact(work.holds_records)

    @strip_traceback
    async def save_origin(self, origin: Origin) -> None:
        """Keep another origin with the last pull."""
        last = await self._link.transact(work.load_without_shards)
        if last is not None:
            await self._link.transact(lambda db: work.save_origin(db, last.id, origin))

    @strip_traceback
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        return await self._link.transact(work.groups)

    @strip_traceback
    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull, and make the tables it needs: all of that or nothing."""
        await self._begin(progress, anew=False)

    @strip_traceback
    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and begin a new pull: all of that or nothing."""
        await self._begin(progress, anew=True)

    async def _begin(self, progress: Progress, *, anew: bool) -> None:
        plan = ExportPlan.of(progress)
        wanted = plan.models()

        async def start(db: Connection) -> None:
            if anew:
                await work.clear_tables(db)
            for resource, model in wanted.items():
                await work.make_ready(db, resource, model)
            await work.begin(db, progress)

        await self._link.transact(start)
        self._plan = plan
        self._ready |= wanted.keys()

    @strip_traceback
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Take a shard back to its state: all of it, unless it goes on from a place.

        Its rows stay to be replaced, but count as not seen by this pull, so that those which are
        gone from the list meanwhile are found.
        """
        key = self._pull.key(shard)
        if state is None or state.position is None:  # rows and place are kept together
            await self._link.transact(lambda db: work.rewind(db, shard, key))

    @strip_traceback
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids of a group that this pull has seen."""
        pull = self._pull.progress.id
        return await self._link.transact(lambda db: work.ids_seen(db, group, pull))

    @strip_traceback
    async def write(self, batch: Batch, state: ShardState) -> None:
        """Keep a batch's records in place of earlier ones, and how far its shard has come."""
        key = self._pull.key(batch.shard)
        resource, model = batch.shard.resource, model_of(batch.model)
        rows = await to_thread.run_sync(work.rows, batch, model, key)
        unsure = False

        async def replace(db: Connection) -> None:
            nonlocal unsure
            if unsure and await work.is_kept(db, key, state):
                return  # only the answer was lost, and rows without ids must not come twice
            unsure = not is_keyed(model)
            if resource not in self._ready:
                await work.make_ready(db, resource, model)
            if rows:
                await work.stage(db, resource, model, rows, self._link.staged)
            await work.merge_batch(db, batch, model, rows, key[0])
            await work.save_state(db, key, state)

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
        """Keep that a shard is done or has failed."""
        key = self._pull.key(shard)
        await self._link.transact(lambda db: work.save_state(db, key, state))

    @strip_traceback
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Keep that a group is complete up to the watermark.

        If this pull read all of it, rows that it did not see are deleted; returns how many.
        """
        pull = self._pull.progress
        return await self._link.transact(
            lambda db: work.complete(db, group, pull, watermark, whole=whole)
        )

    @strip_traceback
    async def finish(self) -> None:
        """Keep that the pull has ended."""
        pull = self._pull.progress.id
        await self._link.transact(lambda db: work.finish(db, pull))

    @property
    def _pull(self) -> ExportPlan:
        if self._plan is None:
            raise UsageError("this target knows of no pull yet: call load or begin first")
        return self._plan
