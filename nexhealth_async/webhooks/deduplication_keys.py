"""One name for one change, whichever delivery tells it.

Deliveries have no id, a change arrives once for each API version that is subscribed, and answers
get lost, so that it arrives again. What stays the same is the record, the event and what changed.
Two changes within the same second share `updated_at`, so the content of the record counts, too:
decoded, in one order and one spelling, and only the fields that both API versions send.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Final, cast

import msgspec

from nexhealth_async.codec import ValueRejectedError, read_timestamp
from nexhealth_async.models import Money, Record
from nexhealth_async.webhooks.common_fields import shared_fields

__all__ = ["key_of", "key_of_bytes"]

_TIMESTAMP_FIELDS: Final = ("updated_at", "read_status_at", "write_status_at")
"""Each of them moves with every change, so one of them is enough to tell changes apart."""
_MARKERS: Final = (
    *_TIMESTAMP_FIELDS,
    "start_time",
    "end_time",
    "cancelled",
    "confirmed",
    "status",
    "read_status",
    "write_status",
    "deleted_at",
)
_INCLUDED_IF_TRUE: Final = frozenset({"deleted"})
"""A flag that one version alone sends, mostly as false: only true says anything."""
_IDENTITY: Final = ("id", "institution_id", "sync_source_name")
"""A status of a sync has no id: it is told by the practice and the source."""


def key_of(
    resource_type: str,
    name: str,
    records: Sequence[Mapping[str, object]],
    *,
    content: Sequence[Record | Mapping[str, object]],
    model: type[Record] | None = None,
    previous: Mapping[str, object] | None = None,
    is_test: bool = False,
    event_time: datetime | None,
    body: bytes,
) -> str:
    """Return the key of an event.

    Args:
        resource_type: What the event is about.
        name: The event with its outcome.
        records: The records as they were sent.
        content: The same records decoded, where a model could read them.
        model: The class of the records, if there is one.
        previous: What the event says of the state before.
        is_test: Whether it is a test, which must never hide the change that it shows.
        event_time: When it happened: for records that do not say when they changed, and no others.
        body: What is left to tell events apart that have neither changing times nor their own.
    """
    marks = [[_plain(_get(record, field)) for field in _FIELDS] for record in records]
    parts: list[object] = [resource_type, name, sorted(map(_join_parts, marks))]
    if not records or not all(map(_is_identified, records)):
        # Rather the same event twice than a change lost: v2's coverages have no `updated_at`.
        parts.append(_plain(event_time) if event_time else body.hex())
    fields = shared_fields(model) if model else None
    try:
        parts.append(sorted(_digest(record, fields) for record in content))
        parts += [_digest(previous, fields)] if previous else []
    except (ValueError, RecursionError):  # a number or a nesting that JSON cannot write
        parts.append(body.hex())
    parts += ["test"] if is_test else []
    return _hash(_join_parts(parts).encode())


def key_of_bytes(body: bytes) -> str:
    """Return the key of what nobody can read."""
    return _hash(b"body" + body)


_MAX_RECORDS: Final = 2**63
_FIELDS: Final = (*_IDENTITY, *_MARKERS)


def _digest(record: Record | Mapping[str, object], fields: frozenset[str] | None) -> str:
    """Return a hash of what a record says, whatever its order and spelling."""
    value = record if isinstance(record, Record) else _select_fields(record, fields)
    return _hash(_sorted_json(_canonical(value)).encode())


def _select_fields(
    record: Mapping[str, object], fields: frozenset[str] | None
) -> Mapping[str, object]:
    """Return the shared fields of a record that no decoder read; all, where it has no model."""
    if fields is None:
        return record
    return {name: value for name, value in record.items() if name in fields}


def _canonical(value: object) -> object:
    """Return a value in the one form that all its spellings have; None for nothing said."""
    match value:
        case Money():
            return [str(value.amount.normalize()), value.currency]
        case Record():
            return _canonical_record(value)
        case Mapping():
            items = cast("Mapping[str, object]", value).items()
            found = {name: _canonical(inner) for name, inner in items}
            return {name: inner for name, inner in found.items() if inner is not None} or None
        case list() | tuple():
            several = [_canonical(inner) for inner in cast("Sequence[object]", value)]
            # A chain of lists would be written anew at each level.
            return (sorted(several, key=_sorted_json) if several[1:] else several) or None
        case datetime():
            return _plain(value)
        case date():
            return value.isoformat()
        case Decimal():
            return str(value.normalize())
        case "":
            return None
        case _:
            return value


def _canonical_record(record: Record) -> object:
    own_id: object = getattr(record, "id", None)
    found: dict[str, object] = {}
    for name in shared_fields(type(record)):
        value = _canonical(getattr(record, name))
        if name.endswith("_id") and value == 0:
            value = None  # the same as none, as the API writes it in places
        if name == "guarantor_id" and value == own_id:
            value = None  # who pays for themselves, in one of its three spellings
        if value is not None and (value or name not in _INCLUDED_IF_TRUE):
            found[name] = value
    return found or None


def _sorted_json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _is_identified(record: Mapping[str, object]) -> bool:
    return any(_get(record, field) is not None for field in _TIMESTAMP_FIELDS)


def _get(record: Mapping[str, object], field: str) -> object:
    """Return a field in one spelling, since versions may write the same differently."""
    value = record.get(field)
    if field == "id" and isinstance(value, int):
        return str(value) if abs(value) < _MAX_RECORDS else None
    return _time(value) if field.endswith(("_at", "_time")) else value


def _time(value: object) -> object:
    try:
        return read_timestamp(value, []) or value
    except ValueRejectedError:
        return value


def _plain(value: object) -> object:
    match value:
        case datetime():
            return (value.astimezone(UTC) if _is_common(value) else value).isoformat()
        case int():
            return value if abs(value) < _MAX_RECORDS else None
        case str() | float():
            return value
        case _:
            return None


def _is_common(value: datetime) -> bool:
    """Tell whether a moment stays within the calendar in every zone."""
    return value.tzinfo is not None and MINYEAR < value.year < MAXYEAR


def _join_parts(parts: object) -> str:
    return msgspec.json.encode(parts).decode()


def _hash(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()
