"""JSON rows, timestamps and rejected requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, cast

__all__ = [
    "NO_ACCESS",
    "JsonRow",
    "RequestRejectedError",
    "format_timestamp",
    "ints",
    "number",
    "parse_timestamp",
    "reject_missing",
    "row",
    "rows",
    "text",
    "texts",
]

JsonRow: TypeAlias = dict[str, object]
"""A record as JSON. Tests may set any value, including invalid ones."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- naive arithmetic is twice as fast
NO_ACCESS = "You don't have access to perform this action."


class RequestRejectedError(Exception):
    """An error that answers the request with an error envelope of this status and these texts."""

    def __init__(self, status: int, *texts: str) -> None:
        super().__init__(status)
        self.status = status
        self.texts = texts


def format_timestamp(seconds: float) -> str:
    """Return a timestamp in UTC with milliseconds and a ``Z`` (the observed format)."""
    try:
        timestamp = _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:  # a zone can move a filter's bound beyond the calendar
        timestamp = datetime.max if seconds > 0 else datetime.min  # noqa: DTZ901 -- naive, as above
    return timestamp.isoformat(timespec="milliseconds") + "Z"


def parse_timestamp(value: object) -> datetime | None:
    """Parse a timestamp or date of a row or a query; without a zone it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        timestamp = datetime.fromisoformat(value)
    except ValueError:
        return None
    return timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp


def reject_missing(body: Mapping[str, object], *paths: str) -> None:
    """Reject a body that lacks one of these fields, written as ``provider.provider_id``.

    Raises:
        RequestRejectedError: 400 with all missing fields, spelled ``provider[provider_id]``, as
            observed live.
    """
    missing: list[str] = []
    for path in paths:
        value: object = body
        wire_name = ""
        for name in path.split("."):
            value = cast("JsonRow", value).get(name)
            wire_name += f"[{name}]" if wire_name else name
            is_last = wire_name.count("[") == path.count(".")
            if not (_is_present(value) if is_last else isinstance(value, dict)):
                missing += [] if wire_name in missing else [wire_name]
                break
    if missing:
        raise RequestRejectedError(400, f"Missing parameter {', '.join(missing)}")


def _is_present(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None


def row(value: object) -> JsonRow | None:
    """Return the value if it is a row, else None."""
    return cast("JsonRow", value) if isinstance(value, dict) else None


def rows(value: object) -> list[JsonRow]:
    """Return the rows of a list; empty for anything else."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("JsonRow", item) for item in items if isinstance(item, dict)]


def ints(value: object) -> list[int]:
    """Return the integers of a list; empty for anything else."""
    items = cast("Iterable[object]", value) if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, int)]


def texts(value: object) -> list[str] | None:
    """Return the value if it is a list of strings, else None."""
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    strings = [item for item in items if isinstance(item, str)]
    return strings if len(strings) == len(items) else None


def number(record: Mapping[str, object], key: str) -> int:
    """Return an integer of a row; 0 if it is missing or of another type."""
    value = record.get(key)
    return value if isinstance(value, int) else 0


def text(record: Mapping[str, object] | None, key: str) -> str:
    """Return a string of a row; empty if it is missing or of another type."""
    value = None if record is None else record.get(key)
    return value if isinstance(value, str) else ""
