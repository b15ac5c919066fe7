"""What targets made of files share: the lock, the checkpoint, and the thread that does the work.

Files come into a directory with one subdirectory for each resource and, in it, for each practice.
Beside them lies ``.nexhealth-pull.json``, the checkpoint: which pull this is and how far it has
come. It is written at most once a second, after everything it speaks of is safe on the disk. What a
killed process wrote behind it is cut off when the pull is loaded again, and read anew.

Directories are made with mode 0700 and files with 0600: they hold patients' records.
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
    "shorten_name",
    "stem_of",
]

T = TypeVar("T")

CHECKPOINT: Final = ".nexhealth-pull.json"
_LOCK: Final = ".nexhealth-pull.lock"
_SEPARATE_SYNC: Final = 1.0
"""Seconds between two checkpoints."""


@frozen(kw_only=True)
class _FolderCheckpoint:
    format: str
    """Which target wrote it; another one could not read its files."""
    progress: Progress
    sizes: dict[str, int]
    """By shard: bytes of its file, or the number of its files."""
    groups: list[tuple[Group, GroupState]]
    clearing: bool = False
    """Whether files of an earlier pull may still be there, which are to be deleted first."""


class FolderTarget(ABC):
    """A directory that a pull is copied to; see `nexhealth_async.export.folder_target`.

    A directory takes one pull, which can be resumed but not followed by another: files cannot
    replace a record that has changed.

    Raises `TargetError` where the directory is in use or cannot be written, such as on a full disk;
    what was kept stays, and the pull can be resumed.
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
        """Files and directories that are to be flushed to the disk before the next checkpoint."""
        self._rejected = RejectedFile(self._path)
        self._saved = 0.0
        self._broken = False
        self._clearing = False

    def __repr__(self) -> str:
        """Show the directory's name."""
        return f"<{type(self).__name__} {self._path.name}>"

    @staticmethod
    def saved_format(path: Path) -> str | None:
        """Return the format of the pull in a directory, such as ``jsonl.gz``; None without one."""
        with suppress(OSError, msgspec.MsgspecError, UnicodeError):
            return msgspec.json.decode(
                (path / CHECKPOINT).read_bytes(), type=_FolderCheckpoint
            ).format
        return None

    @strip_traceback
    async def open(self) -> None:
        """Make the directory if it is missing, and lock out other writers."""
        if self._lock is not None:
            raise SessionStateError("this target is open already; one pull at a time uses it")
        self._thread = self._thread or SingleThreadExecutor()
        await self._thread.run(lambda: self._translate_errors(self._open))

    @strip_traceback
    async def aclose(self) -> None:
        """Keep what is whole, and let other writers in."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            with CancelScope(shield=True):
                await thread.run(lambda: self._translate_errors(self._close))
            thread.end()

    @strip_traceback
    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; cuts off what was written behind its checkpoint.

        None if there was none.
        """
        return await self._run(self._load)

    @strip_traceback
    async def inspect(self) -> Progress | None:
        """Return the last pull, finished or not, and leave its files as they are."""
        return await self._run(self._look)

    @strip_traceback
    async def holds_records(self) -> bool:
        """Tell whether there are records."""
        return await self._run(lambda: any(self._sizes.values()))

    @strip_traceback
    async def save_origin(self, origin: Origin) -> None:
        """Keep another origin with the last pull."""

        def keep() -> None:
            if self._pull is not None:
                self._pull = evolve(self._pull, origin=origin)
                self._save()

        await self._run(keep)

    @strip_traceback
    async def begin_replacing(self, progress: Progress) -> None:
        """Delete the files of the last pull and keep the plan of a new one.

        Killed in between, whoever opens the directory next deletes the rest of them.
        """
        await self._run(lambda: self._begin_anew(progress))

    @strip_traceback
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        return await self._run(lambda: dict(self._groups))

    @strip_traceback
    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull; `UsageError` where an earlier pull's records are."""
        await self._run(lambda: self._begin(progress))

    @strip_traceback
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Cut a shard back to its checkpoint: to the state's place, or to nothing."""
        await self._run(lambda: self._rewind(shard, state))

    @strip_traceback
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids this pull has kept of a group."""
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
        """Write a batch's records; they are kept with the next checkpoint."""
        await self._run(lambda: self._write(batch, state))

    @strip_traceback
    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Note that a shard is done or has failed; kept with the next checkpoint."""
        await self._run(lambda: self._settle(shard, state))

    @strip_traceback
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Note that a group is complete up to the watermark; there is never anything to delete."""
        await self._run(lambda: self._complete(group, watermark, whole=whole))
        return 0

    @strip_traceback
    async def finish(self) -> None:
        """Keep that the pull has ended; a shard that failed stays failed."""
        await self._run(self._finish)

    # What the kinds of files differ in; all of it runs in the thread.

    @abstractmethod
    def _append(self, batch: Batch, state: ShardState) -> None:
        """Write records; set the shard's state and size to what could be kept now."""

    @abstractmethod
    def _end(self, shard: Shard, state: ShardState) -> None:
        """Bring all of a shard's records into its files, and set its size."""

    @abstractmethod
    def _cut(self, shard: Shard, size: int) -> None:
        """Take away what a shard's files hold beyond a size; `TargetError` if they hold less."""

    @abstractmethod
    def _ids(self, shard: Shard) -> Iterator[int | str]:
        """Read the ids of a shard's records back."""

    @abstractmethod
    def _release_files(self) -> None:
        """Close files; bring into them what can be kept, unless the disk has failed."""

    @abstractmethod
    def _directory(self, shard: Shard) -> Path:
        """Return the directory of a shard's files."""

    def _make_directory(self, shard: Shard) -> Path:
        """Return the directory of a shard's files, made if it was missing."""
        directory = self._directory(shard)
        if not directory.is_dir():
            private_directory(directory)
            self._unsafe.update((directory, directory.parent, self._path))
        return directory

    async def _run(self, action: Callable[[], T]) -> T:
        if self._thread is None or self._lock is None:
            raise SessionStateError("this target is not open; use `async with target:`")
        if self._broken:
            raise TargetError("this target has failed before; open a new one and resume")
        return await self._thread.run(lambda: self._translate_errors(action))

    def _translate_errors(self, action: Callable[[], T]) -> T:
        with self._mark_failed():
            return action()

    @contextmanager
    def _mark_failed(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self._broken = True
            why = os.strerror(error.errno) if error.errno else "it cannot be written"
            then = "choose another" if self._pull is None else "resume once it can"
            raise TargetError(
                f"the directory {self._path.name} cannot be used: {why}; {then}"
            ) from None

    def _open(self) -> None:
        if not self._path.is_dir():
            private_directory(self._path)
        self._broken = False
        lock = FolderLock(self._path / _LOCK)
        if not lock.acquire():
            raise TargetError(
                f"another pull is writing to the directory {self._path.name}; wait for its end, or "
                "choose another directory"
            )
        try:
            self._read()
        except BaseException:
            lock.release()
            raise
        self._lock = lock

    def _close(self) -> None:
        if self._lock is None:
            return  # opening had failed
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
            found = msgspec.json.decode(text, type=_FolderCheckpoint)
            _check(found)
        except (msgspec.MsgspecError, UnicodeError, UsageError):
            raise UsageError(
                f"{CHECKPOINT} in {self._path.name} is no checkpoint, or one of another release; "
                "choose another directory"
            ) from None
        if found.format != self.format:
            raise UsageError(
                f"the directory {self._path.name} holds a pull as {found.format}, not "
                f"{self.format}; copy to it in its own format, or choose another directory"
            )
        self._pull = found.progress
        self._states = dict(found.progress.states)
        self._sizes = found.sizes
        self._groups = dict(found.groups)
        if found.clearing:
            self._clear()

    def _look(self) -> Progress | None:
        return None if self._pull is None else evolve(self._pull, states=dict(self._states))

    def _begin_anew(self, progress: Progress) -> None:
        self._pull = progress
        self._states, self._sizes, self._groups = dict(progress.states), {}, {}
        self._clearing = True
        self._save()  # before anything goes: from here on it is the new pull that is there
        self._clear()

    def _clear(self) -> None:
        """Delete all files of records, then note that none is left."""
        ending = re.compile(rf"\.{re.escape(self.format)}(\.part)?$")
        for resource in every_resource():
            for directory, _, names in os.walk(self._path / resource, topdown=False):
                where = Path(directory)
                for name in names:
                    if ending.search(name):
                        (where / name).unlink()
                flush_to_disk(where)
                with suppress(OSError):  # something else is in it
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
        for group in self._rejected.groups:  # a record that is there is rejected no more
            self._rejected.release(group, set(map(str, self._known(group))))
        return evolve(pull, states=dict(self._states))

    def _begin(self, progress: Progress) -> None:
        if self._pull is not None and not any(self._sizes.values()):
            self._load()  # nothing of it was kept
        elif self._pull is not None or self._holds_files():
            if self._pull is None:
                what = "holds other files; choose an empty one"
            elif is_over(evolve(self._pull, states=self._states)):
                what = "holds a complete pull; choose an empty one for another"
            else:
                what = "holds an unfinished pull; resume it, or choose an empty directory"
            raise UsageError(f"the directory {self._path.name} {what}")
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
                f"{name} was not kept up to where it should go on; begin anew in another directory"
            )
        else:
            self._states[name] = state
        self._save()  # before anything goes: a checkpoint never speaks of what is not there
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
        if state.status != "open":  # it came beside its shard's own reading
            self._end(batch.shard, state)
        if batch.shard.group in self._rejected.groups:
            ids = (valid_id(batch.shard.resource, one) for one in batch.raw)
            self._rejected.release(batch.shard.group, set(map(str, ids)))
        self._save_if_due()

    def _forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        for one in gone:
            self._rejected.release(one.group, {one.key})

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
            raise UsageError("this target knows of no pull yet: call load or begin first")
        self._pull = evolve(self._pull, finished=True)
        self._save()
        self._rejected.tidy()

    def _save_if_due(self) -> None:
        if self._clock() - self._saved >= _SEPARATE_SYNC:
            self._save()

    def _save(self) -> None:
        """Make everything safe, then the checkpoint that speaks of it."""
        if self._pull is None:
            return
        for path in self._unsafe:
            flush_to_disk(path)
        self._unsafe.clear()
        kept = _FolderCheckpoint(
            format=self.format,
            progress=evolve(self._pull, states=self._states),
            sizes=self._sizes,
            groups=list(self._groups.items()),
            clearing=self._clearing,
        )
        replace_file(self._path / CHECKPOINT, [msgspec.json.encode(kept)])
        self._saved = self._clock()


def _check(checkpoint: _FolderCheckpoint) -> None:
    """Raise `UsageError` for a checkpoint that no pull wrote: it names what is cut and removed."""
    check_progress(checkpoint.progress)
    shards = checkpoint.progress.shards
    names, groups = {shard.name for shard in shards}, {shard.group for shard in shards}
    sizes_fit = checkpoint.sizes.keys() <= names and all(
        size >= 0 for size in checkpoint.sizes.values()
    )
    if not sizes_fit or not {group for group, _ in checkpoint.groups} <= groups:
        raise UsageError("this checkpoint speaks of what its pull does not have; begin anew")


def stem_of(shard: Shard) -> str:
    """Return a shard's part of its files' names, such as ``331107_2026-01-01..2027-01-01``."""
    place = "all" if shard.location_id is None else str(shard.location_id)
    window = (f"{shard.window[0][:10]}..{shard.window[1][:10]}",) if shard.window else ()
    return "_".join((place, *window, *(("sweep",) if shard.sweep else ())))


def directory_of(folder: Path, shard: Shard, prefix: str) -> Path:
    """Return the directory of a resource in a folder, and in it that of a practice if there is one.

    The practice's name stands behind the prefix.
    """
    directory = folder / shard.resource
    if shard.subdomain is None:
        return directory
    practice = quote(shard.subdomain, safe="")
    return directory / (
        prefix + (practice if practice.strip(".") else practice.replace(".", "%2E"))
    )


def shorten_name(shard: Shard) -> TargetError:
    """Make the error for files that hold less than their checkpoint says."""
    return TargetError(
        f"the files of {shard.name} hold less than the checkpoint says; were they edited? "
        "Begin anew in another directory"
    )


def private_directory(path: Path) -> None:
    """Make a directory, and those above it, for its owner alone."""
    if not path.parent.is_dir():
        private_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
