"""Wrong counts and page sizes: every record once, or an error."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from nexhealth_async import DriftError, NexHealthWarning, UnexpectedStructureError
from tests.session.transport_error_helpers import ErrorScene, envelope, scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexhealth_async.pagination.page_plans import Drift
    from nexhealth_async.sandbox.assumptions import CountAs

PER_PAGE = 10


async def walked(at: ErrorScene, **options: Any) -> tuple[list[int], list[str]]:
    """Walk all patients; return the ids in order and the library's warnings."""
    options = {"per_page": PER_PAGE, "new_patient": None, **options}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        ids = [patient.id async for patient in at.location.patients.walk(**options)]
    assert all(one.category is NexHealthWarning for one in heard)
    return ids, [str(one.message) for one in heard]


def asked(at: ErrorScene) -> list[Mapping[str, str]]:
    return [dict(request.query) for request in at.sandbox.seen("GET", "/patients")]


LIES: dict[str, tuple[CountAs, bool]] = {
    "true": ("total", False),
    "text": ("string", False),
    "missing": ("missing", True),
    "null": (None, True),
    "negative": (-1, True),
    "below the page": (0, True),
}
"""A way in which the server counts, and whether the walk warns about it."""


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 30, 47])
@pytest.mark.parametrize("lie", LIES)
async def test_every_record_comes_once_for_any_count(lie: str, total: int, prefetch: int) -> None:
    async with scene(patients=total) as at:
        at.sandbox.count_as, uncounted = LIES[lie]
        if at.sandbox.count_as == total:
            uncounted = False
        ids, heard = await walked(at, prefetch=prefetch)
        assert ids == list(at.sandbox.patients.ids)
        assert bool(heard) == uncounted
        # Without a count only a short or an empty page tells the end, and page 1 gives the size;
        # page 2 may be asked for beside page 1.
        pages = max(1, -(-total // PER_PAGE))
        assert pages <= at.sent <= pages + (uncounted or prefetch > 1)
        assert all(one["per_page"] == str(PER_PAGE) for one in asked(at))


async def test_a_warning_belongs_to_its_page() -> None:
    async with scene(patients=25) as at:
        at.sandbox.count_as = "missing"
        walk = at.location.patients.walk(per_page=PER_PAGE, new_patient=None)
        pages = [page async for page in walk.pages()]
        assert [bool(page.warnings) for page in pages] == [True, False, False]
        assert [page.count for page in pages] == [None] * 3
        assert "no usable count" in pages[0].warnings[0]


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("lie", [12, 25, 29])
async def test_a_count_below_the_rows_is_dropped_once_rows_contradict_it(
    lie: int, prefetch: int
) -> None:
    async with scene(patients=47) as at:
        at.sandbox.count_as = lie
        ids, heard = await walked(at, prefetch=prefetch)
        assert ids == list(at.sandbox.patients.ids)
        assert any("below the rows" in text or "warnings" in text for text in heard)
        assert at.sent <= 10


async def test_a_count_that_ends_with_a_full_page_is_trusted() -> None:
    """Two full pages and a count of 20: the responses do not show that there is more."""
    async with scene(patients=30) as at:
        at.sandbox.count_as = 20
        assert await walked(at) == (list(at.sandbox.patients.ids)[:20], [])
        assert at.sent == 2


@pytest.mark.parametrize("drift", ["watch", "verify"])
@pytest.mark.parametrize("lie", [31, 47, 300])
async def test_a_count_above_the_rows_ends_as_drift_after_all_records(
    lie: int, drift: Drift
) -> None:
    async with scene(patients=30) as at:
        at.sandbox.count_as = lie
        walk = at.location.patients.walk(per_page=PER_PAGE, new_patient=None, drift=drift, passes=2)
        ids: list[int] = []
        with pytest.raises(DriftError) as caught:
            async for one in walk:
                ids.append(one.id)
        assert ids == list(at.sandbox.patients.ids)
        assert caught.value.at_most_missing == lie - 30
        assert at.sent <= 3 * (lie // PER_PAGE + 1)


async def test_a_far_too_large_count_does_not_cause_its_number_of_requests() -> None:
    async with scene(patients=30) as at:
        at.sandbox.count_as = 1_000_000
        ids: list[int] = []
        with pytest.raises(DriftError):
            async for patient in at.location.patients.walk(
                per_page=PER_PAGE, new_patient=None, prefetch=4
            ):
                ids.append(patient.id)
        assert ids == list(at.sandbox.patients.ids)
        assert at.sent < 80


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("lie", ["total", "missing"])
@pytest.mark.parametrize(
    ("cap", "total"),
    [(300, 900), (300, 301), (100, 300), (100, 299), (7, 49), (7, 50), (1, 12), (1, 1)],
)
async def test_a_server_that_caps_the_page_loses_no_record(
    cap: int, total: int, lie: CountAs, prefetch: int
) -> None:
    async with scene(patients=total) as at:
        at.sandbox.page_cap = cap
        at.sandbox.count_as = lie
        ids, heard = await walked(at, per_page=300, prefetch=prefetch)
        assert ids == list(at.sandbox.patients.ids)
        assert bool(heard) == (lie == "missing")
        pages = -(-total // cap)
        assert pages <= at.sent <= pages + (lie == "missing" or prefetch > 1)
        assert {one["per_page"] for one in asked(at)} == {"300"}


async def test_a_cap_lowered_during_the_walk_loses_nothing() -> None:
    async with scene(patients=60) as at:
        at.sandbox.page_cap = 20
        walk = at.location.patients.walk(per_page=300, new_patient=None, prefetch=0)
        ids = [(await anext(walk)).id for _ in range(20)]
        at.sandbox.page_cap = 10
        failed = False
        try:
            async for one in walk:
                ids.append(one.id)
        except DriftError:
            failed = True
        assert len(ids) == len(set(ids))
        assert failed or sorted(ids) == sorted(at.sandbox.patients.ids)
        assert at.sent < 40


@pytest.mark.parametrize("count", [30, None])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_a_server_that_ignores_the_page_number_is_detected(
    count: int | None, prefetch: int
) -> None:
    """The same ten rows forever: with a count the total is wrong, without one the pages repeat."""
    async with scene() as at:
        rows = [{"id": id} for id in range(1, 11)]
        at.sandbox.fail_next(200, body=envelope({"patients": rows}, count), times=1000)
        ids: list[int] = []
        heard = pytest.warns(NexHealthWarning) if count is None else nullcontext()
        with heard, pytest.raises(DriftError):
            async for patient in at.location.patients.walk(per_page=PER_PAGE, prefetch=prefetch):
                ids.append(patient.id)
        assert ids == list(range(1, 11))
        assert at.sent <= 20


@pytest.mark.parametrize("drift", ["watch", "verify", "ignore"])
async def test_an_empty_first_page_with_a_count_is_drift(drift: Drift) -> None:
    async with scene() as at:
        at.sandbox.fail_next(200, body=envelope({"patients": []}, 25), times=1000)
        with pytest.raises(DriftError) as caught:
            await anext(at.location.patients.walk(drift=drift))
        assert caught.value.at_most_missing == 25
        assert at.sent == 1
        at.sandbox.clear()
        await at.works()


async def test_drift_names_the_operation() -> None:
    async with scene() as at:
        at.sandbox.fail_next(200, body=envelope({"patients": []}, 25))
        with pytest.raises(DriftError, match=r"^GET /patients: "):
            await anext(at.location.patients.walk())


@pytest.mark.parametrize(
    "count", [1.0, 25.0, "25", " 25", "25.0", True, [], {}, 2.5, "-1", -25, 1 << 70, "9" * 30]
)
async def test_a_count_of_any_type_is_read_or_ignored(count: object) -> None:
    async with scene() as at:
        rows = [{"id": id} for id in range(1, 4)]
        at.sandbox.fail_next(200, body=envelope({"patients": rows}, count), times=1)
        walk = at.location.patients.walk(per_page=PER_PAGE, prefetch=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NexHealthWarning)
            assert [(await anext(walk)).id for _ in range(3)] == [1, 2, 3]
        await walk.aclose()
        await at.works()


@pytest.mark.parametrize("lie", ["missing", None, -5])
async def test_an_unreadable_total_is_an_error_for_count_only(lie: CountAs) -> None:
    async with scene() as at:
        at.sandbox.count_as = lie
        with pytest.raises(UnexpectedStructureError, match="no usable count"):
            await at.location.patients.walk().count()
        assert at.sent == 1


async def test_null_for_no_records_is_an_empty_list() -> None:
    async with scene() as at:
        at.sandbox.fail_next(200, body=envelope(None, 0))
        assert await walked(at) == ([], [])
        assert at.sent == 1
