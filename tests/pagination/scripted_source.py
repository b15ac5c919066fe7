"""A list in memory behind the interface of a session, without a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from nexhealth_async._protocol.envelopes import ParsedList, read_list
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.requests import plan
from nexhealth_async.codec import Codec, LazyDecoder
from nexhealth_async.models import Patient
from nexhealth_async.pagination.walk import Walk, WalkConfig, check_config
from nexhealth_async.resources.patients import LIST as LIST_PATIENTS
from tests.pagination.page_source import FakePageSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from nexhealth_async._protocol.requests import PlannedCall

CODEC = Codec()
PATIENTS: LazyDecoder[Patient] = LazyDecoder(lambda: CODEC, "Patient")


class ListSource(FakePageSource):
    """Answers numbered pages from ``rows``, and owns the page tasks as a session does."""

    def __init__(self, rows: int | list[int] = 0, *, cap: int = 300) -> None:
        super().__init__()
        self.rows = list(range(1, rows + 1)) if isinstance(rows, int) else rows
        self.cap = cap
        self.pages_asked: list[int] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.before: Callable[[int], Awaitable[None]] | None = None
        """Awaited with the page number before its rows are read."""
        self.after: Callable[[int], None] | None = None
        """Called with the page number once its rows are read."""

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
        number = int(dict(pairs)["page"])
        size = min(self.cap, int(dict(pairs)["per_page"]))
        self.pages_asked.append(number)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.before is not None:
                await self.before(number)
            rows = self.rows[(number - 1) * size : number * size]
            body = {"code": True, "data": [{"id": row} for row in rows], "count": len(self.rows)}
            reading = read_list(Response(status=200, body=json.dumps(body).encode()), call.spec)
            if self.after is not None:
                self.after(number)
            return reading
        finally:
            self.in_flight -= 1

    def walk(self, **options: object) -> Walk[Patient]:
        call = plan(LIST_PATIENTS, "v2", subdomain="demo", location_id=1, arguments={})
        settings = WalkConfig(
            source=self,
            call=call,
            decoder=PATIENTS,
            **options,  # type: ignore[arg-type]  # checked in the next line
        )
        return Walk(check_config(settings))


def ids(patients: list[Patient]) -> list[int]:
    return [patient.id for patient in patients]


def page_body(rows: list[int], count: object) -> bytes:
    return msgspec.json.encode({"code": True, "data": [{"id": r} for r in rows], "count": count})
