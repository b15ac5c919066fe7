"""A PostgreSQL connection that is re-established; the only module that uses asyncpg.

Every transaction can be repeated, so one that lost its connection runs again on a new one. The lock
against other writers belongs to the connection and is taken again with it; a transaction checks
that no other pull has begun meanwhile. The workers of a fleet share the lock. They terminate the
connection of a worker that blocks them and no longer responds, for example because its machine was
suspended during a transaction.
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
"""Other writers allowed at the same time: none, other sharers, or all (for readers)."""

_RETRY_DELAYS: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds to wait before a transaction is retried."""
_OPEN_DELAYS: Final = (0.1, 0.5)
_TIMEOUT: Final = 30.0
_LOCK_CLASS: Final = 1_852_143_719
"""Class of our advisory locks, which separates them from those of other programs."""
_TAKE_LOCK: Final[dict[AdvisoryLock, str]] = {
    "alone": "select pg_try_advisory_lock($1, hashtext(current_schema()))",
    "shared": "select pg_try_advisory_lock_shared($1, hashtext(current_schema()))",
    "none": "select $1::integer is not null",
}
_APPLICATION_NAME: Final = "nexhealth_async"
_MAX_UNRESPONSIVE: Final = 10.0
"""Seconds after which an unresponsive worker loses its transaction and its locks."""
_WATCH_INTERVAL: Final = 5.0
"""Seconds between two checks for connections that block a worker."""
_TERMINATE_BLOCKERS: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity where pid = any(pg_blocking_pids($1)) "
    "and application_name = $2 and usename = current_user and wait_event = 'ClientRead' "
    "and state_change < now() - make_interval(secs => $3)"
)
"""Needed because the idle limit does not apply between the messages of one statement."""
_FIRST_DAY: Final = date(2000, 1, 1)
_FIRST_TIMESTAMP: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TRANSIENT_ERRORS: Final = ("08", "25P03", "40", "53", "57")
"""SQLSTATE prefixes of temporary errors: connection, idle limit, deadlock, resources, operator."""


class Connection(Protocol):
    """The used part of an asyncpg connection."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement and return its tag, such as ``DELETE 3``."""
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
        format: str,  # noqa: A002 - asyncpg's name
    ) -> None:
        """Set the functions that encode and decode a type."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Begin a transaction; commit it at the end, or roll back."""
        ...

    def get_server_pid(self) -> int:
        """Return the id of the server's process."""
        ...

    def is_closed(self) -> bool:
        """Return True if the connection is closed."""
        ...

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - asyncpg's name
        """Close the connection."""
        ...

    def terminate(self) -> None:
        """Drop the connection without a message to the server."""
        ...


class _AsyncPG(Protocol):
    """The used part of the module."""

    PostgresError: type[Exception]
    InterfaceError: type[Exception]
    InternalClientError: type[Exception]

    async def connect(self, dsn: str, **options: object) -> Connection: ...


class _TransientError(TargetError):
    """An error that may not occur again."""


class DatabaseLink:
    """Runs transactions in one schema of one database, by default as its only writer."""

    def __init__(self, url: str, schema: str, lock: AdvisoryLock = "alone") -> None:
        self._url = url
        self._address = parse_address(url)
        self._schema = schema
        self._lock: AdvisoryLock = lock
        self._library = _asyncpg()
        self._connection: Connection | None = None
        self._staged: set[str] = set()
        self._opened = False

    async def open(self) -> None:
        """Connect and take the lock, which a killed pull may hold for a moment."""
        if self._opened:
            raise SessionStateError("this target is already open; use it for one pull at a time")
        await _retry(self._connect, _OPEN_DELAYS)
        self._opened = True

    async def aclose(self) -> None:
        """Close the connection, which releases the lock."""
        self._opened = False
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=5.0)
            except Exception:  # noqa: BLE001 - the connection ends in any case
                connection.terminate()

    @property
    def staged(self) -> set[str]:
        """Temporary tables of the current connection; a new connection has none."""
        return self._staged

    async def transact(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        """Run a function in one transaction; retry it if the connection was lost."""
        if not self._opened:
            raise SessionStateError("this target is not open; use `async with target:`")
        return await _retry(lambda: self._once(action), _RETRY_DELAYS)

    async def run_outside(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        """Run a function in one transaction on a separate connection without a lock."""
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
        except self._foreign_errors as error:
            failure = self._translate_error(error, lost=connection.is_closed())
        raise failure

    @asynccontextmanager
    async def _watch_lock(self, connection: Connection) -> AsyncGenerator[None]:
        """End unresponsive workers that block this one during a transaction."""
        if self._lock != "shared":
            yield
            return
        watch = asyncio.create_task(self._terminate_blockers(connection.get_server_pid()))
        try:
            yield
        finally:
            watch.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([watch])

    async def _terminate_blockers(self, waiting: int) -> None:
        """Terminate unresponsive connections that block a connection."""
        while True:
            await asyncio.sleep(_WATCH_INTERVAL)
            with suppress(TargetError):  # the next check may succeed
                await self.run_outside(
                    lambda db: db.fetch(
                        _TERMINATE_BLOCKERS, waiting, _APPLICATION_NAME, _MAX_UNRESPONSIVE
                    )
                )

    async def _connect(self) -> Connection:
        self._connection, self._staged = None, set()
        failure: Exception
        try:
            connection = await self._library.connect(
                self._url,
                timeout=_TIMEOUT,
                server_settings={
                    "search_path": quote_identifier(self._schema),
                    "application_name": _APPLICATION_NAME,
                    **self._idle_timeout(),
                },
            )
        except (ValueError, TypeError):
            failure = InvalidArgumentError(
                "an option in the PostgreSQL URL is not valid; remove it, or see asyncpg's "
                "documentation"
            )
        except self._foreign_errors as error:
            failure = self._translate_error(error, lost=True, refused="the login")
        else:
            await self._prepare(connection)
            self._connection = connection
            return connection
        raise failure

    def _idle_timeout(self) -> dict[str, str]:
        if self._lock != "shared":
            return {}
        return {"idle_in_transaction_session_timeout": f"{_MAX_UNRESPONSIVE * 1000:.0f}"}

    async def _prepare(self, connection: Connection) -> None:
        """Create the schema, take the lock and set the codecs of a new connection."""
        try:
            if self._lock != "none" and not await connection.fetchval(
                "select to_regnamespace($1)", quote_identifier(self._schema)
            ):
                await connection.execute(
                    f"create schema if not exists {quote_identifier(self._schema)}"
                )
            await _set_codecs(connection)
            is_locked = await connection.fetchval(_TAKE_LOCK[self._lock], _LOCK_CLASS)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, self._foreign_errors):
                raise
            failure: TargetError = self._translate_error(error, lost=connection.is_closed())
        else:
            if is_locked:
                return
            connection.terminate()
            failure = _TransientError(
                "another pull is writing to this schema; wait until it ends, or choose another "
                "schema"
            )
        raise failure

    @property
    def _foreign_errors(self) -> tuple[type[Exception], ...]:
        library = self._library
        return (
            library.PostgresError,
            library.InterfaceError,
            library.InternalClientError,
            OSError,  # TimeoutError too
        )

    def _translate_error(
        self, error: BaseException, *, lost: bool, refused: str = "the operation"
    ) -> TargetError:
        """Build an error without the server's text, which may quote values."""
        code = str(getattr(error, "sqlstate", None) or "")
        server = self._address.server
        if isinstance(error, OSError):
            return _TransientError(
                f"{server} cannot be reached or is not ready: "
                f"{_connection_error(error, self._address)}; "
                "check the URL and that the server runs"
            )
        reason = _EXPLANATIONS.get(code) or f"{type(error).__name__}{f' ({code})' if code else ''}"
        if code.startswith(_TRANSIENT_ERRORS) or (lost and not code):
            return _TransientError(f"{server} cannot be reached or is not ready: {reason}")
        if code == _LOGIN_FAILED and not self._address.has_password:
            reason = "no password was given; set PGPASSWORD, or use a password file"
        return TargetError(f"{server} refused {refused}: {reason}")


_LOGIN_FAILED: Final = "28P01"
_EXPLANATIONS: Final = {
    "3D000": "the database does not exist",
    "28000": "the user is not allowed to log in",
    _LOGIN_FAILED: "the user or the password is wrong",
    "42501": "the user lacks the permission",
    "53100": "its disk is full",
    "53300": "it has too many connections",
}
"""Explanations of frequent errors, by SQLSTATE."""


def _connection_error(error: OSError, address: DatabaseAddress) -> str:
    """Describe a connection error."""
    match error:
        case FileNotFoundError() if not address.hosts.startswith("/"):
            return "a file in its URL does not exist"
        case ConnectionRefusedError() | FileNotFoundError():
            return "nothing listens there"
        case socket.gaierror():
            return "its host name cannot be resolved"
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
    """Run a function; retry it after a pause if its error is temporary."""
    for pause in delays:
        with suppress(_TransientError):
            return await action()
        await asyncio.sleep(pause)
    try:
        return await action()
    except _TransientError as error:
        failure = TargetError(error.message)
    raise failure  # without a cause


def _asyncpg() -> _AsyncPG:
    try:
        return cast("_AsyncPG", import_module("asyncpg"))
    except ModuleNotFoundError:
        raise extra_missing("PostgreSQL", "asyncpg", "postgres") from None


async def _set_codecs(connection: Connection) -> None:
    """Set codecs for the first and last dates of Python, which asyncpg would turn into infinity."""
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


def _microseconds(timestamp: date) -> tuple[int]:
    since = cast("datetime", timestamp) - _FIRST_TIMESTAMP
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)
