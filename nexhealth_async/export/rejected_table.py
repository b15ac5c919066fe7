"""The table ``_rejected`` of the database targets.

Each row holds a record that could not be read as its model: its JSON (``record``), its list
(``resource``, ``_practice``, ``shard``), its ``id``, the ``path`` of the unreadable field and the
``expected`` type. ``first_pull`` and ``_pull`` are the first and the last pull that rejected it.
``key`` is the id, or a digest of the JSON if there is no id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from attrs import frozen

from nexhealth_async.bulk import Batch, RejectedEntry
from nexhealth_async.bulk.target_support import key_of, parse_id
from nexhealth_async.export.common_sql import owned_by_practice, quote_identifier
from nexhealth_async.export.extra_fields import json_text
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.state_tables import (
    Row,
    is_keyed,
    names_practice,
    practice_of,
    table_name,
)

__all__ = [
    "CREATE",
    "DELETE_REJECTED",
    "FIRST_PULLS",
    "NAMES",
    "READ",
    "RejectedRows",
    "delete_arguments",
    "entries_from",
    "release",
    "remove_rows",
]

NAMES: Final = (
    "resource",
    "_practice",
    "key",
    "id",
    "path",
    "expected",
    "record",
    "shard",
    "first_pull",
    "_pull",
)
CREATE: Final = (
    "create table if not exists _rejected (resource text, _practice text, key text, id text, "
    "path text, expected text, record json, shard text, first_pull text, _pull text)"
)
READ: Final = (
    "select resource, _practice, key, id, shard, path, expected, first_pull, _pull from _rejected"
)
FIRST_PULLS: Final = "select key, first_pull from _rejected where resource = $1 and _practice = $2"
DELETE_REJECTED: Final = (
    "delete from _rejected where resource = $1 and _practice = $2 and key = $3 and _pull = $4"
)


@frozen
class RejectedRows:
    """Rows for a batch's rejected records."""

    resource: str
    practice: str
    keys: Sequence[str]
    ids: Sequence[int | str]
    """Ids of rows to delete; empty if records have no ids."""
    rows: Sequence[tuple[object, ...]]
    """Values in the order of `NAMES`, with the current pull as the first one."""

    @classmethod
    def of(cls, batch: Batch, pull: str) -> RejectedRows:
        """Build rows from a batch, with the last record of each key."""
        records = {key_of(record): record for record in batch.refused}
        keyed = is_keyed(model_of(batch.model))
        ids = [record.record_id for record in records.values() if record.record_id is not None]
        practice = practice_of(batch.shard.subdomain)
        return cls(
            resource=batch.shard.resource,
            practice=practice,
            keys=list(records),
            ids=ids if keyed else (),
            rows=[
                (
                    batch.shard.resource,
                    practice,
                    key,
                    None if record.record_id is None else str(record.record_id),
                    record.path,
                    record.expected,
                    json_text(record.raw_json),
                    batch.shard.name,
                    pull,
                    pull,
                )
                for key, record in records.items()
            ],
        )


def release(resource: str, table: str) -> str:
    """Return the statement that removes rejected records with rows in a table or view."""
    condition = "" if names_practice(resource) else "and _rejected._practice = new._practice "
    return (
        f"delete from _rejected using {quote_identifier(table)} as new "  # noqa: S608 - a name, quoted
        f"where _rejected.resource = $1 {condition}and _rejected.key = cast(new.id as text)"
    )


def remove_rows(resource: str, ids: str) -> str:
    """Return the statement that deletes rows of a practice by an SQL list of ids."""
    condition = owned_by_practice("" if names_practice(resource) else resource)
    return f"delete from {quote_identifier(table_name(resource))} where {condition} and id {ids}"  # noqa: S608 - a name, quoted


def entries_from(rows: Iterable[Row]) -> list[RejectedEntry]:
    """Build rejected entries from the rows of `READ`."""
    entries: list[RejectedEntry] = []
    for row in rows:
        resource, practice, key, id, shard, path, expected, first, last = cast(
            "tuple[str, str, str, str | None, str, str, str, str, str]", tuple(row)
        )
        entries.append(
            RejectedEntry(
                resource=resource,
                subdomain=practice or None,
                key=key,
                record_id=parse_id(resource, id),
                shard=shard,
                path=path,
                expected=expected,
                first_pull=first,
                pull=last,
            )
        )
    return entries


def delete_arguments(entries: Iterable[RejectedEntry]) -> list[Row]:
    """Return the arguments of `DELETE_REJECTED`."""
    return [
        (entry.resource, practice_of(entry.subdomain), entry.key, entry.pull) for entry in entries
    ]
