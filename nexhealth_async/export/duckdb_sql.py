"""What is done to a DuckDB file, in the thread that may: each function within a transaction."""

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
    "save_origin",
    "load_progress",
    "make_state_tables",
    "merge",
    "prepare_table",
    "rewind",
    "save_state",
]

_BATCH: Final = "_nexhealth_batch"


def make_state_tables(db: DuckDBPyConnection) -> None:
    """Make the tables of pulls, shards and groups."""
    db.execute("set temp_directory = ''")  # no rows in files that others may read
    for statement in sql.STATE_TABLES:
        db.execute(statement)
    if "origin" not in _columns(db, "_nexhealth_pulls"):
        db.execute(sql.ADD_ORIGIN)


def prepare_table(db: DuckDBPyConnection, resource: str, model: type) -> None:
    """Make a resource's table, or add the columns it lacks."""
    table, want = table_name(resource), types_of(model)
    have = _columns(db, table)
    if not have:
        columns = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in want.items())
        db.execute(f"create table {quote_identifier(table)} ({columns})")
        return
    for change in changes(table, have, want, db.sqltype):
        db.execute(change)


def _columns(db: DuckDBPyConnection, table: str) -> dict[str, DuckDBPyType]:
    """Return the types of a table's columns; none if there is no such table."""
    found = db.execute(
        "select column_name, data_type from duckdb_columns() where table_name = $1 "
        "and schema_name = current_schema() and database_name = current_database()",
        (table,),
    ).fetchall()
    return {name: db.sqltype(kind) for name, kind in found}


def merge(
    db: DuckDBPyConnection, batch: Batch, model: type, pull: str, number: int, *, release: bool
) -> None:
    """Put a batch's records in place of those that have their ids.

    Deleting and inserting takes a tenth of the time of ``insert or replace``, which looks up one
    row after the other. With ``release``, rejected records with these ids are removed.
    """
    table, kinds = quote_identifier(table_name(batch.shard.resource)), types_of(model)
    taken = ", ".join(
        _check_name_free(name, kind) for name, kind in kinds.items() if name != "_shard"
    )
    db.register(_BATCH, table_of_batch(latest_records(batch), pull=pull))
    try:
        if is_keyed(model):
            moves = names_practice(batch.shard.resource)  # a record may be in another one now
            same = "" if moves else "old._practice = new._practice and "
            db.execute(
                f"delete from {table} as old using {_BATCH} as new "  # noqa: S608 - a name, quoted
                f"where {same}old.id = new.id"
            )
            if release:
                rejected.release(db, batch.shard.resource, _BATCH)
        db.execute(
            f"insert into {table} by name select {taken}, $1 as _shard from {_BATCH}",  # noqa: S608 - names, quoted
            (number,),
        )
    finally:
        db.unregister(_BATCH)


def _check_name_free(name: str, kind: str) -> str:
    """Take JSON that DuckDB cannot read, such as half of a surrogate pair, as a text in JSON."""
    column = quote_identifier(name)
    if kind != "JSON":
        return column
    return f"coalesce(try_cast({column} as json), to_json({column})) as {column}"


def begin(db: DuckDBPyConnection, progress: Progress) -> None:
    """Keep the plan of a pull, and forget the shards of the one before."""
    db.execute(sql.FORGET_SHARDS)
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
    """Tell whether a table of records has a row."""
    found = (db.execute(sql.any_row(table)).fetchone() for table in _tables(db))
    return any(row is not None and row[0] for row in found)


def save_origin(db: DuckDBPyConnection, pull: str, origin: Origin) -> None:
    """Keep another origin with a pull."""
    db.execute(sql.KEEP_ORIGIN, (pull, origin_to_json(origin)))


def clear_tables(db: DuckDBPyConnection) -> None:
    """Delete all records, and what is known of the lists they came from."""
    for table in _tables(db):
        db.execute(sql.delete_all(table))
    rejected.clear(db)
    db.execute(sql.FORGET_GROUPS)


def _tables(db: DuckDBPyConnection) -> list[str]:
    """Return the tables of records that are there and were made by us."""
    return [table for table in record_tables() if "_pull" in _columns(db, table)]


def groups(db: DuckDBPyConnection) -> dict[Group, GroupState]:
    """Return what is known of each resource of each practice."""
    return groups_from(db.execute(sql.READ_GROUPS).fetchall())


def save_state(db: DuckDBPyConnection, key: tuple[str, int], state: ShardState | None) -> None:
    """Keep how far a shard has come; None: it was not begun."""
    db.execute(sql.KEEP_STATE, (*key, *state_row(state)))


def rewind(db: DuckDBPyConnection, shard: Shard, key: tuple[str, int]) -> None:
    """Make a shard one that was not begun, and its rows such as this pull did not see."""
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
    """Delete what the pull did not see, if it read all there is; keep the watermark."""
    table, key = table_name(group.resource), (group.resource, practice_of(group.subdomain))
    columns, gone = _columns(db, table), 0
    keyed = "id" in columns
    if columns and (whole or not keyed):
        found = db.execute(sql.delete_unseen(table, key[1]), (key[1], pull.id)).fetchone()
        gone = int(found[0]) if found and keyed else 0
    db.execute(sql.ADD_GROUP, key)
    db.execute(sql.KEEP_GROUP, (*key, watermark, pull.started if whole else None))
    return gone


def finish(db: DuckDBPyConnection, pull: str) -> None:
    """Keep that a pull has ended."""
    db.execute(sql.FINISH, (pull,))
