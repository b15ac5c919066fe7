"""The table ``_rejected`` of the database targets: records that could not be read as their model.

Each row holds a record as JSON (``record``) with the list it is of (``resource``, ``_practice``,
``shard``), its ``id``, the ``path`` of the field that could not be read and what was ``expected``
there. ``first_pull`` and ``_pull`` name the pulls that rejected it first and last; ``key`` is the
id, or a digest of the JSON where that has no id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from attrs import frozen

from nexhealth_async.bulk import Batch, RejectedEntry, RejectedRecord
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
    "FIRST_PULLS",
    "FORGET",
    "NAMES",
    "READ",
    "RejectedRows",
    "entries_from",
    "forget_rows",
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
FORGET: Final = (
    "delete from _rejected where resource = $1 and _practice = $2 and key = $3 and _pull = $4"
)


@frozen
class RejectedRows:
    """What is to be kept of a batch's rejected records."""

    resource: str
    practice: str
    keys: Sequence[str]
    ids: Sequence[int | str]
    """Ids of rows that must go; none where records have no ids."""
    rows: Sequence[tuple[object, ...]]
    """In the order of `NAMES`, with the present pull as the first one."""

    @classmethod
    def of(cls, batch: Batch, pull: str) -> RejectedRows:
        """Take them out of a batch, each key once, as it came last."""
        found = {key_of(one): one for one in batch.refused}
        keyed = is_keyed(model_of(batch.model))
        ids = [one.record_id for one in found.values() if one.record_id is not None]
        practice = practice_of(batch.shard.subdomain)
        return cls(
            resource=batch.shard.resource,
            practice=practice,
            keys=list(found),
            ids=ids if keyed else (),
            rows=[
                (
                    batch.shard.resource,
                    practice,
                    key,
                    None if one.record_id is None else str(one.record_id),
                    one.path,
                    one.expected,
                    _text(one),
                    batch.shard.name,
                    pull,
                    pull,
                )
                for key, one in found.items()
            ],
        )


def _text(refused: RejectedRecord) -> str:
    return json_text(refused.raw_json)


def release(resource: str, table: str) -> str:
    """Return what removes rejected records that a staged table or view holds as rows."""
    place = "" if names_practice(resource) else "and _rejected._practice = new._practice "
    return (
        f"delete from _rejected using {quote_identifier(table)} as new "  # noqa: S608 - a name, quoted
        f"where _rejected.resource = $1 {place}and _rejected.key = cast(new.id as text)"
    )


def remove_rows(resource: str, ids: str) -> str:
    """Return what removes the rows of a practice whose ids are in a list of this SQL."""
    place = owned_by_practice("" if names_practice(resource) else resource)
    return f"delete from {quote_identifier(table_name(resource))} where {place} and id {ids}"  # noqa: S608 - a name, quoted


def entries_from(rows: Iterable[Row]) -> list[RejectedEntry]:
    """Put together what is known of rejected records from the rows of `READ`."""
    found: list[RejectedEntry] = []
    for row in rows:
        resource, practice, key, id, shard, path, expected, first, last = cast(
            "tuple[str, str, str, str | None, str, str, str, str, str]", tuple(row)
        )
        found.append(
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
    return found


def forget_rows(gone: Iterable[RejectedEntry]) -> list[Row]:
    """Return the arguments of `FORGET`."""
    return [(one.resource, practice_of(one.subdomain), one.key, one.pull) for one in gone]
