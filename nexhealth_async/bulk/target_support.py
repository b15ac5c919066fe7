"""Internal names of pulls for targets, fleets and commands."""

from nexhealth_async.bulk.batch import Reader
from nexhealth_async.bulk.fair_queue import interleave
from nexhealth_async.bulk.origin import origin_from_json, origin_to_json
from nexhealth_async.bulk.plan_validation import (
    check_progress,
    check_shard,
    check_state,
    shard_state_from_json,
)
from nexhealth_async.bulk.private_files import flush_to_disk, new_private_file, replace_file
from nexhealth_async.bulk.pull_options import check_options, takes_options
from nexhealth_async.bulk.pull_state import is_over
from nexhealth_async.bulk.rejected_records import (
    FetchedRecord,
    count_rejected,
    entry_of,
    is_fetchable,
    key_of,
    parse_id,
    refetch_rejected,
    rejected_keys,
    rejected_text,
    unallowed_counts,
    valid_id,
)
from nexhealth_async.bulk.rejected_retry import RejectedRetrier, RetryPlan
from nexhealth_async.bulk.resource_facts import endpoint_of, every_resource
from nexhealth_async.bulk.shard_planning import BEGINNING, COMPARE, OVERLAP, GroupPlan, PullPlan
from nexhealth_async.bulk.shards import shard_from_json, shard_to_json
from nexhealth_async.bulk.target_protocol import PageReader

__all__ = [
    "BEGINNING",
    "COMPARE",
    "OVERLAP",
    "FetchedRecord",
    "GroupPlan",
    "PageReader",
    "PullPlan",
    "Reader",
    "RejectedRetrier",
    "RetryPlan",
    "check_options",
    "check_progress",
    "check_shard",
    "check_state",
    "count_rejected",
    "endpoint_of",
    "entry_of",
    "every_resource",
    "flush_to_disk",
    "interleave",
    "is_fetchable",
    "is_over",
    "key_of",
    "new_private_file",
    "origin_from_json",
    "origin_to_json",
    "parse_id",
    "refetch_rejected",
    "rejected_keys",
    "rejected_text",
    "replace_file",
    "shard_from_json",
    "shard_state_from_json",
    "shard_to_json",
    "takes_options",
    "unallowed_counts",
    "valid_id",
]
