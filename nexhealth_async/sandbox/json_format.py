"""Rows, moments and refusals as they look on the wire: plain dicts, plain strings."""

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
"""One record in wire shape. Values may be anything JSON can say; broken ones too, on purpose."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- naive arithmetic is twice as fast: pages of 300
NO_ACCESS = "You don't have access to perform this action."


class RequestRejectedError(Exception):
    """Answer the request with an error envelope of this status and these texts."""

    def __init__(self, status: int, *texts: str) -> None:
        super().__init__(status)
        self.status = status
        self.texts = texts


def format_timestamp(seconds: float) -> str:
    """A record's timestamp: UTC with milliseconds and a ``Z`` (observed form)."""
    try:
        at = _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:  # a zone took a filter's bound out of the calendar
        at = datetime.max if seconds > 0 else datetime.min  # noqa: DTZ901 -- naive as the others
    return at.isoformat(timespec="milliseconds") + "Z"


def parse_timestamp(value: object) -> datetime | None:
    """Read a timestamp or date from a row or a query; naive ones count as UTC."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def reject_missing(body: Mapping[str, object], *paths: str) -> None:
    """Refuse a body without these fields, given as ``provider.provider_id``.

    Raises:
        Refusal: 400; all are named at once, spelled ``provider[provider_id]``, as seen live.
    """
    missing: list[str] = []
    for path in paths:
        inside: object = body
        spelled = ""
        for name in path.split("."):
            inside = cast("JsonRow", inside).get(name)
            spelled += f"[{name}]" if spelled else name
            is_last = spelled.count("[") == path.count(".")
            if not (_is_present(inside) if is_last else isinstance(inside, dict)):
                missing += [] if spelled in missing else [spelled]
                break
    if missing:
        raise RequestRejectedError(400, f"Missing parameter {', '.join(missing)}")


def _is_present(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None


def row(value: object) -> JsonRow | None:
    """The value as a row, if it is one."""
    return cast("JsonRow", value) if isinstance(value, dict) else None


def rows(value: object) -> list[JsonRow]:
    """The rows in a list; anything else counts as none."""
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("JsonRow", one) for one in found if isinstance(one, dict)]


def ints(value: object) -> list[int]:
    """The whole numbers in a list; anything else counts as none."""
    found = cast("Iterable[object]", value) if isinstance(value, list) else ()
    return [one for one in found if isinstance(one, int)]


def texts(value: object) -> list[str] | None:
    """The list, if it is one of texts only."""
    found = cast("list[object]", value) if isinstance(value, list) else [None]
    chosen = [one for one in found if isinstance(one, str)]
    return chosen if len(chosen) == len(found) else None


def number(record: Mapping[str, object], key: str) -> int:
    """A whole number out of a row; 0 when it is not one."""
    value = record.get(key)
    return value if isinstance(value, int) else 0


def text(record: Mapping[str, object] | None, key: str) -> str:
    """A text out of a row; empty when it is not one."""
    value = None if record is None else record.get(key)
    return value if isinstance(value, str) else ""
