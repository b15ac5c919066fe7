"""Operations on a PostgreSQL database, each within a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Final, cast

from nexhealth_async.bulk import Batch, Group, GroupState, Origin, Progress, Shard, ShardState
from nexhealth_async.bulk.target_support import origin_to_json
from nexhealth_async.errors import TargetError
from nexhealth_async.export import common_sql as sql
from nexhealth_async.export import postgres_rejected as rejected
from nexhealth_async.export.common_sql import quote_identifier
from nexhealth_async.export.postgres_columns import changes, rows_of, types_of
from nexhealth_async.export.postgres_connection import Connection
from nexhealth_async.export.state_tables import (
    Row,
    groups_from,
    is_keyed,
    latest_records,
    names_practice,
    practice_of,
    progress_from,
    pull_row,
    record_tables,
    shard_rows,
    state_row,
    table_name,
)

__all__ = [
    "add_reading_column",
    "begin",
    "clear_tables",
    "complete",
    "finish",
    "groups",
    "holds_records",
    "ids_seen",
    "is_stored",
    "load_progress",
    "load_progress_without_shards",
    "make_state_tables",
    "merge_batch",
    "prepare_table",
    "rewind",
    "rows",
    "save_origin",
    "save_state",
    "stage",
]

_COLUMNS: Final = (
    "select attname, format_type(atttypid, atttypmod) from pg_attribute "
    "where attrelid = to_regclass($1) and attnum > 0 and not attisdropped"
)
_READ_PULL: Final = (
    "select id, cast(started as text), options, finished, "
    "to_jsonb(_nexhealth_pulls) ->> 'origin' from _nexhealth_pulls order by number desc limit 1"
)
"""Also works without write access for tables of an earlier release, which lack the origin."""
_IS_SAVED: Final = "select state from _nexhealth_shards where pull = $1 and number = $2"
_KEY: Final = "_practice, id"

_SHARING: Final = (
    (
        "alter table _nexhealth_shards add fence bigint not null default 0, add owner text, "
        "add touched timestamptz"
    ),
    'create index _nexhealth_shards_names on _nexhealth_shards (pull, name collate "C")',
)
"""Columns of a fleet: only the worker with the highest fence of a shard may write."""
_READING: Final = "alter table _nexhealth_pulls add reading text"
_INVALIDATE_CLAIMS: Final = (
    "update _nexhealth_shards set fence = fence + 1, owner = null where fence > 0"
)


async def make_state_tables(db: Connection) -> None:
    """Create the tables of pulls, shards and groups, and end all claims of workers."""
    for statement in sql.STATE_TABLES:
        await db.execute(statement)
    if "fence" not in await _columns(db, "_nexhealth_shards"):
        for statement in _SHARING:
            await db.execute(statement)
    await add_reading_column(db)
    if "origin" not in await _columns(db, "_nexhealth_pulls"):
        await db.execute(sql.ADD_ORIGIN)
    await db.execute(_INVALIDATE_CLAIMS)


async def add_reading_column(db: Connection) -> None:
    """Add the column with the read options of a fleet."""
    if "reading" not in await _columns(db, "_nexhealth_pulls"):
        await db.execute(_READING)


async def prepare_table(db: Connection, resource: str, model: type) -> None:
    """Create a resource's table, or add missing columns."""
    table, expected = table_name(resource), types_of(model)
    current = await _columns(db, table)
    if current:
        for change in changes(table, current, expected):
            await db.execute(change)
        return
    columns = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in expected.items())
    key = f", primary key ({_KEY})" if is_keyed(model) else ""
    await db.execute(f"create table {quote_identifier(table)} ({columns}{key})")


async def _columns(db: Connection, table: str) -> dict[str, str]:
    """Return the types of a table's columns; empty if the table does not exist."""
    found = await db.fetch(_COLUMNS, f"{quote_identifier(table)}")
    return {cast("str", name): cast("str", kind) for name, kind in found}


def rows(batch: Batch, model: type, key: tuple[str, int]) -> list[Row]:
    """Return a batch's rows, each id once."""
    rows = list(rows_of(latest_records(batch), model, *key))
    if is_keyed(model):
        at = list(types_of(model)).index("id")
        if any(row[at] is None for row in rows):
            raise TargetError("a record has an id that PostgreSQL cannot hold")
    return rows


async def stage(
    db: Connection, resource: str, model: type, rows: Sequence[Row], staged: Collection[str]
) -> None:
    """Send rows to a temporary table; ``staged`` are the resources that already have one.

    Meanwhile nothing is locked that others see. If this process stops responding before it has sent
    the last row, PostgreSQL waits for it, and no idle limit ends that.
    """
    types, name = types_of(model), _stage_of(resource)
    if resource not in staged:
        columns = ", ".join(f"{quote_identifier(column)} {kind}" for column, kind in types.items())
        await db.execute(
            f"create temporary table if not exists {quote_identifier(name)} ({columns}) "
            "on commit delete rows"
        )
    await db.copy_records_to_table(name, records=rows, columns=list(types))


async def merge_batch(
    db: Connection, batch: Batch, model: type, rows: Sequence[Row], pull: str
) -> None:
    """Merge the staged rows of a batch, and store its rejected records."""
    if batch.refused:
        await rejected.lock(db)
    if rows:
        await _merge(db, batch.shard.resource, model)
    if batch.refused:
        await rejected.reject(db, batch, pull)


async def _merge(db: Connection, resource: str, model: type) -> None:
    """Merge staged rows by id, or append rows without ids; remove their rejected records."""
    if is_keyed(model):
        await rejected.release(db, resource, _stage_of(resource))
    if names_practice(resource):
        await db.execute(_move_statement(resource))
    await db.fetch(_merge_statement(resource, tuple(types_of(model)), keyed=is_keyed(model)))


def _stage_of(resource: str) -> str:
    return f"_nexhealth_new_{table_name(resource)}"


@cache
def _move_statement(resource: str) -> str:
    """Return the statement that deletes rows of records that have changed their practice."""
    return (
        f"delete from {quote_identifier(table_name(resource))} as old "  # noqa: S608 - names, quoted
        f"using {quote_identifier(_stage_of(resource))} as new "
        "where old.id = new.id and old._practice <> new._practice"
    )


@cache
def _merge_statement(resource: str, names: tuple[str, ...], *, keyed: bool) -> str:
    columns = ", ".join(quote_identifier(name) for name in names)
    insert = (
        f"insert into {quote_identifier(table_name(resource))} ({columns}) "  # noqa: S608 - names, quoted
        f"select {columns} from {quote_identifier(_stage_of(resource))}"
    )
    if not keyed:
        return insert
    replaced = ", ".join(
        f"{quote_identifier(name)} = excluded.{quote_identifier(name)}" for name in names
    )
    # The same order everywhere avoids deadlocks between workers that merge the same rows.
    return f"{insert} order by {_KEY} on conflict ({_KEY}) do update set {replaced}"


async def begin(db: Connection, progress: Progress) -> None:
    """Store the plan of a pull, and delete the shards of the last one."""
    await db.execute(sql.DELETE_SHARDS)
    if await _last_pull(db) != progress.id:  # equal if the commit succeeded before
        await db.execute(sql.ADD_PULL, *pull_row(progress))
    await db.executemany(sql.ADD_SHARD, shard_rows(progress))


async def load_progress(db: Connection) -> Progress | None:
    """Return the last pull."""
    pull = await db.fetchrow(_READ_PULL)
    if pull is None:
        return None
    return progress_from(pull, await db.fetch(sql.READ_SHARDS, pull[0]))


async def load_progress_without_shards(db: Connection) -> Progress | None:
    """Return the last pull without its shards."""
    pull = await db.fetchrow(_READ_PULL)
    return None if pull is None else progress_from(pull, ())


async def holds_records(db: Connection) -> bool:
    """Return True if a table of records has a row."""
    for table in await _tables(db):
        if await db.fetchval(sql.any_row(table)):
            return True
    return False


async def save_origin(db: Connection, pull: str, origin: Origin) -> None:
    """Store another origin with a pull."""
    await db.execute(sql.UPDATE_ORIGIN, pull, origin_to_json(origin))


async def clear_tables(db: Connection) -> None:
    """Delete all records and the state of their lists."""
    for table in await _tables(db):
        await db.execute(sql.delete_all(table))
    await rejected.clear(db)
    await db.execute(sql.DELETE_GROUPS)


async def _tables(db: Connection) -> list[str]:
    """Return the existing tables of records that this package created."""
    return [table for table in record_tables() if "_pull" in await _columns(db, table)]


async def groups(db: Connection) -> dict[Group, GroupState]:
    """Return the stored state of each resource of each practice."""
    return groups_from(await db.fetch(sql.READ_GROUPS))


async def save_state(db: Connection, key: tuple[str, int], state: ShardState | None) -> None:
    """Store the state of a shard; None means that it has not begun."""
    if await db.execute(sql.UPDATE_STATE, *key, *state_row(state)) != "UPDATE 1":
        raise _taken_over_error()


async def is_stored(db: Connection, key: tuple[str, int], state: ShardState) -> bool:
    """Return True if this state of a shard is stored."""
    return await db.fetchval(_IS_SAVED, *key) == state_row(state)[-1]


async def rewind(db: Connection, shard: Shard, key: tuple[str, int]) -> None:
    """Reset a shard to its start, and mark its rows as not seen by this pull."""
    table = table_name(shard.resource)
    columns = await _columns(db, table)
    if columns:
        practice = practice_of(shard.subdomain)
        statement = sql.mark_unseen(table, practice, keyed="id" in columns)
        await db.execute(statement, practice, *key)
    await save_state(db, key, None)


async def ids_seen(db: Connection, group: Group, pull: str) -> list[int | str]:
    """Return the ids of a group that a pull saw."""
    table = table_name(group.resource)
    if "id" not in await _columns(db, table):
        return []
    practice = practice_of(group.subdomain)
    found = await db.fetch(sql.ids_seen(table, practice), practice, pull)
    return [cast("int | str", row[0]) for row in found]


async def complete(
    db: Connection, group: Group, pull: Progress, watermark: datetime, *, whole: bool
) -> int:
    """Store the watermark of a group; delete unseen rows if the pull read all of it."""
    if await _last_pull(db) != pull.id:
        raise _taken_over_error()
    table, key = table_name(group.resource), (group.resource, practice_of(group.subdomain))
    columns, deleted = await _columns(db, table), 0
    keyed = "id" in columns
    if columns and (whole or not keyed):
        tag = await db.execute(sql.delete_unseen(table, key[1]), key[1], pull.id)
        deleted = int(tag.removeprefix("DELETE ")) if keyed else 0
    await db.execute(sql.ADD_GROUP, *key)
    await db.execute(sql.UPDATE_GROUP, *key, watermark, pull.started if whole else None)
    return deleted


async def finish(db: Connection, pull: str) -> None:
    """Store that a pull has ended."""
    await db.execute(sql.FINISH_PULL, pull)


async def _last_pull(db: Connection) -> object:
    last = await db.fetchrow(_READ_PULL)
    return None if last is None else last[0]


def _taken_over_error() -> TargetError:
    return TargetError(
        "another pull has begun in this schema; choose another schema, or wait until that pull ends"
    )
