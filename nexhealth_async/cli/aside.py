"""Records that cannot be read go to a side file, with the reason, on their way to the target."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from anyio import to_thread

from nexhealth_async.bulk.progress import is_over
from nexhealth_async.bulk.targets import ReadsPages
from nexhealth_async.cli.life import FAILED, Quit
from nexhealth_async.cli.screen import note
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk import (
        Batch,
        Group,
        GroupState,
        Progress,
        Refused,
        Shard,
        ShardState,
        Target,
    )
    from nexhealth_async.bulk.batches import Reader

__all__ = ["Aside", "nothing_to_resume"]


def nothing_to_resume(where: str, *, complete: bool = False) -> Quit:
    """Make the error for a place where no pull was left unfinished."""
    if complete:
        return Quit(f"The pull in {where} is complete: nothing is left to resume.")
    return Quit(f"There is no pull to resume in {where}: check --to, or name lists to begin one.")


class _Origin(msgspec.Struct):
    """What tells where a line came from."""

    shard: str = ""
    resource: str = ""
    practice: str | None = None


class Aside:
    """A target that keeps what another one cannot: the records that no model could read.

    Each is a line of the side file, which is its owner's alone: resource, practice, shard, id,
    path, expected and the record as it came. Lines of lists that a new pull reads as a whole, and
    of shards that start again, are taken out first, so that what stands there is refused still.
    """

    read_page: Reader
    """There only if the target has it."""

    def __init__(
        self,
        target: Target,
        path: Path,
        *,
        only_resume: str | None = None,
        version: str | None = None,
    ) -> None:
        self.merges: bool = target.merges
        if isinstance(target, ReadsPages):
            self.read_page = target.read_page
        self._target = target
        self._path = path
        self._only_resume = only_resume
        self._version = version
        self._seen: set[bytes] = set()
        """Of each line: a killed pull reads again what the target had not kept."""

    async def open(self) -> None:
        """Open the target."""
        await self._target.open()
        await to_thread.run_sync(self._recall)

    async def aclose(self) -> None:
        """Close the target."""
        await self._target.aclose()

    async def load(self) -> Progress | None:
        """Return the last pull; raises `Quit` if it cannot be resumed as it was asked for."""
        progress = await self._target.load()
        if progress is None or is_over(progress):
            if self._only_resume is not None:
                raise nothing_to_resume(self._only_resume, complete=progress is not None)
        elif None not in (self._version, progress.version) and progress.version != self._version:
            raise Quit(
                f"The pull to be resumed reads {progress.version}: "
                f"add --api-version {progress.version}."
            )
        return progress

    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        return await self._target.groups()

    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull; forget what it will say anew."""
        before = await self._before() if self.merges else None
        await self._target.begin(progress)
        if before is not None and not is_over(before):
            lists = ", ".join(dict.fromkeys(shard.resource for shard in before.shards))
            note(f"an unfinished pull ({lists}) was there and cannot be resumed any more")
        anew = {
            (shard.resource, shard.subdomain)
            for shard in progress.shards
            if shard.compares and not shard.sweep
        }
        await self._forget(lambda line: (line.resource, line.practice) in anew)

    async def _before(self) -> Progress | None:
        with suppress(UsageError):  # a plan of another release, of which nothing is left now
            return await self._target.load()
        return None

    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Cut a shard back to its checkpoint."""
        if state is None or state.place is None:
            await self._forget(lambda line: line.shard == shard.name)
        await self._target.rewind(shard, state)

    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids this pull has kept of a group."""
        return await self._target.known(group)

    async def write(self, batch: Batch, state: ShardState) -> None:
        """Keep a batch: what was refused first, so that no checkpoint is ahead of it."""
        if batch.refused:
            lines = [_line(batch.shard, one) for one in batch.refused]
            await to_thread.run_sync(self._add, lines)
        await self._target.write(batch, state)

    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Keep that a shard is done or has failed."""
        await self._target.settle(shard, state)

    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Keep that a group is complete."""
        return await self._target.complete(group, watermark=watermark, whole=whole)

    async def finish(self) -> None:
        """Keep that the pull has ended."""
        await self._target.finish()

    def _recall(self) -> None:
        if _is_exposed(self._path):
            self._replace(self._lines())  # whoever has it open would go on reading
        self._seen = {_digest(line) for line in self._lines()}

    def _add(self, lines: Iterable[bytes]) -> None:
        fresh = [line for line in dict.fromkeys(lines) if _digest(line) not in self._seen]
        if not fresh:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "ab") as file:
                self._path.chmod(0o600)
                file.writelines(fresh)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Quit(
                f"{self._path} cannot be written: {error.strerror}.", status=FAILED
            ) from None
        self._seen.update(map(_digest, fresh))

    async def _forget(self, is_meant: Callable[[_Origin], bool]) -> None:
        def rewrite() -> None:
            lines = self._lines()
            kept = [line for line in lines if not is_meant(_origin(line))]
            if len(kept) == len(lines):
                return
            self._replace(kept)
            self._seen = {_digest(line) for line in kept}

        await to_thread.run_sync(rewrite)

    def _replace(self, lines: Sequence[bytes]) -> None:
        """Put a file that holds these lines, and is its owner's alone, in place of the other."""
        if not lines:
            self._path.unlink()
            return
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
            to.writelines(lines)
            to.flush()
            os.fsync(to.fileno())
        fresh.replace(self._path)

    def _lines(self) -> list[bytes]:
        """Read the side file; what a killed process left half written is no line."""
        with suppress(FileNotFoundError):
            data = self._path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                os.truncate(self._path, len(whole))
            return whole.splitlines(keepends=True)
        return []


def _is_exposed(path: Path) -> bool:
    """Tell whether others than its owner may open a file."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        return os.name != "nt" and stat.S_ISREG(mode) and bool(mode & 0o077)
    return False


def _line(shard: Shard, refused: Refused) -> bytes:
    # Breaks stand between tokens only.
    record = refused.raw.replace(b"\r", b" ").replace(b"\n", b" ")
    fields = {
        "resource": shard.resource,
        "practice": shard.subdomain,
        "shard": shard.name,
        "id": refused.record_id,
        "path": refused.path,
        "expected": refused.expected,
        "record": msgspec.Raw(record),
    }
    return msgspec.json.encode(fields) + b"\n"


def _origin(line: bytes) -> _Origin:
    try:
        return msgspec.json.decode(line, type=_Origin)
    except (msgspec.MsgspecError, UnicodeError):
        return _Origin()


def _digest(line: bytes) -> bytes:
    return blake2b(line, digest_size=16).digest()
