"""How far a pull has come, as text, and as a small file that is never half written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

import msgspec
from attrs import evolve, frozen

from nexhealth_async.bulk.plan_validation import check_progress
from nexhealth_async.bulk.planning import GroupPlan, Plan
from nexhealth_async.bulk.pull_state import Progress, ShardState
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk.pull import Pull

__all__ = ["CheckpointFile", "progress_from_json", "progress_to_json", "resumable"]


@frozen(kw_only=True)
class _Checkpoint:
    format: Literal[1] = 1
    progress: Progress


def progress_to_json(progress: Progress) -> str:
    """Write how far a pull has come; nothing of it is personal."""
    return msgspec.json.encode(_Checkpoint(progress=progress)).decode()


def progress_from_json(text: str | bytes) -> Progress:
    """Read what `progress_to_json` wrote; `UsageError` for anything else."""
    try:
        progress = msgspec.json.decode(text, type=_Checkpoint).progress
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
        if (state.status == "done" or state.place is not None) and name not in again
    }
    for group in Plan.of(progress.shards).groups:
        for name in _relying(group, progress, kept):
            del kept[name]
    return evolve(progress, states=kept, finished=False)


def _relying(group: GroupPlan, progress: Progress, kept: dict[str, ShardState]) -> list[str]:
    names = [shard.name for shard in group.shards]
    again = [name for name in names if name in progress.states and name not in kept]
    if group.sweep or not again:
        return []
    return [name for name in names if name in kept and kept[name].duplicates]


class CheckpointFile:
    """A file that holds a pull's checkpoint, readable by its owner only.

    .. code-block:: python

        kept = CheckpointFile("pull.json")
        async with nex.bulk.pull(["patients"], resume=kept.load()) as pull:
            async for batch in pull:
                ...
                await kept.save(pull)
        kept.remove()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def load(self) -> str | None:
        """Return the checkpoint kept, None if there is none."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise UsageError(
                f"{self._path.name} is no checkpoint of a pull; name another file, or begin anew"
            ) from None

    async def save(self, pull: Pull) -> None:
        """Replace what is kept by the pull's checkpoint; a crash leaves one or the other."""
        await asyncio.to_thread(self._write, pull.checkpoint().encode())

    def remove(self) -> None:
        """Forget the checkpoint."""
        self._path.unlink(missing_ok=True)

    def _write(self, text: bytes) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{token_hex(4)}")
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(self._path)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise
