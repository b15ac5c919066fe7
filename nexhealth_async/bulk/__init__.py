"""Many lists at once: pulled concurrently, resumably, into files, databases or your own code.

`nexhealth_async.NexHealth.bulk` is the way in; targets are in `nexhealth_async.export`.
"""

from nexhealth_async.bulk.batches import Batch, Refused
from nexhealth_async.bulk.catalogue import Deletions, ResourceFacts, exclusions, facts, resources
from nexhealth_async.bulk.checkpoint import CheckpointFile
from nexhealth_async.bulk.estimate import Estimate, ShardEstimate
from nexhealth_async.bulk.events import (
    BatchRead,
    Event,
    GroupDone,
    PullEnded,
    PullStarted,
    ShardDone,
    ShardFailed,
    ShardProgress,
    ShardStarted,
    Snapshot,
)
from nexhealth_async.bulk.face import Bulk
from nexhealth_async.bulk.origin import Origin
from nexhealth_async.bulk.progress import GroupState, Progress, ShardState
from nexhealth_async.bulk.pull import Pull
from nexhealth_async.bulk.rejected import AllowRejected, KeepsRejected, Rejected, RejectedCount
from nexhealth_async.bulk.report import Report, ShardReport
from nexhealth_async.bulk.shards import Filters, Group, Shard
from nexhealth_async.bulk.sharing import Claim, Holder, Overview, SharedTarget
from nexhealth_async.bulk.targets import KeepsOrigin, Target
from nexhealth_async.bulk.working import Outcome

__all__ = [
    "AllowRejected",
    "Batch",
    "BatchRead",
    "Bulk",
    "CheckpointFile",
    "Claim",
    "Deletions",
    "Estimate",
    "Event",
    "Filters",
    "Group",
    "GroupDone",
    "GroupState",
    "Holder",
    "KeepsOrigin",
    "KeepsRejected",
    "Origin",
    "Outcome",
    "Overview",
    "Progress",
    "Pull",
    "PullEnded",
    "PullStarted",
    "Refused",
    "Rejected",
    "RejectedCount",
    "Report",
    "ResourceFacts",
    "Shard",
    "ShardDone",
    "ShardEstimate",
    "ShardFailed",
    "ShardProgress",
    "ShardReport",
    "ShardStarted",
    "ShardState",
    "SharedTarget",
    "Snapshot",
    "Target",
    "exclusions",
    "facts",
    "resources",
]
