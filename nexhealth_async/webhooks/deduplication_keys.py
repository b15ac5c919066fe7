"""Keys of changes, the same in every delivery of a change.

Deliveries have no id. A change arrives once for each subscribed API version, and again if a
response was lost. The record, the event and the change stay the same. Two changes within the same
second share `updated_at`, so the key includes the content of the record: decoded, in one order and
one spelling, and only the fields that both API versions send.
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
"""Fields that move with every change; one of them is enough to tell changes apart."""
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
"""Flag that one API version sends, mostly as false, so that only true counts."""
_IDENTITY: Final = ("id", "institution_id", "sync_source_name")
"""Identifying fields. A sync status has no id: practice and source identify it."""


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
        resource_type: Resource type of the event.
        name: Event name with its outcome.
        records: Records as they were sent.
        content: The same records, decoded where a model could.
        model: Model of the records, if any.
        previous: Attributes before the change, if the event has them.
        is_test: True for a test, which must never hide the change that it shows.
        event_time: Time of the event; used only for records without a change time.
        body: Body of the delivery; used if nothing else tells events apart.
    """
    identities = [
        [_comparable(_get_field(record, field)) for field in _FIELDS] for record in records
    ]
    parts: list[object] = [resource_type, name, sorted(map(_join_parts, identities))]
    if not records or not all(map(_is_identified, records)):
        # Prefer a duplicate event to a lost change: v2's coverages have no `updated_at`.
        parts.append(_comparable(event_time) if event_time else body.hex())
    fields = shared_fields(model) if model else None
    try:
        parts.append(sorted(_content_hash(record, fields) for record in content))
        parts += [_content_hash(previous, fields)] if previous else []
    except (ValueError, RecursionError):  # a number or nesting that JSON cannot represent
        parts.append(body.hex())
    parts += ["test"] if is_test else []
    return _hash(_join_parts(parts).encode())


def key_of_bytes(body: bytes) -> str:
    """Return the key of a body that cannot be read."""
    return _hash(b"body" + body)


_MAX_ID: Final = 2**63
_FIELDS: Final = (*_IDENTITY, *_MARKERS)


def _content_hash(record: Record | Mapping[str, object], fields: frozenset[str] | None) -> str:
    """Return a hash of a record's content, regardless of order and spelling."""
    value = record if isinstance(record, Record) else _select_fields(record, fields)
    return _hash(_sorted_json(_canonical(value)).encode())


def _select_fields(
    record: Mapping[str, object], fields: frozenset[str] | None
) -> Mapping[str, object]:
    """Return the shared fields of a record that was not decoded; all without a model."""
    if fields is None:
        return record
    return {name: value for name, value in record.items() if name in fields}


def _canonical(value: object) -> object:
    """Return the canonical form of a value; None if it is empty."""
    match value:
        case Money():
            return [str(value.amount.normalize()), value.currency]
        case Record():
            return _canonical_record(value)
        case Mapping():
            mapping = cast("Mapping[str, object]", value)
            fields = {name: _canonical(inner) for name, inner in mapping.items()}
            return {name: inner for name, inner in fields.items() if inner is not None} or None
        case list() | tuple():
            items = [_canonical(inner) for inner in cast("Sequence[object]", value)]
            # Skip sorting single items: a chain of lists would be encoded again at each level.
            return (sorted(items, key=_sorted_json) if items[1:] else items) or None
        case datetime():
            return _comparable(value)
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
    fields: dict[str, object] = {}
    for name in shared_fields(type(record)):
        value = _canonical(getattr(record, name))
        if name.endswith("_id") and value == 0:
            value = None  # the API writes 0 for none in places
        if name == "guarantor_id" and value == own_id:
            value = None  # a patient who is the guarantor, in one of three spellings
        if value is not None and (value or name not in _INCLUDED_IF_TRUE):
            fields[name] = value
    return fields or None


def _sorted_json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _is_identified(record: Mapping[str, object]) -> bool:
    return any(_get_field(record, field) is not None for field in _TIMESTAMP_FIELDS)


def _get_field(record: Mapping[str, object], field: str) -> object:
    """Return a field in one spelling, since API versions differ."""
    value = record.get(field)
    if field == "id" and isinstance(value, int):
        return str(value) if abs(value) < _MAX_ID else None
    return _normalize_time(value) if field.endswith(("_at", "_time")) else value


def _normalize_time(value: object) -> object:
    try:
        return read_timestamp(value, []) or value
    except ValueRejectedError:
        return value


def _comparable(value: object) -> object:
    match value:
        case datetime():
            return (value.astimezone(UTC) if _is_common(value) else value).isoformat()
        case int():
            return value if abs(value) < _MAX_ID else None
        case str() | float():
            return value
        case _:
            return None


def _is_common(value: datetime) -> bool:
    """Return whether a time stays within the calendar in every time zone."""
    return value.tzinfo is not None and MINYEAR < value.year < MAXYEAR


def _join_parts(parts: object) -> str:
    return msgspec.json.encode(parts).decode()


def _hash(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()
