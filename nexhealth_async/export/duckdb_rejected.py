"""Rejected records in a DuckDB file; each function runs within a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from nexhealth_async.bulk import Batch, RejectedEntry
from nexhealth_async.export import rejected_table as sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["clear", "forget", "has_rejected", "make_table", "read", "reject", "release"]

_LISTS: Final = ", ".join(f"unnest(${at}) as {name}" for at, name in enumerate(sql.NAMES, 1))
_JSON: Final = "coalesce(try_cast(record as json), to_json(record)) as record"
_ADD: Final = f"insert into _rejected by name select * replace ({_JSON}) from (select {_LISTS})"  # noqa: S608 - ours
_REMOVE: Final = (
    "delete from _rejected where resource = $1 and _practice = $2 "
    "and key in (select unnest($3::text[]))"
)


def make_table(db: DuckDBPyConnection) -> None:
    """Create the table of rejected records."""
    db.execute(sql.CREATE)


def clear(db: DuckDBPyConnection) -> None:
    """Remove all rejected records."""
    make_table(db)
    db.execute("delete from _rejected")


def has_rejected(db: DuckDBPyConnection) -> bool:
    """Return True if there are rejected records."""
    return db.execute("select 1 from _rejected limit 1").fetchone() is not None


def reject(db: DuckDBPyConnection, batch: Batch, pull: str) -> None:
    """Store a batch's rejected records, and delete the rows that they would have replaced."""
    rejected = sql.RejectedRows.of(batch, pull)
    list_key = (rejected.resource, rejected.practice)
    first = dict(db.execute(sql.FIRST_PULLS, list_key).fetchall())
    db.execute(_REMOVE, (*list_key, rejected.keys))
    rows = [
        (*row[:-2], first.get(key, pull), pull)
        for key, row in zip(rejected.keys, rejected.rows, strict=True)
    ]
    db.execute(_ADD, [list(column) for column in zip(*rows, strict=True)])
    if rejected.ids:
        statement = sql.remove_rows(rejected.resource, "in (select unnest($2))")
        db.execute(statement, (rejected.practice, list(rejected.ids)))


def release(db: DuckDBPyConnection, resource: str, view: str) -> None:
    """Remove the rejected records that are rows of a view."""
    db.execute(sql.release(resource, view), (resource,))


def read(db: DuckDBPyConnection) -> list[RejectedEntry]:
    """Return all rejected records without their JSON."""
    return sql.entries_from(db.execute(sql.READ).fetchall())


def forget(db: DuckDBPyConnection, entries: Sequence[RejectedEntry]) -> None:
    """Remove rejected records."""
    if entries:
        db.executemany(sql.DELETE_REJECTED, sql.delete_arguments(entries))
