"""What a pull is made of, as plain values that can be pickled and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from attrs import field, frozen

from nexhealth_async.errors import UsageError

__all__ = ["Filters", "Group", "Shard", "shard_from_json", "shard_to_json"]

Filters: TypeAlias = Mapping[str, "str | int | bool | None"]
"""Filters of one list, moments and days in ISO 8601; None sends nothing where a default would."""


@frozen(kw_only=True)
class Group:
    """All shards of one resource in one practice: one place where a record has one id."""

    resource: str
    subdomain: str | None
    """None for lists of the whole account."""

    @property
    def name(self) -> str:
        """A stable name such as ``patients/demo-practice``; ``-`` stands for the account."""
        return f"{self.resource}/{self.subdomain or '-'}"


@frozen(kw_only=True)
class Shard:
    """One part of a pull: a list of a practice or a location, whole or a window of it."""

    resource: str
    version: str
    """Version of the API it is read from, such as ``v2`` or ``v3.0.0``."""
    subdomain: str | None = None
    location_id: int | None = None
    lists: tuple[Filters, ...] = field(default=({},), repr=False)
    """The lists to walk one after the other, in the order in which records move between them."""
    window: tuple[str, str] | None = None
    """First and last moment, in ISO 8601, where the shard is a window of a longer list."""
    compares: bool = False
    """Whether the pull reads its group whole: what the pull did not see is gone from the list."""
    partial: bool = False
    """Whether it leaves out, by choice, what the target may lack, so that no watermark holds."""
    sweep: bool = False
    """Whether it reads once more, after the group's other shards, what changed meanwhile."""

    @property
    def group(self) -> Group:
        """The resource and the practice it belongs to."""
        return Group(resource=self.resource, subdomain=self.subdomain)

    @property
    def name(self) -> str:
        """A stable name such as ``appointments/demo/331107/2026-01-01..2027-01-01``.

        Equal for the same part of the same list in any pull. ``-`` stands for the whole account,
        or for the whole practice.
        """
        place = self.location_id if self.location_id is not None else "-"
        window = f"/{self.window[0][:10]}..{self.window[1][:10]}" if self.window else ""
        return f"{self.group.name}/{place}{window}{'/sweep' if self.sweep else ''}"


def shard_to_json(shard: Shard) -> bytes:
    """Write a shard as one line of JSON, for a checkpoint or another process."""
    return msgspec.json.encode(shard)


def shard_from_json(text: bytes | str) -> Shard:
    """Read what `shard_to_json` wrote; `UsageError` for anything else."""
    try:
        return msgspec.json.decode(text, type=Shard)
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError("this is no shard of a pull; was it cut off or edited?") from None
