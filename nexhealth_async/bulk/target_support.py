"""Internals of `bulk` for the package's targets, fleets and commands; not public.

Only `nexhealth_async.bulk` itself imports its other modules, so what the packages above it need
besides the public names stands here:

- plans and states that a target stored: ``check_*``, ``*_to_json``, ``*_from_json``, ``is_over``,
  ``PullPlan``, ``GroupPlan``, ``interleave``
- rejected records: ``count_rejected`` to ``valid_id``, ``RejectedRetrier``, ``RetryPlan``
- lists and how they are read: ``endpoint_of``, ``every_resource``, ``BEGINNING``, ``OVERLAP``,
  ``Reader``, ``PageReader``
- options as keyword arguments: ``takes_options``, ``check_options``
- private files: ``new_private_file``, ``replace_file``, ``flush_to_disk``
"""

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
from nexhealth_async.bulk.shard_planning import BEGINNING, OVERLAP, GroupPlan, PullPlan
from nexhealth_async.bulk.shards import shard_from_json, shard_to_json
from nexhealth_async.bulk.target_protocol import PageReader

__all__ = [
    "BEGINNING",
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
