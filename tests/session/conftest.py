"""A sandbox whose clock follows the loop's, so that moving one moves both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexhealth_async import NexHealth
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nexhealth_async import LocationScope


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=25, seed=1) as sandbox:
        yield sandbox


@pytest.fixture
async def nex(box: Sandbox) -> AsyncIterator[NexHealth]:
    async with NexHealth(box.api_key, base_url=box.url) as session:
        yield session


@pytest.fixture
def office(nex: NexHealth, box: Sandbox) -> LocationScope:
    return nex.practice(box.subdomain).location(box.location_id)
