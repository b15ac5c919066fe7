"""Requests as printed in the vendor's own guides."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from nexhealth_async import NexHealth, NotInVersionError
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GUIDE = {
    "new_patient": False,
    "include_upcoming_appts": False,
    "location_strict": False,
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=6, seed=2, appointments=12) as sandbox:
        yield sandbox


async def test_the_query_of_the_start_guide_can_be_made_by_keyword(sandbox: Sandbox) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, version="v2") as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        walk = location.patients.walk(
            new_patient=False,
            include_upcoming_appts=False,
            location_strict=False,
            per_page=1,
            limit=1,
        )
        (patient,) = [patient async for patient in walk]
    assert patient.id == sandbox.patients.ids[0]
    assert patient.upcoming_appts is None
    (seen,) = sandbox.seen("GET", "/patients")
    assert dict(seen.query)["include_upcoming_appts"] == "false"


async def test_the_query_of_the_start_guide_can_be_made_by_request(sandbox: Sandbox) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, version="v2") as nex:
        scope = {"subdomain": sandbox.subdomain, "location_id": sandbox.location_id}
        answer = await nex.request(
            "GET", "/patients", params={**scope, **GUIDE, "page": 1, "per_page": 1}
        )
    data = cast("dict[str, list[dict[str, object]]]", answer.data)
    assert [row["id"] for row in data["patients"]] == [sandbox.patients.ids[0]]
    assert answer.count == 6
    assert answer.warnings == ()


async def test_upcoming_appointments_are_included_on_request(sandbox: Sandbox) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, version="v2") as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        walk = location.patients.walk(include_upcoming_appts=True)
        assert all([patient.upcoming_appts is not None async for patient in walk])


async def test_v3_refuses_a_filter_of_v2_by_name(sandbox: Sandbox) -> None:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url, version="v3") as nex:
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        with pytest.raises(NotInVersionError, match="include_upcoming_appts"):
            location.patients.walk(include_upcoming_appts=True)
