"""Durable queue of webhook events in a SQLite file."""

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

_FORGET_EVERY: Final = 1_000
"""Number of stored events between two deletions of expired keys."""
_COUNT_EVERY: Final = 100
"""Number of stored events between two counts of the waiting ones."""
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
_STORE: Final = """
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
    """Durable queue of webhook events in a file, across crashes and restarts.

    Pass it to a receiver as its ``store``: a delivery is answered as soon as the file holds its
    event, and handled afterwards. Events that a process leaves unhandled are handled at its next
    start, or by another process that shares the file: at once if no other process has it open,
    otherwise after ``lease``. Claims are renewed while a handler runs.

    **The file holds the bodies of waiting and parked events: personal data, and not encrypted.** It
    is readable by its owner only; of a handled event only its key is kept, for ``keep``. The file
    must be on a local disk: SQLite's locks do not work on network drives.

    Args:
        path: Path of the file.
        max_events: Approximate maximum of waiting events; further deliveries are put off.
        keep: Time to keep the keys of handled events.
        lease: Time that a claim lasts.
        clock: Seconds since 1970; must agree among all processes that share the file.
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
            raise InvalidArgumentError("max_events must be at least 1")
        self._keep, self._lease = check_times(keep, lease)
        self.renew_every: float = self._lease / 3
        """Seconds between two calls of `renew`."""
        self._max_events = max_events
        self._clock = clock
        self._owner = uuid4().hex
        self._file = SqliteFile(path, self._set_up, name="nexhealth-queue")
        self._lock: int | None = None
        """Lock file that each process holds while it has the queue open."""
        self._puts = self._room = 0

    def __repr__(self) -> str:
        return f"<SqliteQueue{', closed' if self._file.is_closed else ''}>"

    async def put(self, key: str, body: bytes, *, is_test: bool = False) -> Stored:
        """Store an event durably; see `EventQueue`."""
        if self._file.has_many_waiting:
            return "busy"
        return await self._file.run(lambda: self._put(key, body, is_test=is_test))

    async def take(self) -> QueuedEvent | None:
        """Claim the oldest due event; None if there is none."""
        return await self._file.run(self._claim_due)

    async def renew(self, keys: Collection[str]) -> None:
        """Renew the claims of these keys for another lease."""
        await self._file.run(lambda: self._renew(tuple(keys)))

    async def confirm(self, key: str) -> None:
        """Mark an event as handled and delete its body."""
        await self._file.run(lambda: self._confirm(key))

    async def retry(self, key: str, after: float) -> None:
        """Return a failed event to the queue, to be retried in ``after`` seconds."""
        values = {"key": key, "owner": self._owner, "now": self._clock(), "after": after}
        await self._file.run(lambda: self._file.execute(_RETRY, values))

    async def release(self, key: str) -> None:
        """Return an untried event to the queue."""
        values = {"key": key, "owner": self._owner, "now": self._clock()}
        await self._file.run(lambda: self._file.execute(_RELEASE, values))

    async def park(self, key: str) -> None:
        """Park an event; `parked` lists it, `unpark` retries it, `discard` removes it."""
        await self._file.run(lambda: self._file.execute(_PARK, {"key": key}))

    async def parked(self) -> list[QueuedEvent]:
        """Return the parked events in the order of their arrival."""
        return await self._file.run(self._parked)

    async def unpark(self, key: str) -> bool:
        """Retry a parked event; return False if there is none with this key."""
        values = {"key": key, "now": self._clock()}
        return await self._file.run(lambda: self._file.execute(_UNPARK, values).rowcount > 0)

    async def discard(self, key: str) -> None:
        """Remove an event without handling it; further deliveries of it are dropped."""
        await self.confirm(key)

    async def counts(self) -> dict[str, int]:
        """Return the number of events by state: waiting, claimed, parked, handled."""
        return await self._file.run(self._counts)

    async def aclose(self) -> None:
        """Close the file and end the thread; waiting calls raise."""
        await self._file.aclose()
        self._unlock()

    # Methods that run in the thread

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
            self._room = max(0, min(_COUNT_EVERY, self._max_events - number))
        if self._room == 0:
            return "busy"
        if self._puts % _FORGET_EVERY == 0:
            self._file.execute("delete from handled where until <= :now", {"now": now})
        self._puts += 1
        values = {"key": key, "body": body, "is_test": is_test, "now": now}
        # Events answered 2xx must survive a power failure. Losing other writes only repeats an
        # event.
        self._file.execute("pragma synchronous = full")
        try:
            is_new = self._file.execute(_STORE, values).rowcount > 0
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
            due = self._file.execute(_DUE, {"now": now}).fetchone()
            if due is None:
                return None
            number, *row = due
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

    # The lock shows whether another process has the queue open: the system drops it on exit.

    def _is_alone(self) -> bool:
        """Return whether no other process has the queue open, so that all claims are stale."""
        if sys.platform == "win32":
            return False  # claims expire with their lease
        import fcntl

        self._unlock()  # from a failed attempt
        self._lock = os.open(f"{self._file.path}-open", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _share(self) -> None:
        """Hold a shared lock while this process has the queue open."""
        if sys.platform == "win32" or self._lock is None:
            return None
        import fcntl

        while True:
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:  # another process is checking whether it is alone
                if not self._file.pause():
                    return None

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _event(row: list[object]) -> QueuedEvent:
    """Convert a row to an event, whatever its column types."""
    key, body, is_test, attempts = row
    return QueuedEvent(
        key=str(key),
        body=body if isinstance(body, bytes) else str(body).encode(),
        is_test=bool(is_test),
        attempts=attempts if isinstance(attempts, int) else 1,
    )
