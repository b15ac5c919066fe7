"""The promises for changing lists in their simplest form, and cases just outside of them.

Each documented exception of a promise has a test here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexhealth_async import DriftError
from tests.pagination.drift.changing_list import DriftingList, ListKind
from tests.pagination.drift.held_source import InProcess
from tests.pagination.drift.promises import judge
from tests.pagination.drift.steps import DriftStage, WalkOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexhealth_async.pagination.page_plans import Drift
    from nexhealth_async.sandbox.request_log import RecordedPage
    from tests.pagination.drift.changing_list import Paging, Sort


async def walked(
    options: WalkOptions,
    rows: int,
    *works: Callable[[DriftingList, list[int]], None],
) -> tuple[DriftStage, list[int]]:
    """Walk to the end, with a change after each response; the change receives the rows."""
    changing_list = DriftingList(options.listed, rows)
    began = changing_list.order
    stage = DriftStage(changing_list, options, InProcess(changing_list))
    left = iter(works)

    def work(shown: RecordedPage) -> None:
        stage.witness.see(changing_list, shown.page)
        next(left, nothing)(changing_list, began)

    changing_list.sandbox.between_pages(work)
    await stage.finish()
    return stage, began


def nothing(_: DriftingList, __: list[int]) -> None:
    """Change nothing."""


def swap_rows_around_the_walk(changing_list: DriftingList, began: list[int]) -> None:
    changing_list.delete(began[0])
    changing_list.append()


async def watched_or_verified(drift: Drift) -> tuple[DriftStage, list[int]]:
    options = WalkOptions(per_page=4, prefetch=0, drift=drift)
    return await walked(options, 12, swap_rows_around_the_walk)


async def test_watching_misses_only_a_balanced_change() -> None:
    """Twelve rows in pages of four; the fifth moves onto page 1, which was read before.

    No count changes, no page is short, no id repeats: every response looks as if the list had never
    changed.
    """
    stage, began = await watched_or_verified("watch")
    assert stage.outcome is None
    assert set(began) - set(stage.got) == {began[4]}
    assert stage.witness.counts == [12, 12, 12]
    assert judge(stage) == "lost as documented"


async def test_verifying_detects_a_balanced_change() -> None:
    stage, began = await watched_or_verified("verify")
    assert stage.outcome is None
    assert set(began) <= set(stage.got)
    assert len(stage.got) == 13
    assert judge(stage) == "complete"


@pytest.mark.parametrize("kind", ["one leaves", "one enters", "two leave and one enters"])
async def test_watching_detects_an_unbalanced_change(kind: str) -> None:
    def work(changing_list: DriftingList, began: list[int]) -> None:
        if "leave" in kind:
            changing_list.delete(began[0])
        if "two" in kind:
            changing_list.delete(began[1])
        if "enters" in kind:
            changing_list.append()

    stage, _ = await walked(WalkOptions(per_page=4, prefetch=0), 12, work)
    assert stage.witness.openings > 1, "it verified"
    assert judge(stage) == "complete"


async def test_a_row_that_leaves_and_returns_can_hide_another_even_from_verifying() -> None:
    """An excluded case: seen before and after the pivot, but not listed at it.

    It counts among the rows of the pivot's moment, and hides one that is never seen.
    """

    def hide_third_row(changing_list: DriftingList, began: list[int]) -> None:
        changing_list.delete(began[0])
        changing_list.append()

    def before_the_pivot(changing_list: DriftingList, began: list[int]) -> None:
        changing_list.leave(began[5])
        changing_list.move(began[2], len(changing_list.sandbox.patients) - 1)

    def after_the_pivot(changing_list: DriftingList, began: list[int]) -> None:
        changing_list.move(began[2], 0)
        changing_list.come_back(began[5])

    options = WalkOptions(
        listed=ListKind(active_only=True), per_page=2, prefetch=0, drift="verify", passes=1
    )
    stage, began = await walked(
        options, 6, hide_third_row, nothing, before_the_pivot, after_the_pivot
    )
    assert stage.outcome is None, "it shows nothing"
    assert began[2] in (stage.witness.throughout or ())
    assert began[2] not in stage.got
    with pytest.raises(AssertionError, match="lost in silence"):
        judge(stage)


async def test_a_walk_that_gives_up_reports_how_many_may_be_missing() -> None:
    """A row enters before the pivot, and moves onto the page that was read just then."""

    def before_the_pivot(changing_list: DriftingList, _: list[int]) -> None:
        changing_list.work("insert", 3, 0)

    options = WalkOptions(per_page=3, prefetch=0, drift="verify", passes=1)
    stage, began = await walked(
        options, 9, nothing, nothing, before_the_pivot, swap_rows_around_the_walk
    )
    assert isinstance(stage.outcome, DriftError)
    assert set(began) <= set(stage.got)
    assert len(stage.witness.opening - set(stage.got)) == 1
    assert stage.outcome.at_most_missing == 1
    assert judge(stage) == "gave up"


async def test_the_pivot_is_requested_alone_after_all_earlier_responses() -> None:
    """Page 2 read ahead of the pivot would show rows that were gone by then."""
    options = WalkOptions(per_page=3, prefetch=4, drift="verify")
    stage = DriftStage(DriftingList(options.listed, 12), options)
    while stage.source.asked.count(1) < 2:
        # The latest request is answered first.
        if not await stage.ask() and not await stage.land(-1):
            await stage.compute(-1)
    assert [flight.page for flight in stage.source.flights] == [1]
    assert len(stage.witness.counts) == 4
    await stage.finish()
    assert judge(stage) == "complete"


async def resumed_after(
    work: Callable[[DriftingList, list[int]], None],
) -> tuple[DriftStage, list[int]]:
    """Read one page of three, stop, change the list, and continue behind the page."""
    options = WalkOptions(per_page=4, prefetch=0, by_page=True)
    changing_list = DriftingList(options.listed, 12)
    began = changing_list.order
    stage = DriftStage(changing_list, options)
    await stage.ask()
    await stage.compute(0)
    await stage.land(0)
    work(changing_list, began)
    assert await stage.resumed()
    await stage.finish()
    return stage, began


async def test_a_resumed_walk_refuses_a_list_whose_count_changed() -> None:
    stage, _ = await resumed_after(lambda changing_list, began: changing_list.delete(began[0]))
    assert isinstance(stage.outcome, DriftError)
    assert judge(stage) == "gave up"


async def test_a_resumed_walk_cannot_detect_rows_that_changed_places() -> None:
    """A checkpoint is a short text: it holds the count of what was read before, not the ids."""
    stage, began = await resumed_after(
        lambda changing_list, began: changing_list.move(began[0], 11)
    )
    assert stage.outcome is None
    assert stage.got.count(began[0]) == 2
    assert began[4] not in stage.got
    assert judge(stage) == "lost as documented"


def by_cursor(sort: Sort) -> WalkOptions:
    paging: Paging = "cursor"
    return WalkOptions(listed=ListKind(paging=paging, sort=sort), per_page=4, prefetch=0)


async def test_a_cursor_outlives_its_record() -> None:
    stage, began = await walked(
        by_cursor("id"), 12, lambda changing_list, began: changing_list.delete(began[3]), nothing
    )
    assert stage.got == began


async def test_changed_rows_shift_nothing_under_a_cursor() -> None:
    stage, began = await walked(by_cursor("id"), 12, swap_rows_around_the_walk)
    assert stage.got[:12] == began
    assert len(stage.got) == 13
    assert judge(stage) == "complete"


async def test_sorted_by_updated_at_a_record_changed_meanwhile_is_delivered_twice() -> None:
    stage, began = await walked(
        by_cursor("updated_at"), 12, lambda changing_list, began: changing_list.touch(began[0])
    )
    assert stage.got == [*began, began[0]]
    assert judge(stage) == "complete"


async def test_sorted_by_descending_updated_at_a_record_changed_before_it_was_read_is_missed() -> (
    None
):
    """It moves to the front, behind the cursor: a reason not to walk a busy list in that order."""
    stage, began = await walked(
        by_cursor("-updated_at"), 12, lambda changing_list, began: changing_list.touch(began[-1])
    )
    assert stage.outcome is None
    assert stage.got == began[:-1]
    assert judge(stage) == "lost as documented"
