"""Progress of a pull as JSON, and the states a resumed pull starts from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec
from attrs import evolve, frozen

from nexhealth_async.bulk.plan_validation import check_progress
from nexhealth_async.bulk.pull_state import Progress, ShardState
from nexhealth_async.bulk.shard_planning import GroupPlan, PullPlan
from nexhealth_async.errors import UsageError

__all__ = ["progress_from_json", "progress_to_json", "resumable"]


@frozen(kw_only=True)
class _CheckpointDocument:
    format: Literal[1] = 1
    progress: Progress


def progress_to_json(progress: Progress) -> str:
    """Write how far a pull has come; nothing of it is personal."""
    return msgspec.json.encode(_CheckpointDocument(progress=progress)).decode()


def progress_from_json(text: str | bytes) -> Progress:
    """Read what `progress_to_json` wrote; `UsageError` for anything else."""
    try:
        progress = msgspec.json.decode(text, type=_CheckpointDocument).progress
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError(
            "this is no checkpoint of a pull, or one of another release; begin anew without it"
        ) from None
    check_progress(progress)
    return progress


def resumable(progress: Progress, *, again: Collection[str] = ()) -> Progress:
    """Return the states that a run can go on from: shards done, and those that have a place.

    A shard may have left out records because another one of its group had delivered them. If that
    one starts again it may no longer find them, should they have left its list meanwhile; where no
    sweep would bring them back, the shards that relied on it start again as well. ``again`` names
    shards that start again although they were done.
    """
    kept = {
        name: evolve(state, status="open", error=None) if state.status == "failed" else state
        for name, state in progress.states.items()
        if (state.status == "done" or state.position is not None) and name not in again
    }
    for group in PullPlan.of(progress.shards).groups:
        for name in _reset_dependent_shards(group, progress, kept):
            del kept[name]
    return evolve(progress, states=kept, finished=False)


def _reset_dependent_shards(
    group: GroupPlan, progress: Progress, kept: dict[str, ShardState]
) -> list[str]:
    names = [shard.name for shard in group.shards]
    again = [name for name in names if name in progress.states and name not in kept]
    if group.sweep or not again:
        return []
    return [name for name in names if name in kept and kept[name].duplicates]
