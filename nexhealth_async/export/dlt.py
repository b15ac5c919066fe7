"""A source for dlt, which loads into BigQuery, Snowflake and others; needs the extra ``dlt``.

::

    pipeline = dlt.pipeline("practice", destination="bigquery", dataset_name="nexhealth")
    pipeline.run(source(["patients", "appointments"], practices=["demo"]))

Each resource becomes a table. Rows are merged by practice and id, which are the primary key. The
columns are those of `nexhealth_async.export.columns`; dlt decides how structs and lists of structs
are stored. Nothing is printed.

The first run reads the requested lists and practices in full; later runs read what changed since
the last one. dlt's state stores the start time of the last run for each resource and each choice of
practices, and advances only when rows are loaded. dlt reads everything before it loads anything, so
a run that is killed while reading starts again. For long lists, read few practices at a time or use
the targets of this package, which can resume. Rows deleted in the practice's system stay, unless
their list reports them with ``deleted_at``; `nexhealth_async.bulk.Bulk.copy` finds them.

A record that its model cannot read is stored as JSON in the table ``_rejected``, with the reason,
and the row that it would have replaced is deleted. Each later run reads it again until it can be
read or is gone. The tables have a column ``_deleted`` for this, which is null in every row.

**dlt sends usage data to its authors unless told not to.** `source` disables this by setting
``RUNTIME__DLTHUB_TELEMETRY`` to ``false``, unless the variable is already set or dlt was imported
before. Importing this module alone changes nothing.
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
from nexhealth_async.export.state_tables import table_name
from nexhealth_async.session import NexHealth, client_of

if TYPE_CHECKING:
    from nexhealth_async.bulk import Practices
    from nexhealth_async.export.pyarrow_types import ArrowTable

__all__ = ["SessionMaker", "source"]

SessionMaker: TypeAlias = Callable[[], AbstractAsyncContextManager[NexHealth]]
"""Creates a new session without a practice; each resource is read in its own event loop."""

_TELEMETRY = "RUNTIME__DLTHUB_TELEMETRY"
_STATE = "watermarks"
_REJECTED = "rejected"
_ORIGIN = "origin"


class _CurrentState(Protocol):
    def resource_state(self, name: str) -> dict[str, object]: ...


class _DltModule(Protocol):
    """The used part of dlt."""

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
        return table_name(self.about.resource)

    @property
    def practices_key(self) -> str:
        """Key for the choice of practices in dlt's state."""
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

    ``pipeline.run`` blocks; in a program with an event loop, call it by ``asyncio.to_thread``. This
    function blocks too if no version is pinned, because it logs in to find the version.

    Args:
        resources: Names of lists; None means all that a pull can read in this version of the API.
        practices: Subdomains, or a mapping of them to location ids; None means all.
        version: Version of the API. None means the version of the session: the pinned one,
            otherwise v2, or v3 if the account refuses v2.
        session: Creates the session of each resource, such as ``lambda: NexHealth(key)``. The
            default reads the environment. If ``version`` is given too, both must agree.
        concurrency: Requests in flight.
        adopt: Treat records loaded by an earlier release, which stored no origin, as records of
            this account.

    Raises:
        UsageError: dlt or pyarrow is not installed.
        InvalidArgumentError: A resource cannot be pulled.
        InvalidAPIKeyError: No version is pinned, and the key is not accepted.
        OriginError: Raised during the run: the pipeline holds records of another account, another
            sandbox or another version. ``pipeline.run(source, refresh="drop_sources")`` deletes
            them and loads everything again.
        PartialPullError: Raised during the run: some shards failed; nothing of the resource is
            loaded.
    """
    dlt = _library()
    api_version = _session_version(version, session)
    names = all_resources(api_version) if resources is None else resources
    open_session = session or (lambda: NexHealth(version=api_version))
    loaders = [
        _resource(
            dlt,
            _ResourceRequest(
                about=facts(name, api_version),
                open_session=open_session,
                practices=practices,
                concurrency=concurrency,
                version=version_name(api_version),
                adopt=adopt,
            ),
        )
        for name in names
    ]
    return dlt.source(name="nexhealth")(lambda: loaders)()


def _session_version(version: str | None, session: SessionMaker | None) -> str:
    """Return the version of the sessions; log in to find it if none is pinned."""
    if version is not None and version != AUTO:
        return version
    open_session = session or (NexHealth if version is None else lambda: NexHealth(version=AUTO))
    with start_blocking_portal() as loop:
        return loop.call(_resolve_version, open_session)


async def _resolve_version(open_session: SessionMaker) -> str:
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
    if not about.keyed:  # all rows of a practice are replaced together
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
    """Read a resource.

    ``state`` is dlt's persistent state: the origin of the records, and the watermarks and rejected
    records for each choice of practices.
    """
    watermarks = cast("dict[str, str]", state.setdefault(_STATE, {}))
    rejected = cast("dict[str, SavedRejected]", state.setdefault(_REJECTED, {}))
    origin = origin_from_json(cast("str | None", state.get(_ORIGIN)))
    if origin is None and watermarks and not request.adopt:
        raise OriginError(
            f"the pipeline has loaded {request.name}, but stored no origin", option="adopt"
        )
    if origin is not None and origin.version != request.version:
        raise OriginError(
            f"the pipeline has loaded {request.name} from API version {origin.version}, not "
            f'{request.version}; run it once with refresh="drop_sources" to load everything again'
        )
    started = datetime.now(UTC)
    about, run = request.about, started.isoformat()
    rejects = RejectedTables(about, rejected.get(request.practices_key, {}), run=run, mark=dlt.mark)
    watermark = watermarks.get(request.practices_key) if about.incremental else None
    if rejects.needs_whole_lists:
        watermark = None
    with start_blocking_portal() as loop:
        pulling = loop.wrap_async_context_manager(
            _pulling(
                request, None if watermark is None else datetime.fromisoformat(watermark), origin
            )
        )
        with pulling as (nex, pull, new_origin):
            # dlt creates no table without any rows.
            yield flag_rejected(
                _require_ids(about, schema_of(getattr(models, about.model)).empty_table())
            )
            pull.decode_with(read_page)
            while (batch := loop.call(anext, pull, None)) is not None:
                yield flag_rejected(_require_ids(about, table_of_batch(batch, pull=run)))
                yield from rejects.items(batch)
            plan = rejects.rejected_due(pull.shards)
            yield from rejects.readable_entries(plan.deleted)
            yield from rejects.refetched(loop.call(_refetch_rejected, nex, plan.fetched, request))
    rejected[request.practices_key] = rejects.state()
    watermarks[request.practices_key] = (started - OVERLAP).isoformat()
    state[_ORIGIN] = origin_to_json(new_origin)


def _require_ids(facts: ResourceFacts, table: ArrowTable) -> ArrowTable:
    """Declare that ids are never null, because dlt warns otherwise."""
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
    records = refetch_rejected(client_of(nex), entries, version=version, concurrency=concurrency)
    return [record async for record in records]
