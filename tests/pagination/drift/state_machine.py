"""The hypothesis state machine: it takes the steps of `steps` in any order, and shrinks."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.event_loops import end_tasks
from tests.pagination.drift.changing_list import KINDS, DriftingList, Kind, ListKind, Sort
from tests.pagination.drift.promises import judge
from tests.pagination.drift.steps import DriftStage, WalkOptions

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["TALLY", "CursorWalks", "NumberedWalks", "WalkMachine"]

TALLY: Counter[str] = Counter()
"""Statistics of the process; long runs print them."""

_ANY = st.integers(0, 1 << 16)
_FEW = st.integers(0, 7)


def _options(sorts: tuple[Sort, ...], *, numbered: bool) -> st.SearchStrategy[WalkOptions]:
    return st.builds(
        WalkOptions,
        listed=st.builds(
            ListKind,
            paging=st.just("numbered" if numbered else "cursor"),
            sort=st.sampled_from(sorts),
            active_only=st.booleans(),
        ),
        per_page=st.sampled_from([2, 3, 4, 1]),
        cap=st.sampled_from([300, 300, 2]),
        prefetch=st.sampled_from([1, 0, 2, 4, 3]),
        drift=st.sampled_from(["verify", "watch", "ignore"] if numbered else ["watch"]),
        passes=st.sampled_from([4, 1, 2, 0]),
        limit=st.sampled_from([None, None, None, None, None, None, 0, 1, 5, 9]),
        by_page=st.booleans(),
    )


class WalkMachine(RuleBasedStateMachine):
    """One walk; the teardown finishes it and judges it."""

    chosen: st.SearchStrategy[WalkOptions]
    stage: DriftStage
    network: str

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()

    def do(self, step: Coroutine[object, object, bool]) -> bool:
        taken = self._loop.run_until_complete(step)
        TALLY["steps"] += taken
        return taken

    @initialize(data=st.data(), rows=st.integers(0, 12))
    def begin(self, data: st.DataObject, rows: int) -> None:
        options = data.draw(self.chosen)
        self.network = data.draw(st.sampled_from(["fine", "fine", "foul"]))
        self._loop.run_until_complete(self._begin(options, rows))

    async def _begin(self, options: WalkOptions, rows: int) -> None:
        self.stage = DriftStage(DriftingList(options.listed, rows, cap=options.cap), options)

    @precondition(lambda self: self.stage.over)
    @rule(data=st.data(), rows=st.integers(4, 12))
    def another_walk_begins(self, data: st.DataObject, rows: int) -> None:
        self._judge()
        self.begin(data, rows)

    def _judge(self) -> None:
        stage = self.stage
        TALLY["walks"] += 1
        TALLY["requests"] += len(stage.witness.counts)
        TALLY["cancelled"] += stage.cancelled
        TALLY["failed requests"] += stage.failed
        TALLY["resumed"] += stage.parts > 1
        TALLY[f"{stage.kind}: {judge(stage)}"] += 1

    @precondition(lambda self: not self.stage.over)
    @rule(kind=st.sampled_from(KINDS), first=_ANY, second=_ANY, at_an_edge=st.booleans())
    def change_the_list(self, kind: Kind, first: int, second: int, *, at_an_edge: bool) -> None:
        page = self.stage.options.size if at_an_edge else 0
        worked = self.stage.changing_list.work(kind, first, second, page=page)
        TALLY["steps"] += worked
        TALLY["mutations"] += worked

    @precondition(lambda self: not self.stage.over)
    @rule(steps=st.lists(st.tuples(st.sampled_from(["ask", "compute", "land"]), _FEW), min_size=1))
    def the_walk_goes_on(self, steps: list[tuple[str, int]]) -> None:
        for step, which in steps:
            match step:
                case "ask":
                    self.do(self.stage.ask())
                case "compute":
                    self.do(self.stage.compute(which))
                case _:
                    self.do(self.stage.land(which))

    @precondition(lambda self: self.stage.source.flights)
    @rule(which=_FEW, turns=st.integers(0, 8), lands=st.booleans())
    def cancel_the_request(self, which: int, turns: int, *, lands: bool) -> None:
        if lands:
            self.do(self.stage.land(which, cancel_after=turns))
        else:
            self.do(self.stage.cancel(turns))

    @precondition(lambda self: self.stage.source.flights and self.network == "foul")
    @rule(which=_FEW)
    def a_request_fails(self, which: int) -> None:
        self.do(self.stage.fail(which))

    @precondition(lambda self: self.stage.failed or self.stage.options.by_page)
    @rule()
    def the_walk_is_resumed(self) -> None:
        self.do(self.stage.resumed())

    @precondition(lambda self: not self.stage.over)
    @rule(replies=st.integers(1, 3))
    def deliver_responses(self, replies: int) -> None:
        for _ in range(replies):
            while self.do(self.stage.ask()):
                pass
            self.do(self.stage.compute(0))
            self.do(self.stage.land(0))

    @invariant()
    def record_matches_the_sandbox(self) -> None:
        changing_list = self.stage.changing_list
        assert changing_list.listed.isdisjoint(changing_list.outside)
        assert len(changing_list.order) == len(changing_list.listed)

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self._loop.run_until_complete(self.stage.finish())
                self._judge()
        finally:
            self._loop.run_until_complete(end_tasks())
            self._loop.close()


class NumberedWalks(WalkMachine):
    """Walks by page number, in every mode."""

    chosen = _options(("", "id", "updated_at", "-updated_at"), numbered=True)


class CursorWalks(WalkMachine):
    """Walks by cursor, in every order that v3 documents for patients."""

    chosen = _options(("id", "updated_at", "-updated_at"), numbered=False)
