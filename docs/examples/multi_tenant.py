"""Many API keys in one process: one session for each, opened when first asked for.

A session's token, connections and rate limits belong to its key, so two customers share nothing.
Sessions that nobody uses are closed when there are too many; one that is in use never is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from nexhealth_async import NexHealth

__all__ = ["Crowded", "Tenants"]


class Crowded(Exception):
    """As many customers as may be are being served at this moment; say 503, and try again later."""


class Tenants:
    """Sessions by customer, at most ``most`` of them open; the one unused longest goes first.

    ``open_session`` makes a customer's session, from a vault or a table of keys::

        async with Tenants(lambda name: NexHealth(KEYS[name]), most=100) as tenants:
            async with tenants.of("smile-dental") as nex:
                ...
    """

    def __init__(self, open_session: Callable[[str], NexHealth], *, most: int) -> None:
        self._make = open_session
        self._most = most
        self._open: OrderedDict[str, _Tenant] = OrderedDict()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Begin with no session."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every session."""
        async with self._turn:
            while self._open:
                _, tenant = self._open.popitem()
                await tenant.close()

    def __len__(self) -> int:
        """Tell how many sessions are open."""
        return len(self._open)

    @asynccontextmanager
    async def of(self, name: str) -> AsyncGenerator[NexHealth]:
        """Lend a customer's session; it stays open at least until the end of the block."""
        tenant = await self._taken(name)
        try:
            yield tenant.nex
        finally:
            tenant.users -= 1

    async def _taken(self, name: str) -> _Tenant:
        async with self._turn:
            if name not in self._open:
                await self._make_room()
                self._open[name] = _Tenant(self._make(name))
            self._open.move_to_end(name)
            tenant = self._open[name]
            tenant.users += 1
        try:
            # Opening may log in, and one customer's slow login must not hold up the others.
            await asyncio.shield(tenant.opening)
        except BaseException:
            tenant.users -= 1
            if tenant.failed and self._open.get(name) is tenant:
                del self._open[name]
            raise
        return tenant

    async def _make_room(self) -> None:
        if len(self._open) < self._most:
            return
        unused = next((name for name, tenant in self._open.items() if not tenant.users), None)
        if unused is None:
            raise Crowded
        await self._open.pop(unused).close()


class _Tenant:
    """A session and how many use it."""

    def __init__(self, nex: NexHealth) -> None:
        self.nex = nex
        self.users = 0
        self.opening = asyncio.create_task(nex.open())

    @property
    def failed(self) -> bool:
        """Tell whether the session could not be opened: its key is not accepted."""
        opening = self.opening
        return opening.done() and (opening.cancelled() or opening.exception() is not None)

    async def close(self) -> None:
        """Close the session, also while it is being opened."""
        self.opening.cancel()
        await asyncio.wait([self.opening])
        await self.nex.aclose()
