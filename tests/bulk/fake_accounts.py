"""Servers that look like real ones, each with a separate account."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from nexhealth_async import NexHealth, Rates
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nexhealth_async.sandbox import RecordedRequest

__all__ = ["account", "forbid_lists", "rename", "session"]


class _UnscopedFault(Fault):
    def matches(self, request: RecordedRequest) -> bool:
        names = {name for name, _ in request.query}
        return request.path in {"/institutions", "/locations"} and "subdomain" not in names


def forbid_lists(sandbox: Sandbox) -> None:
    """Hide institutions and locations from the key unless it names a practice."""
    sandbox.faults.add(_UnscopedFault(kind="fail", status=403, times=1_000_000))


@asynccontextmanager
async def account(
    number: int = 1, *, port: int = 0, practices: int = 1, patients: int = 20
) -> AsyncGenerator[Sandbox]:
    """A server that cannot be told from a real one.

    Each number is another account: ids of institutions and subdomains of practices differ, ids of
    records are the same.
    """
    sandbox = Sandbox(
        patients=patients, seed=number, practices=practices, appointments=8, procedures=8
    )
    sandbox.identified = False
    for practice in sandbox.practices:
        at = practice.number
        rename(sandbox, at - 1, id=number * 1000 + at, subdomain=f"account-{number}-{at}")
    await sandbox.start(port=port)
    try:
        yield sandbox
    finally:
        await sandbox.stop()


def rename(sandbox: Sandbox, at: int, *, id: int, subdomain: str) -> None:
    """Change the institution id and the subdomain of a practice."""
    practice = sandbox.practices[at]
    practice.institution_id, practice.subdomain = id, subdomain
    practice.institution |= {"id": id, "subdomain": subdomain}
    for location in practice.locations.ids:
        practice.locations.update(location, institution_id=id)


def session(sandbox: Sandbox, version: str = "v2") -> NexHealth:
    return NexHealth(
        sandbox.api_key, base_url=sandbox.url, version=version, rates=Rates.unlimited()
    )
