"""Bulk reads: many lists pulled concurrently and resumably into files, databases or your code.

Start from `nexhealth_async.NexHealth.bulk`; targets are in `nexhealth_async.export`.
"""

from nexhealth_async.bulk.api import Bulk
from nexhealth_async.bulk.batch import Batch, RejectedRecord
from nexhealth_async.bulk.checkpoint import CheckpointFile
from nexhealth_async.bulk.estimate import Estimate, ShardEstimate
from nexhealth_async.bulk.origin import Institution, Origin
from nexhealth_async.bulk.progress_events import (
    BatchRead,
    Event,
    GroupDone,
    OnEvent,
    PullEnded,
    PullStarted,
    ShardDone,
    ShardFailed,
    ShardProgress,
    ShardStarted,
    Snapshot,
)
from nexhealth_async.bulk.pull import Pull
from nexhealth_async.bulk.pull_options import CopyOptions, PlanOptions, PullOptions
from nexhealth_async.bulk.pull_state import GroupState, Progress, ShardState
from nexhealth_async.bulk.rejected_records import (
    AllowRejected,
    RejectedCount,
    RejectedEntry,
    RejectedStore,
)
from nexhealth_async.bulk.report import Report, ShardReport
from nexhealth_async.bulk.resource_facts import (
    Deletions,
    ResourceFacts,
    excluded_resources,
    facts,
    resources,
)
from nexhealth_async.bulk.shard_planning import Practices
from nexhealth_async.bulk.shard_worker import ShardOutcome
from nexhealth_async.bulk.shards import Filters, Group, Shard
from nexhealth_async.bulk.shared_target import (
    ClaimHolder,
    PullOverview,
    ReadOptions,
    ShardClaim,
    SharedTarget,
    States,
)
from nexhealth_async.bulk.target_protocol import OriginStore, Target

__all__ = [
    "AllowRejected",
    "Batch",
    "BatchRead",
    "Bulk",
    "CheckpointFile",
    "ClaimHolder",
    "CopyOptions",
    "Deletions",
    "Estimate",
    "Event",
    "Filters",
    "Group",
    "GroupDone",
    "GroupState",
    "Institution",
    "OnEvent",
    "Origin",
    "OriginStore",
    "PlanOptions",
    "Practices",
    "Progress",
    "Pull",
    "PullEnded",
    "PullOptions",
    "PullOverview",
    "PullStarted",
    "ReadOptions",
    "RejectedCount",
    "RejectedEntry",
    "RejectedRecord",
    "RejectedStore",
    "Report",
    "ResourceFacts",
    "Shard",
    "ShardClaim",
    "ShardDone",
    "ShardEstimate",
    "ShardFailed",
    "ShardOutcome",
    "ShardProgress",
    "ShardReport",
    "ShardStarted",
    "ShardState",
    "SharedTarget",
    "Snapshot",
    "States",
    "Target",
    "excluded_resources",
    "facts",
    "resources",
]
