"""Rejected records: what a target keeps of them, and how later runs read them again.

A record that cannot be read as its model is kept by the target as JSON, with the reason, and the
row it would have replaced is removed. Each later run reads it again, by its id where the API has
such an operation, or else by reading its list whole, until it is readable or gone.
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
"""Which rejected records leave a copy complete: none, those known before, or all."""

FATAL_ERRORS: Final = (InvalidAPIKeyError, VersionNotEnabledError, SessionStateError)
"""What every other request would meet as well."""
_MAX_ID: Final = 2**63


@frozen(kw_only=True)
class RejectedCount:
    """How many records of a list are rejected."""

    total: int
    new: int
    """Of these, the ones the target did not have before this run."""


@frozen(kw_only=True)
class RejectedEntry:
    """A rejected record that a target keeps; its JSON stays in the target."""

    resource: str
    subdomain: str | None
    key: str
    """What identifies it in its list: its id, or a digest of its JSON where that has none."""
    record_id: int | str | None
    shard: str
    """Name of the shard it came with last."""
    path: str
    """Path of the first field that could not be read."""
    expected: str
    """What should have been there."""
    first_pull: str
    """The pull that rejected it first."""
    pull: str
    """The pull that read it last."""

    @property
    def group(self) -> Group:
        """The resource and the practice it belongs to."""
        return Group(resource=self.resource, subdomain=self.subdomain)

    @property
    def location_id(self) -> int | None:
        """The location whose list it came with; None for a list of the whole practice."""
        place = self.shard.removeprefix(f"{self.group.name}/").partition("/")[0]
        return int(place) if place.isdecimal() else None


@runtime_checkable
class RejectedStore(Protocol):
    """A target that keeps rejected records.

    Its ``write`` keeps what a batch has in ``refused`` and removes the rows with these ids, and
    removes from the rejected records those that the batch brings as rows: in one transaction.
    """

    async def rejected(self) -> Sequence[RejectedEntry]:
        """Return all rejected records the target keeps, without their JSON."""
        ...

    async def forget_rejected(self, entries: Sequence[RejectedEntry]) -> None:
        """Remove rejected records, except those that another pull has read meanwhile."""
        ...


@cache
def _has_number_ids(model: str) -> bool:
    from nexhealth_async.codec import without_none

    kind = cast("type[attrs.AttrsInstance]", getattr(models, model))
    resolve_annotations(kind)
    attribute = attrs.fields_dict(kind).get("id")
    return attribute is not None and without_none(attribute.type) is int


def valid_id(resource: str, record: bytes) -> int | str | None:
    """Return the id in a record's JSON as the model would have it; None if it could have none."""
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
    """Return an id that was kept as text."""
    model = endpoint_of(resource).model
    return int(text) if text is not None and model and _has_number_ids(model) else text


@cache
def _fields(model: str) -> frozenset[str]:
    return frozenset(attrs.fields_dict(cast("type[attrs.AttrsInstance]", getattr(models, model))))


def key_of(refused: RejectedRecord) -> str:
    """Return what identifies a rejected record in its list."""
    if refused.record_id is not None:
        return str(refused.record_id)
    return f"#{blake2b(refused.raw_json, digest_size=16).hexdigest()}"


def entry_of(shard: Shard, refused: RejectedRecord, *, pull: str, first_pull: str) -> RejectedEntry:
    """Describe a rejected record as a target keeps it."""
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
    """Return the keys of everything a batch brings, rejected or not."""
    ids = (valid_id(batch.shard.resource, one) for one in batch.raw)
    return {str(id) for id in ids if id is not None} | set(map(key_of, batch.refused))


def check_allow_rejected(value: object) -> None:
    """Raise `InvalidArgumentError` unless this is one of the choices."""
    if value not in (None, "known", "all"):
        raise InvalidArgumentError('allow_rejected must be None, "known" or "all"')


def count_rejected(
    entries: Iterable[RejectedEntry],
    groups: Collection[Group],
    known: Collection[tuple[Group, str]],
) -> dict[str, RejectedCount]:
    """Count rejected records by list, for the lists of a pull; lists without any are missing."""
    found: dict[str, RejectedCount] = {}
    for one in entries:
        if one.group in groups:
            old = found.get(one.group.name, RejectedCount(total=0, new=0))
            is_new = (one.group, one.key) not in known
            found[one.group.name] = RejectedCount(total=old.total + 1, new=old.new + is_new)
    return found


def unallowed_counts(
    rejected: Mapping[str, RejectedCount], allow_rejected: AllowRejected
) -> dict[str, int]:
    """Return how many rejected records of which list are not allowed."""
    if allow_rejected == "all":
        return {}
    counts = {
        name: count.new if allow_rejected == "known" else count.total
        for name, count in rejected.items()
    }
    return {name: number for name, number in counts.items() if number}


def rejected_text(rejected: Mapping[str, RejectedCount]) -> str:
    """Say how many records are rejected in which list, for the end of a `repr`."""
    return "".join(
        f", {count.total} rejected in {name}" + (f" ({count.new} new)" if count.new else "")
        for name, count in rejected.items()
    )


# How a rejected record is read again


@cache
def _get_of(resource: str, version: str) -> tuple[Endpoint[object], OperationSpec] | None:
    """Return the operation that reads one record of a list; None where the API has none."""
    listed = endpoint_of(resource)
    for one in ENDPOINTS:
        row = one.v2 if version == "v2" or version.startswith("v2.") else one.v3
        same = one.resource == resource and one.verb == "get" and one.model == listed.model
        if same and row is not None:
            return one, row
    return None


def is_fetchable(entry: RejectedEntry, version: str) -> bool:
    """Tell whether the API can be asked for this record alone."""
    found = _get_of(entry.resource, version)
    if found is None or entry.record_id is None:
        return False
    return found[1].location is not ScopeNeed.REQUIRED or entry.location_id is not None


def shards_read_whole(entries: Iterable[RejectedEntry], version: str) -> set[Group]:
    """Return the groups that must be read whole to see their rejected records again."""
    return {one.group for one in entries if not is_fetchable(one, version)}


def is_reread_by_plan(
    entry: RejectedEntry,
    plan: GroupPlan,
    states: Mapping[str, ShardState],
    *,
    pull: str,
    restarted: Collection[str] = (),
) -> bool:
    """Tell whether the pull has read the whole list that the record was in.

    If so, a record that did not come is gone from the list, or came with a readable id.
    ``restarted`` are the shards that this run has read from their start.
    """
    whole = [one for one in plan.shards if _reads_whole(one)]
    mine = [one for one in whole if one.location_id in (None, entry.location_id)]
    if entry.location_id is None and len(whole) == len(plan.shards):
        mine = whole
    done = all(one.name in states and states[one.name].status == "done" for one in mine)
    fresh = entry.pull != pull or all(one.name in restarted for one in mine)
    return bool(mine) and done and fresh


def _reads_whole(shard: Shard) -> bool:
    beginning = BEGINNING.isoformat().replace("+00:00", "Z")
    if shard.window is not None and shard.partial:
        return False
    return all(one.get("updated_since") in (None, beginning) for one in shard.lists)


@frozen(kw_only=True)
class FetchedRecord:
    """What became of a rejected record that was asked for by its id."""

    entry: RejectedEntry
    record: object | None = field(default=None, repr=False)
    """The record, if it is readable now."""
    raw: bytes = field(default=b"", repr=False)
    refused: RejectedRecord | None = None
    """What it is rejected for still."""
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
    caller: Client, entries: Sequence[RejectedEntry], *, version: str, concurrency: int
) -> AsyncGenerator[FetchedRecord]:
    """Ask for rejected records by their ids.

    One that cannot be asked for at the moment stays as it is and is not yielded; once the network
    fails, the others are left for the next run. What no other request would survive is raised.
    """
    for at in range(0, len(entries), concurrency):
        results: list[FetchedRecord | Exception | None] = []

        async def fetch(
            entry: RejectedEntry, results: list[FetchedRecord | Exception | None] = results
        ) -> None:
            try:
                results.append(await _fetch_entry(caller, entry, version))
            except Exception as error:  # noqa: BLE001 - judged below
                error.__context__ = error.__cause__ = None
                results.append(error.with_traceback(None))

        async with anyio.create_task_group() as tasks:
            for entry in entries[at : at + concurrency]:
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


async def _fetch_entry(caller: Client, entry: RejectedEntry, version: str) -> FetchedRecord | None:
    found = _get_of(entry.resource, version)
    if found is None or entry.record_id is None:
        return None
    endpoint, row = found
    arguments: dict[str, object] = {}
    if entry.subdomain is not None and row.subdomain is not ScopeNeed.NONE:
        arguments["subdomain"] = entry.subdomain
    if entry.location_id is not None and row.location is not ScopeNeed.NONE:
        arguments[row.location_filter] = entry.location_id
    try:
        raw, decoder = await caller.get_raw(endpoint, arguments, entry.record_id)
    except NotFoundError:
        return FetchedRecord(entry=entry, is_deleted=True)
    data = bytes(raw)
    if valid_id(entry.resource, data) != entry.record_id:
        return None  # the answer is about something else
    try:
        record, _ = decoder.tolerant(raw)
    except UndecodableRecordError as error:
        refused = RejectedRecord(
            record_id=entry.record_id, path=error.path, expected=error.expected, raw_json=data
        )
        return FetchedRecord(entry=entry, refused=refused)
    return FetchedRecord(entry=entry, record=record, raw=data)
