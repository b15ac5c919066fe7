"""One name for one change, whichever delivery tells it.

Deliveries have no id, a change arrives once for each API version that is subscribed, and answers
get lost, so that it arrives again. What stays the same is the record, the event and what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from hashlib import blake2b
from typing import Final

import msgspec

from nexhealth_async.codec.values import Refusal, moment

__all__ = ["key_of", "key_of_bytes"]

_TIMES: Final = ("updated_at", "read_status_at", "write_status_at")
"""Each of them moves with every change, so one of them is enough to tell changes apart."""
_MARKERS: Final = (
    *_TIMES,
    "start_time",
    "end_time",
    "cancelled",
    "confirmed",
    "status",
    "read_status",
    "write_status",
    "deleted_at",
)
_IDENTITY: Final = ("id", "institution_id", "sync_source_name")
"""A status of a sync has no id: it is told by the practice and the source."""


def key_of(
    resource_type: str,
    name: str,
    records: Sequence[Mapping[str, object]],
    *,
    event_time: datetime | None,
    body: bytes,
) -> str:
    """Return the key of an event, by its records as they were sent.

    ``body`` is what is left to tell events apart that have neither changing times nor their own.
    """
    marks = [[_plain(_get(record, field)) for field in _FIELDS] for record in records]
    told = [mark for record, mark in zip(records, marks, strict=True) if _is_told(record)]
    parts: list[object] = [resource_type, name, sorted(map(_written, marks))]
    if not records or len(told) < len(records):
        # Rather the same event twice than a change lost: v2's coverages have no `updated_at`.
        parts.append(_plain(event_time) if event_time else body.hex())
    return _hash(_written(parts).encode())


def key_of_bytes(body: bytes) -> str:
    """Return the key of what nobody can read."""
    return _hash(b"body" + body)


_MOST: Final = 2**63
_FIELDS: Final = (*_IDENTITY, *_MARKERS)


def _is_told(record: Mapping[str, object]) -> bool:
    return any(_get(record, field) is not None for field in _TIMES)


def _get(record: Mapping[str, object], field: str) -> object:
    """Return a field in one spelling, since versions may write the same differently."""
    value = record.get(field)
    if field == "id" and isinstance(value, int):
        return str(value) if abs(value) < _MOST else None
    return _time(value) if field.endswith(("_at", "_time")) else value


def _time(value: object) -> object:
    try:
        return moment(value, []) or value
    except Refusal:
        return value


def _plain(value: object) -> object:
    match value:
        case datetime():
            return (value.astimezone(UTC) if _is_common(value) else value).isoformat()
        case int():
            return value if abs(value) < _MOST else None
        case str() | float():
            return value
        case _:
            return None


def _is_common(value: datetime) -> bool:
    """Tell whether a moment stays within the calendar in every zone."""
    return value.tzinfo is not None and MINYEAR < value.year < MAXYEAR


def _written(parts: object) -> str:
    return msgspec.json.encode(parts).decode()


def _hash(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()
