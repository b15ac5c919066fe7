"""Walks over changing lists: no record that stayed is lost silently."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from nexhealth_async import DriftError
from tests.pagination.scripted_source import ListSource, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async import LocationScope
    from nexhealth_async.sandbox import Sandbox

RUNS = 2_000


class ChangingSandbox:
    """Changes to a list between any two responses."""

    def __init__(self, source: ListSource, rng: random.Random, kinds: Sequence[str]) -> None:
        self.source, self.rng, self.kinds = source, rng, kinds
        self.stayed = set(source.rows)
        self.next_id = 100_000
        self.left = rng.randint(0, 8)
        source.before = self.takes_a_while
        source.after = self.works

    async def takes_a_while(self, _: int) -> None:
        for _ in range(self.rng.randint(0, 6)):
            await asyncio.sleep(0)

    def works(self, _: int) -> None:
        if not self.left or self.rng.random() < 0.5:
            return
        self.left -= 1
        rows, rng = self.source.rows, self.rng
        kind = rng.choice(self.kinds)
        if kind in ("delete", "swap") and rows:
            self.stayed.discard(rows.pop(rng.randrange(len(rows))))
        if kind in ("insert", "swap"):
            rows.insert(rng.randint(0, len(rows)), self.next_id)
            self.next_id += 1
        if kind == "move" and rows:
            row = rows.pop(rng.randrange(len(rows)))
            rows.insert(rng.randint(0, len(rows)), row)


async def run(seed: int, drift: str, kinds: Sequence[str]) -> tuple[bool, bool]:
    """Walk once; return whether a record that stayed was lost, and whether the walk reported it."""
    rng = random.Random(seed)
    source = ListSource(rng.randint(0, 60), cap=rng.choice([300, 7, 3]))
    changing_list = ChangingSandbox(source, rng, kinds)
    got: list[int] = []
    said = False
    walk = source.walk(per_page=rng.randint(1, 12), prefetch=rng.choice([0, 1, 2, 8]), drift=drift)
    try:
        async for patient in walk:
            got.append(patient.id)
    except DriftError:
        said = True
    assert len(got) == len(set(got)), f"seed {seed}: a record was delivered twice"
    for _ in range(10):
        await asyncio.sleep(0)
    assert not source.tasks
    return not changing_list.stayed <= set(got), said


ALL_KINDS = ("delete", "insert", "swap", "move")


async def test_a_verified_walk_yields_all_that_stayed_once_or_raises() -> None:
    drifted = 0
    for seed in range(RUNS):
        lost, said = await run(seed, "verify", ALL_KINDS)
        assert said or not lost, f"seed {seed}: lost in silence"
        drifted += said
    assert drifted < RUNS / 50, "it should hardly ever have to give up"


@pytest.mark.parametrize("kinds", [("delete", "move"), ("insert", "move")], ids="+".join)
async def test_a_watching_walk_yields_all_that_stayed_if_changes_cannot_balance(
    kinds: tuple[str, ...],
) -> None:
    for seed in range(RUNS // 2):
        lost, said = await run(seed, "watch", kinds)
        assert said or not lost, f"seed {seed}: lost in silence"


async def test_only_verifying_detects_a_balanced_change() -> None:
    """One row deleted behind the walk and one inserted ahead of it, between two responses."""

    def balanced(source: ListSource) -> None:
        def swap(number: int) -> None:
            if number == 1:
                source.rows.remove(1)
                source.rows.append(999)
                source.after = None

        source.after = swap

    watched = ListSource(12)
    balanced(watched)
    got = ids([p async for p in watched.walk(per_page=4, prefetch=0)])
    assert 5 not in got, "row 5 moved onto page 1, which was read before"

    verified = ListSource(12)
    balanced(verified)
    got = ids([p async for p in verified.walk(per_page=4, prefetch=0, drift="verify")])
    assert set(range(2, 13)) | {999} <= set(got)


async def test_an_ignoring_walk_reads_once_despite_changes() -> None:
    source = ListSource(12)

    def shrink(number: int) -> None:
        if number == 1:
            del source.rows[0]

    source.after = shrink
    got = ids([p async for p in source.walk(per_page=4, prefetch=0, drift="ignore")])
    assert got == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    assert source.pages_asked == [1, 2, 3]


async def test_a_verified_walk_over_a_stable_list_costs_twice_and_a_watched_one_nothing() -> None:
    verified, watched = ListSource(40), ListSource(40)
    assert ids([p async for p in verified.walk(per_page=10, drift="verify")]) == verified.rows
    assert ids([p async for p in watched.walk(per_page=10)]) == watched.rows
    assert (len(verified.pages_asked), len(watched.pages_asked)) == (8, 4)


async def test_a_single_page_needs_no_verification() -> None:
    source = ListSource(10)
    assert ids([p async for p in source.walk(drift="verify")]) == source.rows
    assert source.pages_asked == [1]


async def test_a_list_that_keeps_changing_ends_in_an_error_that_bounds_the_loss() -> None:
    source = ListSource(30)

    def churn(_: int) -> None:
        source.rows.pop(0)
        source.rows.append(max(source.rows) + 1)

    source.after = churn
    got: list[int] = []
    with pytest.raises(DriftError) as caught:
        async for patient in source.walk(per_page=10, drift="verify", passes=2):
            got.append(patient.id)
    assert caught.value.at_most_missing is not None
    assert caught.value.at_most_missing > 0
    assert set(range(21, 31)) <= set(got)
    assert len(source.pages_asked) == 9


async def test_a_resumed_walk_refuses_a_list_that_changed() -> None:
    source = ListSource(30)
    first = await anext(source.walk(per_page=10).pages())
    source.rows.pop(0)
    with pytest.raises(DriftError, match="start from the beginning"):
        await anext(source.walk(after=first.resume))


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("drift", ["watch", "verify"])
async def test_changes_in_the_sandbox_cost_no_record(
    location: LocationScope, sandbox: Sandbox, drift: str, prefetch: int
) -> None:
    rng = random.Random(f"{drift} {prefetch}")
    sandbox.page_cap = 5
    stayed = set(sandbox.patients.ids)
    changes = iter(range(6))

    def work(_: object) -> None:
        if next(changes, None) is None:
            return
        if rng.random() < 0.5:
            gone = rng.choice(list(sandbox.patients.ids))
            sandbox.patients.delete(gone)
            stayed.discard(gone)
        else:
            sandbox.patients.insert(rng.randint(0, len(sandbox.patients)))

    sandbox.between_pages(work)
    walk = location.patients.walk(drift=drift, prefetch=prefetch)  # type: ignore[arg-type]  # one of the two
    got = ids([p async for p in walk])
    assert len(got) == len(set(got))
    assert stayed <= set(got)


@pytest.mark.parametrize("prefetch", [1, 8])
async def test_ten_thousand_patients_come_once_and_in_order(prefetch: int) -> None:
    from nexhealth_async import NexHealth
    from nexhealth_async.sandbox import Sandbox

    async with (
        Sandbox(patients=10_000, seed=1) as sandbox,
        NexHealth(sandbox.api_key, base_url=sandbox.url) as nex,
    ):
        location = nex.practice(sandbox.subdomain).location(sandbox.location_id)
        walk = location.patients.walk(per_page=300, prefetch=prefetch)
        assert ids([p async for p in walk]) == list(sandbox.patients.ids)
        assert len(sandbox.seen("GET", "/patients")) == 34
