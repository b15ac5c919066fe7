"""Events of a running pull, without personal data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import field, frozen

from nexhealth_async._client.statistics import Stats
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.errors import NexHealthError

__all__ = [
    "BatchRead",
    "Event",
    "GroupDone",
    "OnEvent",
    "PullEnded",
    "PullStarted",
    "ShardDone",
    "ShardFailed",
    "ShardProgress",
    "ShardStarted",
    "Snapshot",
]


@frozen(kw_only=True)
class ShardProgress:
    """Progress of a shard that is being read."""

    shard: Shard
    records: int
    """Number of records delivered so far."""
    read: int
    """Number of records read so far, including those that another shard had delivered."""
    total: int | None
    """Number of records of its lists, if the server counts all of them."""
    seconds: float
    """Seconds since it was started."""


@frozen(kw_only=True)
class Snapshot:
    """Progress of a pull, for a display that polls."""

    seconds: float
    """Seconds since the pull began."""
    shards: int
    """Number of shards, including sweeps and those finished by an earlier run."""
    done: int
    failed: int
    active: tuple[ShardProgress, ...]
    records: int
    """Number of records delivered, including those of the resumed run."""
    new_records: int
    """Number of records delivered by this run."""
    rate: float
    """Records per second delivered by this run."""
    total: int
    """Number of records of all lists of known length, including finished ones."""
    unknown: int
    """Number of unfinished shards of unknown length."""
    stats: Stats
    """Statistics of the session during the pull, including its other calls."""


@frozen(kw_only=True)
class PullStarted:
    """Event: the plan is made and reading begins."""

    shards: tuple[Shard, ...]
    resumed: int
    """Number of shards finished by an earlier run."""
    snapshot: Callable[[], Snapshot] = field(repr=False)
    """Function that returns the current progress."""


@frozen(kw_only=True)
class ShardStarted:
    """Event: a shard is started."""

    shard: Shard
    resumed: bool
    """True if it resumes where an earlier run stopped."""


@frozen(kw_only=True)
class BatchRead:
    """Event: a batch was delivered."""

    shard: Shard
    records: int
    """Number of records of the shard delivered so far."""
    read: int
    """Number of records read so far, including those that another shard had delivered."""
    total: int | None
    """Number of records of its lists, if the server counts all of them."""
    refused: int
    """Number of records of this batch that could not be decoded."""


@frozen(kw_only=True)
class ShardDone:
    """Event: a shard was delivered completely."""

    shard: Shard
    records: int
    seconds: float


@frozen(kw_only=True)
class ShardFailed:
    """Event: a shard failed; the others continue."""

    shard: Shard
    records: int
    """Number of records delivered before the error."""
    error: NexHealthError


@frozen(kw_only=True)
class GroupDone:
    """Event: all shards of a group were copied."""

    group: Group
    deleted: int
    """Number of rows deleted from the target because the list no longer has them."""


@frozen(kw_only=True)
class PullEnded:
    """Event: every shard is done or has failed."""

    complete: bool


Event: TypeAlias = (
    PullStarted | ShardStarted | BatchRead | ShardDone | ShardFailed | GroupDone | PullEnded
)
"""Event of a running pull, without personal data."""
OnEvent: TypeAlias = Callable[[Event], None]
"""Callback for events, in the event loop: it must return at once, and an error ends the pull."""
