"""Operations on a DuckDB file, run in its thread, each within a transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from nexhealth_async.bulk import Batch, Group, GroupState, Origin, Progress, Shard, ShardState
from nexhealth_async.bulk.target_support import origin_to_json
from nexhealth_async.export import common_sql as sql
from nexhealth_async.export import duckdb_rejected as rejected
from nexhealth_async.export.arrow import table_of_batch
from nexhealth_async.export.common_sql import quote_identifier
from nexhealth_async.export.duckdb_columns import changes, types_of
from nexhealth_async.export.state_tables import (
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

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from duckdb.sqltypes import DuckDBPyType

__all__ = [
    "begin",
    "clear_tables",
    "complete",
    "finish",
    "groups",
    "holds_records",
    "ids_seen",
    "load_progress",
    "make_state_tables",
    "merge",
    "prepare_table",
    "rewind",
    "save_origin",
    "save_state",
]

_BATCH: Final = "_nexhealth_batch"


def make_state_tables(db: DuckDBPyConnection) -> None:
    """Create the tables of pulls, shards and groups."""
    db.execute("set temp_directory = ''")  # temporary files would be readable by others
    for statement in sql.STATE_TABLES:
        db.execute(statement)
    if "origin" not in _columns(db, "_nexhealth_pulls"):
        db.execute(sql.ADD_ORIGIN)


def prepare_table(db: DuckDBPyConnection, resource: str, model: type) -> None:
    """Create a resource's table, or add missing columns."""
    table, expected = table_name(resource), types_of(model)
    current = _columns(db, table)
    if not current:
        columns = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in expected.items())
        db.execute(f"create table {quote_identifier(table)} ({columns})")
        return
    for change in changes(table, current, expected, db.sqltype):
        db.execute(change)


def _columns(db: DuckDBPyConnection, table: str) -> dict[str, DuckDBPyType]:
    """Return the types of a table's columns; empty if the table does not exist."""
    found = db.execute(
        "select column_name, data_type from duckdb_columns() where table_name = $1 "
        "and schema_name = current_schema() and database_name = current_database()",
        (table,),
    ).fetchall()
    return {name: db.sqltype(kind) for name, kind in found}


def merge(
    db: DuckDBPyConnection, batch: Batch, model: type, pull: str, number: int, *, release: bool
) -> None:
    """Insert a batch's records, replacing rows with the same ids.

    Deleting and inserting takes a tenth of the time of ``insert or replace``, which looks up each
    row. If ``release`` is true, rejected records with these ids are removed.
    """
    table, kinds = quote_identifier(table_name(batch.shard.resource)), types_of(model)
    selected = ", ".join(
        _select_column(name, kind) for name, kind in kinds.items() if name != "_shard"
    )
    db.register(_BATCH, table_of_batch(latest_records(batch), pull=pull))
    try:
        if is_keyed(model):
            moves = names_practice(batch.shard.resource)  # a record may have changed its practice
            same = "" if moves else "old._practice = new._practice and "
            db.execute(
                f"delete from {table} as old using {_BATCH} as new "  # noqa: S608 - a name, quoted
                f"where {same}old.id = new.id"
            )
            if release:
                rejected.release(db, batch.shard.resource, _BATCH)
        db.execute(
            f"insert into {table} by name select {selected}, $1 as _shard from {_BATCH}",  # noqa: S608 - names, quoted
            (number,),
        )
    finally:
        db.unregister(_BATCH)


def _select_column(name: str, kind: str) -> str:
    """Select a column, with JSON that DuckDB cannot read as a JSON string.

    An example is half of a surrogate pair.
    """
    column = quote_identifier(name)
    if kind != "JSON":
        return column
    return f"coalesce(try_cast({column} as json), to_json({column})) as {column}"


def begin(db: DuckDBPyConnection, progress: Progress) -> None:
    """Store the plan of a pull, and delete the shards of the last one."""
    db.execute(sql.DELETE_SHARDS)
    db.execute(sql.ADD_PULL, pull_row(progress))
    rows = shard_rows(progress)
    if rows:
        db.executemany(sql.ADD_SHARD, rows)


def load_progress(db: DuckDBPyConnection) -> Progress | None:
    """Return the last pull."""
    pull = db.execute(sql.READ_PULL).fetchone()
    if pull is None:
        return None
    return progress_from(pull, db.execute(sql.READ_SHARDS, pull[:1]).fetchall())


def holds_records(db: DuckDBPyConnection) -> bool:
    """Return True if a table of records has a row."""
    rows = (db.execute(sql.any_row(table)).fetchone() for table in _tables(db))
    return any(row is not None and row[0] for row in rows)


def save_origin(db: DuckDBPyConnection, pull: str, origin: Origin) -> None:
    """Store another origin with a pull."""
    db.execute(sql.UPDATE_ORIGIN, (pull, origin_to_json(origin)))


def clear_tables(db: DuckDBPyConnection) -> None:
    """Delete all records and the state of their lists."""
    for table in _tables(db):
        db.execute(sql.delete_all(table))
    rejected.clear(db)
    db.execute(sql.DELETE_GROUPS)


def _tables(db: DuckDBPyConnection) -> list[str]:
    """Return the existing tables of records that this package created."""
    return [table for table in record_tables() if "_pull" in _columns(db, table)]


def groups(db: DuckDBPyConnection) -> dict[Group, GroupState]:
    """Return the stored state of each resource of each practice."""
    return groups_from(db.execute(sql.READ_GROUPS).fetchall())


def save_state(db: DuckDBPyConnection, key: tuple[str, int], state: ShardState | None) -> None:
    """Store the state of a shard; None means that it has not begun."""
    db.execute(sql.UPDATE_STATE, (*key, *state_row(state)))


def rewind(db: DuckDBPyConnection, shard: Shard, key: tuple[str, int]) -> None:
    """Reset a shard to its start, and mark its rows as not seen by this pull."""
    table = table_name(shard.resource)
    columns = _columns(db, table)
    if columns:
        practice = practice_of(shard.subdomain)
        statement = sql.mark_unseen(table, practice, keyed="id" in columns)
        db.execute(statement, (practice, *key))
    save_state(db, key, None)


def ids_seen(db: DuckDBPyConnection, group: Group, pull: str) -> list[int | str]:
    """Return the ids of a group that a pull saw."""
    table = table_name(group.resource)
    if "id" not in _columns(db, table):
        return []
    practice = practice_of(group.subdomain)
    found = db.execute(sql.ids_seen(table, practice), (practice, pull)).fetchall()
    return [row[0] for row in found if row[0] is not None]


def complete(
    db: DuckDBPyConnection, group: Group, pull: Progress, watermark: datetime, *, whole: bool
) -> int:
    """Store the watermark of a group; delete unseen rows if the pull read all of it."""
    table, key = table_name(group.resource), (group.resource, practice_of(group.subdomain))
    columns, deleted = _columns(db, table), 0
    keyed = "id" in columns
    if columns and (whole or not keyed):
        found = db.execute(sql.delete_unseen(table, key[1]), (key[1], pull.id)).fetchone()
        deleted = int(found[0]) if found and keyed else 0
    db.execute(sql.ADD_GROUP, key)
    db.execute(sql.UPDATE_GROUP, (*key, watermark, pull.started if whole else None))
    return deleted


def finish(db: DuckDBPyConnection, pull: str) -> None:
    """Store that a pull has ended."""
    db.execute(sql.FINISH_PULL, (pull,))
