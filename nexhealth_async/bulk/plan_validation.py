"""Validation of plans from a checkpoint, a database or a queue.

A plan names lists, directories and tables, and decides which rows may be deleted. So a plan that
was stored elsewhere is accepted only if `plan_shards` could have made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import NoReturn

import msgspec

from nexhealth_async._protocol.operations import Paging
from nexhealth_async.bulk.pull_state import GroupState, Progress, ShardState
from nexhealth_async.bulk.resource_facts import Level, ResourceFacts, facts
from nexhealth_async.bulk.shard_planning import (
    BEGINNING,
    OVERLAP,
    YEARS_AHEAD,
    GroupPlan,
    PullPlan,
    format_timestamp,
    lists_of,
    start_of_year,
)
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.errors import UsageError

__all__ = [
    "check_group",
    "check_progress",
    "check_shard",
    "check_start",
    "check_state",
    "known_groups",
    "shard_state_from_json",
]


def check_progress(progress: Progress) -> None:
    """Raise `UsageError` unless a pull could have been planned and read like this."""
    if not progress.id or progress.started.utcoffset() is None:
        _invalid_checkpoint("its start is unknown")
    shards = {shard.name: shard for shard in progress.shards}
    if len(shards) < len(progress.shards):
        _invalid_checkpoint("it has a duplicate shard")
    if len({shard.version for shard in progress.shards}) > 1:
        _invalid_checkpoint("it mixes versions of the API")
    for shard in progress.shards:
        check_shard(shard)
    for group in PullPlan.of(progress.shards).groups:
        check_group(group, progress.started)
    for name, state in progress.states.items():
        if name not in shards:
            _invalid_checkpoint("it has a state for an unknown shard")
        check_state(shards[name], state)


def check_start(started: datetime, now: datetime) -> None:
    """Raise `UsageError` if a pull began in the future.

    A later refresh would start there and miss earlier changes.
    """
    if started > now + OVERLAP:
        _invalid_checkpoint("it began in the future")


def check_shard(shard: Shard) -> None:
    """Raise `UsageError` unless the declared endpoints allow a shard."""
    resource_facts = _facts(shard.resource, shard.version)
    _check_place(resource_facts, shard)
    if (shard.window is not None) is not resource_facts.windowed:
        _invalid_checkpoint("a shard has a window that does not fit its list")
    if shard.window is not None and not _parse_timestamp(shard.window[0]) < _parse_timestamp(
        shard.window[1]
    ):
        _invalid_checkpoint("a window ends before it begins")
    since = _since(shard)
    if since is not None and not resource_facts.incremental:
        _invalid_checkpoint("it reads changes of a list that cannot be filtered by change")
    if shard.sweep and since is None:
        _invalid_checkpoint("a sweep reads more than changes")
    expected = lists_of(resource_facts, since, shard.window)
    if _json(shard.lists) != _json(expected):
        _invalid_checkpoint("its lists or filters are not those of this release")
    whole = since is None or (resource_facts.needs_since and since == BEGINNING)
    if shard.compares and (shard.partial or not (whole or shard.sweep)):
        _invalid_checkpoint("it compares a list that it does not read whole")


def check_group(plan: GroupPlan, started: datetime) -> None:
    """Raise `UsageError` unless the shards of a group fit together and its pull's start."""
    every = plan.everything
    if not plan.shards:
        _invalid_checkpoint("a group has only a sweep")
    if len({(shard.compares, shard.partial) for shard in every}) > 1:
        _invalid_checkpoint("the shards of a group differ in what is compared")
    if len({_since(shard) for shard in plan.shards}) > 1:
        _invalid_checkpoint("the shards of a group have different start times")
    if not plan.shards[0].partial and (_since(plan.shards[0]) or started) > started:
        _invalid_checkpoint("it reads only changes of the future")
    windows = {shard.window for shard in plan.shards}
    places = {shard.location_id for shard in plan.shards}
    if len(windows) * len(places) != len(plan.shards):
        _invalid_checkpoint("a shard is missing")
    edges = sorted(window for window in windows if window is not None)
    if any(first[1] != second[0] for first, second in pairwise(edges)):
        _invalid_checkpoint("its windows have a gap or overlap")
    if edges and not plan.shards[0].partial:
        end = start_of_year(started.year + YEARS_AHEAD)
        if _parse_timestamp(edges[0][0]) > BEGINNING or _parse_timestamp(edges[-1][1]) < end:
            _invalid_checkpoint("its windows omit a part of the list")


def check_state(shard: Shard, state: ShardState) -> None:
    """Raise `UsageError` unless a shard can have this state."""
    counts = (state.records, state.pages, state.duplicates, state.refused, state.repaired)
    if any(count < 0 for count in counts):
        _invalid_checkpoint("a count is negative")
    if state.position is None:
        return
    at, colon, _ = state.position.partition(":")
    is_place = bool(colon) and at.isascii() and at.isdecimal() and len(at) <= len("999")
    if not is_place or int(at) > len(shard.lists):
        _invalid_checkpoint("a position is outside its lists")
    if facts(shard.resource, shard.version).paging is not Paging.CURSOR:
        _invalid_checkpoint("it has a position in a list that is always read from its start")


def shard_state_from_json(text: str | bytes) -> ShardState:
    """Decode a shard's state as a target stores it; `UsageError` if it is invalid."""
    try:
        return msgspec.json.decode(text, type=ShardState)
    except (msgspec.MsgspecError, UnicodeError):
        _invalid_checkpoint("the state of a shard is invalid")


def known_groups(
    states: Mapping[Group, GroupState], *, now: datetime
) -> Mapping[Group, GroupState]:
    """Return the group states, without times in the future."""

    def without_future(time: datetime | None) -> datetime | None:
        return None if time is None or time > now else time

    return {
        group: GroupState(
            watermark=without_future(state.watermark), compared=without_future(state.compared)
        )
        for group, state in states.items()
    }


def _facts(resource: str, version: str) -> ResourceFacts:
    try:
        return facts(resource, version)
    except UsageError:
        _invalid_checkpoint("it reads a list that cannot be pulled")


def _check_place(facts: ResourceFacts, shard: Shard) -> None:
    of_account = facts.level is Level.ACCOUNT
    if (shard.subdomain is None) is not of_account or shard.subdomain == "":
        _invalid_checkpoint("a practice is missing or not expected")
    if shard.location_id is None:
        if facts.level is Level.LOCATION:
            _invalid_checkpoint("a location is missing")
    elif of_account or shard.location_id < 0 or not facts.narrows:
        _invalid_checkpoint("a location is not expected")


def _since(shard: Shard) -> datetime | None:
    since = shard.lists[0].get("updated_since") if shard.lists else None
    if since is None:
        return None
    return (
        _parse_timestamp(since)
        if isinstance(since, str)
        else _invalid_checkpoint("a timestamp is invalid")
    )


def _parse_timestamp(text: str) -> datetime:
    """Parse a time in the format of `plan_shards`."""
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        _invalid_checkpoint("a timestamp is invalid")
    if timestamp.utcoffset() is None or format_timestamp(timestamp) != text:
        _invalid_checkpoint("a timestamp is invalid")
    return timestamp


def _json(lists: Iterable[Mapping[str, object]]) -> bytes:
    return msgspec.json.encode([dict(filters) for filters in lists], order="sorted")


def _invalid_checkpoint(reason: str) -> NoReturn:
    raise UsageError(f"the stored pull was not planned by this release: {reason}; begin a new one")
