"""Walks keep their promises for every consumer, with the garbage collector off."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from nexhealth_async import (
    InvalidArgumentError,
    ServerError,
    UndecodableRecordError,
    WalkClosedError,
)
from tests.pagination.scripted_source import ListSource, ids

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from nexhealth_async.models import Patient


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Clean-up must not depend on the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("prefetch", [0, 1, 2, 8])
@pytest.mark.parametrize("rows", [0, 1, 299, 300, 301, 900, 1_000])
async def test_every_record_once_and_in_order(rows: int, prefetch: int) -> None:
    source = ListSource(rows)
    assert ids([p async for p in source.walk(prefetch=prefetch)]) == source.rows
    # Page 2 leaves with page 1 where several requests may be in flight.
    assert len(source.pages_asked) == max(1 if prefetch < 2 else 2, -(-rows // 300))


@pytest.mark.parametrize("cap", [300, 100, 7, 1])
async def test_a_server_that_caps_the_page_size_loses_no_record(cap: int) -> None:
    source = ListSource(50, cap=cap)
    assert ids([p async for p in source.walk(per_page=300, prefetch=4)]) == source.rows


@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_a_wait_for_loop_loses_nothing(prefetch: int) -> None:
    source = ListSource(15)

    async def slowly(_: int) -> None:
        await asyncio.sleep(0.004)

    source.before = slowly
    walk = source.walk(per_page=5, prefetch=prefetch)
    got: list[Patient] = []
    timeouts = 0
    while True:
        try:
            got.append(await asyncio.wait_for(anext(walk), 0.001))
        except TimeoutError:
            timeouts += 1
        except StopAsyncIteration:
            break
    assert ids(got) == source.rows
    assert timeouts
    assert source.pages_asked == [1, 2, 3]


async def test_a_cancelled_anext_leaves_the_walk_usable() -> None:
    source = ListSource(10)
    held = asyncio.Event()

    async def hold(_: int) -> None:
        await held.wait()

    source.before = hold
    walk = source.walk(per_page=5)
    with anyio.move_on_after(0.001):
        await anext(walk)
    held.set()
    assert ids([p async for p in walk]) == source.rows


async def test_a_finished_walk_raises_instead_of_looking_empty() -> None:
    walk = ListSource(3).walk()
    assert len([p async for p in walk]) == 3
    with pytest.raises(WalkClosedError, match="has ended; start a new one"):
        async for _ in walk:
            pass
    with pytest.raises(WalkClosedError):
        await anext(walk)


async def test_a_failed_walk_raises_and_names_its_resume_value() -> None:
    source = ListSource(20)

    async def fail(number: int) -> None:
        if number == 3:
            raise ServerError("the API failed", status=500)

    source.before = fail
    walk = source.walk(per_page=5, prefetch=4)
    got: list[Patient] = []
    with pytest.raises(ServerError) as caught:
        async for patient in walk:
            got.append(patient)
    assert ids(got) == source.rows[:10]
    assert caught.value.resume is not None
    with pytest.raises(WalkClosedError, match="has failed"):
        await anext(walk)

    source.before = None
    rest = [p async for p in source.walk(after=caught.value.resume)]
    assert ids(got + rest) == source.rows


async def test_a_second_consumer_is_refused_without_harm() -> None:
    source = ListSource(5)
    walk = source.walk()
    first = asyncio.ensure_future(anext(walk))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one consumer"):
        await anext(walk)
    with pytest.raises(RuntimeError, match="cannot be closed"):
        await walk.aclose()
    assert (await first).id == 1
    assert ids([p async for p in walk]) == [2, 3, 4, 5]


async def test_leaving_a_dropped_walk_ends_its_page_tasks() -> None:
    source = ListSource(3_000)

    async def hang(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    source.before = hang
    walk = source.walk(prefetch=4)
    async for _ in walk:
        break
    await settle()
    assert len(source.tasks) == 8
    gone = weakref.ref(walk)
    del walk
    assert gone() is None, "a cycle keeps the walk alive"
    await settle()
    assert not source.tasks


async def test_dropping_a_failed_walk_leaves_no_cycle() -> None:
    source = ListSource(5)

    async def fail(_: int) -> None:
        raise ServerError("the API failed", status=500)

    source.before = fail
    walk = source.walk()
    with suppress(ServerError):
        await anext(walk)
    gone = weakref.ref(walk)
    del walk
    await settle()
    assert gone() is None


async def test_aclose_in_a_cancelled_scope_leaves_no_task() -> None:
    source = ListSource(3_000)

    async def hang(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    source.before = hang
    with anyio.CancelScope() as scope:
        async with aclosing(source.walk(prefetch=4)) as walk:
            async for _ in walk:
                scope.cancel()
                break
    assert not source.tasks


async def test_aclose_under_a_timeout_leaves_no_task() -> None:
    source = ListSource(3_000)

    async def stubborn(number: int) -> None:
        if number > 1:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.01)

    source.before = stubborn
    walk = source.walk(prefetch=2)
    await anext(walk)
    await settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await walk.aclose()
    assert not source.tasks
    with pytest.raises(WalkClosedError, match="was closed"):
        await anext(walk)


async def test_an_idle_consumer_bounds_the_prefetched_pages() -> None:
    source = ListSource(3_000)

    async def a_few_turns(_: int) -> None:
        await settle()

    source.before = a_few_turns
    walk = source.walk(per_page=10, prefetch=3)
    await anext(walk)
    for _ in range(100):
        await asyncio.sleep(0)
    assert sorted(source.pages_asked) == [1, 2, 3, 4, 5, 6, 7]
    assert source.most_in_flight == 3
    await walk.aclose()


async def test_without_prefetch_pages_are_requested_on_demand() -> None:
    source = ListSource(20)
    walk = source.walk(per_page=10, prefetch=0)
    for _ in range(10):
        await anext(walk)
    await settle()
    assert source.pages_asked == [1]
    await anext(walk)
    assert source.pages_asked == [1, 2]
    await walk.aclose()


async def test_pages_received_out_of_order_are_delivered_in_order() -> None:
    source = ListSource(100)

    async def backwards(number: int) -> None:
        await asyncio.sleep(0.001 * (20 - number) % 0.007)

    source.before = backwards
    assert ids([p async for p in source.walk(per_page=5, prefetch=8)]) == source.rows
    assert source.most_in_flight > 1


@pytest.mark.parametrize("limit", [0, 1, 5, 7, 300, 450, 2_000])
async def test_a_limit_is_exact_and_reduces_the_requests(limit: int) -> None:
    source = ListSource(1_000)
    got = ids([p async for p in source.walk(limit=limit, prefetch=4)])
    assert got == source.rows[:limit]
    assert len(source.pages_asked) <= -(-limit // 300)


@pytest.mark.parametrize("limit", [1, 5, 7, 12])
async def test_pages_truncated_by_a_limit_resume_without_a_gap(limit: int) -> None:
    source = ListSource(30)
    pages = [page async for page in source.walk(per_page=5, limit=limit).pages()]
    assert ids([p for page in pages for p in page.items]) == source.rows[:limit]
    if (resume := pages[-1].resume) is not None:
        again = ids([p async for p in source.walk(after=resume)])
        assert set(source.rows[:limit]) | set(again) == set(source.rows)


async def test_pages_carry_number_count_and_resume() -> None:
    source = ListSource(25)
    pages = [page async for page in source.walk(per_page=10).pages()]
    assert [(p.number, len(p.items), p.count, p.cursor) for p in pages] == [
        (1, 10, 25, None),
        (2, 10, 25, None),
        (3, 5, 25, None),
    ]
    rest = [p async for p in source.walk(after=pages[0].resume)]
    assert ids(rest) == source.rows[10:]
    assert [p async for p in source.walk(after=pages[2].resume)] == []


async def test_raw_and_raw_json_return_the_servers_data() -> None:
    source = ListSource(3)
    assert [r async for r in source.walk().raw()] == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert [r async for r in source.walk().raw_json()] == [b'{"id": 1}', b'{"id": 2}', b'{"id": 3}']


async def test_views_require_an_unstarted_walk() -> None:
    walk = ListSource(3).walk()
    await anext(walk)
    for view in (walk.pages, walk.raw, walk.raw_json):
        with pytest.raises(WalkClosedError, match="is running"):
            view()
    await walk.aclose()


async def test_count_takes_one_small_request() -> None:
    source = ListSource(1_234)
    assert await source.walk().count() == 1_234
    assert source.pages_asked == [1]


async def test_a_walk_is_an_async_generator_by_protocol() -> None:
    source = ListSource(3)
    walk: AsyncGenerator[Patient, None] = source.walk()
    assert (await walk.asend(None)).id == 1
    with pytest.raises(TypeError):
        await walk.asend(1)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        await walk.athrow(KeyError("thrown"))
    with pytest.raises(WalkClosedError):
        await anext(walk)
    untouched = source.walk()
    await untouched.aclose()
    with pytest.raises(WalkClosedError):
        await anext(untouched)


@pytest.mark.parametrize(
    "options",
    [
        {"per_page": 0},
        {"limit": -1},
        {"prefetch": -1},
        {"passes": -1},
        {"drift": "sometimes"},
        {"after": "nonsense"},
        {"after": "n:0:0:0:0"},
        {"after": "c:cursor"},
        {"after": "n:1:10:10:20", "drift": "verify"},
    ],
    ids=str,
)
def test_impossible_options_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        ListSource(3).walk(**options)


async def test_good_records_before_a_bad_one_are_delivered_first() -> None:
    source = ListSource()
    source.rows = [1, 2, None, 4]  # type: ignore[list-item]  # a record without an id
    got: list[Patient] = []
    with pytest.raises(UndecodableRecordError):
        async for patient in source.walk(drift="ignore"):
            got.append(patient)
    assert ids(got) == [1, 2]


async def test_bad_records_go_to_the_reject_callback() -> None:
    source = ListSource()
    source.rows = [1, 2, None, 4]  # type: ignore[list-item]
    bad: list[bytes] = []

    def set_aside(_: UndecodableRecordError, record: bytes) -> None:
        bad.append(record)

    walk = source.walk(drift="ignore", on_bad_record=set_aside)
    assert ids([p async for p in walk]) == [1, 2, 4]
    assert bad == [b'{"id": null}']


@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_rejected_records_do_not_count_for_the_limit(prefetch: int) -> None:
    source = ListSource()
    source.rows = [1, None, 2, 3, 4, 5]  # type: ignore[list-item]

    def set_aside(_: UndecodableRecordError, __: bytes) -> None: ...

    options = {"limit": 3, "drift": "ignore", "prefetch": prefetch, "on_bad_record": set_aside}
    assert ids([p async for p in source.walk(**options)]) == [1, 2, 3]
    pages = [page async for page in source.walk(**options).pages()]
    assert ids([p for page in pages for p in page.items]) == [1, 2, 3]


def test_the_repr_shows_operation_and_state_only() -> None:
    assert repr(ListSource().walk()) == "<Walk GET /patients: has not started>"
