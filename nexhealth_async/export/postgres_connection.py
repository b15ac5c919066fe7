"""A connection to PostgreSQL that comes back: the one module that speaks to asyncpg.

Each transaction is all or nothing and such as may be repeated, so one that met a lost connection is
done again on a new one. The lock against other writers belongs to the connection: it is taken again
with it, and a transaction checks that nobody began another pull meanwhile. The workers of a fleet
share the lock with each other, and free what one of them holds that stands still: its machine was
suspended, say, in the middle of a transaction.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Final, Literal, Protocol, TypeAlias, TypeVar, cast

from anyio import CancelScope

from nexhealth_async._protocol.extras import extra_missing
from nexhealth_async.errors import InvalidArgumentError, SessionStateError, TargetError
from nexhealth_async.export.common_sql import quote_identifier
from nexhealth_async.export.postgres_url import DatabaseAddress, parse_address
from nexhealth_async.export.state_tables import Row

__all__ = ["AdvisoryLock", "Connection", "DatabaseLink"]

T = TypeVar("T")
AdvisoryLock: TypeAlias = Literal["alone", "shared", "none"]
"""Who else may write meanwhile: nobody, others who share, or anybody, for who only reads."""

_RETRY_DELAYS: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds to wait before a transaction is tried again."""
_AT_FIRST: Final = (0.1, 0.5)
_TIMEOUT: Final = 30.0
_CLASS: Final = 1_852_143_719
"""Tells our advisory locks from those of other programs."""
_TAKE_LOCK: Final[dict[AdvisoryLock, str]] = {
    "alone": "select pg_try_advisory_lock($1, hashtext(current_schema()))",
    "shared": "select pg_try_advisory_lock_shared($1, hashtext(current_schema()))",
    "none": "select $1::integer is not null",
}
_NAME: Final = "nexhealth_async"
_STILL_LOCKED: Final = 10.0
"""Seconds after which a worker that stands still within a transaction loses it, and its locks."""
_WATCH: Final = 5.0
"""Seconds between two looks at who keeps a worker waiting."""
_FREE: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity where pid = any(pg_blocking_pids($1)) "
    "and application_name = $2 and usename = current_user and wait_event = 'ClientRead' "
    "and state_change < now() - make_interval(secs => $3)"
)
"""The limit on idling does not count between the messages of one statement."""
_FIRST_DAY: Final = date(2000, 1, 1)
_FIRST_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TRANSIENT_ERRORS: Final = ("08", "25P03", "40", "53", "57")
"""Errors that pass: connection, too long idle, deadlock, resources, an operator's doing."""


class Connection(Protocol):
    """What is used of an asyncpg connection."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement; returns its tag, such as ``DELETE 3``."""
        ...

    async def executemany(self, command: str, args: Sequence[Row], /) -> None:
        """Run a statement for each row."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row."""
        ...

    async def fetchval(self, query: str, *args: object) -> object:
        """Return the first row's first value."""
        ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[Row], columns: Sequence[str]
    ) -> str:
        """Write rows by binary ``COPY``."""
        ...

    async def set_type_codec(
        self,
        typename: str,
        *,
        schema: str,
        encoder: Callable[[date], tuple[int]],
        decoder: Callable[[tuple[int]], object],
        format: str,  # noqa: A002 - asyncpg's own
    ) -> None:
        """Write and read a type by functions of ours."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Begin; commit at the end, or roll back."""
        ...

    def get_server_pid(self) -> int:
        """Return the number of the server's process."""
        ...

    def is_closed(self) -> bool:
        """Tell whether the connection is gone."""
        ...

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - asyncpg's own
        """Say goodbye."""
        ...

    def terminate(self) -> None:
        """Go without a word."""
        ...


class _AsyncPG(Protocol):
    """What is used of the module."""

    PostgresError: type[Exception]
    InterfaceError: type[Exception]
    InternalClientError: type[Exception]

    async def connect(self, dsn: str, **options: object) -> Connection: ...


class _TransientError(TargetError):
    """Something that may be gone at the next try."""


class DatabaseLink:
    """Runs transactions in one schema of one database, by default alone in it among its kind."""

    def __init__(self, url: str, schema: str, lock: AdvisoryLock = "alone") -> None:
        self._url = url
        self._place = parse_address(url)
        self._schema = schema
        self._lock: AdvisoryLock = lock
        self._library = _asyncpg()
        self._connection: Connection | None = None
        self._staged: set[str] = set()
        self._opened = False

    async def open(self) -> None:
        """Connect and take the lock, which a pull that was killed may hold for a moment yet."""
        if self._opened:
            raise SessionStateError("this target is open already; one pull at a time uses it")
        await _retry(self._connect, _AT_FIRST)
        self._opened = True

    async def aclose(self) -> None:
        """Let go of the connection and, with it, of the lock."""
        self._opened = False
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=5.0)
            except Exception:  # noqa: BLE001 - it is gone either way
                connection.terminate()

    @property
    def staged(self) -> set[str]:
        """Temporary tables that the present connection has; a new one has none."""
        return self._staged

    async def transact(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        """Do something in one transaction, again if the connection was lost meanwhile."""
        if not self._opened:
            raise SessionStateError("this target is not open; use `async with target:`")
        return await _retry(lambda: self._once(action), _RETRY_DELAYS)

    async def run_outside(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        """Do something in one transaction on a connection of its own that keeps nobody out."""
        link = DatabaseLink(self._url, self._schema, "none")
        try:
            await link.open()
            return await link.transact(action)
        finally:
            with CancelScope(shield=True):
                await link.aclose()

    async def _once(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await self._connect()
        try:
            async with self._watch_lock(connection), connection.transaction():
                return await action(connection)
        except TargetError:
            raise
        except self._schema_conflict as error:
            failure = self._translate_error(error, lost=connection.is_closed())
        raise failure

    @asynccontextmanager
    async def _watch_lock(self, connection: Connection) -> AsyncGenerator[None]:
        """Free what a worker has locked that stands still, should a worker wait for it."""
        if self._lock != "shared":
            yield
            return
        watch = asyncio.create_task(self._free(connection.get_server_pid()))
        try:
            yield
        finally:
            watch.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([watch])

    async def _free(self, waiting: int) -> None:
        """End the connections of those who keep a connection waiting and stand still themselves."""
        while True:
            await asyncio.sleep(_WATCH)
            with suppress(TargetError):  # the next look may succeed
                await self.run_outside(lambda db: db.fetch(_FREE, waiting, _NAME, _STILL_LOCKED))

    async def _connect(self) -> Connection:
        self._connection, self._staged = None, set()
        failure: Exception
        try:
            connection = await self._library.connect(
                self._url,
                timeout=_TIMEOUT,
                server_settings={
                    "search_path": quote_identifier(self._schema),
                    "application_name": _NAME,
                    **self._statement_timeout(),
                },
            )
        except (ValueError, TypeError):
            failure = InvalidArgumentError(
                "an option in the address of the PostgreSQL database is not understood; "
                "leave it out, or see asyncpg's documentation for what it takes"
            )
        except self._schema_conflict as error:
            failure = self._translate_error(error, lost=True, refused="the login")
        else:
            await self._prepare(connection)
            self._connection = connection
            return connection
        raise failure

    def _statement_timeout(self) -> dict[str, str]:
        shared = self._lock == "shared"
        return (
            {"idle_in_transaction_session_timeout": f"{_STILL_LOCKED * 1000:.0f}"} if shared else {}
        )

    async def _prepare(self, connection: Connection) -> None:
        """Make the schema, take the lock and set the codecs of a new connection."""
        try:
            if self._lock != "none" and not await connection.fetchval(
                "select to_regnamespace($1)", quote_identifier(self._schema)
            ):
                await connection.execute(
                    f"create schema if not exists {quote_identifier(self._schema)}"
                )
            await _set_codecs(connection)
            alone = await connection.fetchval(_TAKE_LOCK[self._lock], _CLASS)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, self._schema_conflict):
                raise
            failure: TargetError = self._translate_error(error, lost=connection.is_closed())
        else:
            if alone:
                return
            connection.terminate()
            failure = _TransientError(
                "another pull is writing to this schema; wait for it, or choose another schema"
            )
        raise failure

    @property
    def _schema_conflict(self) -> tuple[type[Exception], ...]:
        library = self._library
        return (
            library.PostgresError,
            library.InterfaceError,
            library.InternalClientError,
            OSError,  # TimeoutError too
        )

    def _translate_error(
        self, error: BaseException, *, lost: bool, refused: str = "to do this"
    ) -> TargetError:
        """Say what happened without the server's words, which may quote values."""
        code = str(getattr(error, "sqlstate", None) or "")
        server = self._place.server
        if isinstance(error, OSError):
            return _TransientError(
                f"{server} cannot be reached or is not ready: "
                f"{_connection_error(error, self._place)}; "
                "check the address, and that it runs"
            )
        what = _CODEC_TYPES.get(code) or f"{type(error).__name__}{f' ({code})' if code else ''}"
        if code.startswith(_TRANSIENT_ERRORS) or (lost and not code):
            return _TransientError(f"{server} cannot be reached or is not ready: {what}")
        if code == _NOT_PROVED and not self._place.has_password:
            what = "no password was given; set PGPASSWORD, or use a password file"
        return TargetError(f"{server} refused {refused}: {what}")


_NOT_PROVED: Final = "28P01"
_CODEC_TYPES: Final = {
    "3D000": "there is no such database",
    "28000": "the user is not let in",
    _NOT_PROVED: "the user or the password is wrong",
    "42501": "the user may not do this",
    "53100": "its disk is full",
    "53300": "it has too many connections",
}
"""By SQLSTATE, what people meet when they set a pull up."""


def _connection_error(error: OSError, place: DatabaseAddress) -> str:
    """Say what became of a connection."""
    match error:
        case FileNotFoundError() if not place.hosts.startswith("/"):
            return "a file that its address names is not there"
        case ConnectionRefusedError() | FileNotFoundError():
            return "nothing listens there"
        case socket.gaierror():
            return "its host has no address"
        case TimeoutError():
            return "it does not answer in time"
        case ssl.SSLError():
            return "its certificate or its encryption is not accepted"
        case ConnectionError():
            return "the connection broke"
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return "the connection failed"


async def _retry(action: Callable[[], Awaitable[T]], delays: Sequence[float]) -> T:
    """Do something again, after a pause, where what prevented it may have passed."""
    for pause in delays:
        with suppress(_TransientError):
            return await action()
        await asyncio.sleep(pause)
    try:
        return await action()
    except _TransientError as error:
        failure = TargetError(error.message)
    raise failure  # with nothing behind it


def _asyncpg() -> _AsyncPG:
    try:
        return cast("_AsyncPG", import_module("asyncpg"))
    except ModuleNotFoundError:
        raise extra_missing("PostgreSQL", "asyncpg", "postgres") from None


async def _set_codecs(connection: Connection) -> None:
    """Write the first and the last of Python's days as they are: asyncpg makes them infinite."""
    await connection.set_type_codec(
        "date",
        schema="pg_catalog",
        encoder=lambda day: ((day - _FIRST_DAY).days,),
        decoder=tuple,
        format="tuple",
    )
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=_microseconds,
        decoder=tuple,
        format="tuple",
    )


def _microseconds(moment: date) -> tuple[int]:
    since = cast("datetime", moment) - _FIRST_MOMENT
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)
