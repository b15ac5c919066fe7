"""Fair queue: how the concurrency is divided among shards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexhealth_async.bulk import Shard
from nexhealth_async.bulk.fair_queue import ShardQueue, ShardSlot, interleave


class FakeWalk:
    """A walk that records its prefetch."""

    def __init__(self) -> None:
        self.width = 0

    def set_prefetch(self, prefetch: int) -> None:
        assert prefetch > self.width
        self.width = prefetch


def shard(subdomain: str = "a", location: int | None = None, resource: str = "patients") -> Shard:
    return Shard(resource=resource, version="v2", subdomain=subdomain, location_id=location)


def test_a_single_list_gets_the_whole_concurrency() -> None:
    queue = ShardQueue(8)
    queue.add([shard()], can_prefetch=True)
    [slot] = queue.acquire()
    assert slot.permits == 8


def test_released_permits_go_to_the_remaining_lists_at_once() -> None:
    queue = ShardQueue(8)
    queue.add([shard("a"), shard("b"), shard("c")], can_prefetch=True)
    first, second, third = queue.acquire()
    assert [first.permits, second.permits, third.permits] == [3, 3, 2]
    second.pages = walk = FakeWalk()
    queue.release(first)
    assert queue.acquire() == []
    queue.release(third)
    assert queue.acquire() == []
    assert second.permits == 8 == walk.width


def test_cursor_lists_take_one_permit_each() -> None:
    queue = ShardQueue(4)
    queue.add([shard("a"), shard("b")], can_prefetch=False)
    assert [slot.permits for slot in queue.acquire()] == [1, 1]


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.sampled_from(["add", "leave", "admit"]), st.booleans()), max_size=60),
)
def test_a_queue_never_exceeds_its_permits_and_idles_only_without_work(
    concurrency: int, steps: list[tuple[str, bool]]
) -> None:
    queue, slots = ShardQueue(concurrency), list[ShardSlot]()
    waiting = 0
    for step, flag in steps:
        if step == "add":
            queue.add([shard()], can_prefetch=flag)
            waiting += 1
        elif step == "leave" and slots:
            queue.release(slots.pop(0 if flag else -1))
        begun = queue.acquire()
        slots += begun
        waiting -= len(begun)
        taken = sum(slot.permits for slot in slots)
        assert all(slot.permits == 1 or slot.can_prefetch for slot in slots)
        assert taken <= concurrency
        assert taken == concurrency or not (waiting or any(slot.can_prefetch for slot in slots))


def test_practices_take_turns_and_their_locations_within_them() -> None:
    shards = [
        shard(name, place, resource)
        for resource in ("patients", "appointments")
        for name in ("a", "b")
        for place in (1, 2)
    ]
    order = [(one.subdomain, one.location_id, one.resource[0]) for one in interleave(shards)]
    assert order == [
        ("a", 1, "p"),
        ("b", 1, "p"),
        ("a", 2, "p"),
        ("b", 2, "p"),
        ("a", 1, "a"),
        ("b", 1, "a"),
        ("a", 2, "a"),
        ("b", 2, "a"),
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=30))
def test_interleaving_loses_nothing(places: list[tuple[str, int]]) -> None:
    shards = [shard(name, place, f"resource{at}") for at, (name, place) in enumerate(places)]
    assert sorted(one.name for one in interleave(shards)) == sorted(one.name for one in shards)
