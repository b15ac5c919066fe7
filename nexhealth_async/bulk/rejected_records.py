"""Rejected records: storage in targets and retries in later runs.

A target keeps a record that its model cannot decode as JSON, with the reason, and removes the row
that it would have replaced. Each later run reads it again, by its id if the API has such an
operation, otherwise with its whole list, until it is readable or gone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, cast, runtime_checkable

import anyio
import attrs
import msgspec
from attrs import field, frozen

from nexhealth_async import models
from nexhealth_async._protocol.operations import Endpoint, ScopeNeed
from nexhealth_async.bulk.batch import Batch, RejectedRecord
from nexhealth_async.bulk.resource_facts import endpoint_of
from nexhealth_async.bulk.shard_planning import BEGINNING
from nexhealth_async.bulk.shards import Group, Shard
from nexhealth_async.codec import resolve_annotations
from nexhealth_async.errors import (
    APIConnectionError,
    InvalidAPIKeyError,
    InvalidArgumentError,
    NexHealthError,
    NotFoundError,
    SessionStateError,
    UndecodableRecordError,
    VersionNotEnabledError,
)
from nexhealth_async.pagination.record_ids import read_ids
from nexhealth_async.resources import ENDPOINTS

if TYPE_CHECKING:
    from nexhealth_async._client.client import Client
    from nexhealth_async._protocol.operations import OperationSpec
    from nexhealth_async.bulk.pull_state import ShardState
    from nexhealth_async.bulk.shard_planning import GroupPlan

__all__ = [
    "FATAL_ERRORS",
    "AllowRejected",
    "FetchedRecord",
    "RejectedCount",
    "RejectedEntry",
    "RejectedStore",
    "check_allow_rejected",
    "count_rejected",
    "entry_of",
    "is_fetchable",
    "is_reread_by_plan",
    "key_of",
    "parse_id",
    "refetch_rejected",
    "rejected_keys",
    "rejected_text",
    "shards_read_whole",
    "unallowed_counts",
    "valid_id",
]

AllowRejected: TypeAlias = Literal["known", "all"] | None
"""Rejected records allowed in a complete copy: none, those known before, or all."""

FATAL_ERRORS: Final = (InvalidAPIKeyError, VersionNotEnabledError, SessionStateError)
"""Errors that every other request would meet as well."""
_MAX_ID: Final = 2**63


@frozen(kw_only=True)
class RejectedCount:
    """Number of rejected records of a list."""

    total: int
    new: int
    """Of these, records that the target did not have before this run."""


@frozen(kw_only=True)
class RejectedEntry:
    """Rejected record in a target, without its JSON."""

    resource: str
    subdomain: str | None
    key: str
    """Key within its list: its id, or a digest of its JSON without one."""
    record_id: int | str | None
    shard: str
    """Name of the shard that last read it."""
    path: str
    """Path of the first field that could not be read."""
    expected: str
    """Expected type or value."""
    first_pull: str
    """Id of the pull that first rejected it."""
    pull: str
    """Id of the pull that last read it."""

    @property
    def group(self) -> Group:
        """Resource and practice it belongs to."""
        return Group(resource=self.resource, subdomain=self.subdomain)

    @property
    def location_id(self) -> int | None:
        """Location whose list it came with; None for a practice's list."""
        place = self.shard.removeprefix(f"{self.group.name}/").partition("/")[0]
        return int(place) if place.isdecimal() else None


@runtime_checkable
class RejectedStore(Protocol):
    """Target that keeps rejected records.

    In one transaction, its ``write`` stores the rejected records of a batch, deletes the rows with
    their ids, and deletes rejected records that the batch brings as rows.
    """

    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return all rejected records of the target, without their JSON."""
        ...

    async def forget_rejected(self, entries: Sequence[RejectedEntry]) -> None:
        """Delete rejected records, except those that another pull has read meanwhile."""
        ...


@cache
def _has_number_ids(model: str) -> bool:
    from nexhealth_async.codec import without_none

    model_class = cast("type[attrs.AttrsInstance]", getattr(models, model))
    resolve_annotations(model_class)
    attribute = attrs.fields_dict(model_class).get("id")
    return attribute is not None and without_none(attribute.type) is int


def valid_id(resource: str, record: bytes) -> int | str | None:
    """Return the id of a record's JSON as its model would; None without a valid one."""
    (id,) = read_ids((msgspec.Raw(record),))
    model = endpoint_of(resource).model
    if model is None or id is None:
        return None
    if not _has_number_ids(model):
        return id if isinstance(id, str) and "id" in _fields(model) else None
    if isinstance(id, str):
        if not (id.isascii() and id.isdecimal() and len(id) < 19):  # noqa: PLR2004 - digits of 64 bits
            return None
        id = int(id)
    return id if abs(id) < _MAX_ID else None


def parse_id(resource: str, text: str | None) -> int | str | None:
    """Convert an id that was stored as text."""
    model = endpoint_of(resource).model
    return int(text) if text is not None and model and _has_number_ids(model) else text


@cache
def _fields(model: str) -> frozenset[str]:
    return frozenset(attrs.fields_dict(cast("type[attrs.AttrsInstance]", getattr(models, model))))


def key_of(refused: RejectedRecord) -> str:
    """Return the key of a rejected record within its list."""
    if refused.record_id is not None:
        return str(refused.record_id)
    return f"#{blake2b(refused.raw_json, digest_size=16).hexdigest()}"


def entry_of(shard: Shard, refused: RejectedRecord, *, pull: str, first_pull: str) -> RejectedEntry:
    """Describe a rejected record as a target stores it."""
    return RejectedEntry(
        resource=shard.resource,
        subdomain=shard.subdomain,
        key=key_of(refused),
        record_id=refused.record_id,
        shard=shard.name,
        path=refused.path,
        expected=refused.expected,
        first_pull=first_pull,
        pull=pull,
    )


def rejected_keys(batch: Batch) -> set[str]:
    """Return the keys of all records of a batch, rejected or not."""
    ids = (valid_id(batch.shard.resource, record) for record in batch.raw)
    return {str(id) for id in ids if id is not None} | set(map(key_of, batch.refused))


def check_allow_rejected(value: object) -> None:
    """Raise `InvalidArgumentError` for an unknown value of ``allow_rejected``."""
    if value not in (None, "known", "all"):
        raise InvalidArgumentError('allow_rejected must be None, "known" or "all"')


def count_rejected(
    entries: Iterable[RejectedEntry],
    groups: Collection[Group],
    known: Collection[tuple[Group, str]],
) -> dict[str, RejectedCount]:
    """Count the rejected records of a pull's lists; lists without any are omitted."""
    counts: dict[str, RejectedCount] = {}
    for entry in entries:
        if entry.group in groups:
            count = counts.get(entry.group.name, RejectedCount(total=0, new=0))
            is_new = (entry.group, entry.key) not in known
            counts[entry.group.name] = RejectedCount(total=count.total + 1, new=count.new + is_new)
    return counts


def unallowed_counts(
    rejected: Mapping[str, RejectedCount], allow_rejected: AllowRejected
) -> dict[str, int]:
    """Return the number of rejected records that are not allowed, by list."""
    if allow_rejected == "all":
        return {}
    counts = {
        name: count.new if allow_rejected == "known" else count.total
        for name, count in rejected.items()
    }
    return {name: number for name, number in counts.items() if number}


def rejected_text(rejected: Mapping[str, RejectedCount]) -> str:
    """Format the counts by list for the end of a `repr`."""
    return "".join(
        f", {count.total} rejected in {name}" + (f" ({count.new} new)" if count.new else "")
        for name, count in rejected.items()
    )


# Retries


@cache
def _get_operation(resource: str, version: str) -> tuple[Endpoint[object], OperationSpec] | None:
    """Return the operation that gets one record of a list; None without one."""
    list_endpoint = endpoint_of(resource)
    for endpoint in ENDPOINTS:
        spec = endpoint.v2 if version == "v2" or version.startswith("v2.") else endpoint.v3
        is_match = (
            endpoint.resource == resource
            and endpoint.verb == "get"
            and endpoint.model == list_endpoint.model
        )
        if is_match and spec is not None:
            return endpoint, spec
    return None


def is_fetchable(entry: RejectedEntry, version: str) -> bool:
    """Return whether the API can return this record by its id."""
    operation = _get_operation(entry.resource, version)
    if operation is None or entry.record_id is None:
        return False
    return operation[1].location is not ScopeNeed.REQUIRED or entry.location_id is not None


def shards_read_whole(entries: Iterable[RejectedEntry], version: str) -> set[Group]:
    """Return the groups to read whole because a rejected record cannot be fetched by id."""
    return {entry.group for entry in entries if not is_fetchable(entry, version)}


def is_reread_by_plan(
    entry: RejectedEntry,
    plan: GroupPlan,
    states: Mapping[str, ShardState],
    *,
    pull: str,
    restarted: Collection[str] = (),
) -> bool:
    """Return whether the pull has read the whole list of a rejected record.

    A record that was not seen is then gone from the list, or has become readable under another id.
    ``restarted`` names the shards that this run read from the start.
    """
    whole_shards = [shard for shard in plan.shards if _reads_whole(shard)]
    relevant = [shard for shard in whole_shards if shard.location_id in (None, entry.location_id)]
    if entry.location_id is None and len(whole_shards) == len(plan.shards):
        relevant = whole_shards
    done = all(shard.name in states and states[shard.name].status == "done" for shard in relevant)
    fresh = entry.pull != pull or all(shard.name in restarted for shard in relevant)
    return bool(relevant) and done and fresh


def _reads_whole(shard: Shard) -> bool:
    beginning = BEGINNING.isoformat().replace("+00:00", "Z")
    if shard.window is not None and shard.partial:
        return False
    return all(filters.get("updated_since") in (None, beginning) for filters in shard.lists)


@frozen(kw_only=True)
class FetchedRecord:
    """Result of fetching a rejected record by its id."""

    entry: RejectedEntry
    record: object | None = field(default=None, repr=False)
    """Decoded record, if it is readable now."""
    raw: bytes = field(default=b"", repr=False)
    refused: RejectedRecord | None = None
    """Reason it is still rejected."""
    is_deleted: bool = False

    def batch(self, shard: Shard) -> Batch | None:
        """Return it as a batch of a shard; None if there is nothing to write."""
        if self.record is None and self.refused is None:
            return None
        is_read = self.refused is None
        return Batch(
            shard=shard,
            model=endpoint_of(shard.resource).model or "",
            records=(self.record,) if is_read else (),
            raw=(self.raw,) if is_read else (),
            refused=() if self.refused is None else (self.refused,),
        )


async def refetch_rejected(
    client: Client, entries: Sequence[RejectedEntry], *, version: str, concurrency: int
) -> AsyncGenerator[FetchedRecord]:
    """Fetch rejected records by their ids.

    A record that cannot be fetched at the moment is unchanged and not yielded. After a connection
    error the remaining ones are left to the next run. Errors that no other request would survive
    are raised.
    """
    for start in range(0, len(entries), concurrency):
        results: list[FetchedRecord | Exception | None] = []

        async def fetch(
            entry: RejectedEntry, results: list[FetchedRecord | Exception | None] = results
        ) -> None:
            try:
                results.append(await _fetch_entry(client, entry, version))
            except Exception as error:  # noqa: BLE001 - handled below
                error.__context__ = error.__cause__ = None
                results.append(error.with_traceback(None))

        async with anyio.create_task_group() as tasks:
            for entry in entries[start : start + concurrency]:
                tasks.start_soon(fetch, entry)
        for result in results:
            if isinstance(result, FetchedRecord):
                yield result
            elif isinstance(result, FATAL_ERRORS) or (
                result is not None and not isinstance(result, NexHealthError)
            ):
                raise result
        if any(isinstance(result, APIConnectionError) for result in results):
            return


async def _fetch_entry(client: Client, entry: RejectedEntry, version: str) -> FetchedRecord | None:
    operation = _get_operation(entry.resource, version)
    if operation is None or entry.record_id is None:
        return None
    endpoint, spec = operation
    arguments: dict[str, object] = {}
    if entry.subdomain is not None and spec.subdomain is not ScopeNeed.NONE:
        arguments["subdomain"] = entry.subdomain
    if entry.location_id is not None and spec.location is not ScopeNeed.NONE:
        arguments[spec.location_filter] = entry.location_id
    try:
        raw, decoder = await client.get_raw(endpoint, arguments, entry.record_id)
    except NotFoundError:
        return FetchedRecord(entry=entry, is_deleted=True)
    data = bytes(raw)
    if valid_id(entry.resource, data) != entry.record_id:
        return None  # the response holds another record
    try:
        record, _ = decoder.tolerant(raw)
    except UndecodableRecordError as error:
        refused = RejectedRecord(
            record_id=entry.record_id, path=error.path, expected=error.expected, raw_json=data
        )
        return FetchedRecord(entry=entry, refused=refused)
    return FetchedRecord(entry=entry, record=record, raw=data)
