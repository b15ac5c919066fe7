"""What code that builds on pulls uses besides the public names: targets, fleets, commands."""

from nexhealth_async.bulk.batch import Reader
from nexhealth_async.bulk.fair_queue import in_turns
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
    can_fetch,
    counts_of,
    entry_of,
    id_from,
    key_of,
    keys_in,
    not_allowed,
    read_again,
    rejected_text,
    usable_id,
)
from nexhealth_async.bulk.rejected_retry import Due, Rereading
from nexhealth_async.bulk.resource_facts import endpoint_of, every_resource
from nexhealth_async.bulk.shard_planning import BEGINNING, COMPARE, OVERLAP, GroupPlan, Plan
from nexhealth_async.bulk.shards import shard_from_json, shard_to_json
from nexhealth_async.bulk.target_protocol import ReadsPages

__all__ = [
    "BEGINNING",
    "COMPARE",
    "OVERLAP",
    "Due",
    "FetchedRecord",
    "GroupPlan",
    "Plan",
    "Reader",
    "ReadsPages",
    "Rereading",
    "can_fetch",
    "check_options",
    "check_progress",
    "check_shard",
    "check_state",
    "counts_of",
    "endpoint_of",
    "entry_of",
    "every_resource",
    "flush_to_disk",
    "id_from",
    "in_turns",
    "is_over",
    "key_of",
    "keys_in",
    "new_private_file",
    "not_allowed",
    "origin_from_json",
    "origin_to_json",
    "read_again",
    "rejected_text",
    "replace_file",
    "shard_from_json",
    "shard_state_from_json",
    "shard_to_json",
    "takes_options",
    "usable_id",
]
