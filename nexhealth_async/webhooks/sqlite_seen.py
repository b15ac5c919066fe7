"""Seen events in a file, by the SQLite of Python itself."""

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

_TIDY_EVERY: Final = 1_000
"""Claims between two looks for what may be forgotten."""
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
_BUSY_MESSAGE: Final = """
delete from seen where key in (
    select key from seen where owner is null order by until
    limit max(0, (select count(*) from seen) - :most)
)
"""


class SqliteSeen:
    """Remembers seen events in a file: across restarts, and for all processes of one machine.

    The file is made on first use, readable by its owner only. It needs a disk of this machine:
    SQLite's locks do not hold on network drives. Calls run in a thread of the store's own, so they
    hold nobody up. While another process locks the file, claims wait for up to ten seconds; beyond
    1,000 that wait, `claim` answers ``busy`` at once. Closing ends every wait.

    At most about ``most`` keys are kept, each for ``keep``; past that the oldest go first. A key
    costs about 150 bytes. ``clock`` gives seconds since 1970, which must be the same for all who
    share the file.

    The power failing may undo the last notes, and their events are handled again.
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
            raise InvalidArgumentError("most must be at least 1")
        self._most = max_keys
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
        """Note that a claimed key was handled."""
        now = self._clock()
        values = {"key": key, "now": now, "keep": self._keep}
        await self._file.run(lambda: self._file.execute(_CONFIRM, values))

    async def release(self, key: str) -> None:
        """Give up a claim of this store's own."""
        values = {"key": key, "owner": self._owner}
        await self._file.run(lambda: self._file.execute(_RELEASE, values))

    async def fail(self, key: str) -> int:
        """Give up a claim of this store's own whose handling failed; return how often it has."""
        return await self._file.run(lambda: self._fail(key))

    async def count(self) -> int:
        """Return how many keys are held, claimed ones included."""
        return await self._file.run(lambda: self._number("select count(*) from seen"))

    async def aclose(self) -> None:
        """Close the file and end the thread; what still waits is given up."""
        await self._file.aclose()

    # What follows runs in the thread.

    def _number(self, question: str, key: str = "") -> int:
        (found,) = self._file.execute(question, {"key": key}).fetchone()
        return int(found)

    def _claim(self, key: str) -> Claim:
        now = self._clock()
        if self._claims % _TIDY_EVERY == 0:
            self._file.execute(_FORGET, {"now": now})
            self._file.execute(_FORGET_FAILURES, {"now": now})
            self._file.execute(_BUSY_MESSAGE, {"most": self._most})
        self._claims += 1
        values = {"key": key, "owner": self._owner, "now": now, "lease": self._lease}
        if self._file.execute(_CLAIM, values).rowcount:
            return "new"
        asked = {"key": key}
        found = self._file.execute("select owner from seen where key = :key", asked).fetchone()
        return "seen" if found is not None and found[0] is None else "busy"

    def _fail(self, key: str) -> int:
        with self._file.transaction():
            self._file.execute(_RELEASE, {"key": key, "owner": self._owner})
            self._file.execute(_FAIL, {"key": key, "now": self._clock(), "keep": self._keep})
            return self._number("select count from failures where key = :key", key)


def _set_up(file: SqliteFile) -> None:
    file.execute("pragma synchronous = normal")
    for statement in (_TABLE, _INDEX, _FAILURES):
        file.execute(statement)
