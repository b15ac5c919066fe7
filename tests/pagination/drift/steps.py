"""A walk whose every step is controlled: changes, server, network and consumer."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, field, frozen

from nexhealth_async.errors import DriftError, ServerError
from nexhealth_async.pagination.walk import Page, Pages, Walk, WalkConfig, check_config
from tests.pagination.drift.changing_list import KINDS, DriftingList, DriftRecorder, Kind, ListKind
from tests.pagination.drift.held_source import ManualPageSource
from tests.pagination.scripted_source import PATIENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async.models import Patient
    from nexhealth_async.pagination.page_plans import Drift
    from tests.pagination.drift.held_source import DirectSource

__all__ = ["DriftStage", "WalkOptions", "play"]

_TURNS = 12
"""Turns of the loop after which nothing moves any more; `DriftStage.settle` checks it."""
_STEPS = ("ask", "compute", "land", "land and cancel", "cancel", "fail", "resume")
_WEIGHTS = (350, 270, 240, 50, 50, 3, 8)
_Outcome: TypeAlias = "DriftError | ServerError | None"
_Task: TypeAlias = "asyncio.Task[Patient | Page[Patient]]"


@frozen(kw_only=True)
class WalkOptions:
    """Options of a walk."""

    listed: ListKind = field(factory=ListKind)
    per_page: int = 3
    cap: int = 300
    """The largest page of the server."""
    prefetch: int = 1
    drift: Drift = "watch"
    passes: int = 4
    limit: int | None = None
    by_page: bool = False

    @property
    def size(self) -> int:
        """Number of rows on a full page."""
        size = self.per_page if self.limit is None else min(self.per_page, self.limit)
        return max(1, min(size, self.cap))


class DriftStage:
    """One walk from its first request to its end, in all parts if it is resumed.

    Raises AssertionError at the step that breaks an invariant: no record twice in one walk, none
    that was never listed, no superfluous request, and no endless wait.
    """

    def __init__(
        self,
        changing_list: DriftingList,
        options: WalkOptions,
        straight: DirectSource | None = None,
    ) -> None:
        self.changing_list = changing_list
        self.options = options
        self._straight = straight
        self.over = False
        self.outcome: _Outcome = None
        self.parts = 0
        self.cancelled = 0
        self.failed = 0
        self._begin(None)

    def _begin(self, after: str | None) -> None:
        if after is None:
            self.witness = DriftRecorder()
            self.got: list[int] = []
            """Ids that were delivered, in all parts."""
            self.parts = 0
            self._marks: dict[str, int] = {}
        self.parts += 1
        self.part: set[int] = set()
        self.source = ManualPageSource(self.changing_list, self.witness, self._straight)
        self.resume: str | None = after
        self.over, self.outcome = False, None
        options = self.options
        if after is not None and options.drift == "verify":
            options = evolve(options, drift="watch")
        settings = WalkConfig(
            source=self.source,
            call=self.changing_list.call(),
            decoder=PATIENTS,
            per_page=options.per_page,
            limit=options.limit,
            prefetch=options.prefetch,
            drift=options.drift,
            passes=options.passes,
            after=after,
        )
        self.drift = options.drift
        walk = Walk(check_config(settings))
        self._walk: Walk[Patient] | Pages[Patient] = walk.pages() if options.by_page else walk
        self._asking: _Task | None = None
        self._left = options.limit

    @property
    def limited(self) -> bool:
        """True if the walk ended at its limit."""
        return self._left == 0

    @property
    def kind(self) -> str:
        """The promise that applies to the walk."""
        if self.options.listed.paging == "cursor":
            return f"cursor, {self.options.listed.sort}"
        return self.drift if self.parts == 1 else f"{self.drift}, resumed"

    # The consumer

    async def ask(self) -> bool:
        """Request the next record or page; steps return False if they do not apply."""
        if self.over or self._asking is not None:
            return False
        self._asking = asyncio.ensure_future(self._next())
        await self.settle()
        return True

    async def _next(self) -> Patient | Page[Patient]:
        return await anext(self._walk)

    async def cancel(self, turns: int = 0) -> bool:
        """Cancel the request after so many turns of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0)
        if self._asking is None:
            return False
        self.cancelled += self._asking.cancel()
        await self.settle()
        return True

    async def leave(self) -> None:
        """Close the walk before its end."""
        if self._asking is not None:
            await self.cancel()
        await self._walk.aclose()
        await self._check_tasks()

    async def resumed(self) -> bool:
        """Leave, and continue in a new walk behind the last page, or at the failure."""
        if isinstance(self.outcome, ServerError):
            self._begin(self.outcome.resume)
            return True
        if self.over or not self.options.by_page or self.resume is None or self.drift == "verify":
            return False
        await self.leave()
        del self.got[self._marks[self.resume] :]
        self._begin(self.resume)
        return True

    # The server and the network

    async def compute(self, which: int) -> bool:
        """Let the server compute one of the responses."""
        flights = self.source.unanswered
        if flights:
            await self.source.compute(flights[which % len(flights)])
        return bool(flights)

    async def land(self, which: int, *, cancel_after: int | None = None) -> bool:
        """Deliver one of the responses; a consumer may cancel at just that moment."""
        flights = self.source.answered
        if not flights:
            return False
        self.source.land(flights[which % len(flights)])
        if cancel_after is not None:
            await self.cancel(cancel_after)
        await self.settle()
        return True

    async def fail(self, which: int) -> bool:
        """Fail one of the requests permanently."""
        flights = self.source.flights
        if not flights:
            return False
        self.failed += 1
        self.source.fail(flights[which % len(flights)])
        await self.settle()
        return True

    async def settle(self) -> None:
        """Let everything happen that needs no further step."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if self._asking is not None and self._asking.done():
                break
        task = self._asking
        if task is None:
            return
        if not task.done():
            assert self.source.flights or self._straight, "the walk waits, but for no request"
            return
        self._asking = None
        if task.cancelled():
            return
        try:
            self._take(task.result())
        except StopAsyncIteration:
            await self._end(None)
        except (DriftError, ServerError) as error:
            await self._end(error)

    async def _end(self, outcome: _Outcome) -> None:
        self.over, self.outcome = True, outcome
        await self._check_tasks()
        if isinstance(outcome, ServerError):
            assert self.failed, "nothing failed"
            if not self.options.by_page and outcome.resume in self._marks:
                assert self._marks[outcome.resume] == len(self.got), "resume is not where it ended"

    async def _check_tasks(self) -> None:
        for _ in range(_TURNS):
            if not self.source.tasks:
                return
            await asyncio.sleep(0)
        raise AssertionError("a walk that is over left requests under way")

    def _take(self, came: Patient | Page[Patient]) -> None:
        items = came.items if isinstance(came, Page) else (came,)
        for patient in items:
            assert patient.id in self.witness.ever, "a record that was never listed was delivered"
            if self.options.listed.paging == "numbered" and self.drift != "ignore":
                assert patient.id not in self.part, "a record was delivered twice"
            self.part.add(patient.id)
            self.got.append(patient.id)
        if self._left is not None:
            self._left -= len(items)
            assert self._left >= 0, "more was delivered than wanted"
        if isinstance(came, Page) and came.resume is not None:
            self.resume = came.resume
            self._marks.setdefault(came.resume, len(self.got))

    # All of it

    async def finish(self) -> None:
        """Finish the walk without any more changes."""
        while not self.over:
            if not await self.ask():
                await self.settle()
            if self.source.unanswered:
                await self.compute(0)
            elif self.source.answered:
                await self.land(0)


async def play(
    stage: DriftStage,
    rng: random.Random,
    *,
    most: int,
    busy: float,
    kinds: Sequence[Kind] = KINDS,
) -> tuple[int, int]:
    """Take random steps until the walk is over.

    Returns the number of steps, and how many of them changed the list. After ``most`` changes the
    list is stable. Steps that did not apply do not count.
    """
    steps = changes = 0
    while not stage.over or isinstance(stage.outcome, ServerError):
        if steps >= most:
            await stage.finish()
            break
        if rng.random() < busy:
            worked = _work(stage, rng, kinds)
            changes += worked
            steps += worked
        else:
            steps += await _step(stage, rng)
    return steps, changes


def _work(stage: DriftStage, rng: random.Random, kinds: Sequence[Kind]) -> bool:
    near = stage.options.size if rng.random() < 0.5 else 0
    first, second = rng.randrange(1 << 16), rng.randrange(1 << 16)
    return stage.changing_list.work(rng.choice(kinds), first, second, page=near)


async def _step(stage: DriftStage, rng: random.Random) -> bool:
    which = rng.randrange(8)
    if stage.over:
        return await stage.resumed()
    match rng.choices(_STEPS, _WEIGHTS)[0]:
        case "ask":
            return await stage.ask()
        case "compute":
            return await stage.compute(which)
        case "land":
            return await stage.land(which)
        case "land and cancel":
            return await stage.land(which, cancel_after=rng.randrange(9))
        case "cancel":
            return await stage.cancel(rng.randrange(4))
        case "fail":
            return await stage.fail(which)
        case _:
            return await stage.resumed()
