"""A durable queue of webhook events in a file, by the SQLite of Python itself."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from nexhealth_async.errors import InvalidArgumentError
from nexhealth_async.webhooks.sqlite_file import SqliteFile
from nexhealth_async.webhooks.store_protocols import KEEP, QueuedEvent, check_times

if TYPE_CHECKING:
    from nexhealth_async.webhooks.store_protocols import Stored

__all__ = ["SqliteQueue"]

_TIDY_EVERY: Final = 1_000
"""Events stored between two looks for what may be forgotten."""
_FREE_SPACE: Final = 100
"""Events stored between two counts of what waits."""
_TABLES: Final = (
    """
    create table if not exists events (
        number integer primary key,  -- order of arrival
        key text not null unique,
        body blob not null,
        is_test integer not null,
        state text not null,  -- waiting, claimed, parked
        attempts integer not null default 0,
        owner text,
        until real not null  -- waiting: not before; claimed: when the lease ends
    )
    """,
    """
    create table if not exists handled (
        key text primary key,
        until real not null
    ) without rowid
    """,
    "create index if not exists handled_until on handled (until)",
)
_PUT: Final = """
insert into events (key, body, is_test, state, until)
select :key, :body, :is_test, 'waiting', :now
where not exists (select 1 from handled where key = :key and until > :now)
on conflict (key) do nothing
"""
_DUE: Final = """
select number, key, body, is_test, attempts + 1 from events
where state <> 'parked' and until <= :now order by number limit 1
"""
_CLAIM: Final = """
update events set state = 'claimed', attempts = attempts + 1, owner = :owner, until = :now + :lease
where number = :number
"""
_RENEW: Final = "update events set until = :now + :lease where key = :key and owner = :owner"
_FORGET_EVENT: Final = "delete from events where key = :key"
_CONFIRM: Final = """
insert into handled values (:key, :now + :keep)
on conflict (key) do update set until = excluded.until
"""
_RETRY: Final = """
update events set state = 'waiting', owner = null, until = :now + :after
where key = :key and owner = :owner
"""
_RELEASE: Final = """
update events set state = 'waiting', owner = null, until = :now, attempts = max(0, attempts - 1)
where key = :key and owner = :owner
"""
_PARK: Final = "update events set state = 'parked', owner = null where key = :key"
_UNPARK: Final = """
update events set state = 'waiting', until = :now, attempts = 0
where key = :key and state = 'parked'
"""
_TAKE_OVER: Final = """
update events set state = 'waiting', owner = null, until = 0 where state = 'claimed'
"""
_PARKED: Final = """
select key, body, is_test, attempts from events where state = 'parked' order by number
"""
_OPEN: Final = "select count(*) from events where state <> 'parked'"
_COUNT: Final = """
select state, count(*) from events group by state
union all select 'handled', count(*) from handled
"""


class SqliteQueue:
    """Keeps webhook events in a file until they are handled, across crashes and restarts.

    Give it to a receiver as its ``store``: a delivery is then answered as soon as the file holds
    it, and handled afterwards. What a process leaves unhandled is handled at its next start, or by
    another process that shares the file: at once if no other process has it open, else when
    ``lease`` has passed. Claims are renewed while a handler runs.

    **The file holds the bodies of events that wait or are parked: personal data, and not
    encrypted.** It is readable by its owner only; a handled event leaves its key behind, for
    ``keep``. It needs a disk of this machine: SQLite's locks do not hold on network drives.

    At most about ``most`` events wait; beyond that deliveries are put off. ``clock`` gives seconds
    since 1970, which must be the same for all who share the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_events: int = 100_000,
        keep: timedelta = KEEP,
        lease: timedelta = timedelta(seconds=30),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_events < 1:
            raise InvalidArgumentError("most must be at least 1")
        self._keep, self._lease = check_times(keep, lease)
        self.renew_every: float = self._lease / 3
        """Seconds between two calls of `renew`."""
        self._most = max_events
        self._clock = clock
        self._owner = uuid4().hex
        self._file = SqliteFile(path, self._set_up, name="nexhealth-queue")
        self._lock: int | None = None
        """The file that each process holds as long as it has the queue open."""
        self._puts = self._room = 0

    def __repr__(self) -> str:
        return f"<SqliteQueue{', closed' if self._file.is_closed else ''}>"

    async def put(self, key: str, body: bytes, *, is_test: bool = False) -> Stored:
        """Store an event durably; see `EventQueue`."""
        if self._file.has_many_waiting:
            return "busy"
        return await self._file.run(lambda: self._put(key, body, is_test=is_test))

    async def take(self) -> QueuedEvent | None:
        """Claim the event that has waited longest and is due; None if there is none."""
        return await self._file.run(self._claim_due)

    async def renew(self, keys: Collection[str]) -> None:
        """Hold the claims of these keys for another lease."""
        await self._file.run(lambda: self._renew(tuple(keys)))

    async def confirm(self, key: str) -> None:
        """Note that an event was handled, and forget its body."""
        await self._file.run(lambda: self._confirm(key))

    async def retry(self, key: str, after: float) -> None:
        """Give back an event whose handling failed, to be tried again in ``after`` seconds."""
        values = {"key": key, "owner": self._owner, "now": self._clock(), "after": after}
        await self._file.run(lambda: self._file.execute(_RETRY, values))

    async def release(self, key: str) -> None:
        """Give back an event that was not tried after all."""
        values = {"key": key, "owner": self._owner, "now": self._clock()}
        await self._file.run(lambda: self._file.execute(_RELEASE, values))

    async def park(self, key: str) -> None:
        """Put an event aside; `parked` lists it, `unpark` has it handled, `discard` removes it."""
        await self._file.run(lambda: self._file.execute(_PARK, {"key": key}))

    async def parked(self) -> list[QueuedEvent]:
        """Return the events that were put aside, in the order of their arrival."""
        return await self._file.run(self._parked)

    async def unpark(self, key: str) -> bool:
        """Have a parked event handled once more; False if there is none with this key."""
        values = {"key": key, "now": self._clock()}
        return await self._file.run(lambda: self._file.execute(_UNPARK, values).rowcount > 0)

    async def discard(self, key: str) -> None:
        """Remove an event without handling it; another delivery of it is dropped."""
        await self.confirm(key)

    async def counts(self) -> dict[str, int]:
        """Return the number of events by state: waiting, claimed, parked, handled."""
        return await self._file.run(self._counts)

    async def aclose(self) -> None:
        """Close the file and end the thread; what still waits for it is given up."""
        await self._file.aclose()
        self._unlock()

    # What follows runs in the thread.

    def _set_up(self, file: SqliteFile) -> None:
        file.execute("pragma synchronous = normal")
        file.execute("pragma secure_delete = on")  # handled bodies are overwritten
        for statement in _TABLES:
            file.execute(statement)
        if self._is_alone():
            file.execute(_TAKE_OVER)
        self._share()

    def _put(self, key: str, body: bytes, *, is_test: bool) -> Stored:
        now = self._clock()
        if self._room == 0:
            (number,) = self._file.execute(_OPEN).fetchone()
            self._room = max(0, min(_FREE_SPACE, self._most - number))
        if self._room == 0:
            return "busy"
        if self._puts % _TIDY_EVERY == 0:
            self._file.execute("delete from handled where until <= :now", {"now": now})
        self._puts += 1
        values = {"key": key, "body": body, "is_test": is_test, "now": now}
        # What was answered 2xx survives the power failing, too. Other notes that are lost by that
        # have an event handled again.
        self._file.execute("pragma synchronous = full")
        try:
            is_new = self._file.execute(_PUT, values).rowcount > 0
        finally:
            self._file.execute("pragma synchronous = normal")
        if not is_new:
            return "known"
        self._room -= 1
        return "stored"

    def _claim_due(self) -> QueuedEvent | None:
        now = self._clock()
        if self._file.execute(_DUE, {"now": now}).fetchone() is None:
            return None
        with self._file.transaction():
            found = self._file.execute(_DUE, {"now": now}).fetchone()
            if found is None:
                return None
            number, *row = found
            self._file.execute(
                _CLAIM, {"number": number, "owner": self._owner, "now": now, "lease": self._lease}
            )
        return _event(row)

    def _renew(self, keys: tuple[str, ...]) -> None:
        now = self._clock()
        for key in keys:
            values = {"key": key, "owner": self._owner, "now": now, "lease": self._lease}
            self._file.execute(_RENEW, values)

    def _confirm(self, key: str) -> None:
        with self._file.transaction():
            self._file.execute(_FORGET_EVENT, {"key": key})
            self._file.execute(_CONFIRM, {"key": key, "now": self._clock(), "keep": self._keep})

    def _parked(self) -> list[QueuedEvent]:
        return [_event(row) for row in self._file.execute(_PARKED)]

    def _counts(self) -> dict[str, int]:
        return {"waiting": 0, "claimed": 0, "parked": 0, **dict(self._file.execute(_COUNT))}

    # The lock tells whether another process has the queue open: the system drops it with a process.

    def _is_alone(self) -> bool:
        """Tell whether all claims are of processes that have ended."""
        if sys.platform == "win32":
            return False  # claims end with their lease
        import fcntl

        self._unlock()  # of an attempt that failed
        self._lock = os.open(f"{self._file.path}-open", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _share(self) -> None:
        """Show others that this process has the queue open."""
        if sys.platform == "win32" or self._lock is None:
            return None
        import fcntl

        while True:
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:  # another process looks whether it is alone
                if not self._file.pause():
                    return None

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _event(row: list[object]) -> QueuedEvent:
    """Return what a row says, whoever wrote it."""
    key, body, is_test, attempts = row
    return QueuedEvent(
        key=str(key),
        body=body if isinstance(body, bytes) else str(body).encode(),
        is_test=bool(is_test),
        attempts=attempts if isinstance(attempts, int) else 1,
    )
