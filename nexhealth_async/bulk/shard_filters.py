"""Arguments of a walk, made from a shard."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from nexhealth_async._protocol.operations import ScopeNeed
from nexhealth_async._protocol.requests import spec_for
from nexhealth_async.bulk.resource_facts import endpoint_of

if TYPE_CHECKING:
    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async.bulk.shards import Filters, Shard

__all__ = ["walk_arguments"]

_TIMESTAMP_FILTERS = frozenset(
    {"updated_since", "start", "end", "due_after", "entered_after", "entered_before"}
)
_DATE_FILTERS = frozenset(
    {
        "date_of_service",
        "started_after",
        "started_before",
        "ended_after",
        "ended_before",
        "appointment_date_start",
        "appointment_date_end",
        "date_of_birth",
    }
)


def walk_arguments(
    shard: Shard, filters: Filters
) -> tuple[Endpoint[object], dict[str, object], tuple[int, ...]]:
    """Return the arguments of ``client.walk(endpoint, arguments, *ids)`` for one list of a shard.

    The client must not be bound to a practice or location, which would narrow account-wide lists.
    Filters of None are passed on: they suppress a default.
    """
    endpoint = endpoint_of(shard.resource)
    spec = spec_for(endpoint, shard.version)
    arguments: dict[str, object] = {name: _value(name, value) for name, value in filters.items()}
    if shard.subdomain is not None and spec.subdomain is not ScopeNeed.NONE:
        arguments["subdomain"] = shard.subdomain
    if shard.location_id is None:
        return endpoint, arguments, ()
    if "{id}" in spec.path:
        return endpoint, arguments, (shard.location_id,)
    arguments[spec.location_filter] = shard.location_id
    return endpoint, arguments, ()


def _value(name: str, value: str | int | bool | None) -> object:  # noqa: FBT001 - filters are that
    if isinstance(value, str):
        if name in _TIMESTAMP_FILTERS:
            return datetime.fromisoformat(value)
        if name in _DATE_FILTERS:
            return date.fromisoformat(value)
    return value
