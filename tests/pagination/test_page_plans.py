"""Requests of a walk, and its end: no server behaviour costs a record or loops."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async.errors import DriftError, InvalidArgumentError, StalledCursorError
from nexhealth_async.pagination.page_plans import (
    CursorPlan,
    Drift,
    NumberedPlan,
    PagePlan,
    PageRequest,
    UnpagedPlan,
)
from tests.protocol.page_simulation import SimulatedPage, drive, numbered

MODES: tuple[Drift, ...] = ("watch", "verify", "ignore")
CAPS = (300, 100, 7, 1)


def pages_asked(pairs: list[dict[str, str]]) -> list[int]:
    return [int(pair["page"]) for pair in pairs]


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("drift", MODES)
@pytest.mark.parametrize("window", [1, 2, 8])
@pytest.mark.parametrize("total", [0, 1, 6, 7, 8, 14, 21, 301])
def test_any_page_cap_yields_every_record(cap: int, drift: Drift, window: int, total: int) -> None:
    rows = list(range(1, total + 1))
    walked = drive(NumberedPlan(per_page=100, drift=drift), numbered(rows, cap=cap), window=window)
    assert walked.ids == rows
    assert walked.drifted is None
    assert not walked.warnings


@pytest.mark.parametrize("drift", MODES)
@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("total", [0, 1, 7, 8, 15])
@pytest.mark.parametrize("counted", [True, False])
def test_an_eager_walk_requests_page_2_at_once(
    drift: Drift, cap: int, total: int, *, counted: bool
) -> None:
    rows = list(range(total))
    serve = numbered(rows, cap=cap, count=lambda n: n if counted else None)
    plan = NumberedPlan(per_page=7, drift=drift, eager=True)
    walked = drive(plan, serve, window=4, rng=random.Random(total))
    assert walked.ids == rows
    assert (walked.drifted is not None) == (drift == "verify" and not counted)


def test_an_eager_walk_requests_page_3_after_the_first_response() -> None:
    plan = NumberedPlan(per_page=3, eager=True)
    asks = [plan.next_request(outstanding) for outstanding in range(3)]
    assert [ask and ask.number for ask in asks] == [1, 2, None]
    resumed = NumberedPlan(per_page=3, eager=True, after="n:1:3:3:9")
    assert resumed.next_request(0) is not None
    assert resumed.next_request(1) is None


def test_a_correct_count_ends_the_walk_without_an_extra_request() -> None:
    walked = drive(NumberedPlan(per_page=3), numbered(range(6)), window=4)
    assert walked.asked == [{"page": "1", "per_page": "3"}, {"page": "2", "per_page": "3"}]


def test_a_verified_walk_over_a_stable_list_takes_two_passes() -> None:
    walked = drive(NumberedPlan(per_page=3, drift="verify"), numbered(range(8)), window=4)
    assert pages_asked(walked.asked) == [1, 2, 3, 1, 2, 3]
    assert walked.drifted is None


def test_a_single_page_needs_no_verification() -> None:
    walked = drive(NumberedPlan(per_page=9, drift="verify"), numbered(range(8)))
    assert pages_asked(walked.asked) == [1]


def test_the_requested_page_size_is_constant_when_the_server_caps_it() -> None:
    walked = drive(NumberedPlan(per_page=50), numbered(range(20), cap=7))
    assert {pair["per_page"] for pair in walked.asked} == {"50"}


def test_first_page_and_pivot_are_requested_alone() -> None:
    plan = NumberedPlan(per_page=2, drift="verify")
    serve = numbered(range(4))
    for _ in range(2):
        first = plan.next_request(0)
        assert first is not None
        assert first.number == 1
        assert plan.next_request(1) is None
        page = serve(first)
        plan.accept(page.reading, page.ids)
        second = plan.next_request(0)
        assert second is not None
        assert plan.next_request(1) is None, "there is no third page"
        page = serve(second)
        plan.accept(page.reading, page.ids)
        if not plan.is_finished:
            assert plan.next_request(1) is None, "the pivot waits for every earlier reply"
    assert plan.is_finished


UNUSABLE: dict[str, Callable[[int], int | None]] = {
    "missing": lambda _: None,
    "zero": lambda _: 0,
    "one": lambda _: 1,
}


# A count equal to a full page cannot be told from a whole list, so caps of 1 go without "one".
UNCOUNTED = [(name, cap) for name in UNUSABLE for cap in CAPS if (name, cap) != ("one", 1)]


@pytest.mark.parametrize(("name", "cap"), UNCOUNTED)
@pytest.mark.parametrize("drift", MODES)
@pytest.mark.parametrize("total", [2, 7, 14, 20])
def test_without_a_usable_count_the_walk_ends_at_a_short_page(
    name: str, drift: Drift, cap: int, total: int
) -> None:
    count = UNUSABLE[name]
    rows = list(range(total))
    walked = drive(
        NumberedPlan(per_page=100, drift=drift), numbered(rows, cap=cap, count=count), window=4
    )
    assert walked.ids == rows
    assert walked.warnings
    assert (walked.drifted is not None) == (drift == "verify")


@given(
    total=st.integers(0, 40),
    cap=st.integers(1, 9),
    per_page=st.integers(1, 9),
    window=st.integers(1, 6),
    drift=st.sampled_from(MODES),
    counts=st.lists(st.none() | st.integers(0, 60) | st.just(2**63 - 1), min_size=1, max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_wrong_counts_never_lose_a_row_silently_or_loop(
    total: int,
    cap: int,
    per_page: int,
    window: int,
    drift: Drift,
    counts: list[int | None],
) -> None:
    rows = list(range(total))
    size = min(cap, per_page)
    responses = iter(counts * 400)
    walked = drive(
        NumberedPlan(per_page=per_page, drift=drift),
        numbered(rows, cap=cap, count=lambda _: next(responses)),
        window=window,
        most=400,
    )
    assert len(set(walked.ids)) == len(walked.ids)
    # A count that is the end of a full page says "this is all", and nothing shows that it is not.
    credible = any(n is not None and n % size == 0 and 0 < n < total for n in counts)
    if walked.drifted is None and not credible:
        assert walked.ids == rows


def test_a_count_too_large_is_reported() -> None:
    walked = drive(NumberedPlan(per_page=3), numbered(range(7), count=lambda n: n + 5))
    assert walked.ids == list(range(7))
    assert walked.drifted is not None
    assert walked.drifted.at_most_missing == 5


def test_a_count_too_small_is_dropped_once_rows_contradict_it() -> None:
    walked = drive(NumberedPlan(per_page=3), numbered(range(10), count=lambda _: 4), window=2)
    assert walked.ids == list(range(10))
    assert walked.warnings


def test_an_empty_first_page_with_a_count_is_drift() -> None:
    with pytest.raises(DriftError) as caught:
        plan = NumberedPlan(per_page=5)
        plan.next_request(0)
        plan.accept(SimulatedPage([], 12).reading, [])
    assert caught.value.at_most_missing == 12


@pytest.mark.parametrize("drift", MODES)
@pytest.mark.parametrize("count", [None, 10**6, 2**63 - 1])
@pytest.mark.parametrize("circle", [1, 2, 5])
@pytest.mark.parametrize("known", [True, False], ids=["ids", "no ids"])
def test_a_server_that_repeats_pages_is_detected(
    drift: Drift, count: int | None, circle: int, *, known: bool
) -> None:
    def answer(ask: PageRequest) -> SimulatedPage:
        turn = ask.number % circle
        return SimulatedPage([turn * 10 + n if known else None for n in range(3)], count)

    walked = drive(NumberedPlan(per_page=3, drift=drift), answer, window=4, most=700)
    assert walked.drifted is not None
    if count is None and known:
        assert len(walked.asked) < 60


@pytest.mark.parametrize("drift", MODES)
def test_records_without_ids_are_delivered_once(drift: Drift) -> None:
    rows = [1, None, 3, None, 5]
    walked = drive(NumberedPlan(per_page=2, drift=drift), numbered(rows))
    assert walked.ids == rows
    assert (walked.drifted is not None) == (drift == "verify"), "they cannot be verified"


# Going on from the middle


@pytest.mark.parametrize("drift", ["watch", "ignore"])
@pytest.mark.parametrize("total", [1, 5, 6, 7])
@pytest.mark.parametrize("cap", [300, 2])
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "uncounted"])
def test_resuming_behind_any_page_yields_exactly_the_rest(
    drift: Drift, total: int, cap: int, *, counted: bool
) -> None:
    rows = list(range(total))
    serve = numbered(rows, cap=cap, count=lambda n: n if counted else None)
    whole = drive(NumberedPlan(per_page=3, drift=drift), serve)
    for pages, resume in enumerate(whole.resumes, start=1):
        before = drive(NumberedPlan(per_page=3, drift=drift), serve, stop_after=pages)
        after = drive(NumberedPlan(per_page=99, drift=drift, after=resume), serve, window=2)
        assert before.ids + after.ids == rows
        assert after.drifted is None


@pytest.mark.parametrize("change", [1, -1])
def test_resuming_a_changed_list_is_reported(change: int) -> None:
    resume = drive(NumberedPlan(per_page=3), numbered(range(9)), stop_after=1).resumes[0]
    walked = drive(NumberedPlan(per_page=3, after=resume), numbered(range(9 + change)))
    assert walked.drifted is not None


def test_a_resumed_walk_knows_that_the_list_changed_before() -> None:
    """An id came twice, so the list changed; the resumed walk alone could not know."""
    plan = NumberedPlan(per_page=3)
    serve = numbered([1, 2, 3, 4, 5, 6, 7, 8, 9])
    first = plan.next_request(0)
    assert first is not None
    plan.accept(serve(first).reading, serve(first).ids)
    plan.next_request(0)
    resume = plan.accept(SimulatedPage([3, 4, 5], 9).reading, [3, 4, 5]).resume
    walked = drive(NumberedPlan(per_page=3, after=resume), serve)
    assert walked.drifted is not None
    careless = drive(NumberedPlan(per_page=3, drift="ignore", after=resume), serve)
    assert careless.ids == [7, 8, 9]


def test_drift_in_a_resumed_walk_is_not_hidden() -> None:
    serve = numbered(range(12))
    resume = drive(NumberedPlan(per_page=3), serve, stop_after=1).resumes[0]

    def moved(ask: PageRequest) -> SimulatedPage:
        return SimulatedPage([5, 6, 7], 12) if ask.number == 3 else serve(ask)

    walked = drive(NumberedPlan(per_page=3, after=resume), moved)
    assert walked.drifted is not None


@pytest.mark.parametrize(
    "after",
    [
        "",
        "n:",
        "n:1",
        "n:1:2:3",
        "n:0:5:5:9",
        "n:1:0:5:9",
        "n:1:5:-1:9",
        "n:1:5:5:-3",
        "c:abc",
        "n:a:b:c:d",
        "n:1:5:5:9:9",
        "n:1_0:5:5:9",
        "n: 1:5:5:9",
        "n:\u0663:5:5:9",
        "n:1:5:5:9\n",
        f"n:{'9' * 20}:5:5:9",
        f"n:{'9' * 5_000}:5:5:9",
    ],
    ids=lambda value: f"{value[:12]}",
)
def test_a_resume_value_of_another_list_is_refused(after: str) -> None:
    with pytest.raises(InvalidArgumentError, match="resume"):
        NumberedPlan(per_page=5, after=after)


def test_a_verified_walk_cannot_be_resumed() -> None:
    with pytest.raises(InvalidArgumentError, match="verified"):
        NumberedPlan(per_page=5, drift="verify", after="n:1:5:5:9")


# Cursors and whole lists


def cursor_page(n: int, following: object, *, more: object = True) -> SimulatedPage:
    return SimulatedPage([n], page_info={"has_next_page": more, "end_cursor": following})


def test_cursors_are_followed_until_the_server_reports_the_end() -> None:
    replies = [cursor_page(1, "a"), cursor_page(2, "b"), cursor_page(3, "c", more=False)]
    responses = iter(replies)
    walked = drive(CursorPlan(per_page=9), lambda _: next(responses), window=4)
    assert walked.ids == [1, 2, 3]
    assert walked.asked == [
        {"per_page": "9"},
        {"end_cursor": "a", "per_page": "9"},
        {"end_cursor": "b", "per_page": "9"},
    ]
    assert walked.resumes == ["c:9:a", "c:9:b", "c:9:c"]


@pytest.mark.parametrize(
    "pages",
    [
        [cursor_page(1, None)],
        [cursor_page(1, "")],
        [cursor_page(1, 7)],
        [cursor_page(1, "a"), cursor_page(2, "a")],
        [cursor_page(1, "a"), cursor_page(2, "b"), cursor_page(3, "a")],
        [cursor_page(1, "a", more="true")],
        [cursor_page(1, "a", more=None)],
        [SimulatedPage([1])],
        [SimulatedPage([1], page_info={})],
    ],
    ids=["null", "empty", "number", "same", "circle", "text", "no flag", "no info", "empty info"],
)
def test_a_missing_cursor_is_an_error_and_not_the_end(pages: list[SimulatedPage]) -> None:
    responses = iter(pages)
    plan = CursorPlan(per_page=9)
    assert drive(plan, lambda _: next(responses)).ids == [id for page in pages for id in page.ids]
    assert isinstance(plan.failure, StalledCursorError)


@pytest.mark.parametrize("info", [None, {}, {"has_next_page": None, "end_cursor": "a"}])
def test_an_empty_page_without_page_info_ends_with_a_warning(
    info: dict[str, object] | None,
) -> None:
    responses = iter([cursor_page(1, "a"), SimulatedPage([], page_info=info)])
    plan = CursorPlan(per_page=9)
    walked = drive(plan, lambda _: next(responses))
    assert (walked.ids, plan.failure) == ([1], None)
    assert len(walked.warnings) == 1


def endless(most_empty: int) -> Callable[[PageRequest], SimulatedPage]:
    """Serve new cursors without end, and a record after so many pages without any."""

    def answer(ask: PageRequest) -> SimulatedPage:
        ids = [ask.number] if ask.number % (most_empty + 1) == 0 else []
        info: dict[str, object] = {"has_next_page": True, "end_cursor": f"at {ask.number}"}
        return SimulatedPage(ids, page_info=info)

    return answer


def test_empty_pages_with_new_cursors_are_not_followed_without_end() -> None:
    plan = CursorPlan(per_page=9)
    drive(plan, endless(10**6), most=50)
    assert "50 consecutive empty pages" in str(plan.failure)


def test_empty_pages_between_others_are_skipped() -> None:
    walked = drive(CursorPlan(per_page=9), endless(49), stop_after=500)
    assert walked.ids == [50 * nth for nth in range(1, 11)]


def test_an_empty_last_page_is_an_end_however_many_went_before() -> None:
    def answer(ask: PageRequest) -> SimulatedPage:
        info = {"has_next_page": ask.number < 50, "end_cursor": f"at {ask.number}"}
        return SimulatedPage([], page_info=dict(info))

    assert drive(CursorPlan(per_page=9), answer).ids == []


def test_resuming_by_cursor_requests_the_page_behind_it() -> None:
    plan = CursorPlan(per_page=7, after="c:4:a:b")
    assert plan.next_request(0) == PageRequest(1, (("end_cursor", "a:b"), ("per_page", "4")))
    plan.accept(cursor_page(1, "a:b").reading, [1])
    assert plan.is_finished
    assert isinstance(plan.failure, StalledCursorError)


@pytest.mark.parametrize(
    "after",
    [
        "",
        "c:",
        "n:1:5:5:9",
        "abc",
        "c:4",
        "c:4:",
        "c:0:a",
        "c:x:a",
        "c:\u00b2:a",
        "c:-1:a",
        "c:4:\ud800",
        f"c:{'1' * 4_301}:a",
        f"c:4:{'a' * 4_000}",
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_an_invalid_cursor_is_refused(after: str) -> None:
    with pytest.raises(InvalidArgumentError, match="resume"):
        CursorPlan(per_page=4, after=after)


@pytest.mark.parametrize("after", ["n:3:Zaphquill:1:1", "c:Zaphquill:a"])
def test_the_error_for_a_resume_value_does_not_quote_it(after: str) -> None:
    plan = CursorPlan if after.startswith("c") else NumberedPlan
    with pytest.raises(InvalidArgumentError) as caught:
        plan(per_page=4, after=after)
    assert "Zaphquill" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("cursor", ["a", "a:b\nc", "\u00e9", "x" * 3_996, "x" * 3_997, "x" * 9_000])
def test_a_resume_value_is_accepted_again(cursor: str) -> None:
    page = cursor_page(1, cursor)
    resume = CursorPlan(per_page=9).accept(page.reading, [1]).resume
    if len(cursor) > 3_996:
        assert resume is None, "no checkpoint rather than one that is refused"
    else:
        ask = CursorPlan(per_page=1, after=resume).next_request(0)
        assert ask == PageRequest(1, (("end_cursor", cursor), ("per_page", "9")))


def test_the_last_page_without_a_cursor_cannot_be_resumed_behind() -> None:
    walked = drive(CursorPlan(per_page=9), lambda _: cursor_page(1, None, more=False))
    assert walked.resumes == [None]


def test_a_whole_list_is_requested_once_without_paging() -> None:
    plan: PagePlan = UnpagedPlan()
    walked = drive(plan, lambda _: SimulatedPage([3, 3, 5], count=1), window=4)
    assert walked.ids == [3, 3, 5]
    assert walked.asked == [{}]
    assert plan.failure is None


class GrowingList:
    """A list that grows ahead of its reader between any two responses."""

    def __init__(self, *, rows: int, more: int, cap: int, until: int = 10**9) -> None:
        self.rows = list(range(rows))
        self.more, self.cap, self.until = more, cap, until

    def __call__(self, ask: PageRequest) -> SimulatedPage:
        page = numbered(list(self.rows), cap=self.cap)(ask)
        new = min(self.more, self.until - len(self.rows))
        self.rows += range(len(self.rows), len(self.rows) + new)
        return page


@pytest.mark.parametrize("drift", MODES)
@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("eager", [False, True])
def test_a_list_that_grows_too_fast_ends_with_an_error(
    drift: Drift, window: int, *, eager: bool
) -> None:
    plan = NumberedPlan(per_page=5, drift=drift, eager=eager)
    walked = drive(plan, GrowingList(rows=20, more=10, cap=5), window=window)
    assert walked.drifted is not None
    assert walked.ids == list(range(5 * len(walked.asked)))


@pytest.mark.parametrize("drift", MODES)
@pytest.mark.parametrize("window", [1, 8])
def test_a_list_that_grows_for_a_while_is_read_to_its_end(drift: Drift, window: int) -> None:
    serve = GrowingList(rows=3, more=4, cap=1, until=60)
    walked = drive(NumberedPlan(per_page=1, drift=drift), serve, window=window)
    assert walked.drifted is None
    assert walked.ids == list(range(60))


def test_a_resumed_walk_is_bounded_as_well() -> None:
    plan = NumberedPlan(per_page=5, drift="ignore", after="n:2:5:5:20")
    walked = drive(plan, GrowingList(rows=20, more=10, cap=5))
    assert walked.drifted is not None


@pytest.mark.parametrize("drift", MODES)
def test_one_far_too_large_count_does_not_end_the_walk(drift: Drift) -> None:
    counts = iter([40, 10**12])
    serve = numbered(range(40), cap=5, count=lambda true: next(counts, true))
    walked = drive(NumberedPlan(per_page=5, drift=drift), serve)
    assert walked.drifted is None
    assert walked.ids == list(range(40))
