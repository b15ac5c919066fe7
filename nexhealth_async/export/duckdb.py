"""A pull copied to DuckDB: one file, a typed table for each resource.

Tables are named after their resources, dots made underscores. Their columns are those of
`nexhealth_async.export.columns`, structs and lists as such, and ``_shard``: which part of its pull
a row came with, by its number in ``_nexhealth_shards``. This needs the extra ``duckdb``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from anyio import CancelScope

from nexhealth_async._protocol.extras import extra_missing
from nexhealth_async._protocol.traceback_boundary import discreet
from nexhealth_async.bulk import (
    Batch,
    Group,
    GroupState,
    Origin,
    Progress,
    Rejected,
    Shard,
    ShardState,
)
from nexhealth_async.errors import SessionStateError, TargetError, UsageError
from nexhealth_async.export import duckdb_rejected as rejected
from nexhealth_async.export import duckdb_sql as work
from nexhealth_async.export.arrow_from_json import get_ready, read_page
from nexhealth_async.export.duckdb_file import PRIVATE, create
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.state_tables import Plan
from nexhealth_async.export.worker_thread import OneThread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from msgspec import Raw

    from nexhealth_async.export.arrow_from_json import Steps

__all__ = ["DuckDBTarget"]

T = TypeVar("T")

_FULL: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the system allows no larger file",
}

# DuckDB lets one process open a file twice, so the files that targets have open are noted.
_open_here: set[str] = set()
_noting = Lock()


class DuckDBTarget:
    """Copies a pull to a DuckDB file, which is its owner's alone if it is new.

    Rows with an id are replaced when they come again; ``_practice`` and ``id`` together identify
    them. No index enforces that: it would slow writing down, and nobody else can write to the file
    while it is open here. Records without an id (``sync_status``) cannot be told apart: once their
    list was read to its end, only what this pull brought stays.

    All work is done in one thread, one transaction at a time. Raises `TargetError` where the file
    cannot be opened, is open elsewhere, or has a column of another type than the records need.
    """

    merges = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._connection: DuckDBPyConnection | None = None
        self._thread: OneThread | None = None
        self._noted: str | None = None
        self._file = self._path
        """The path without symbolic links: beside it lies the log."""
        self._mode = PRIVATE
        self._plan: Plan | None = None
        self._ready: set[str] = set()
        """Resources whose tables are known to have all columns."""
        self._has_rejected = False

    def __repr__(self) -> str:
        """Show the file's name."""
        return f"<{type(self).__name__} {self._path.name}>"

    @discreet
    async def open(self) -> None:
        """Open the file, or make it, and lock out other writers."""
        if self._connection is not None:
            raise SessionStateError("this target is open already; one pull at a time uses it")
        self._thread = self._thread or OneThread()
        await self._thread.run(self._open)

    @discreet
    async def aclose(self) -> None:
        """Close the file; DuckDB then puts everything it logged into it."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            with CancelScope(shield=True):
                await thread.run(self._close)
            thread.end()

    @discreet
    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        progress = await self._do(work.load)
        self._plan = None if progress is None else Plan.of(progress)
        return progress

    @discreet
    async def look(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        return await self._do(work.load)

    @discreet
    async def holds_records(self) -> bool:
        """Tell whether there are records."""
        return await self._do(work.holds_records)

    @discreet
    async def keep_origin(self, origin: Origin) -> None:
        """Keep another origin with the last pull."""
        last = await self._do(work.load)
        if last is not None:
            await self._do(lambda db: work.keep_origin(db, last.id, origin))

    @discreet
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        return await self._do(work.groups)

    @discreet
    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull, and make the tables it needs: all of that or nothing."""
        await self._begin(progress, anew=False)

    @discreet
    async def begin_anew(self, progress: Progress) -> None:
        """Delete all records and begin a new pull: all of that or nothing."""
        await self._begin(progress, anew=True)

    async def _begin(self, progress: Progress, *, anew: bool) -> None:
        plan = Plan.of(progress)
        wanted = plan.models()

        def start(db: DuckDBPyConnection) -> None:
            if anew:
                work.clear(db)
            for resource, model in wanted.items():
                work.make_ready(db, resource, model)
            work.begin(db, progress)

        await self._do(start)
        self._plan = plan
        self._ready |= wanted.keys()

    @discreet
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Take a shard back to its state: all of it, unless it goes on from a place.

        Its rows stay to be replaced, but count as not seen by this pull, so that those which are
        gone from the list meanwhile are found.
        """
        key = self._pull.key(shard)
        if state is None or state.place is None:  # rows and place are kept together
            await self._do(lambda db: work.rewind(db, shard, key))

    @discreet
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids of a group that this pull has seen."""
        pull = self._pull.progress.id
        return await self._do(lambda db: work.ids_seen(db, group, pull))

    def read_page(self, model: str, records: Sequence[Raw]) -> Steps:
        """Make columns of a page without models, where they would be the same.

        :meta private:
        """
        return read_page(model, records)

    @discreet
    async def write(self, batch: Batch, state: ShardState) -> None:
        """Keep a batch's records in place of earlier ones, and how far its shard has come."""
        key = self._pull.key(batch.shard)
        resource, model = batch.shard.resource, model_of(batch.model)

        def replace(db: DuckDBPyConnection) -> None:
            if resource not in self._ready:
                work.make_ready(db, resource, model)
            if batch.size:
                work.merge(db, batch, model, *key, release=self._has_rejected)
            if batch.refused:
                rejected.reject(db, batch, key[0])
            work.keep(db, key, state)

        await self._do(replace)
        self._ready.add(resource)
        self._has_rejected |= bool(batch.refused)

    @discreet
    async def rejected(self) -> Sequence[Rejected]:
        """Return the records in ``_rejected``, without their JSON."""
        return await self._do(rejected.read)

    @discreet
    async def forget_rejected(self, gone: Sequence[Rejected]) -> None:
        """Remove records from ``_rejected``."""
        await self._do(lambda db: rejected.forget(db, gone))

    @discreet
    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Keep that a shard is done or has failed."""
        key = self._pull.key(shard)
        await self._do(lambda db: work.keep(db, key, state))

    @discreet
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Keep that a group is complete up to the watermark.

        If this pull read all of it, rows that it did not see are deleted; returns how many.
        """
        pull = self._pull.progress
        return await self._do(lambda db: work.complete(db, group, pull, watermark, whole=whole))

    @discreet
    async def finish(self) -> None:
        """Keep that the pull has ended."""
        pull = self._pull.progress.id
        await self._do(lambda db: work.finish(db, pull))

    @property
    def _pull(self) -> Plan:
        if self._plan is None:
            raise UsageError("this target knows of no pull yet: call load or begin first")
        return self._plan

    async def _do(self, act: Callable[[DuckDBPyConnection], T]) -> T:
        """Do something to the database in one transaction."""
        if self._thread is None or self._connection is None:
            raise SessionStateError("this target is not open; use `async with target:`")
        return await self._thread.run(lambda: self._transact(act))

    def _transact(self, act: Callable[[DuckDBPyConnection], T]) -> T:
        db = cast("DuckDBPyConnection", self._connection)
        with _translated(self._path):
            self._make_log()
            db.begin()
            try:
                made = act(db)
                db.commit()
            except BaseException:
                with suppress(Exception):  # a transaction that failed may be over already
                    db.rollback()
                raise
        return made

    def _make_log(self) -> None:
        """Make DuckDB's log before it does, so that only those read it who may read the file."""
        with suppress(FileExistsError):
            os.close(os.open(f"{self._file}.wal", os.O_CREAT | os.O_EXCL, self._mode))

    def _open(self) -> None:
        library = _duckdb()
        get_ready()
        if not self._path.parent.is_dir():
            raise TargetError(f"there is no folder to put {self._path.name} in; make it first")
        self._note()
        try:
            with _translated(self._path):
                self._file = Path(os.path.realpath(self._path))
                if not self._file.exists():
                    create(self._file, library.connect)
                self._connection = library.connect(str(self._file))
                self._mode = self._file.stat().st_mode & 0o777
            self._transact(work.make_state_tables)
            self._transact(rejected.make_table)
            self._has_rejected = self._transact(rejected.any_kept)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._plan, self._ready = None, set()
        try:
            if connection is not None:
                with _translated(self._path):
                    connection.close()
        finally:
            with _noting:
                _open_here.discard(self._noted or "")
            self._noted = None

    def _note(self) -> None:
        path = os.path.realpath(self._path)
        with _noting:
            if path in _open_here:
                raise _in_use(self._path)
            _open_here.add(path)
            self._noted = path


class _DuckDB(Protocol):
    """What is used of the module."""

    Error: type[Exception]
    IOException: type[Exception]

    def connect(self, database: str, /) -> DuckDBPyConnection: ...


def _duckdb() -> _DuckDB:
    try:
        return cast("_DuckDB", import_module("duckdb"))
    except ModuleNotFoundError:
        raise extra_missing("a DuckDB file", "duckdb", "duckdb") from None


@contextmanager
def _translated(path: Path) -> Generator[None]:
    """Turn errors of DuckDB and of the system, whose texts may hold values, into ours."""
    library = _duckdb()
    try:
        yield
    except (library.Error, OSError) as error:
        failure = _failure(path, error)
    else:
        return
    raise failure from None


def _failure(path: Path, error: Exception) -> TargetError:
    reason = _reason(str(error))
    if reason is not None:  # DuckDB raises errors of several classes for it
        return TargetError(
            f"{path.name} cannot be written: {reason}; make room, and resume what is unfinished"
        )
    if isinstance(error, _duckdb().IOException) and "lock" in str(error):
        return _in_use(path)
    if isinstance(error, (_duckdb().IOException, OSError)):
        return TargetError(
            f"{path.name} cannot be read or written: is it a DuckDB file, and can its directory "
            "be written to?"
        )
    return TargetError(f"DuckDB refused to do this: {type(error).__name__}")


def _reason(text: str) -> str | None:
    """Return why nothing more can be written, if an error says so in the system's words."""
    for number, reason in _FULL.items():
        if os.strerror(number) in text:
            return reason
    return None


def _in_use(path: Path) -> TargetError:
    return TargetError(
        f"{path.name} is in use, and DuckDB lets one program at a time write to a file: "
        "close the other, or copy to another file"
    )
