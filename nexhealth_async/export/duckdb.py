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
from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.bulk import (
    Batch,
    Group,
    GroupState,
    Origin,
    Progress,
    RejectedEntry,
    Shard,
    ShardState,
)
from nexhealth_async.errors import SessionStateError, TargetError, UsageError
from nexhealth_async.export import duckdb_rejected as rejected
from nexhealth_async.export import duckdb_sql as work
from nexhealth_async.export.arrow_from_json import read_page, warm_up
from nexhealth_async.export.duckdb_file import PRIVATE, create
from nexhealth_async.export.model_classes import model_of
from nexhealth_async.export.state_tables import ExportPlan
from nexhealth_async.export.worker_thread import SingleThreadExecutor

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from msgspec import Raw

    from nexhealth_async.export.arrow_from_json import Steps

__all__ = ["DuckDBTarget"]

T = TypeVar("T")

_DISK_FULL: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the system allows no larger file",
}

# DuckDB lets one process open a file twice, so the files that targets have open are noted.
_open_connections: set[str] = set()
_state_lock = Lock()


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
        self._thread: SingleThreadExecutor | None = None
        self._noted: str | None = None
        self._file = self._path
        """The path without symbolic links: beside it lies the log."""
        self._mode = PRIVATE
        self._plan: ExportPlan | None = None
        self._ready: set[str] = set()
        """Resources whose tables are known to have all columns."""
        self._has_rejected = False

    def __repr__(self) -> str:
        """Show the file's name."""
        return f"<{type(self).__name__} {self._path.name}>"

    @strip_traceback
    async def open(self) -> None:
        """Open the file, or make it, and lock out other writers."""
        if self._connection is not None:
            raise SessionStateError("this target is open already; one pull at a time uses it")
        self._thread = self._thread or SingleThreadExecutor()
        await self._thread.run(self._open)

    @strip_traceback
    async def aclose(self) -> None:
        """Close the file; DuckDB then puts everything it logged into it."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            with CancelScope(shield=True):
                await thread.run(self._close)
            thread.end()

    @strip_traceback
    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        progress = await self._run(work.load_progress)
        self._plan = None if progress is None else ExportPlan.of(progress)
        return progress

    @strip_traceback
    async def inspect(self) -> Progress | None:
        """Return the last pull, finished or not; None if there was none."""
        return await self._run(work.load_progress)

    @strip_traceback
    async def holds_records(self) -> bool:
        """Tell whether there are records."""
        return await self._run(work.holds_records)

    @strip_traceback
    async def save_origin(self, origin: Origin) -> None:
        """Keep another origin with the last pull."""
        last = await self._run(work.load_progress)
        if last is not None:
            await self._run(lambda db: work.save_origin(db, last.id, origin))

    @strip_traceback
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return what is known of each resource of each practice."""
        return await self._run(work.groups)

    @strip_traceback
    async def begin(self, progress: Progress) -> None:
        """Keep the plan of a new pull, and make the tables it needs: all of that or nothing."""
        await self._begin(progress, anew=False)

    @strip_traceback
    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and begin a new pull: all of that or nothing."""
        await self._begin(progress, anew=True)

    async def _begin(self, progress: Progress, *, anew: bool) -> None:
        plan = ExportPlan.of(progress)
        wanted = plan.models()

        def start(db: DuckDBPyConnection) -> None:
            if anew:
                work.clear_tables(db)
            for resource, model in wanted.items():
                work.prepare_table(db, resource, model)
            work.begin(db, progress)

        await self._run(start)
        self._plan = plan
        self._ready |= wanted.keys()

    @strip_traceback
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Take a shard back to its state: all of it, unless it goes on from a place.

        Its rows stay to be replaced, but count as not seen by this pull, so that those which are
        gone from the list meanwhile are found.
        """
        key = self._pull.key(shard)
        if state is None or state.position is None:  # rows and place are kept together
            await self._run(lambda db: work.rewind(db, shard, key))

    @strip_traceback
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids of a group that this pull has seen."""
        pull = self._pull.progress.id
        return await self._run(lambda db: work.ids_seen(db, group, pull))

    def read_page(self, model: str, records: Sequence[Raw]) -> Steps:
        """Make columns of a page without models, where they would be the same.

        :meta private:
        """
        return read_page(model, records)

    @strip_traceback
    async def write(self, batch: Batch, state: ShardState) -> None:
        """Keep a batch's records in place of earlier ones, and how far its shard has come."""
        key = self._pull.key(batch.shard)
        resource, model = batch.shard.resource, model_of(batch.model)

        def replace(db: DuckDBPyConnection) -> None:
            if resource not in self._ready:
                work.prepare_table(db, resource, model)
            if batch.size:
                work.merge(db, batch, model, *key, release=self._has_rejected)
            if batch.refused:
                rejected.reject(db, batch, key[0])
            work.save_state(db, key, state)

        await self._run(replace)
        self._ready.add(resource)
        self._has_rejected |= bool(batch.refused)

    @strip_traceback
    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return the records in ``_rejected``, without their JSON."""
        return await self._run(rejected.read)

    @strip_traceback
    async def forget_rejected(self, gone: Sequence[RejectedEntry]) -> None:
        """Remove records from ``_rejected``."""
        await self._run(lambda db: rejected.forget(db, gone))

    @strip_traceback
    async def settle(self, shard: Shard, state: ShardState) -> None:
        """Keep that a shard is done or has failed."""
        key = self._pull.key(shard)
        await self._run(lambda db: work.save_state(db, key, state))

    @strip_traceback
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Keep that a group is complete up to the watermark.

        If this pull read all of it, rows that it did not see are deleted; returns how many.
        """
        pull = self._pull.progress
        return await self._run(lambda db: work.complete(db, group, pull, watermark, whole=whole))

    @strip_traceback
    async def finish(self) -> None:
        """Keep that the pull has ended."""
        pull = self._pull.progress.id
        await self._run(lambda db: work.finish(db, pull))

    @property
    def _pull(self) -> ExportPlan:
        if self._plan is None:
            raise UsageError("this target knows of no pull yet: call load or begin first")
        return self._plan

    async def _run(self, action: Callable[[DuckDBPyConnection], T]) -> T:
        """Do something to the database in one transaction."""
        if self._thread is None or self._connection is None:
            raise SessionStateError("this target is not open; use `async with target:`")
        return await self._thread.run(lambda: self._transact(action))

    def _transact(self, action: Callable[[DuckDBPyConnection], T]) -> T:
        db = cast("DuckDBPyConnection", self._connection)
        with _translate_errors(self._path):
            self._create_log()
            db.begin()
            try:
                made = action(db)
                db.commit()
            except BaseException:
                with suppress(Exception):  # a transaction that failed may be over already
                    db.rollback()
                raise
        return made

    def _create_log(self) -> None:
        """Make DuckDB's log before it does, so that only those read it who may read the file."""
        with suppress(FileExistsError):
            os.close(os.open(f"{self._file}.wal", os.O_CREAT | os.O_EXCL, self._mode))

    def _open(self) -> None:
        library = _duckdb()
        warm_up()
        if not self._path.parent.is_dir():
            raise TargetError(f"there is no folder to put {self._path.name} in; make it first")
        self._write_state()
        try:
            with _translate_errors(self._path):
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
                with _translate_errors(self._path):
                    connection.close()
        finally:
            with _state_lock:
                _open_connections.discard(self._noted or "")
            self._noted = None

    def _write_state(self) -> None:
        path = os.path.realpath(self._path)
        with _state_lock:
            if path in _open_connections:
                raise _in_use_error(self._path)
            _open_connections.add(path)
            self._noted = path


class _DuckDBModule(Protocol):
    """What is used of the module."""

    Error: type[Exception]
    IOException: type[Exception]

    def connect(self, database: str, /) -> DuckDBPyConnection: ...


def _duckdb() -> _DuckDBModule:
    try:
        return cast("_DuckDBModule", import_module("duckdb"))
    except ModuleNotFoundError:
        raise extra_missing("a DuckDB file", "duckdb", "duckdb") from None


@contextmanager
def _translate_errors(path: Path) -> Generator[None]:
    """Turn errors of DuckDB and of the system, whose texts may hold values, into ours."""
    library = _duckdb()
    try:
        yield
    except (library.Error, OSError) as error:
        failure = _target_error(path, error)
    else:
        return
    raise failure from None


def _target_error(path: Path, error: Exception) -> TargetError:
    reason = _reason(str(error))
    if reason is not None:  # DuckDB raises errors of several classes for it
        return TargetError(
            f"{path.name} cannot be written: {reason}; make room, and resume what is unfinished"
        )
    if isinstance(error, _duckdb().IOException) and "lock" in str(error):
        return _in_use_error(path)
    if isinstance(error, (_duckdb().IOException, OSError)):
        return TargetError(
            f"{path.name} cannot be read or written: is it a DuckDB file, and can its directory "
            "be written to?"
        )
    return TargetError(f"DuckDB refused to do this: {type(error).__name__}")


def _reason(text: str) -> str | None:
    """Return why nothing more can be written, if an error says so in the system's words."""
    for number, reason in _DISK_FULL.items():
        if os.strerror(number) in text:
            return reason
    return None


def _in_use_error(path: Path) -> TargetError:
    return TargetError(
        f"{path.name} is in use, and DuckDB lets one program at a time write to a file: "
        "close the other, or copy to another file"
    )
