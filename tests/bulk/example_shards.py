"""Shards as in a plan, for tests that need no sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from nexhealth_async.bulk import Shard, facts
from nexhealth_async.bulk.resource_facts import Level
from nexhealth_async.bulk.shard_planning import lists_of

__all__ = ["WINDOW", "planned_shard"]

WINDOW = ("2000-01-01T00:00:00Z", "2037-01-01T00:00:00Z")


def planned_shard(
    resource: str, version: str = "v2", *, since: datetime | None = None, **more: Any
) -> Shard:
    """A shard with the place, the window and the lists that its resource needs."""
    about = facts(resource, version)
    options: dict[str, Any] = {"subdomain": "demo", **more}
    shard = Shard(resource=resource, version=version, **options)
    if about.level is Level.ACCOUNT:
        shard = evolve(shard, subdomain=None)
    if about.level is Level.LOCATION and shard.location_id is None:
        shard = evolve(shard, location_id=7)
    if about.windowed and shard.window is None:
        shard = evolve(shard, window=WINDOW)
    if shard.sweep and since is None:
        since = datetime(2026, 1, 1, tzinfo=UTC)
    return shard if "lists" in more else evolve(shard, lists=lists_of(about, since, shard.window))
