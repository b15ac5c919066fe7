"""Checks of plans that come from a checkpoint, a database or a queue.

A plan names lists, directories and tables, and says which rows may be deleted. So one that was
written elsewhere counts only if it is such as `plan_shards` makes from the catalogue.
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
    """Raise `UsageError` unless a pull is one that could have been planned and read so far."""
    if not progress.id or progress.started.utcoffset() is None:
        _invalid_checkpoint("its start is unknown")
    shards = {shard.name: shard for shard in progress.shards}
    if len(shards) < len(progress.shards):
        _invalid_checkpoint("a part of it is there twice")
    if len({shard.version for shard in progress.shards}) > 1:
        _invalid_checkpoint("it mixes versions of the API")
    for shard in progress.shards:
        check_shard(shard)
    for group in PullPlan.of(progress.shards).groups:
        check_group(group, progress.started)
    for name, state in progress.states.items():
        if name not in shards:
            _invalid_checkpoint("it knows a state of a part that it does not have")
        check_state(shards[name], state)


def check_start(started: datetime, now: datetime) -> None:
    """Raise `UsageError` if a pull says that it was begun in the future.

    A later refresh would begin there, and miss what changes until then.
    """
    if started > now + OVERLAP:
        _invalid_checkpoint("it was begun in the future")


def check_shard(shard: Shard) -> None:
    """Raise `UsageError` unless a shard is one that the catalogue allows."""
    about = _facts(shard.resource, shard.version)
    _check_place(about, shard)
    if (shard.window is not None) is not about.windowed:
        _invalid_checkpoint("its window is not that of its list")
    if shard.window is not None and not _parse_timestamp(shard.window[0]) < _parse_timestamp(
        shard.window[1]
    ):
        _invalid_checkpoint("its window ends before it begins")
    since = _since(shard)
    if since is not None and not about.incremental:
        _invalid_checkpoint("its list cannot be asked for changes")
    if shard.sweep and since is None:
        _invalid_checkpoint("its sweep reads more than changes")
    expected = lists_of(about, since, shard.window)
    if _json(shard.lists) != _json(expected):
        _invalid_checkpoint("its lists or filters are not those of the catalogue")
    whole = since is None or (about.needs_since and since == BEGINNING)
    if shard.compares and (shard.partial or not (whole or shard.sweep)):
        _invalid_checkpoint("it would compare with a list that it does not read whole")


def check_group(plan: GroupPlan, started: datetime) -> None:
    """Raise `UsageError` unless the shards of a group belong together, and to a pull's start."""
    every = plan.everything
    if not plan.shards:
        _invalid_checkpoint("a sweep has nothing to follow")
    if len({(shard.compares, shard.partial) for shard in every}) > 1:
        _invalid_checkpoint("its parts disagree on what is compared")
    if len({_since(shard) for shard in plan.shards}) > 1:
        _invalid_checkpoint("its parts are read from different moments")
    if not plan.shards[0].partial and (_since(plan.shards[0]) or started) > started:
        _invalid_checkpoint("it reads changes of the future only")
    windows = {shard.window for shard in plan.shards}
    places = {shard.location_id for shard in plan.shards}
    if len(windows) * len(places) != len(plan.shards):
        _invalid_checkpoint("a part of it is missing")
    edges = sorted(window for window in windows if window is not None)
    if any(first[1] != second[0] for first, second in pairwise(edges)):
        _invalid_checkpoint("its windows leave a gap or overlap")
    if edges and not plan.shards[0].partial:
        end = start_of_year(started.year + YEARS_AHEAD)
        if _parse_timestamp(edges[0][0]) > BEGINNING or _parse_timestamp(edges[-1][1]) < end:
            _invalid_checkpoint("its windows leave out a part of the list")


def check_state(shard: Shard, state: ShardState) -> None:
    """Raise `UsageError` unless a shard can have come as far as a state says."""
    counts = (state.records, state.pages, state.duplicates, state.refused, state.repaired)
    if any(count < 0 for count in counts):
        _invalid_checkpoint("it counts below zero")
    if state.position is None:
        return
    at, colon, _ = state.position.partition(":")
    is_place = bool(colon) and at.isascii() and at.isdecimal() and len(at) <= len("999")
    if not is_place or int(at) > len(shard.lists):
        _invalid_checkpoint("it goes on from no place of its list")
    if facts(shard.resource, shard.version).paging is not Paging.CURSOR:
        _invalid_checkpoint("it goes on within a list that is read from its start")


def shard_state_from_json(text: str | bytes) -> ShardState:
    """Read a shard's state as a target keeps it; `UsageError` for anything else."""
    try:
        return msgspec.json.decode(text, type=ShardState)
    except (msgspec.MsgspecError, UnicodeError):
        _invalid_checkpoint("the state of a part is unreadable")


def known_groups(
    states: Mapping[Group, GroupState], *, now: datetime
) -> Mapping[Group, GroupState]:
    """Return what can be believed: a moment that has not come is as good as none."""

    def past(moment: datetime | None) -> datetime | None:
        return None if moment is None or moment > now else moment

    return {
        group: GroupState(watermark=past(state.watermark), compared=past(state.compared))
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
        _invalid_checkpoint("its practice is missing, or its list has none")
    if shard.location_id is None:
        if facts.level is Level.LOCATION:
            _invalid_checkpoint("its location is missing")
    elif of_account or shard.location_id < 0 or not facts.narrows:
        _invalid_checkpoint("its location is none of its list")


def _since(shard: Shard) -> datetime | None:
    found = shard.lists[0].get("updated_since") if shard.lists else None
    if found is None:
        return None
    return (
        _parse_timestamp(found)
        if isinstance(found, str)
        else _invalid_checkpoint("a moment of it is no moment")
    )


def _parse_timestamp(text: str) -> datetime:
    """Read a moment that is written as `plan_shards` writes it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _invalid_checkpoint("a moment of it is no moment")
    if moment.utcoffset() is None or format_timestamp(moment) != text:
        _invalid_checkpoint("a moment of it is no moment")
    return moment


def _json(lists: Iterable[Mapping[str, object]]) -> bytes:
    return msgspec.json.encode([dict(one) for one in lists], order="sorted")


def _invalid_checkpoint(reason: str) -> NoReturn:
    raise UsageError(
        f"the pull that is kept here was not planned by this release: {reason}; begin anew"
    )
