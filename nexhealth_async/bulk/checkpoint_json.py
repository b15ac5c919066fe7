"""Progress of a pull as JSON, and the states that a resumed pull starts from."""

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
    """Encode the progress of a pull, which holds no personal data."""
    return msgspec.json.encode(_CheckpointDocument(progress=progress)).decode()


def progress_from_json(text: str | bytes) -> Progress:
    """Decode the result of `progress_to_json`; `UsageError` for anything else."""
    try:
        progress = msgspec.json.decode(text, type=_CheckpointDocument).progress
    except (msgspec.MsgspecError, UnicodeError):
        raise UsageError(
            "invalid checkpoint, or one of another release; begin a new pull without it"
        ) from None
    check_progress(progress)
    return progress


def resumable(progress: Progress, *, restarted: Collection[str] = ()) -> Progress:
    """Return the states that a run can resume: finished shards, and those with a position.

    A shard may have dropped records because another shard of its group had delivered them. If that
    shard starts again, it may no longer find records that have left its list. Unless a sweep reads
    them, the shards that relied on it start again as well. ``restarted`` names finished shards
    that start again.
    """
    states = {
        name: evolve(state, status="open", error=None) if state.status == "failed" else state
        for name, state in progress.states.items()
        if (state.status == "done" or state.position is not None) and name not in restarted
    }
    for group in PullPlan.of(progress.shards).groups:
        for name in _find_dependent_shards(group, progress, states):
            del states[name]
    return evolve(progress, states=states, finished=False)


def _find_dependent_shards(
    group: GroupPlan, progress: Progress, states: dict[str, ShardState]
) -> list[str]:
    names = [shard.name for shard in group.shards]
    restarted = [name for name in names if name in progress.states and name not in states]
    if group.sweep or not restarted:
        return []
    return [name for name in names if name in states and states[name].duplicates]
