"""A source of pages that holds each request and each response until a test releases it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from nexhealth_async._protocol.envelopes import ParsedList, read_list
from nexhealth_async.errors import ServerError
from nexhealth_async.session import client_of
from tests.pagination.page_source import FakePageSource

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from nexhealth_async import NexHealth
    from nexhealth_async._protocol.http_messages import Response
    from nexhealth_async._protocol.requests import PlannedCall
    from tests.pagination.drift.changing_list import DriftingList, DriftRecorder

__all__ = ["DirectSource", "HeldRequest", "InProcess", "ManualPageSource", "OverSockets"]


@define(eq=False)
class HeldRequest:
    """A request in flight."""

    call: PlannedCall
    pairs: tuple[tuple[str, str], ...]
    page: int | None
    """The number of the requested page; None where pages have none."""
    landed: asyncio.Future[Response] = field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )
    reply: Response | None = None
    """The response, once its rows were read."""


class DirectSource(Protocol):
    """A source that responds at once, such as `InProcess`."""

    async def fetch_page(
        self, call: PlannedCall, pairs: tuple[tuple[str, str], ...]
    ) -> ParsedList: ...


class InProcess:
    """The sandbox called without a network."""

    def __init__(self, changing_list: DriftingList) -> None:
        self._office = changing_list

    async def fetch_page(self, call: PlannedCall, pairs: tuple[tuple[str, str], ...]) -> ParsedList:
        return read_list(await self._office.answer(call, pairs), call.spec)


class OverSockets:
    """The sandbox called by a session."""

    def __init__(self, session: NexHealth) -> None:
        self._client = client_of(session)

    async def fetch_page(self, call: PlannedCall, pairs: tuple[tuple[str, str], ...]) -> ParsedList:
        return await self._client.fetch_page(call, pairs, background=False, slots=nullcontext())


class ManualPageSource(FakePageSource):
    """Pages of a location's list, with the interface of a session for a walk."""

    def __init__(
        self,
        changing_list: DriftingList,
        witness: DriftRecorder,
        straight: DirectSource | None = None,
    ) -> None:
        super().__init__()
        self.changing_list = changing_list
        self.witness = witness
        self.straight = straight
        """The source that responds at once; then nothing is held."""
        self.flights: list[HeldRequest] = []
        self.asked: list[int | None] = []

    @property
    def unanswered(self) -> list[HeldRequest]:
        """Requests whose rows have not been read yet."""
        return [flight for flight in self.flights if flight.reply is None]

    @property
    def answered(self) -> list[HeldRequest]:
        """Responses in flight."""
        return [flight for flight in self.flights if flight.reply is not None]

    async def fetch_page(
        self,
        call: PlannedCall,
        pairs: tuple[tuple[str, str], ...],
        *,
        background: bool,
        slots: AbstractAsyncContextManager[object],
    ) -> ParsedList:
        async with slots:
            return await self._answer(call, pairs)

    async def _answer(self, call: PlannedCall, pairs: tuple[tuple[str, str], ...]) -> ParsedList:
        number = dict(pairs).get("page")
        flight = HeldRequest(call, pairs, None if number is None else int(number))
        self.asked.append(flight.page)
        if self.straight is not None:
            return await self.straight.fetch_page(call, pairs)
        self.flights.append(flight)
        try:
            return read_list(await flight.landed, call.spec)
        finally:
            if flight in self.flights:
                self.flights.remove(flight)

    async def compute(self, flight: HeldRequest) -> None:
        """Let the sandbox read count and rows now."""
        self.witness.see(self.changing_list, flight.page)
        flight.reply = await self.changing_list.answer(flight.call, flight.pairs)

    def land(self, flight: HeldRequest) -> None:
        """Deliver a response."""
        assert flight.reply is not None
        self.flights.remove(flight)
        if not flight.landed.done():
            flight.landed.set_result(flight.reply)

    def fail(self, flight: HeldRequest) -> None:
        """Fail a request."""
        self.flights.remove(flight)
        if not flight.landed.done():
            flight.landed.set_exception(ServerError("the API failed", status=500))
