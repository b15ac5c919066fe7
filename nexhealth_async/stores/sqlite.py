"""Seen events in a file, by the SQLite of Python itself."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from nexhealth_async.errors import InvalidArgument, SessionStateError
from nexhealth_async.stores.base import KEEP, LEASE, check_times

if TYPE_CHECKING:
    from nexhealth_async.stores.base import Claim

__all__ = ["SqliteSeen"]

T = TypeVar("T")

_BUSY: Final = 30.0
"""Seconds to wait for another process to finish its own note, which takes well under one."""
_TIDY_EVERY: Final = 1_000
"""Claims between two looks for what may be forgotten."""
_TABLE: Final = """
create table if not exists seen (
    key text primary key,
    owner text,  -- null once it was handled
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
_FORGET: Final = "delete from seen where until <= :now"
_CROWDED: Final = """
delete from seen where key in (
    select key from seen where owner is null order by until
    limit max(0, (select count(*) from seen) - :most)
)
"""


class SqliteSeen:
    """Remembers seen events in a file: across restarts, and for all processes of one machine.

    The file is made on first use, readable by its owner only. It needs a disk of this machine:
    SQLite's locks do not hold on network drives. Calls run in a thread of the store's own, so they
    hold nobody up.

    At most about ``most`` keys are kept, each for ``keep``; past that the oldest go first. A key
    costs about 150 bytes. ``clock`` gives seconds since 1970, which must be the same for all who
    share the file.

    The power failing may undo the last notes, and their events are handled again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        most: int = 1_000_000,
        keep: timedelta = KEEP,
        lease: timedelta = LEASE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if most < 1:
            raise InvalidArgument("most must be at least 1")
        self._path = Path(path)
        self._most = most
        self._keep, self._lease = check_times(keep, lease)
        self._clock = clock
        self._owner = uuid4().hex
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nexhealth-seen")
        self._file: sqlite3.Connection | None = None
        self._claims = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<SqliteSeen{', closed' if self._closed else ''}>"

    async def claim(self, key: str) -> Claim:
        """Claim a key; see `SeenStore`."""
        return await self._run(lambda: self._claim(key))

    async def confirm(self, key: str) -> None:
        """Note that a claimed key was handled."""
        now = self._clock()
        await self._run(lambda: self._do(_CONFIRM, {"key": key, "now": now, "keep": self._keep}))

    async def release(self, key: str) -> None:
        """Give up a claim of this store's own."""
        await self._run(lambda: self._do(_RELEASE, {"key": key, "owner": self._owner}))

    async def count(self) -> int:
        """Return how many keys are held, claimed ones included."""
        return await self._run(lambda: self._number("select count(*) from seen"))

    async def aclose(self) -> None:
        """Close the file and end the thread; closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(self._thread, self._close))
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise SessionStateError("this store is closed; open a new one")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # What follows runs in the thread.

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            path = os.path.realpath(self._path)  # a link to nothing has a name already
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            # Every statement is a transaction of its own.
            file = sqlite3.connect(
                path, timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
            try:
                _set_up(file)
            except BaseException:
                file.close()
                raise
            self._file = file
        return self._file

    def _do(self, statement: str, values: Mapping[str, str | float]) -> int:
        return self._opened().execute(statement, values).rowcount

    def _number(self, question: str) -> int:
        (found,) = self._opened().execute(question).fetchone()
        return int(found)

    def _claim(self, key: str) -> Claim:
        now = self._clock()
        if self._claims % _TIDY_EVERY == 0:
            self._do(_FORGET, {"now": now})
            self._do(_CROWDED, {"most": self._most})
        self._claims += 1
        if self._do(_CLAIM, {"key": key, "owner": self._owner, "now": now, "lease": self._lease}):
            return "new"
        found = self._opened().execute("select owner from seen where key = ?", (key,)).fetchone()
        return "seen" if found is not None and found[0] is None else "busy"

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _set_up(file: sqlite3.Connection) -> None:
    """Prepare a file, which another process may be doing as well."""
    until = time.monotonic() + _BUSY
    while True:
        try:
            file.execute("pragma journal_mode = wal")
            break
        except sqlite3.OperationalError as error:  # SQLite itself does not wait for this one
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)
    file.execute("pragma synchronous = normal")
    file.execute(_TABLE)
    file.execute(_INDEX)
