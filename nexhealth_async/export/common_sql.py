"""SQL for the state of a pull and its rows, valid in DuckDB and PostgreSQL.

``_nexhealth_pulls`` has one row per pull, ``_nexhealth_shards`` one per shard of the last pull,
``_nexhealth_groups`` one per resource and practice. ``_shard`` of a record's row is the number of
its shard. Timestamps are read as text, because DuckDB would need pytz otherwise.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADD_GROUP",
    "ADD_ORIGIN",
    "ADD_PULL",
    "ADD_SHARD",
    "DELETE_GROUPS",
    "DELETE_SHARDS",
    "FINISH_PULL",
    "READ_GROUPS",
    "READ_PULL",
    "READ_SHARDS",
    "STATE_TABLES",
    "UPDATE_GROUP",
    "UPDATE_ORIGIN",
    "UPDATE_STATE",
    "any_row",
    "delete_all",
    "delete_unseen",
    "ids_seen",
    "mark_unseen",
    "owned_by_practice",
    "quote_identifier",
]

_PULLS: Final = (
    "create table if not exists _nexhealth_pulls (number bigint, id text, started timestamptz, "
    "options text, finished boolean, origin text)"
)
_SHARDS: Final = (
    "create table if not exists _nexhealth_shards (pull text, number integer, name text, "
    "shard text, status text, records bigint, error text, state text)"
)
_GROUPS: Final = (
    "create table if not exists _nexhealth_groups (resource text, subdomain text, "
    "watermark timestamptz, compared timestamptz)"
)
STATE_TABLES: Final = (_PULLS, _SHARDS, _GROUPS)

READ_PULL: Final = (
    "select id, cast(started as text), options, finished, origin from _nexhealth_pulls "
    "order by number desc limit 1"
)
ADD_ORIGIN: Final = "alter table _nexhealth_pulls add column origin text"
"""Add a column that tables of an earlier release lack."""
UPDATE_ORIGIN: Final = "update _nexhealth_pulls set origin = $2 where id = $1"
READ_SHARDS: Final = "select shard, state from _nexhealth_shards where pull = $1 order by number"
READ_GROUPS: Final = (
    "select resource, subdomain, cast(watermark as text), cast(compared as text) "
    "from _nexhealth_groups"
)

DELETE_SHARDS: Final = "delete from _nexhealth_shards"
ADD_PULL: Final = (
    "insert into _nexhealth_pulls (number, id, started, options, finished, origin) "
    "select coalesce(max(number), 0) + 1, cast($1 as text), "
    "cast($2 as timestamptz), cast($3 as text), cast($4 as boolean), cast($5 as text) "
    "from _nexhealth_pulls"
)
ADD_SHARD: Final = "insert into _nexhealth_shards values ($1, $2, $3, $4, $5, $6, $7, $8)"

UPDATE_STATE: Final = (
    "update _nexhealth_shards set status = $3, records = $4, error = $5, state = $6 "
    "where pull = $1 and number = $2"
)
DELETE_GROUPS: Final = "delete from _nexhealth_groups"
FINISH_PULL: Final = "update _nexhealth_pulls set finished = true where id = $1"

ADD_GROUP: Final = (
    "insert into _nexhealth_groups (resource, subdomain) select cast($1 as text), cast($2 as text) "
    "where not exists (select 1 from _nexhealth_groups where resource = $1 and subdomain = $2)"
)
UPDATE_GROUP: Final = (
    "update _nexhealth_groups set watermark = cast($3 as timestamptz), "
    "compared = coalesce(cast($4 as timestamptz), compared) "
    "where resource = $1 and subdomain = $2"
)


def quote_identifier(name: str) -> str:
    """Quote a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def owned_by_practice(practice: str) -> str:
    """Return the condition for the rows of a practice; all rows for an empty name."""
    return "_practice = $1" if practice else "cast($1 as text) is not null"


def mark_unseen(table: str, practice: str, *, keyed: bool) -> str:
    """Return the statement that marks rows of a practice, pull and shard as not seen.

    Rows without ids are deleted, because they cannot be recognized when they are read again.
    """
    change = (
        f"update {quote_identifier(table)} set _pull = ''"  # noqa: S608 - a name, quoted
        if keyed
        else f"delete from {quote_identifier(table)}"  # noqa: S608 - a name, quoted
    )
    return f"{change} where {owned_by_practice(practice)} and _pull = $2 and _shard = $3"


def delete_all(table: str) -> str:
    """Return the statement that deletes all rows."""
    return f"delete from {quote_identifier(table)}"  # noqa: S608 - a name, quoted


def any_row(table: str) -> str:
    """Return the query that checks if a table has rows."""
    return f"select exists (select 1 from {quote_identifier(table)})"  # noqa: S608 - a name, quoted


def ids_seen(table: str, practice: str) -> str:
    """Return the query for the ids of a practice that a pull saw."""
    name, owned = quote_identifier(table), owned_by_practice(practice)
    return f"select id from {name} where {owned} and _pull = $2"  # noqa: S608 - a name, quoted


def delete_unseen(table: str, practice: str) -> str:
    """Return the statement that deletes rows of a practice that a pull did not see."""
    return (
        f"delete from {quote_identifier(table)} where {owned_by_practice(practice)} and _pull <> $2"  # noqa: S608 - a name, quoted
    )
