"""What a pull tells while it is under way: nothing of it is personal."""

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
    """How far a shard that is being read has come."""

    shard: Shard
    records: int
    """Records delivered so far."""
    read: int
    """Records read so far: those that another shard had delivered count too, as in the total."""
    total: int | None
    """Records of its lists, where the server has told of all of them."""
    seconds: float
    """Since it was begun."""


@frozen(kw_only=True)
class Snapshot:
    """How far a pull has come, for a display that asks when it likes."""

    seconds: float
    """Since the pull began."""
    shards: int
    """All there are, those done by an earlier run included; sweeps too."""
    done: int
    failed: int
    active: tuple[ShardProgress, ...]
    records: int
    """Records delivered, those of the run that is resumed included."""
    new_records: int
    """Of these, the ones delivered by this run."""
    rate: float
    """Records a second that this run has delivered."""
    total: int
    """Records of all lists whose length is known, done ones included."""
    unknown: int
    """Shards that are not done and whose length is not known."""
    stats: Stats
    """What the session did meanwhile, its other calls included."""


@frozen(kw_only=True)
class PullStarted:
    """The plan is made and reading begins."""

    shards: tuple[Shard, ...]
    resumed: int
    """Shards that an earlier run has done."""
    snapshot: Callable[[], Snapshot] = field(repr=False)
    """Returns how far the pull has come at the moment it is called."""


@frozen(kw_only=True)
class ShardStarted:
    """A shard is being read."""

    shard: Shard
    queue_length: bool
    """Whether it goes on where an earlier run stopped, instead of at its start."""


@frozen(kw_only=True)
class BatchRead:
    """A batch was handed over."""

    shard: Shard
    records: int
    """Records of the shard delivered so far."""
    read: int
    """Records read so far: those that another shard had delivered count too, as in the total."""
    total: int | None
    """Records of its lists, where the server has told of all of them."""
    refused: int
    """Records of this batch that could not be read."""


@frozen(kw_only=True)
class ShardDone:
    """All of a shard was delivered."""

    shard: Shard
    records: int
    seconds: float


@frozen(kw_only=True)
class ShardFailed:
    """A shard ended with an error; the others go on."""

    shard: Shard
    records: int
    """Records delivered before."""
    error: NexHealthError


@frozen(kw_only=True)
class GroupDone:
    """All shards of a group were copied."""

    group: Group
    deleted: int
    """Rows taken out of the target because the list no longer has them."""


@frozen(kw_only=True)
class PullEnded:
    """Every shard is done or has failed."""

    complete: bool


Event: TypeAlias = (
    PullStarted | ShardStarted | BatchRead | ShardDone | ShardFailed | GroupDone | PullEnded
)
"""What a pull tells of itself while it runs; nothing in it is personal."""
OnEvent: TypeAlias = Callable[[Event], None]
"""Called in the event loop, so it must return at once; what it raises ends the pull."""
