"""State of a pull as rows of the tables in `nexhealth_async.export.common_sql`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

import attrs
import msgspec
from attrs import frozen

from nexhealth_async.bulk import Batch, Group, GroupState, Progress, Shard, ShardState
from nexhealth_async.bulk.target_support import (
    check_progress,
    endpoint_of,
    every_resource,
    origin_from_json,
    origin_to_json,
    shard_from_json,
    shard_state_from_json,
    shard_to_json,
)
from nexhealth_async.errors import TargetError, UsageError
from nexhealth_async.export.arrow_from_json import FastArrays
from nexhealth_async.export.model_classes import model_of

__all__ = [
    "ExportPlan",
    "Row",
    "groups_from",
    "is_keyed",
    "latest_records",
    "names_practice",
    "practice_of",
    "progress_from",
    "pull_row",
    "record_tables",
    "shard_rows",
    "state_row",
    "table_name",
    "wrong_type_error",
]

Row: TypeAlias = "Sequence[object]"

_NOT_STARTED: Final = (None, None, None, None)


@frozen
class ExportPlan:
    """The current pull of a target."""

    progress: Progress
    numbers: Mapping[str, int]
    """Numbers of the shards, by name."""

    @classmethod
    def of(cls, progress: Progress) -> ExportPlan:
        """Number the shards of a pull."""
        numbers = {shard.name: number for number, shard in enumerate(progress.shards)}
        return cls(progress, numbers)

    def key(self, shard: Shard) -> tuple[str, int]:
        """Return the pull's id and the shard's number.

        Raises:
            UsageError: The shard belongs to another pull.
        """
        number = self.numbers.get(shard.name)
        if number is None:
            raise UsageError("the shard belongs to another pull; use the shards of the loaded pull")
        return self.progress.id, number

    def models(self) -> dict[str, type]:
        """Return the classes of the records, by resource."""
        resources = dict.fromkeys(shard.resource for shard in self.progress.shards)
        names = {resource: endpoint_of(resource).model for resource in resources}
        return {resource: model_of(name) for resource, name in names.items() if name is not None}


def pull_row(progress: Progress) -> Row:
    """Return the row of a pull, without its number."""
    return (
        progress.id,
        progress.started,
        progress.options,
        progress.finished,
        origin_to_json(progress.origin),
    )


def shard_rows(progress: Progress) -> list[Row]:
    """Return the rows of a pull's shards."""
    return [
        (
            progress.id,
            number,
            shard.name,
            shard_to_json(shard).decode(),
            *state_row(progress.states.get(shard.name)),
        )
        for number, shard in enumerate(progress.shards)
    ]


def state_row(state: ShardState | None) -> Row:
    """Return status, records and error for users, and the whole state for `progress_from`."""
    if state is None:
        return _NOT_STARTED
    return (state.status, state.records, state.error, msgspec.json.encode(state).decode())


def progress_from(pull: Row, shards: Iterable[Row]) -> Progress:
    """Build the progress of a pull from its row and the rows of its shards."""
    id, started, options, finished, origin = cast(
        "tuple[str, str, str, bool, str | None]", tuple(pull)
    )
    planned: list[Shard] = []
    states: dict[str, ShardState] = {}
    for text, state in cast("Iterable[tuple[str, str | None]]", shards):
        shard = shard_from_json(text)
        planned.append(shard)
        if state is not None:
            states[shard.name] = shard_state_from_json(state)
    progress = Progress(
        id=id,
        started=datetime.fromisoformat(started).astimezone(UTC),
        options=options,
        shards=tuple(planned),
        states=states,
        finished=finished,
        origin=origin_from_json(origin),
    )
    check_progress(progress)
    return progress


def groups_from(rows: Iterable[Row]) -> dict[Group, GroupState]:
    """Build the states of groups from their rows."""
    states: dict[Group, GroupState] = {}
    for row in rows:
        resource, subdomain, watermark, compared = cast(
            "tuple[str, str, str | None, str | None]", tuple(row)
        )
        group = Group(resource=resource, subdomain=subdomain or None)
        states[group] = GroupState(
            watermark=_parse_timestamp(watermark), compared=_parse_timestamp(compared)
        )
    return states


def _parse_timestamp(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def names_practice(resource: str) -> bool:
    """Return True for a list of the whole account whose records name their practice."""
    return resource in {"institutions", "onboardings"}


def practice_of(subdomain: str | None) -> str:
    """Return the practice of a group; ``''`` for lists of the whole account."""
    return subdomain or ""


def table_name(resource: str) -> str:
    """Return the name of a resource's table."""
    return resource.replace(".", "_")


def record_tables() -> tuple[str, ...]:
    """Return the table names of all lists."""
    return tuple(table_name(resource) for resource in every_resource())


def is_keyed(model: type) -> bool:
    """Return True if the records of a class have ids, so that rows can be replaced."""
    return "id" in attrs.fields_dict(cast("type[attrs.AttrsInstance]", model))


def latest_records(batch: Batch) -> Batch:
    """Return the batch with the last record of each id; records without ids stay."""
    ids = list(_ids(batch))
    last = {id: at for at, id in enumerate(ids) if id is not None}
    indexes = [at for at, id in enumerate(ids) if id is None or last[id] == at]
    if len(indexes) == len(ids):
        return batch
    records, raw = batch.records, batch.raw
    return attrs.evolve(
        batch,
        records=tuple(records[at] for at in indexes),
        raw=tuple(raw[at] for at in indexes),
        fast_arrow=None,
    )


def _ids(batch: Batch) -> Iterable[object]:
    if isinstance(batch.fast_arrow, FastArrays):
        return batch.fast_arrow.ids
    return (getattr(record, "id", None) for record in batch.records)


def wrong_type_error(table: str, column: str, current: str, expected: str) -> TargetError:
    """Build the error for a column with a type that does not fit the records."""
    return TargetError(
        f"the column {column} of {table} is {current} in this database and should be {expected}; "
        "rename or drop it, or copy to another database"
    )
