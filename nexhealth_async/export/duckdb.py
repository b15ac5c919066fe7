"""DuckDB target: one file with a typed table for each resource.

Tables are named after their resources, with underscores for dots. The columns are those of
`nexhealth_async.export.columns`, with native structs and lists, and ``_shard``: the number in
``_nexhealth_shards`` of the shard the row came with. The target needs the extra ``duckdb``.
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
from nexhealth_async.export import duckdb_sql
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

# DuckDB lets one process open a file twice, so this set holds the files of open targets.
_open_files: set[str] = set()
_open_files_lock = Lock()


class DuckDBTarget:
    """Copies a pull to a DuckDB file; a new file is readable by its owner only.

    Rows with the same ``_practice`` and ``id`` are replaced. No index enforces this: it would slow
    down writing, and no other program can write to the file while it is open. Records without an id
    (``sync_status``) cannot be recognized, so after their list is read to its end, only rows of
    this pull stay.

    All work runs in one thread, one transaction at a time.

    Args:
        path: Path of the file, which is created if it is missing.

    Raises:
        TargetError: The file cannot be opened, is open elsewhere, or has a column of a type that
            does not fit the records.
    """

    merges = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._connection: DuckDBPyConnection | None = None
        self._thread: SingleThreadExecutor | None = None
        self._registered: str | None = None
        self._file = self._path
        """Path without symbolic links; the log is in the same directory."""
        self._mode = PRIVATE
        self._plan: ExportPlan | None = None
        self._ready: set[str] = set()
        """Resources whose tables have all columns."""
        self._has_rejected = False

    def __repr__(self) -> str:
        """Show the file's name."""
        return f"<{type(self).__name__} {self._path.name}>"

    @strip_traceback
    async def open(self) -> None:
        """Open or create the file, and lock out other writers."""
        if self._connection is not None:
            raise SessionStateError("this target is already open; use it for one pull at a time")
        self._thread = self._thread or SingleThreadExecutor()
        await self._thread.run(self._open)

    @strip_traceback
    async def aclose(self) -> None:
        """Close the file; DuckDB then merges its log into it."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            with CancelScope(shield=True):
                await thread.run(self._close)
            thread.end()

    @strip_traceback
    async def load(self) -> Progress | None:
        """Return the last pull, finished or not; None if there is none."""
        progress = await self._run(duckdb_sql.load_progress)
        self._plan = None if progress is None else ExportPlan.of(progress)
        return progress

    @strip_traceback
    async def inspect(self) -> Progress | None:
        """Return the last pull, finished or not; None if there is none."""
        return await self._run(duckdb_sql.load_progress)

    @strip_traceback
    async def holds_records(self) -> bool:
        """Return True if the target holds records."""
        return await self._run(duckdb_sql.holds_records)

    @strip_traceback
    async def save_origin(self, origin: Origin) -> None:
        """Replace the origin stored with the last pull."""
        last = await self._run(duckdb_sql.load_progress)
        if last is not None:
            await self._run(lambda db: duckdb_sql.save_origin(db, last.id, origin))

    @strip_traceback
    async def groups(self) -> Mapping[Group, GroupState]:
        """Return the stored state of each resource of each practice."""
        return await self._run(duckdb_sql.groups)

    @strip_traceback
    async def begin(self, progress: Progress) -> None:
        """Store the plan of a new pull and create its tables, in one transaction."""
        await self._begin(progress, clear=False)

    @strip_traceback
    async def begin_replacing(self, progress: Progress) -> None:
        """Delete all records and begin a new pull, in one transaction."""
        await self._begin(progress, clear=True)

    async def _begin(self, progress: Progress, *, clear: bool) -> None:
        plan = ExportPlan.of(progress)
        models = plan.models()

        def start(db: DuckDBPyConnection) -> None:
            if clear:
                duckdb_sql.clear_tables(db)
            for resource, model in models.items():
                duckdb_sql.prepare_table(db, resource, model)
            duckdb_sql.begin(db, progress)

        await self._run(start)
        self._plan = plan
        self._ready |= models.keys()

    @strip_traceback
    async def rewind(self, shard: Shard, state: ShardState | None) -> None:
        """Reset a shard to the position in its state, or to its start.

        Existing rows stay until they are replaced. They are marked as not seen by this pull, so
        that rows deleted at the source are found.
        """
        key = self._pull.key(shard)
        if state is None or state.position is None:  # rows and position are stored together
            await self._run(lambda db: duckdb_sql.rewind(db, shard, key))

    @strip_traceback
    async def known(self, group: Group) -> Iterable[int | str]:
        """Return the ids of a group that this pull has seen."""
        pull = self._pull.progress.id
        return await self._run(lambda db: duckdb_sql.ids_seen(db, group, pull))

    def read_page(self, model: str, records: Sequence[Raw]) -> Steps:
        """Build columns of a page without models, if they would be the same.

        :meta private:
        """
        return read_page(model, records)

    @strip_traceback
    async def write(self, batch: Batch, state: ShardState) -> None:
        """Store a batch and the new state of its shard; rows with the same ids are replaced."""
        key = self._pull.key(batch.shard)
        resource, model = batch.shard.resource, model_of(batch.model)

        def replace(db: DuckDBPyConnection) -> None:
            if resource not in self._ready:
                duckdb_sql.prepare_table(db, resource, model)
            if batch.size:
                duckdb_sql.merge(db, batch, model, *key, release=self._has_rejected)
            if batch.refused:
                rejected.reject(db, batch, key[0])
            duckdb_sql.save_state(db, key, state)

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
        """Store that a shard is done or has failed."""
        key = self._pull.key(shard)
        await self._run(lambda db: duckdb_sql.save_state(db, key, state))

    @strip_traceback
    async def complete(self, group: Group, *, watermark: datetime, whole: bool) -> int:
        """Store that a group is complete up to the watermark.

        If the pull read the whole group, rows that it did not see are deleted.

        Returns:
            The number of deleted rows.
        """
        pull = self._pull.progress
        return await self._run(
            lambda db: duckdb_sql.complete(db, group, pull, watermark, whole=whole)
        )

    @strip_traceback
    async def finish(self) -> None:
        """Store that the pull has ended."""
        pull = self._pull.progress.id
        await self._run(lambda db: duckdb_sql.finish(db, pull))

    @property
    def _pull(self) -> ExportPlan:
        if self._plan is None:
            raise UsageError("no pull is loaded; call load or begin first")
        return self._plan

    async def _run(self, action: Callable[[DuckDBPyConnection], T]) -> T:
        """Run a function in one transaction."""
        if self._thread is None or self._connection is None:
            raise SessionStateError("this target is not open; use `async with target:`")
        return await self._thread.run(lambda: self._transact(action))

    def _transact(self, action: Callable[[DuckDBPyConnection], T]) -> T:
        db = cast("DuckDBPyConnection", self._connection)
        with _translate_errors(self._path):
            self._create_log()
            db.begin()
            try:
                result = action(db)
                db.commit()
            except BaseException:
                with suppress(Exception):  # a failed transaction may have ended
                    db.rollback()
                raise
        return result

    def _create_log(self) -> None:
        """Create DuckDB's log with the file mode of the database, before DuckDB does."""
        with suppress(FileExistsError):
            os.close(os.open(f"{self._file}.wal", os.O_CREAT | os.O_EXCL, self._mode))

    def _open(self) -> None:
        library = _duckdb()
        warm_up()
        if not self._path.parent.is_dir():
            raise TargetError(f"the directory of {self._path.name} does not exist; create it first")
        self._register_path()
        try:
            with _translate_errors(self._path):
                self._file = Path(os.path.realpath(self._path))
                if not self._file.exists():
                    create(self._file, library.connect)
                self._connection = library.connect(str(self._file))
                self._mode = self._file.stat().st_mode & 0o777
            self._transact(duckdb_sql.make_state_tables)
            self._transact(rejected.make_table)
            self._has_rejected = self._transact(rejected.has_rejected)
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
            with _open_files_lock:
                _open_files.discard(self._registered or "")
            self._registered = None

    def _register_path(self) -> None:
        path = os.path.realpath(self._path)
        with _open_files_lock:
            if path in _open_files:
                raise _in_use_error(self._path)
            _open_files.add(path)
            self._registered = path


class _DuckDBModule(Protocol):
    """The used part of the module."""

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
    """Translate errors of DuckDB and the system, whose texts may hold values."""
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
            f"{path.name} cannot be written: {reason}; free some space and resume the pull"
        )
    if isinstance(error, _duckdb().IOException) and "lock" in str(error):
        return _in_use_error(path)
    if isinstance(error, (_duckdb().IOException, OSError)):
        return TargetError(
            f"{path.name} cannot be read or written; check that it is a DuckDB file and that its "
            "directory is writable"
        )
    return TargetError(f"DuckDB raised {type(error).__name__}")


def _reason(text: str) -> str | None:
    """Return the reason if an error says in the system's words that the disk is full."""
    for number, reason in _DISK_FULL.items():
        if os.strerror(number) in text:
            return reason
    return None


def _in_use_error(path: Path) -> TargetError:
    return TargetError(
        f"{path.name} is in use, and DuckDB allows one writer at a time; close the other program "
        "or copy to another file"
    )
