"""The file ``_rejected.jsonl`` of the targets made of files.

Each line is a record that could not be read as its model, with its list, its id, the path of the
unreadable field and the expected type. Lines are appended at once, and removed at the end of a run
if the record is no longer rejected. So a killed process can leave too many lines, never too few.
The last line of a record counts.
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
    """One line of the file; users read its fields."""

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
        return f"<{type(self).__name__}>"


_READ: Final = msgspec.json.Decoder(_RejectedLine).decode


class RejectedFile:
    """The rejected records of a directory."""

    def __init__(self, folder: Path) -> None:
        self.path: Path = folder / REJECTED
        self._entries: dict[tuple[Group, str], RejectedEntry] = {}
        self._surplus = False
        """True if the file has lines that no longer count."""

    def open(self) -> None:
        """Read the file; ignore a partial last line of a killed process."""
        self._entries, self._surplus = {}, False
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        self._surplus = True
                        continue
                    self._add_line(line)
                if os.name != "nt":  # programs that have it open would keep reading
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
        """Lists that have rejected records."""
        return {group for group, _ in self._entries}

    def add(self, batch: Batch, pull: str) -> bool:
        """Append a batch's rejected records; return True if there were any."""
        if not batch.refused:
            return False
        lines = [self._line(batch, record, pull) for record in batch.refused]
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.writelines(lines)
        return True

    def release(self, group: Group, keys: set[str]) -> None:
        """Remove records of a list that are no longer rejected; see `tidy`."""
        for key in keys:
            if self._entries.pop((group, key), None) is not None:
                self._surplus = True

    def tidy(self) -> None:
        """Rewrite the file without lines that no longer count."""
        if not self._surplus:
            return
        if self._entries:
            replace_file(self.path, self._valid_lines())
        else:
            self.path.unlink(missing_ok=True)
            flush_to_disk(self.path.parent)
        self._surplus = False

    def _line(self, batch: Batch, rejected: RejectedRecord, pull: str) -> bytes:
        entry = entry_of(batch.shard, rejected, pull=pull, first_pull=pull)
        key = (entry.group, entry.key)
        if (earlier := self._entries.get(key)) is not None:
            entry = entry_of(batch.shard, rejected, pull=pull, first_pull=earlier.first_pull)
            self._surplus = True
        self._entries[key] = entry
        # Line breaks in JSON are only possible between tokens.
        record = rejected.raw_json.replace(b"\r", b" ").replace(b"\n", b" ")
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

    def _add_line(self, line: bytes) -> None:
        with suppress(msgspec.MsgspecError, UnicodeError):
            fields = _READ(line)
            entry = RejectedEntry(
                resource=fields.resource,
                subdomain=fields.practice,
                key=fields.key,
                record_id=fields.id,
                shard=fields.shard,
                path=fields.path,
                expected=fields.expected,
                first_pull=fields.first_pull,
                pull=fields.pull,
            )
            self._surplus |= (entry.group, entry.key) in self._entries
            self._entries[entry.group, entry.key] = entry

    def _valid_lines(self) -> Iterator[bytes]:
        """Yield the lines that count: the last one of each rejected record."""
        last = {key: at for at, key, _ in self._read_lines()}
        for at, key, line in self._read_lines():
            if last[key] == at:
                yield line

    def _read_lines(self) -> Iterator[tuple[int, tuple[Group, str], bytes]]:
        with self.path.open("rb") as file:
            for at, line in enumerate(file):
                with suppress(msgspec.MsgspecError, UnicodeError):
                    fields = _READ(line)
                    group = Group(resource=fields.resource, subdomain=fields.practice)
                    key = (group, fields.key)
                    if line.endswith(b"\n") and key in self._entries:
                        yield at, key, line
