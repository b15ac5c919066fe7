"""A sandbox with a session, in skipped time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from nexhealth_async.sandbox import DEFAULT_ANCHOR
from tests.conftest import MovableLoop
from tests.session.transport_error_helpers import ErrorScene, LoopClock, scene

if TYPE_CHECKING:
    from nexhealth_async import FreeSlot
    from nexhealth_async.models import Appointment

versions = pytest.mark.parametrize("version", ["v2", "v3"])


@frozen(kw_only=True)
class FakeEvents:
    """An event as a receiver would publish it."""

    event: str
    outcome: str | None
    records: Sequence[object]
    resource_type: str | None = "Appointment"


@asynccontextmanager
async def practice(
    version: str = "v2", *, zone: str = "America/New_York", **options: Any
) -> AsyncGenerator[ErrorScene]:
    """A sandbox without appointments that follows the loop's time, whose waits are skipped."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MovableLoop)
    async with scene(version=version, clock=LoopClock(), **options) as at:
        at.sandbox.practice.locations.update(at.sandbox.location_id, tz=zone)
        await at.nex.log_in()
        loop.skip_waits, loop.io_wait = True, 0.02
        try:
            yield at
        finally:
            loop.skip_waits = False


async def free(
    at: ErrorScene, *, provider: int = 0, days: int = 3, length: int = 30
) -> list[FreeSlot]:
    """The free slots of one provider."""
    pids = [at.sandbox.providers.ids[provider]]
    found = at.location.available_slots.flat(
        pids=pids, start_date=DEFAULT_ANCHOR, days=days, slot_length=length
    )
    return [slot async for slot in found]


async def booked(at: ErrorScene, *, slot: int = 0) -> Appointment:
    """One appointment of the first patient."""
    return await at.location.appointments.book(
        (await free(at))[slot], patient_id=at.sandbox.patients.ids[0]
    )


def live(at: ErrorScene) -> list[int]:
    """Ids of the server's appointments that are not cancelled."""
    rows = at.sandbox.appointments
    return [id for id in rows.ids if not rows.row(id)["cancelled"]]


def after(seconds: float, work: Any, *arguments: Any) -> None:
    """Run something later, in the loop's time."""
    asyncio.get_running_loop().call_later(seconds, work, *arguments)
