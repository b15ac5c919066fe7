"""The compact id set gives the same results as a set, in less memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexhealth_async.pagination.record_ids import IdSet

NEAR = st.integers(0, 200)
ANY_ID = NEAR | st.integers() | st.text(max_size=3) | st.sampled_from([2**16, 2**31, 2**63, -1])


@given(st.lists(ANY_ID, max_size=60), ANY_ID)
@settings(max_examples=120, deadline=None)
def test_the_id_set_matches_a_set(ids: list[int | str], other: int | str) -> None:
    plain: set[int | str] = set()
    compact = IdSet()
    for id in ids:
        assert compact.add(id) == (id not in plain)
        plain.add(id)
        assert len(compact) == len(plain)
    for id in (*ids, other):
        assert (id in compact) == (id in plain)


@pytest.mark.parametrize("step", [1, 7, 13])
def test_the_id_set_matches_where_arrays_become_bitmaps(step: int) -> None:
    compact, ids = IdSet(), range(0, 65_536 * 2, step)
    for id in reversed(ids):
        assert compact.add(id)
    for id in ids:
        assert not compact.add(id)
    assert len(compact) == len(ids)
    assert all((id in compact) == (id % step == 0) for id in range(2_000))


def test_a_number_and_its_digits_are_two_ids() -> None:
    compact = IdSet()
    assert compact.add(7)
    assert compact.add("7")
    assert len(compact) == 2


def test_an_id_takes_a_few_bytes() -> None:
    tracemalloc.start()
    try:
        compact = IdSet()
        for id in range(1_500_000_000, 1_500_080_000):
            compact.add(id)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < len(compact)
