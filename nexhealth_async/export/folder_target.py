"""Base class of the targets made of files: lock, checkpoint and worker thread.

The directory has one subdirectory per resource and, in it, one per practice. The checkpoint
``.nexhealth-pull.json`` holds the pull and its progress. It is written at most once a second, after
all files it refers to are flushed to disk. When a pull is loaded, everything written after the
checkpoint is cut off, and read again.

Directories are created with mode 0700 and files with 0600, because they hold patients' records.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from anyio import CancelScope
from attrs import evolve, frozen

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.bulk import (
    Batch,
    Group,
    GroupState,
    Origin,
    Progress,
    RejectedEntry,
    Shard,
    ShardState,
)
from nexhealth_async.bulk.target_support import (
    check_progress,
    every_resource,
    flush_to_disk,
    is_over,
    replace_file,
    valid_id,
)
from nexhealth_async.errors import SessionStateError, TargetError, UsageError
from nexhealth_async.export.file_lock import FolderLock
from nexhealth_async.export.rejected_file import RejectedFile
from nexhealth_async.export.worker_thread import SingleThreadExecutor

__all__ = [
    "CHECKPOINT",
    "FolderTarget",
    "directory_of",
    "private_directory",
    "stem_of",
    "truncated_error",
]

T = TypeVar("T")

CHECKPOINT: Final = ".nexhealth-pull.json"
_LOCK: Final = ".nexhealth-pull.lock"
_CHECKPOINT_SECONDS: Final = 1.0
"""Seconds between two checkpoints."""


@frozen(kw_only=True)
class _FolderCheckpoint:
    format: str
    """File format of the target that wrote it."""
    progress: Progress
    sizes: dict[str, int]
    """Size of a shard's file in bytes, or its number of files, by shard name."""
    groups: list[tuple[Group, GroupState]]
    clearing: bool = False
    """True if files of an earlier pull may still have to be deleted."""


class FolderTarget(ABC):
    """A directory that a pull is copied to; see `nexhealth_async.export.folder_target`.

    A directory holds one pull, which can be resumed but not followed by another one, because files
    cannot replace a changed record.

    Raises:
        TargetError: The directory is in use or cannot be written, for example because the disk is
            full. Stored records stay, and the pull can be resumed.
    """

    merges = False
    format: str

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._thread: SingleThreadExecutor | None = None
        self._lock: FolderLock | None = None
        self._pull: Progress | None = None
        self._states: dict[str, ShardState] = {}
        self._sizes: dict[str, int] = {}
        self._groups: dict[Group, GroupState] = {}
        self._unsafe: set[Path] = set()
        """Files and directories to flush to disk before the next checkpoint."""
        self._rejected = RejectedFile(self._path)
        self._saved = 0.0
        self._broken = False
        self._clearing = False

    def __repr__(self) -> str:
        """Show the directory's name."""
        return f"<{type(self).__name__} {self._path.name}>"

    @staticmethod
    def saved_format(path: Path) -> str | None:
        """Return the format of a directory's pull, such as ``jsonl.gz``; None without a pull."""
        with suppress(OSError, msgspec.MsgspecError, UnicodeError):
            return msgspec.json.decode(
                (path / CHECKPOINT).read_bytes(), type=_FolderCheckpoint
            ).format
        return None

    @strip_traceback
    async def open(self) -> None:
        """Create the directory if it is missing, and lock out other writers."""
        if self._lock is not None:
            raise SessionStateError("this target is already open; use it for one pull at a time")
        self._thread = self._thread or SingleThreadExecutor()
        await self._thread.run(lambda: self._translate_errors(self._open))

    @strip_traceback
    async def aclose(self) -> None:
        """Save complete files, and release the lock."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            with CancelScope(shield=True):
                await thread.run(lambda: self._translate_errors(self._close))
            thread.end()

    @strip_traceback
    async def load(self) -> Progress | None:
        """Return the last pull, and cut off everything written after its checkpoint.

        Returns:
            The pull, finished or not; None if there is none.
        """
        return await self._run(self._load)

    @strip_traceback
    async def inspect(self) -> Progress | None:
        """Return the last pull, finished or not, without changing its files."""
        return await self._run(self._inspect)

    @strip_traceback
    async def holds_records(self) -> bool:
        """Return True if the target holds records."""
        return await self._run(lambda: any(self._sizes.values()))

    @strip_traceback
    async def save_origin(self, origin: Origin) -> None:
        """Replace the origin stored with the last pull."""

        def keep() -> None:
            if self._pull is not None:
                self._pull = evolve(self._pull, origin=origin)
                self._save()

        await self._run(keep)

    @strip_traceback
    async def begin_replacing(self, progress: Progress) -> None:
        """Delete the files of the last pull and store the plan of a new one.

        If the process is killed meanwhile, the next call of `open` deletes the remaining files.
        """
        await self._run(lambda: self._begin_replacing(progress))

    @strip_traceback
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return the stored state of each resource of each practice."""
        return await self._run(lambda: dict(self._groups))

    @strip_traceback
    async def begin(self, progress: Progress) -> None:
        """Store the plan of a new pull.

        Raises:
            UsageError: The directory holds records of an earlier pull.
        """
        await self._run(lambda: self._begin(progress))

    @strip_traceback
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Cut a shard back to the position in its state, or to its start."""
        await self._run(lambda: self._rewind(shard, state))

    @strip_traceback
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids of a group that this pull has stored."""
        return await self._run(lambda: self._known(group))

    @strip_traceback
    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return the records in ``_rejected.jsonl``, without their JSON."""
        return await self._run(lambda: self._rejected.entries)

    @strip_traceback
    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Remove records from ``_rejected.jsonl``."""
        await self._run(lambda: self._forget_rejected(gone))

    @strip_traceback
    async def write(self, batch: Batch, state: ShardState) -> None:
        """Write a batch's records; the next checkpoint stores them."""
        await self._run(lambda: self._write(batch, state))

    @strip_traceback
    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Record that a shard is done or has failed; the next checkpoint stores it."""
        await self._run(lambda: self._settle(shard, state))

    @strip_traceback
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Record that a group is complete up to the watermark; nothing is ever deleted."""
        await self._run(lambda: self._complete(group, watermark, whole=whole))
        return 0

    @strip_traceback
    async def finish(self) -> None:
        """Store that the pull has ended; a failed shard stays failed."""
        await self._run(self._finish)

    # Differs by file format; runs in the thread.

    @abstractmethod
    def _append(self, batch: Batch, state: ShardState) -> None:
        """Write records; set the shard's state and size to what is stored."""

    @abstractmethod
    def _end(self, shard: Shard, state: ShardState) -> None:
        """Write all remaining records of a shard, and set its size."""

    @abstractmethod
    def _cut(self, shard: Shard, size: int) -> None:
        """Cut a shard's files back to a size; raise `TargetError` if they are smaller."""

    @abstractmethod
    def _ids(self, shard: Shard) -> Iterator[int | str]:
        """Read the ids of a shard's records from its files."""

    @abstractmethod
    def _release_files(self) -> None:
        """Close files; complete those that can be stored, unless the disk has failed."""

    @abstractmethod
    def _directory(self, shard: Shard) -> Path:
        """Return the directory of a shard's files."""

    def _make_directory(self, shard: Shard) -> Path:
        """Return the directory of a shard's files; create it if it is missing."""
        directory = self._directory(shard)
        if not directory.is_dir():
            private_directory(directory)
            self._unsafe.update((directory, directory.parent, self._path))
        return directory

    async def _run(self, action: Callable[[], T]) -> T:
        if self._thread is None or self._lock is None:
            raise SessionStateError("this target is not open; use `async with target:`")
        if self._broken:
            raise TargetError("an earlier write failed; open a new target and resume the pull")
        return await self._thread.run(lambda: self._translate_errors(action))

    def _translate_errors(self, action: Callable[[], T]) -> T:
        with self._catch_os_errors():
            return action()

    @contextmanager
    def _catch_os_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self._broken = True
            reason = os.strerror(error.errno) if error.errno else "it cannot be written"
            advice = "choose another one" if self._pull is None else "fix it and resume the pull"
            raise TargetError(
                f"the directory {self._path.name} cannot be used: {reason}; {advice}"
            ) from None

    def _open(self) -> None:
        if not self._path.is_dir():
            private_directory(self._path)
        self._broken = False
        lock = FolderLock(self._path / _LOCK)
        if not lock.acquire():
            raise TargetError(
                f"another pull is writing to the directory {self._path.name}; wait until it "
                "ends or choose another directory"
            )
        try:
            self._read()
        except BaseException:
            lock.release()
            raise
        self._lock = lock

    def _close(self) -> None:
        if self._lock is None:
            return  # not opened
        try:
            self._release_files()
            if self._pull is not None and not self._broken:
                self._save()
                self._rejected.tidy()
        finally:
            lock, self._lock, self._pull = self._lock, None, None
            lock.release()

    def _read(self) -> None:
        self._pull, self._states, self._sizes, self._groups = None, {}, {}, {}
        self._rejected.open()
        try:
            text = (self._path / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return
        try:
            checkpoint = msgspec.json.decode(text, type=_FolderCheckpoint)
            _check(checkpoint)
        except (msgspec.MsgspecError, UnicodeError, UsageError):
            raise UsageError(
                f"{CHECKPOINT} in {self._path.name} is not a checkpoint of this release; "
                "choose another directory"
            ) from None
        if checkpoint.format != self.format:
            raise UsageError(
                f"the directory {self._path.name} holds a pull as {checkpoint.format}, not "
                f"{self.format}; use the same format or choose another directory"
            )
        self._pull = checkpoint.progress
        self._states = dict(checkpoint.progress.states)
        self._sizes = checkpoint.sizes
        self._groups = dict(checkpoint.groups)
        if checkpoint.clearing:
            self._clear()

    def _inspect(self) -> Progress | None:
        return None if self._pull is None else evolve(self._pull, states=dict(self._states))

    def _begin_replacing(self, progress: Progress) -> None:
        self._pull = progress
        self._states, self._sizes, self._groups = dict(progress.states), {}, {}
        self._clearing = True
        self._save()  # before files are deleted, so that the checkpoint is never out of date
        self._clear()

    def _clear(self) -> None:
        """Delete all files of records, then store that none is left."""
        ending = re.compile(rf"\.{re.escape(self.format)}(\.part)?$")
        for resource in every_resource():
            for directory, _, names in os.walk(self._path / resource, topdown=False):
                where = Path(directory)
                for name in names:
                    if ending.search(name):
                        (where / name).unlink()
                flush_to_disk(where)
                with suppress(OSError):  # it holds other files
                    where.rmdir()
        self._rejected.clear()
        self._unsafe.clear()
        flush_to_disk(self._path)
        self._clearing = False
        self._save()

    def _load(self) -> Progress | None:
        pull = self._pull
        if pull is None:
            return None
        for shard in pull.shards:
            self._cut(shard, self._sizes.get(shard.name, 0))
        for group in self._rejected.groups:  # a stored record is no longer rejected
            self._rejected.release(group, set(map(str, self._known(group))))
        return evolve(pull, states=dict(self._states))

    def _begin(self, progress: Progress) -> None:
        if self._pull is not None and not any(self._sizes.values()):
            self._load()  # it holds no records
        elif self._pull is not None or self._holds_files():
            if self._pull is None:
                reason = "holds other files; choose an empty one"
            elif is_over(evolve(self._pull, states=self._states)):
                reason = "holds a complete pull; choose an empty one"
            else:
                reason = "holds an unfinished pull; resume it, or choose an empty directory"
            raise UsageError(f"the directory {self._path.name} {reason}")
        self._pull = progress
        self._states, self._sizes, self._groups = dict(progress.states), {}, {}
        self._save()

    def _holds_files(self) -> bool:
        return {path.name for path in self._path.iterdir()} > {_LOCK}

    def _rewind(self, shard: Shard, state: ShardState | None) -> None:
        name = shard.name
        if state is None or state.position is None:
            self._sizes.pop(name, None)
            self._states.pop(name, None)
        elif name not in self._states or self._states[name].position != state.position:
            raise TargetError(
                f"the files of {name} end before the position to resume from; start over in "
                "another directory"
            )
        else:
            self._states[name] = state
        self._save()  # before files are cut, so that the checkpoint is never out of date
        self._cut(shard, self._sizes.get(name, 0))

    def _known(self, group: Group) -> list[int | str]:
        shards = self._pull.shards if self._pull else ()
        return [
            id
            for shard in shards
            if shard.group == group and self._sizes.get(shard.name)
            for id in self._ids(shard)
        ]

    def _write(self, batch: Batch, state: ShardState) -> None:
        if self._rejected.add(batch, self._pull.id if self._pull else ""):
            self._unsafe.update((self._rejected.path, self._path))
        self._append(batch, state)
        if state.status != "open":  # its shard is already settled
            self._end(batch.shard, state)
        if batch.shard.group in self._rejected.groups:
            ids = (valid_id(batch.shard.resource, record) for record in batch.raw)
            self._rejected.release(batch.shard.group, set(map(str, ids)))
        self._save_if_due()

    def _forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        for entry in gone:
            self._rejected.release(entry.group, {entry.key})

    def _settle(self, shard: Shard, state: ShardState) -> None:
        self._end(shard, state)
        self._states[shard.name] = state
        self._save_if_due()

    def _complete(self, group: Group, watermark: datetime, *, whole: bool) -> None:
        compared = watermark if whole else None
        self._groups[group] = GroupState(watermark=watermark, compared=compared)
        self._save_if_due()

    def _finish(self) -> None:
        self._release_files()
        if self._pull is None:
            raise UsageError("no pull is loaded; call load or begin first")
        self._pull = evolve(self._pull, finished=True)
        self._save()
        self._rejected.tidy()

    def _save_if_due(self) -> None:
        if self._clock() - self._saved >= _CHECKPOINT_SECONDS:
            self._save()

    def _save(self) -> None:
        """Flush all files, then write the checkpoint."""
        if self._pull is None:
            return
        for path in self._unsafe:
            flush_to_disk(path)
        self._unsafe.clear()
        checkpoint = _FolderCheckpoint(
            format=self.format,
            progress=evolve(self._pull, states=self._states),
            sizes=self._sizes,
            groups=list(self._groups.items()),
            clearing=self._clearing,
        )
        replace_file(self._path / CHECKPOINT, [msgspec.json.encode(checkpoint)])
        self._saved = self._clock()


def _check(checkpoint: _FolderCheckpoint) -> None:
    """Raise `UsageError` for an invalid checkpoint, whose names decide which files are cut."""
    check_progress(checkpoint.progress)
    shards = checkpoint.progress.shards
    names, groups = {shard.name for shard in shards}, {shard.group for shard in shards}
    sizes_fit = checkpoint.sizes.keys() <= names and all(
        size >= 0 for size in checkpoint.sizes.values()
    )
    if not sizes_fit or not {group for group, _ in checkpoint.groups} <= groups:
        raise UsageError("the checkpoint names shards that its pull does not have; start over")


def stem_of(shard: Shard) -> str:
    """Return the stem of a shard's file names, such as ``331107_2026-01-01..2027-01-01``."""
    location = "all" if shard.location_id is None else str(shard.location_id)
    window = (f"{shard.window[0][:10]}..{shard.window[1][:10]}",) if shard.window else ()
    return "_".join((location, *window, *(("sweep",) if shard.sweep else ())))


def directory_of(folder: Path, shard: Shard, prefix: str) -> Path:
    """Return the directory of a resource in a folder, or of a practice within it.

    ``prefix`` stands before the practice's name.
    """
    directory = folder / shard.resource
    if shard.subdomain is None:
        return directory
    practice = quote(shard.subdomain, safe="")
    return directory / (
        prefix + (practice if practice.strip(".") else practice.replace(".", "%2E"))
    )


def truncated_error(shard: Shard) -> TargetError:
    """Build the error for files that hold less than their checkpoint says."""
    return TargetError(
        f"the files of {shard.name} hold less than the checkpoint says; start over in "
        "another directory"
    )


def private_directory(path: Path) -> None:
    """Create a directory and its parents for its owner only."""
    if not path.parent.is_dir():
        private_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
