"""A source for dlt, which loads into BigQuery, Snowflake and many more; needs the extra ``dlt``.

::

    pipeline = dlt.pipeline("practice", destination="bigquery", dataset_name="nexhealth")
    pipeline.run(source(["patients", "appointments"], practices=["demo"]))

Each resource becomes a table, its rows merged by practice and id, which are its primary key;
columns are those of `nexhealth_async.export.columns`, with structs and lists of structs as dlt
keeps them. Nothing is printed.

A run covers the lists and practices asked for, from their start, and then what changed since the
run before: dlt's state holds when that began, for each resource and each choice of practices, and
moves on only with rows that were loaded. dlt reads everything before it loads anything, so a run
that is killed while reading begins again: ask for few practices at a time where lists are long, or
use our own targets, which go on where they stopped. Rows deleted in the practice's system stay,
unless their lists keep them with a ``deleted_at``; `nexhealth_async.bulk.Bulk.copy` finds them.

A record that its model cannot read is kept as JSON in the table ``_rejected``, with the reason, and
the row that it would have replaced is deleted; each later run reads it again until it is readable
or gone. For that the tables have a column ``_deleted``, which is null in every row that is there.

**dlt reports its use to its makers unless told not to.** `source` tells it not to, by setting
``RUNTIME__DLTHUB_TELEMETRY`` to ``false``, unless that variable is set already or dlt was imported
before: then your own setting counts. Importing this module alone changes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from anyio.from_thread import start_blocking_portal
from attrs import frozen

from nexhealth_async import models
from nexhealth_async._protocol.api_versions import AUTO
from nexhealth_async._protocol.extras import extra_missing
from nexhealth_async._protocol.requests import version_name
from nexhealth_async.bulk import Origin, Pull, RejectedEntry, ResourceFacts, facts
from nexhealth_async.bulk import resources as all_resources
from nexhealth_async.bulk.target_support import (
    OVERLAP,
    FetchedRecord,
    origin_from_json,
    origin_to_json,
    refetch_rejected,
)
from nexhealth_async.errors import OriginError
from nexhealth_async.export.arrow import schema_of, table_of_batch
from nexhealth_async.export.arrow_from_json import read_page
from nexhealth_async.export.columns import PRACTICE
from nexhealth_async.export.dlt_rejected import (
    FLAG_HINT,
    Mark,
    RejectedTables,
    SavedRejected,
    flag_rejected,
)
from nexhealth_async.export.pyarrow_types import arrow
from nexhealth_async.session import NexHealth, client_of

if TYPE_CHECKING:
    from nexhealth_async.bulk import Practices
    from nexhealth_async.export.pyarrow_types import ArrowTable

__all__ = ["SessionMaker", "source"]

SessionMaker: TypeAlias = Callable[[], AbstractAsyncContextManager[NexHealth]]
"""Makes a new session, bound to no practice: each resource is read in an event loop of its own."""

_TELEMETRY = "RUNTIME__DLTHUB_TELEMETRY"
_STATE = "watermarks"
_REJECTED = "rejected"
_ORIGIN = "origin"


class _CurrentState(Protocol):
    def resource_state(self, name: str) -> dict[str, object]: ...


class _DltModule(Protocol):
    """What is used of dlt."""

    @property
    def mark(self) -> Mark: ...
    @property
    def current(self) -> _CurrentState: ...
    def resource(self, data: object, **options: object) -> object: ...
    def source(self, *, name: str) -> Callable[[Callable[[], object]], Callable[[], object]]: ...


@frozen(kw_only=True)
class _ResourceRequest:
    about: ResourceFacts
    open_session: SessionMaker
    practices: Practices
    concurrency: int
    version: str
    adopt: bool

    @property
    def name(self) -> str:
        return self.about.resource.replace(".", "_")

    @property
    def location(self) -> str:
        """Names the choice of practices in dlt's state."""
        return "all" if self.practices is None else ",".join(sorted(self.practices))


def source(
    resources: Sequence[str] | None = None,
    *,
    practices: Practices = None,
    version: str | None = None,
    session: SessionMaker | None = None,
    concurrency: int = 8,
    adopt: bool = False,
) -> object:
    """Return a dlt source of these resources, to be passed to ``pipeline.run``.

    ``pipeline.run`` blocks: in a program with an event loop call it by ``asyncio.to_thread``. So
    does this function where no version is pinned, since it logs in to find out which one to read.

    Args:
        resources: Names of lists; None means all that a pull can read in this version of the API.
        practices: Subdomains, or a mapping of them to location ids; None means all.
        version: Version of the API. None means that of the session: the one it pins, otherwise v2,
            and v3 where the account refuses v2.
        session: Makes the session of each resource, ``lambda: NexHealth(key)``; by default one
            from the environment. Where ``version`` is given, too, it must be that of the session.
        concurrency: Requests in flight.
        adopt: Take what an earlier release loaded, and kept no origin of, for records of this
            account.

    Raises:
        UsageError: dlt or pyarrow is not installed.
        InvalidArgumentError: a resource cannot be pulled.
        InvalidAPIKeyError: no version is pinned, and the key is not accepted.
        OriginError: while running: the pipeline has loaded records of another account, another
            sandbox or another version. ``pipeline.run(source, refresh="drop_sources")`` deletes
            them and loads everything anew.
        PartialPullError: while running: some shards failed; nothing of the resource is loaded then.
    """
    dlt = _library()
    spoken = _session_version(version, session)
    names = all_resources(spoken) if resources is None else resources
    make = session or (lambda: NexHealth(version=spoken))
    every = [
        _resource(
            dlt,
            _ResourceRequest(
                about=facts(name, spoken),
                open_session=make,
                practices=practices,
                concurrency=concurrency,
                version=version_name(spoken),
                adopt=adopt,
            ),
        )
        for name in names
    ]
    return dlt.source(name="nexhealth")(lambda: every)()


def _session_version(version: str | None, session: SessionMaker | None) -> str:
    """Return the version that the sessions speak; the account is asked if none is pinned."""
    if version is not None and version != AUTO:
        return version
    own = session or (NexHealth if version is None else lambda: NexHealth(version=AUTO))
    with start_blocking_portal() as loop:
        return loop.call(_open_decided, own)


async def _open_decided(open_session: SessionMaker) -> str:
    async with open_session() as nex:
        return await client_of(nex).resolve_version()


def _library() -> _DltModule:
    if "dlt" not in sys.modules:
        os.environ.setdefault(_TELEMETRY, "false")
    try:
        return cast("_DltModule", import_module("dlt"))
    except ImportError:
        raise extra_missing("a dlt source", "dlt", "dlt") from None


def _resource(dlt: _DltModule, request: _ResourceRequest) -> object:
    about = request.about

    def rows() -> Iterator[object]:
        yield from _tables(dlt, request, _library().current.resource_state(request.name))

    keys: dict[str, object] = {"primary_key": [PRACTICE.name, "id"], "columns": dict(FLAG_HINT)}
    if not about.keyed:  # a practice's rows are replaced together
        keys = {"merge_key": [PRACTICE.name]}
    return dlt.resource(
        rows,
        name=request.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        max_table_nesting=0,
        **keys,
    )


def _tables(
    dlt: _DltModule, request: _ResourceRequest, state: dict[str, object]
) -> Iterator[object]:
    """Read a resource; ``state`` is what dlt keeps of it from run to run.

    That is where its records came from, and moments and rejected records by choice of practices.
    """
    marks = cast("dict[str, str]", state.setdefault(_STATE, {}))
    rejected = cast("dict[str, SavedRejected]", state.setdefault(_REJECTED, {}))
    kept = origin_from_json(cast("str | None", state.get(_ORIGIN)))
    if kept is None and marks and not request.adopt:
        raise OriginError(
            f"the pipeline has loaded {request.name}, but does not say where from", option="adopt"
        )
    if kept is not None and kept.version != request.version:
        raise OriginError(
            f"the pipeline has loaded {request.name} from API version {kept.version}, and "
            f'{request.version} is asked for; run it once with refresh="drop_sources" to load '
            "everything anew"
        )
    began = datetime.now(UTC)
    about, run = request.about, began.isoformat()
    rejects = RejectedTables(about, rejected.get(request.location, {}), run=run, mark=dlt.mark)
    mark = marks.get(request.location) if about.incremental else None
    if rejects.needs_whole_lists:
        mark = None
    with start_blocking_portal() as loop:
        pulling = loop.wrap_async_context_manager(
            _pulling(request, None if mark is None else datetime.fromisoformat(mark), kept)
        )
        with pulling as (nex, pull, origin):
            # Without any rows, dlt would make no table.
            yield flag_rejected(
                _has_primary_key(about, schema_of(getattr(models, about.model)).empty_table())
            )
            pull.decode_with(read_page)
            while (batch := loop.call(anext, pull, None)) is not None:
                yield flag_rejected(_has_primary_key(about, table_of_batch(batch, pull=run)))
                yield from rejects.items(batch)
            due = rejects.rejected_due(pull.shards)
            yield from rejects.readable_entries(due.deleted)
            yield from rejects.refetched(loop.call(_refetch_rejected, nex, due.fetched, request))
    rejected[request.location] = rejects.state()
    marks[request.location] = (began - OVERLAP).isoformat()
    state[_ORIGIN] = origin_to_json(origin)


def _has_primary_key(facts: ResourceFacts, table: ArrowTable) -> ArrowTable:
    """Declare that ids are never null, or dlt warns that the table differs from its primary key."""
    if not facts.keyed or table.column("id").null_count:
        return table
    pa, names = arrow(), table.schema.names
    fields = [
        pa.field("id", table.schema.field("id").type, False)
        if name == "id"
        else table.schema.field(name)
        for name in names
    ]
    columns = [table.column(name) for name in names]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


@asynccontextmanager
async def _pulling(
    request: _ResourceRequest, since: datetime | None, state: Origin | None
) -> AsyncGenerator[tuple[NexHealth, Pull, Origin]]:
    async with request.open_session() as nex:
        origin = await nex.bulk.check_origin(state, version=request.version, adopt=request.adopt)
        async with nex.bulk.pull(
            [request.about.resource],
            practices=request.practices,
            since=since,
            concurrency=request.concurrency,
            allow_rejected="all",
        ) as pull:
            yield nex, pull, origin
            pull.report.raise_if_partial()


async def _refetch_rejected(
    nex: NexHealth, entries: Sequence[RejectedEntry], request: _ResourceRequest
) -> list[FetchedRecord]:
    """Read rejected records of earlier runs again."""
    version, concurrency = request.about.version, request.concurrency
    found = refetch_rejected(client_of(nex), entries, version=version, concurrency=concurrency)
    return [one async for one in found]
