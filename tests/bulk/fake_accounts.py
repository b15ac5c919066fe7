"""Servers that pass for real ones, each with an account of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from nexhealth_async import NexHealth, Rates
from nexhealth_async.sandbox import Sandbox
from nexhealth_async.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nexhealth_async.sandbox import SeenRequest

__all__ = ["account", "forbid_lists", "rename", "session"]


class _Unscoped(Fault):
    def matches(self, seen: SeenRequest) -> bool:
        names = {name for name, _ in seen.query}
        return seen.path in {"/institutions", "/locations"} and "subdomain" not in names


def forbid_lists(box: Sandbox) -> None:
    """Let the key see neither institutions nor locations unless it names a practice."""
    box.faults.add(_Unscoped(kind="fail", status=403, times=1_000_000))


@asynccontextmanager
async def account(
    number: int = 1, *, port: int = 0, practices: int = 1, patients: int = 20
) -> AsyncGenerator[Sandbox]:
    """A server that nobody can tell from a real one.

    Different numbers stand for different accounts: the ids of institutions and the subdomains of
    their practices differ, and those of the records are the same.
    """
    box = Sandbox(patients=patients, seed=number, practices=practices, appointments=8, procedures=8)
    box.identified = False
    for practice in box.practices:
        at = practice.number
        rename(box, at - 1, id=number * 1000 + at, subdomain=f"account-{number}-{at}")
    await box.start(port=port)
    try:
        yield box
    finally:
        await box.stop()


def rename(box: Sandbox, at: int, *, id: int, subdomain: str) -> None:
    """Give a practice another institution id and another subdomain."""
    practice = box.practices[at]
    practice.institution_id, practice.subdomain = id, subdomain
    practice.institution |= {"id": id, "subdomain": subdomain}
    for location in practice.locations.ids:
        practice.locations.update(location, institution_id=id)


def session(box: Sandbox, version: str = "v2") -> NexHealth:
    return NexHealth(box.api_key, base_url=box.url, version=version, rates=Rates.unlimited())
