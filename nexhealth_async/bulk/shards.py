"""Shards of a pull, as plain values that can be pickled and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from attrs import field, frozen

from nexhealth_async.errors import UsageError

__all__ = ["Filters", "Group", "Shard", "shard_from_json", "shard_to_json"]

Filters: TypeAlias = Mapping[str, "str | int | bool | None"]
"""Filters of one list, times and dates in ISO 8601; None suppresses a default."""


@frozen(kw_only=True)
class Group:
    """All shards of one resource in one practice, where ids are unique."""

    resource: str
    subdomain: str | None
    """Subdomain; None for lists of the whole account."""

    @property
    def name(self) -> str:
        """Stable name such as ``patients/demo-practice``; ``-`` stands for the account."""
        return f"{self.resource}/{self.subdomain or '-'}"


@frozen(kw_only=True)
class Shard:
    """Part of a pull: a list of a practice or a location, or a window of it."""

    resource: str
    version: str
    """API version, such as ``v2`` or ``v3.0.0``."""
    subdomain: str | None = None
    location_id: int | None = None
    lists: tuple[Filters, ...] = field(default=({},), repr=False)
    """Lists to walk in turn, in the order in which records move between them."""
    window: tuple[str, str] | None = None
    """Start and end of the window in ISO 8601, if the shard is part of a longer list."""
    compares: bool = False
    """True if the pull reads its group whole, so that unseen records are deleted."""
    partial: bool = False
    """True if it omits, by choice, records the target may lack, so that no watermark is set."""
    sweep: bool = False
    """True if it is a sweep: reads the changes during the pull, after the group's other shards."""

    @property
    def group(self) -> Group:
        """Resource and practice of the shard."""
        return Group(resource=self.resource, subdomain=self.subdomain)

    @property
    def name(self) -> str:
        """Stable name such as ``appointments/demo/331107/2026-01-01..2027-01-01``.

        Equal for the same part of the same list in any pull. ``-`` stands for the whole account or
        the whole practice.
        """
        place = self.location_id if self.location_id is not None else "-"
        window = f"/{self.window[0][:10]}..{self.window[1][:10]}" if self.window else ""
        return f"{self.group.name}/{place}{window}{'/sweep' if self.sweep else ''}"


def shard_to_json(shard: Shard) -> bytes:
    """Encode a shard as one line of JSON."""
    return msgspec.json.encode(shard)


def shard_from_json(text: bytes | str) -> Shard:
    """Decode the result of `shard_to_json`; `UsageError` for anything else."""
    try:
        return msgspec.json.decode(text, type=Shard)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError("invalid shard of a pull; it may be truncated or edited") from None
