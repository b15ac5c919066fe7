"""A list that changes while it is read, a server that pages it, and a client."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from attrs import define, field
from msgspec import Raw

from nexhealth_async._protocol.envelopes import ParsedList
from nexhealth_async.errors import DriftError
from nexhealth_async.pagination.page_plans import PagePlan, PageRequest

Id: TypeAlias = int | str | None
Answer: TypeAlias = Callable[[PageRequest], "SimulatedPage"]


@define
class SimulatedPage:
    ids: Sequence[Id]
    count: int | None = None
    page_info: dict[str, object] | None = None

    @property
    def reading(self) -> ParsedList:
        records = tuple(Raw(f'{{"id":{id},"at":{n}}}'.encode()) for n, id in enumerate(self.ids))
        return ParsedList(records=records, count=self.count, page_info=self.page_info)


@define
class WalkResult:
    ids: list[Id] = field(factory=list["Id"])
    asked: list[dict[str, str]] = field(factory=list[dict[str, str]])
    resumes: list[str | None] = field(factory=list["str | None"])
    warnings: list[str] = field(factory=list[str])
    drifted: DriftError | None = None


@define
class _Flight:
    ask: PageRequest
    page: SimulatedPage | None = None


def numbered(
    rows: Sequence[Id],
    *,
    cap: int = 300,
    count: Callable[[int], int | None] = lambda total: total,
) -> Answer:
    """Serve a list by page numbers, with at most ``cap`` rows a page."""

    def answer(ask: PageRequest) -> SimulatedPage:
        query = dict(ask.pairs)
        size = min(cap, int(query["per_page"]))
        start = (int(query["page"]) - 1) * size
        return SimulatedPage(list(rows[start : start + size]), count(len(rows)))

    return answer


def drive(
    plan: PagePlan,
    answer: Answer,
    *,
    window: int = 1,
    rng: random.Random | None = None,
    most: int = 2_000,
    stop_after: int | None = None,
) -> WalkResult:
    """Walk a plan to its end, with responses in any order within the window."""
    walked = WalkResult()
    flights: deque[_Flight] = deque()
    while stop_after is None or len(walked.resumes) < stop_after:
        while len(flights) < window and (ask := plan.next_request(len(flights))) is not None:
            flights.append(_Flight(ask))
        if not flights:
            assert plan.is_finished
            walked.drifted = plan.failure if isinstance(plan.failure, DriftError) else None
            return walked
        while flights[0].page is None:
            waiting = [flight for flight in flights if flight.page is None]
            flight = rng.choice(waiting) if rng else waiting[0]
            walked.asked.append(dict(flight.ask.pairs))
            assert len(walked.asked) <= most, "the walk does not end"
            flight.page = answer(flight.ask)
        page = flights.popleft().page
        assert page is not None
        try:
            taken = plan.accept(page.reading, page.ids)
        except DriftError as error:
            walked.drifted = error
            return walked
        fresh = range(len(page.ids)) if taken.new_records is None else taken.new_records
        walked.ids.extend(page.ids[place] for place in fresh)
        walked.resumes.append(taken.resume)
        walked.warnings.extend(taken.warnings)
        if taken.drop_rest:
            flights.clear()
    return walked
