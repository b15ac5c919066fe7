"""How far a pull has come: what a checkpoint keeps, and what resuming goes by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from attrs import frozen

from nexhealth_async.bulk.origin import Origin
from nexhealth_async.bulk.shards import Shard

__all__ = ["GroupState", "Progress", "ShardState", "is_over"]


@frozen(kw_only=True)
class ShardState:
    """How far one shard has come."""

    status: Literal["open", "done", "failed"] = "open"
    position: str | None = None
    """Where an open shard with cursors goes on; None: from its start."""
    records: int = 0
    """Records kept so far."""
    pages: int = 0
    duplicates: int = 0
    refused: int = 0
    repaired: int = 0
    error: str | None = None
    """For a failed one: the error's class and text, free of personal data."""


@frozen(kw_only=True)
class GroupState:
    """What is known of one resource of one practice in a target."""

    watermark: datetime | None = None
    """Everything changed before this moment is in the target."""
    compared: datetime | None = None
    """When the target was last compared with the whole list, so that deleted records went."""


@frozen(kw_only=True)
class Progress:
    """One pull: what it consists of and how far it has come."""

    id: str
    """Names the pull; rows of the target say which pull saw them last."""
    started: datetime
    options: str
    """What was asked for, as JSON; a pull is only resumed with the same."""
    shards: tuple[Shard, ...]
    states: Mapping[str, ShardState]
    """By name of the shard; those not begun are missing."""
    finished: bool = False
    origin: Origin | None = None
    """Where it reads from; None in what an earlier release wrote."""

    @property
    def version(self) -> str | None:
        """Version of the API that it reads; None if there is nothing to read."""
        return self.shards[0].version if self.shards else None


def is_over(progress: Progress) -> bool:
    """Tell whether nothing is left to be read of a pull."""
    states = progress.states
    return progress.finished and all(
        shard.name in states and states[shard.name].status == "done" for shard in progress.shards
    )
