"""The file ``_rejected.jsonl`` of the targets made of files.

Each line is a record that could not be read as its model, with the list it is of, its id, the path
of the field that could not be read and what was expected there. Lines are appended at once; those
of records that are rejected no more are taken out at the end of a run. So a process killed at any
moment leaves too many lines at the most, never too few; the last line of a record counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from nexhealth_async.bulk import Group, RejectedEntry
from nexhealth_async.bulk.target_support import entry_of, flush_to_disk, replace_file

if TYPE_CHECKING:
    from nexhealth_async.bulk import Batch, RejectedRecord

__all__ = ["REJECTED", "RejectedFile"]

REJECTED: Final = "_rejected.jsonl"


class _RejectedLine(msgspec.Struct, kw_only=True, omit_defaults=False):
    """One line; its fields are what people read."""

    resource: str
    practice: str | None
    shard: str
    key: str
    id: int | str | None
    path: str
    expected: str
    first_pull: str
    pull: str
    record: msgspec.Raw

    def __repr__(self) -> str:
        return "<_Line>"


_READ: Final = msgspec.json.Decoder(_RejectedLine).decode


class RejectedFile:
    """The rejected records of a directory."""

    def __init__(self, folder: Path) -> None:
        self.path: Path = folder / REJECTED
        self._entries: dict[tuple[Group, str], RejectedEntry] = {}
        self._surplus = False
        """Whether there are lines that no longer count."""

    def open(self) -> None:
        """Read the file; what a killed process left half written is no line."""
        self._entries, self._surplus = {}, False
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        self._surplus = True
                        continue
                    self._forget_line(line)
                if os.name != "nt":  # others who may open it, or have it open, read on otherwise
                    self._surplus |= bool(os.fstat(file.fileno()).st_mode & 0o077)
        except FileNotFoundError:
            return
        self.tidy()

    def clear(self) -> None:
        """Remove all rejected records."""
        self._entries, self._surplus = {}, False
        self.path.unlink(missing_ok=True)

    @property
    def entries(self) -> Sequence[RejectedEntry]:
        """All rejected records."""
        return list(self._entries.values())

    @property
    def groups(self) -> set[Group]:
        """The lists that have any."""
        return {group for group, _ in self._entries}

    def add(self, batch: Batch, pull: str) -> bool:
        """Append what a batch could not bring; tells whether there was something."""
        if not batch.refused:
            return False
        lines = [self._line(batch, one, pull) for one in batch.refused]
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.writelines(lines)
        return True

    def release(self, group: Group, keys: set[str]) -> None:
        """Take out records of a list that are rejected no more; see `tidy`."""
        for key in keys:
            if self._entries.pop((group, key), None) is not None:
                self._surplus = True

    def tidy(self) -> None:
        """Rewrite the file without lines that no longer count."""
        if not self._surplus:
            return
        if self._entries:
            replace_file(self.path, self._count_lines())
        else:
            self.path.unlink(missing_ok=True)
            flush_to_disk(self.path.parent)
        self._surplus = False

    def _line(self, batch: Batch, refused: RejectedRecord, pull: str) -> bytes:
        entry = entry_of(batch.shard, refused, pull=pull, first_pull=pull)
        place = (entry.group, entry.key)
        if (old := self._entries.get(place)) is not None:
            entry = entry_of(batch.shard, refused, pull=pull, first_pull=old.first_pull)
            self._surplus = True
        self._entries[place] = entry
        # Breaks stand between tokens only.
        record = refused.raw_json.replace(b"\r", b" ").replace(b"\n", b" ")
        line = _RejectedLine(
            resource=entry.resource,
            practice=entry.subdomain,
            shard=entry.shard,
            key=entry.key,
            id=entry.record_id,
            path=entry.path,
            expected=entry.expected,
            first_pull=entry.first_pull,
            pull=entry.pull,
            record=msgspec.Raw(record),
        )
        return msgspec.json.encode(line) + b"\n"

    def _forget_line(self, line: bytes) -> None:
        with suppress(msgspec.MsgspecError, UnicodeError):
            one = _READ(line)
            entry = RejectedEntry(
                resource=one.resource,
                subdomain=one.practice,
                key=one.key,
                record_id=one.id,
                shard=one.shard,
                path=one.path,
                expected=one.expected,
                first_pull=one.first_pull,
                pull=one.pull,
            )
            self._surplus |= (entry.group, entry.key) in self._entries
            self._entries[entry.group, entry.key] = entry

    def _count_lines(self) -> Iterator[bytes]:
        """Read the lines that count: of each rejected record the last one."""
        last = {place: at for at, place, _ in self._write_order()}
        for at, place, line in self._write_order():
            if last[place] == at:
                yield line

    def _write_order(self) -> Iterator[tuple[int, tuple[Group, str], bytes]]:
        with self.path.open("rb") as file:
            for at, line in enumerate(file):
                with suppress(msgspec.MsgspecError, UnicodeError):
                    one = _READ(line)
                    place = (Group(resource=one.resource, subdomain=one.practice), one.key)
                    if line.endswith(b"\n") and place in self._entries:
                        yield at, place, line
