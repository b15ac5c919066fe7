"""Seen events in a SQLite file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.webhooks.sqlite_file import SqliteFile
from nexhealth_async.webhooks.store_protocols import KEEP, LEASE, check_times

if TYPE_CHECKING:
    from nexhealth_async.webhooks.store_protocols import Claim

__all__ = ["SqliteSeen"]

_FORGET_EVERY: Final = 1_000
"""Number of claims between two deletions of expired keys."""
_TABLE: Final = """
create table if not exists seen (
    key text primary key,
    owner text,  -- null once it was handled
    until real not null
) without rowid
"""
_FAILURES: Final = """
create table if not exists failures (
    key text primary key,
    count integer not null,
    until real not null
) without rowid
"""
_INDEX: Final = "create index if not exists seen_until on seen (until)"
_CLAIM: Final = """
insert into seen values (:key, :owner, :now + :lease)
on conflict (key) do update set owner = excluded.owner, until = excluded.until
where until <= :now
"""
_CONFIRM: Final = """
insert into seen values (:key, null, :now + :keep)
on conflict (key) do update set owner = null, until = excluded.until
"""
_RELEASE: Final = "delete from seen where key = :key and owner = :owner"
_FAIL: Final = """
insert into failures values (:key, 1, :now + :keep)
on conflict (key) do update set count = count + 1, until = excluded.until
"""
_FORGET: Final = "delete from seen where until <= :now"
_FORGET_FAILURES: Final = "delete from failures where until <= :now"
_FORGET_OLDEST: Final = """
delete from seen where key in (
    select key from seen where owner is null order by until
    limit max(0, (select count(*) from seen) - :most)
)
"""


class SqliteSeen:
    """Store of seen events in a file, across restarts and for all processes of one machine.

    The file is created on first use, readable by its owner only. It must be on a local disk:
    SQLite's locks do not work on network drives. Calls run in a separate thread and do not block
    the event loop. While another process locks the file, claims wait for up to ten seconds; if more
    than 1,000 wait, `claim` returns ``busy`` at once. Closing ends every wait. A power failure may
    undo the last writes; their events are handled again.

    A key costs about 150 bytes.

    Args:
        path: Path of the file.
        max_keys: Approximate maximum number of keys; the oldest are dropped first.
        keep: Time to keep each key.
        lease: Time that a claim lasts.
        clock: Seconds since 1970; must agree among all processes that share the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_keys: int = 1_000_000,
        keep: timedelta = KEEP,
        lease: timedelta = LEASE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_keys < 1:
            raise InvalidArgumentError("max_keys must be at least 1")
        self._max_keys = max_keys
        self._keep, self._lease = check_times(keep, lease)
        self._clock = clock
        self._owner = uuid4().hex
        self._file = SqliteFile(path, _set_up, name="nexhealth-seen")
        self._claims = 0

    def __repr__(self) -> str:
        return f"<SqliteSeen{', closed' if self._file.is_closed else ''}>"

    async def claim(self, key: str) -> Claim:
        """Claim a key; see `SeenStore`."""
        if self._file.has_many_waiting:
            return "busy"
        return await self._file.run(lambda: self._claim(key))

    async def confirm(self, key: str) -> None:
        """Mark a claimed key as seen."""
        now = self._clock()
        values = {"key": key, "now": now, "keep": self._keep}
        await self._file.run(lambda: self._file.execute(_CONFIRM, values))

    async def release(self, key: str) -> None:
        """Release a claim of this store."""
        values = {"key": key, "owner": self._owner}
        await self._file.run(lambda: self._file.execute(_RELEASE, values))

    async def fail(self, key: str) -> int:
        """Release a claim of this store whose handling failed; return the number of failures."""
        return await self._file.run(lambda: self._fail(key))

    async def count(self) -> int:
        """Return the number of keys, including claimed ones."""
        return await self._file.run(lambda: self._number("select count(*) from seen"))

    async def aclose(self) -> None:
        """Close the file and end the thread; waiting calls raise."""
        await self._file.aclose()

    # Methods that run in the thread

    def _number(self, query: str, key: str = "") -> int:
        (count,) = self._file.execute(query, {"key": key}).fetchone()
        return int(count)

    def _claim(self, key: str) -> Claim:
        now = self._clock()
        if self._claims % _FORGET_EVERY == 0:
            self._file.execute(_FORGET, {"now": now})
            self._file.execute(_FORGET_FAILURES, {"now": now})
            self._file.execute(_FORGET_OLDEST, {"most": self._max_keys})
        self._claims += 1
        values = {"key": key, "owner": self._owner, "now": now, "lease": self._lease}
        if self._file.execute(_CLAIM, values).rowcount:
            return "new"
        values = {"key": key}
        row = self._file.execute("select owner from seen where key = :key", values).fetchone()
        return "seen" if row is not None and row[0] is None else "busy"

    def _fail(self, key: str) -> int:
        with self._file.transaction():
            self._file.execute(_RELEASE, {"key": key, "owner": self._owner})
            self._file.execute(_FAIL, {"key": key, "now": self._clock(), "keep": self._keep})
            return self._number("select count from failures where key = :key", key)


def _set_up(file: SqliteFile) -> None:
    file.execute("pragma synchronous = normal")
    for statement in (_TABLE, _INDEX, _FAILURES):
        file.execute(statement)
