"""Walks with a prefetch that is raised while they run, and with a long deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from nexhealth_async import APITimeoutError, Limit, NexHealth, Rates
from nexhealth_async.sandbox import Sandbox

if TYPE_CHECKING:
    from nexhealth_async import LocationScope


async def test_a_larger_prefetch_has_more_requests_in_flight(
    sandbox: Sandbox, location: LocationScope
) -> None:
    sandbox.latency = 0.03
    pages = location.patients.walk(per_page=1, prefetch=1).pages()
    ids = [item.id for item in (await anext(pages)).items]
    sandbox.most_in_flight = 0
    pages.set_prefetch(5)
    async for page in pages:
        ids += [item.id for item in page.items]
    assert sandbox.most_in_flight == 5
    assert sorted(ids) == sorted(sandbox.patients.ids)


async def test_a_smaller_prefetch_changes_nothing(
    sandbox: Sandbox, location: LocationScope
) -> None:
    sandbox.latency = 0.03
    pages = location.patients.walk(per_page=1, prefetch=4).pages()
    await anext(pages)
    sandbox.most_in_flight = 0
    pages.set_prefetch(2)
    assert len([page async for page in pages]) == 24
    assert sandbox.most_in_flight == 4


async def test_a_walk_without_deadline_waits_for_the_limit_beyond_the_default() -> None:
    async with Sandbox(patients=3) as sandbox:
        rates = Rates(people=Limit(1, 0.6))
        async with NexHealth(sandbox.api_key, base_url=sandbox.url, rates=rates) as nex:
            nex._session_client = evolve(
                nex._client, options=evolve(nex._client.options, timeout=0.3)
            )  # as if that were the default
            location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
            await location.patients.walk().count()
            with pytest.raises(APITimeoutError):
                await anext(location.patients.walk().pages())
            pages = location.patients.walk(prefetch=0).pages()
            pages.without_deadline()
            page = await asyncio.wait_for(anext(pages), 10)
            assert len(page.items) == 3
