"""Helpers for tests of pulls: a sandbox with several locations, and its actual contents."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from nexhealth_async import NexHealth, Rates
from nexhealth_async.sandbox import Sandbox
from tests.bulk.memory_target import id_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nexhealth_async.bulk import Batch

__all__ = ["TABLES", "VERSIONS", "BulkScene", "by_group", "scene", "truth"]

VERSIONS = ("v2", "v3")
TABLES = ("patients", "appointments", "procedures", "providers", "operatories", "patient_recalls")
"""Resources of both versions whose records are the rows of the sandbox's table of that name."""


class BulkScene(NamedTuple):
    sandbox: Sandbox
    nex: NexHealth


@asynccontextmanager
async def scene(
    version: str = "v2",
    *,
    patients: int = 40,
    practices: int = 2,
    locations: int = 2,
    appointments: int = 30,
    rates: Rates | None = None,
) -> AsyncGenerator[BulkScene]:
    async with Sandbox(
        patients=patients,
        practices=practices,
        locations=locations,
        appointments=appointments,
        procedures=20,
    ) as sandbox:
        limits = rates or Rates.unlimited()
        async with NexHealth(
            sandbox.api_key, base_url=sandbox.url, version=version, rates=limits
        ) as nex:
            yield BulkScene(sandbox, nex)


def truth(sandbox: Sandbox, resource: str) -> dict[str | None, list[int]]:
    """Ids of the records of each practice."""
    return {
        practice.subdomain: sorted(getattr(practice, resource).ids)
        for practice in sandbox.practices
    }


def by_group(batches: list[Batch], resource: str) -> dict[str | None, list[int]]:
    """Delivered ids by practice, duplicates included."""
    found: dict[str | None, list[int]] = {}
    for batch in batches:
        if batch.shard.resource == resource:
            found.setdefault(batch.shard.subdomain, []).extend(
                id for id in map(id_of, batch.records) if id is not None
            )
    return {name: sorted(ids) for name, ids in found.items()}
