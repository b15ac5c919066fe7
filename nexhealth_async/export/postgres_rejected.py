"""Rejected records in PostgreSQL; each function runs within a transaction.

A worker that rejects a record locks the table first, and a worker that writes rows removes their
rejected records before it changes the rows. So of two workers with the same record, one waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from nexhealth_async.bulk import Batch, RejectedEntry
from nexhealth_async.export import rejected_table as sql
from nexhealth_async.export.postgres_columns import json_value

if TYPE_CHECKING:
    from nexhealth_async.export.postgres_connection import Connection

__all__ = ["clear", "forget", "lock", "make_table", "read", "reject", "release"]

_KEY: Final = (
    "create unique index if not exists _rejected_key on _rejected (resource, _practice, key)"
)
_LOCK: Final = "lock table _rejected in share row exclusive mode"
_ADD: Final = (
    f"insert into _rejected ({', '.join(sql.NAMES)}) "  # noqa: S608 - ours
    f"values ({', '.join(f'${at}' for at in range(1, len(sql.NAMES) + 1))}) "
    "on conflict (resource, _practice, key) do update set "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in ("id", "path", "expected", "record", "shard", "_pull")
    )
)
_EXISTS: Final = "select to_regclass('_rejected') is not null"
_JSON: Final = sql.NAMES.index("record")


async def make_table(db: Connection) -> None:
    """Create the table of rejected records."""
    await db.execute(sql.CREATE)
    await db.execute(_KEY)


async def clear(db: Connection) -> None:
    """Remove all rejected records."""
    await make_table(db)
    await db.execute("delete from _rejected")


async def lock(db: Connection) -> None:
    """Keep others from writing records that are rejected here, until the commit."""
    await db.execute(_LOCK)


async def reject(db: Connection, batch: Batch, pull: str) -> None:
    """Store a batch's rejected records, and delete the rows that they would have replaced."""
    rejected = sql.RejectedRows.of(batch, pull)
    rows = [(*row[:_JSON], json_value(str(row[_JSON])), *row[_JSON + 1 :]) for row in rejected.rows]
    await db.executemany(_ADD, rows)
    if rejected.ids:
        kind = "bigint" if isinstance(rejected.ids[0], int) else "text"
        statement = sql.remove_rows(rejected.resource, f"= any($2::{kind}[])")
        await db.execute(statement, rejected.practice, list(rejected.ids))


async def release(db: Connection, resource: str, table: str) -> None:
    """Remove the rejected records that are rows of a staged table."""
    await db.execute(sql.release(resource, table), resource)


async def read(db: Connection) -> list[RejectedEntry]:
    """Return all rejected records without their JSON."""
    if not await db.fetchval(_EXISTS):
        return []
    return sql.entries_from(await db.fetch(sql.READ))


async def forget(db: Connection, entries: Sequence[RejectedEntry]) -> None:
    """Remove rejected records, except those that another pull has updated meanwhile."""
    if entries:
        await db.executemany(sql.DELETE_REJECTED, sql.delete_arguments(entries))
