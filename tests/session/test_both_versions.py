"""The same program walks the same practice with the same ids in both versions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NexHealth, Rates
from nexhealth_async.sandbox import DEFAULT_ANCHOR, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from nexhealth_async import LocationScope, Walk
    from nexhealth_async.models import Appointment, Patient, PatientRecall, Provider

    AnyWalk = Walk[Patient] | Walk[Appointment] | Walk[Provider] | Walk[PatientRecall]


@pytest.fixture
async def many_patients() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=230, seed=3, appointments=120) as sandbox:
        yield sandbox


def appointments(location: LocationScope, per_page: int) -> Walk[Appointment]:
    from datetime import UTC, datetime

    noon = datetime(DEFAULT_ANCHOR.year, DEFAULT_ANCHOR.month, DEFAULT_ANCHOR.day, 12, tzinfo=UTC)
    year = timedelta(days=366)
    return location.appointments.walk(
        start=noon - year, end=noon + year, cancelled=False, per_page=per_page
    )


WALKS: dict[str, Callable[[LocationScope, int], AnyWalk]] = {
    "patients": lambda location, size: location.patients.walk(per_page=size),
    "active patients": lambda location, size: location.patients.walk(inactive=False, per_page=size),
    "appointments": appointments,
    "providers": lambda location, size: location.providers.walk(per_page=size),
    "recalls": lambda location, size: location.patient_recalls.walk(per_page=size),
}


def session(many_patients: Sandbox, version: str) -> NexHealth:
    """Without rate limits: pages of one record would be waited for in real time."""
    rates = Rates.unlimited()
    return NexHealth(
        many_patients.api_key, base_url=many_patients.url, version=version, rates=rates
    )


@pytest.mark.parametrize("per_page", [1, 7, 300])
@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
async def test_the_same_program_gives_the_same_records_in_both_versions(
    walk: Callable[[LocationScope, int], AnyWalk], per_page: int, many_patients: Sandbox
) -> None:
    found: dict[str, list[int]] = {}
    paged: dict[str, list[int]] = {}
    for version in ("v2", "v3"):
        async with session(many_patients, version) as nex:
            location = nex.practice(many_patients.subdomain).location(many_patients.location_id)
            found[version] = [one.id async for one in walk(location, per_page)]
            pages = walk(location, per_page).pages()
            paged[version] = [item.id async for page in pages for item in page.items]
    assert sorted(found["v2"]) == sorted(found["v3"])
    assert found["v2"]
    assert found == paged


async def test_a_walk_is_resumed_in_both_versions(many_patients: Sandbox) -> None:
    for version in ("v2", "v3"):
        async with session(many_patients, version) as nex:
            location = nex.practice(many_patients.subdomain).location(many_patients.location_id)
            whole = [patient.id async for patient in location.patients.walk(per_page=50)]
            async for page in location.patients.walk(per_page=50).pages():
                got = [item.id for item in page.items]
                rest = [patient.id async for patient in location.patients.walk(after=page.resume)]
                assert got + rest == whole
                break
