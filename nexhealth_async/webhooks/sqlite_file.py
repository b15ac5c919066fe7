"""SQLite file used by one thread, with bounded waits and a prompt close."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from nexhealth_async.errors import SessionStateError

__all__ = ["SqliteFile"]

T = TypeVar("T")

_BUSY: Final = 10.0
"""Seconds that a call waits for a locked file, from when it was made."""
_PAUSE: Final = 0.01
"""Seconds between two attempts at a locked file."""
_MAX_WAITING: Final = 1_000
"""Maximum number of waiting calls before new events are put off."""


class SqliteFile:
    """Database file, created on first use and readable by its owner only.

    SQLite's own wait for a locked file cannot be interrupted. Here each wait ends when the file is
    closed, and all calls that wait for the same lock give up together.

    Args:
        path: Path on a local disk.
        set_up: Prepares a connection; runs in the thread, once.
        name: Name of the thread.
        busy: Seconds to wait for a locked file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        set_up: Callable[[SqliteFile], None],
        *,
        name: str,
        busy: float = _BUSY,
    ) -> None:
        self.path: Path = Path(path)
        self._set_up = set_up
        self._busy = busy
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None
        self._stop = threading.Event()
        self._deadline = 0.0
        """Time at which the call that runs in the thread gives up."""
        self._waiting = 0

    @property
    def is_closed(self) -> bool:
        """True if `aclose` was called."""
        return self._stop.is_set()

    @property
    def has_many_waiting(self) -> bool:
        """True if too many calls wait to accept another event."""
        return self._waiting >= _MAX_WAITING

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function in the thread.

        Raises:
            SessionStateError: The file was closed before or during the wait.
            sqlite3.OperationalError: Another process locked the file for too long.
        """
        self._check_open()
        deadline = time.monotonic() + self._busy
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._thread.submit(self._ready, work, deadline))
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """Close the file and end the thread; waiting calls raise."""
        if self.is_closed:
            return
        self._stop.set()
        closed = self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(closed))

    def _check_open(self) -> None:
        if self.is_closed:
            raise SessionStateError("this store is closed; create a new one")

    # Methods that run in the thread

    def execute(self, statement: str, values: Mapping[str, object] | None = None) -> sqlite3.Cursor:
        """Execute a statement, in its own transaction unless one is open."""
        connection = self._open()
        return self._retry_while_busy(lambda: connection.execute(statement, values or {}))

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Run several statements in one transaction."""
        self.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._open().execute("rollback")
            raise
        self._open().execute("commit")

    def pause(self, seconds: float = _PAUSE) -> bool:
        """Sleep briefly; return False if no time is left."""
        self._check_open()
        if time.monotonic() > self._deadline:
            return False
        self._stop.wait(seconds)
        return True

    def _ready(self, work: Callable[[], T], deadline: float) -> T:
        self._check_open()
        self._deadline = deadline
        return work()

    def _retry_while_busy(self, work: Callable[[], T]) -> T:
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not self.pause():
                    raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            path = os.path.realpath(self.path)  # O_EXCL would fail on a dangling link
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            # isolation_level=None: each statement is its own transaction.
            self._connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                self.execute("pragma journal_mode = wal")
                self._set_up(self)
            except BaseException:
                self._close()
                raise
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
