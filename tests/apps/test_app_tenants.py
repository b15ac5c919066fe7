"""Many customers in one process are isolated from each other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import (
    NO_RETRY,
    InvalidAPIKeyError,
    Limit,
    NexHealth,
    Rates,
    SessionStateError,
)
from nexhealth_async.sandbox import Sandbox
from tests.apps.server import load_example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

multi_tenant: Any = load_example("multi_tenant")


@pytest.fixture
async def sandboxes() -> AsyncIterator[dict[str, Sandbox]]:
    """A server for each customer that accepts only its own key and tokens."""
    async with AsyncExitStack() as stack:
        yield {
            f"customer-{nth}": await stack.enter_async_context(Sandbox(patients=5 + nth, seed=nth))
            for nth in range(4)
        }


class SessionFactory:
    """Makes sessions and records them."""

    def __init__(
        self, sandboxes: dict[str, Sandbox], rates: Rates | None = None, *, version: str = "v2"
    ) -> None:
        self.sandboxes = sandboxes
        self.rates = rates
        self.version = version
        self.sessions: list[tuple[str, NexHealth]] = []

    def __call__(self, name: str) -> NexHealth:
        sandbox = self.sandboxes[name]
        nex = NexHealth(
            sandbox.api_key,
            base_url=sandbox.url,
            subdomain=sandbox.subdomain,
            location_id=sandbox.location_id,
            rates=self.rates,
            version=self.version,
        )
        self.sessions.append((name, nex))
        return nex


async def test_each_customer_sees_its_own_patients_with_its_own_token(
    sandboxes: dict[str, Sandbox],
) -> None:
    opened = SessionFactory(sandboxes)

    async def count(tenants: Any, name: str) -> int:
        async with tenants.of(name) as nex:
            return len([patient async for patient in nex.patients.walk()])

    async with multi_tenant.Tenants(opened, most=4) as tenants:
        names = list(sandboxes) * 10
        counts = await asyncio.gather(*(count(tenants, name) for name in names))
        assert counts == [len(sandboxes[name].patients) for name in names]
        assert len(tenants) == len(opened.sessions) == 4
        tokens = {nex._client.state.token_manager.current(0.0) for _, nex in opened.sessions}
        assert len(tokens) == 4
    for sandbox in sandboxes.values():
        assert sandbox.logins == 1
        assert all(seen.status in {200, 201} for seen in sandbox.requests)  # no foreign token, ever


async def test_the_limit_of_one_key_delays_nobody_else(sandboxes: dict[str, Sandbox]) -> None:
    few = Limit(2, 0.6)
    opened = SessionFactory(sandboxes, Rates(overall=few, slow=few, people=few, other=few))
    slow, quick = list(sandboxes)[:2]
    async with multi_tenant.Tenants(opened, most=4) as tenants:

        async def get(name: str) -> None:
            async with tenants.of(name) as nex:
                await nex.patients.get(sandboxes[name].patients.ids[0])

        crowd = [asyncio.create_task(get(slow)) for _ in range(6)]
        await get(quick)
        assert not all(task.done() for task in crowd)
        await asyncio.gather(*crowd)
        waited = {name: nex.stats.waited_rate for name, nex in opened.sessions}
    assert waited[slow] > 0.5
    assert waited[quick] < 0.1


async def test_the_least_recently_used_session_is_closed_and_reopened_on_demand(
    sandboxes: dict[str, Sandbox],
) -> None:
    opened = SessionFactory(sandboxes)
    first, second, third, _ = sandboxes
    async with multi_tenant.Tenants(opened, most=2) as tenants:
        for name in (first, second, first, third):
            async with tenants.of(name) as nex:
                await nex.patients.get(sandboxes[name].patients.ids[0])
            assert len(tenants) <= 2
        closed = [name for name, nex in opened.sessions if nex._client.state.closed]
        assert closed == [second]
        async with tenants.of(second) as nex:
            await nex.patients.get(sandboxes[second].patients.ids[0])
    assert all(nex._client.state.closed for _, nex in opened.sessions)
    with pytest.raises(SessionStateError):
        await opened.sessions[0][1].patients.get(1)


async def test_a_session_in_use_is_never_evicted(sandboxes: dict[str, Sandbox]) -> None:
    opened = SessionFactory(sandboxes)
    first, second, third, _ = sandboxes
    async with multi_tenant.Tenants(opened, most=2) as tenants:
        async with tenants.of(first) as one, tenants.of(second):
            with pytest.raises(multi_tenant.Crowded):
                await tenants.of(third).__aenter__()
            await one.patients.get(sandboxes[first].patients.ids[0])
        async with tenants.of(third) as nex:
            await nex.patients.get(sandboxes[third].patients.ids[0])


async def test_a_customer_with_a_slow_login_delays_nobody(
    sandboxes: dict[str, Sandbox],
) -> None:
    opened = SessionFactory(sandboxes, version="auto")
    sandboxes["customer-0"].hang_next(path="/authenticates")
    async with multi_tenant.Tenants(opened, most=4) as tenants:

        async def use(name: str) -> None:
            async with tenants.of(name) as nex:
                await nex.patients.get(sandboxes[name].patients.ids[0])

        slow = asyncio.create_task(use("customer-0"))
        async with asyncio.timeout(5):
            await use("customer-1")
        assert not slow.done()
        slow.cancel()
        await asyncio.wait([slow])
        sandboxes["customer-0"].clear()


async def test_a_customer_with_a_rejected_key_can_get_another(
    sandboxes: dict[str, Sandbox],
) -> None:
    keys = {"customer-1": "a-wrong-key"}

    def make(name: str) -> NexHealth:
        sandbox = sandboxes[name]
        return NexHealth(
            keys[name],
            base_url=sandbox.url,
            subdomain=sandbox.subdomain,
            version="auto",
            retry=NO_RETRY,
        )

    async with multi_tenant.Tenants(make, most=4) as tenants:
        for _ in range(2):
            with pytest.raises(InvalidAPIKeyError):
                async with tenants.of("customer-1"):
                    pass
        keys["customer-1"] = sandboxes["customer-1"].api_key
        async with tenants.of("customer-1") as nex:
            assert nex.version == "v2"
