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
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(patients=25, seed=1) as sandbox:
        yield sandbox


@pytest.fixture
async def nex(sandbox: Sandbox) -> AsyncIterator[NexHealth]:
    async with NexHealth(sandbox.api_key, base_url=sandbox.url) as session:
        yield session


@pytest.fixture
def location(nex: NexHealth, sandbox: Sandbox) -> LocationScope:
    return nex.practice(sandbox.subdomain).location(sandbox.location_id)
