"""State of a pull, as checkpoints store it."""

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
    """State of one shard."""

    status: Literal["open", "done", "failed"] = "open"
    position: str | None = None
    """Position to resume in a list with cursors; None: its start."""
    records: int = 0
    """Number of records stored so far."""
    pages: int = 0
    duplicates: int = 0
    refused: int = 0
    repaired: int = 0
    error: str | None = None
    """Class and text of a failed shard's error, without personal data."""


@frozen(kw_only=True)
class GroupState:
    """State of one resource of one practice in a target."""

    watermark: datetime | None = None
    """Time up to which the target has all changes."""
    compared: datetime | None = None
    """Time of the last comparison with the whole list, which removed deleted records."""


@frozen(kw_only=True)
class Progress:
    """Plan and state of one pull."""

    id: str
    """Id of the pull; each row of the target names the pull that saw it last."""
    started: datetime
    options: str
    """Options as JSON; a pull is resumed only with the same options."""
    shards: tuple[Shard, ...]
    states: Mapping[str, ShardState]
    """State by shard name; shards not started are missing."""
    finished: bool = False
    origin: Origin | None = None
    """Origin of the records; None in the state of an earlier release."""

    @property
    def version(self) -> str | None:
        """API version of the pull; None if there is nothing to read."""
        return self.shards[0].version if self.shards else None


def is_over(progress: Progress) -> bool:
    """Return whether nothing is left to read of a pull."""
    states = progress.states
    return progress.finished and all(
        shard.name in states and states[shard.name].status == "done" for shard in progress.shards
    )
