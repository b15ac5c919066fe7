"""Cursor walks: one page at a time, one request ahead, and no silent end.

The garbage collector is off.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from nexhealth_async import (
    InvalidArgumentError,
    ServerError,
    StalledCursorError,
    UndecodableRecordError,
    UsageError,
    WalkClosedError,
)
from nexhealth_async._protocol.envelopes import ParsedList, read_list
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.requests import plan
from nexhealth_async.models import Patient
from nexhealth_async.pagination.walk import Walk, WalkConfig, check_config
from nexhealth_async.resources import patients
from tests.pagination.page_source import FakePageSource
from tests.pagination.scripted_source import PATIENTS, ids

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from nexhealth_async._protocol.requests import PlannedCall


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Clean-up must not depend on the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class CursorSource(FakePageSource):
    """Serves pages by cursors that are bound to the page size, and owns the page tasks."""

    def __init__(self, rows: int, *, cap: int = 1_000) -> None:
        super().__init__()
        self.rows = list(range(1, rows + 1))
        self.cap = cap
        self.asked: list[str | None] = []
        """The cursors of the requested pages."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.before: Callable[[int], Awaitable[None]] | None = None
        """Awaited with the number of the request before its rows are read."""
        self.info: Callable[[int, dict[str, object]], object] = lambda _, info: info
        """Called with the number of the request; returns ``page_info``."""
        self.decoded = 0
        self.decoded_when_asked: list[int] = []

    async def fetch_page(
        self,
        call: PlannedCall,
        pairs: tuple[tuple[str, str], ...],
        *,
        background: bool,
        slots: AbstractAsyncContextManager[object],
    ) -> ParsedList:
        async with slots:
            return await self._answer(call, pairs)

    async def _answer(self, call: PlannedCall, pairs: tuple[tuple[str, str], ...]) -> ParsedList:
        query = dict(pairs)
        assert set(query) <= {"end_cursor", "per_page"}
        cursor = query.get("end_cursor")
        self.asked.append(cursor)
        self.decoded_when_asked.append(self.decoded)
        number = len(self.asked)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.before is not None:
                await self.before(number)
            return self._read(call, cursor, query["per_page"], number)
        finally:
            self.in_flight -= 1

    def _read(
        self, call: PlannedCall, cursor: str | None, per_page: str, number: int
    ) -> ParsedList:
        start = 0
        if cursor is not None:
            place, _, bound = cursor.partition("/")
            assert bound == per_page, "the page size changed under a cursor"
            start = int(place)
        rows = self.rows[start : start + min(self.cap, int(per_page))]
        end = start + len(rows)
        info: dict[str, object] = {
            "has_previous_page": start > 0,
            "has_next_page": end < len(self.rows),
            "start_cursor": f"{start}/{per_page}",
            "end_cursor": f"{end}/{per_page}",
        }
        body = {
            "code": True,
            "data": [{"id": row} for row in rows],
            "page_info": self.info(number, info),
        }
        return read_list(Response(status=200, body=msgspec.json.encode(body)), call.spec)

    def native(self) -> None:
        return None

    def tolerant(self, record: msgspec.Raw) -> tuple[Patient, tuple[str, ...]]:
        self.decoded += 1
        return PATIENTS(record)

    def walk(self, **options: object) -> Walk[Patient]:
        call = plan(patients.LIST, "v3.0.0", subdomain="demo", location_id=1, arguments={})
        settings = WalkConfig(
            source=self,
            call=call,
            decoder=self,
            **options,  # type: ignore[arg-type]  # checked in the next line
        )
        return Walk(check_config(settings))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("prefetch", [0, 1, 8])
@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 95])
async def test_every_record_once_and_in_order(rows: int, prefetch: int) -> None:
    source = CursorSource(rows)
    assert ids([p async for p in source.walk(per_page=10, prefetch=prefetch)]) == source.rows
    assert len(source.asked) == max(1, -(-rows // 10))
    assert source.asked[0] is None
    assert source.most_in_flight == 1


async def test_a_server_that_caps_the_page_size_loses_no_record() -> None:
    source = CursorSource(50, cap=7)
    assert ids([p async for p in source.walk(per_page=1_000)]) == source.rows


async def test_an_empty_page_in_the_middle_does_not_end_the_walk() -> None:
    source = CursorSource(20)
    full = source._read

    def read(call: PlannedCall, cursor: str | None, per_page: str, number: int) -> ParsedList:
        if number == 2:
            info = {"has_next_page": True, "end_cursor": "10/10"}
            body: dict[str, object] = {"code": True, "data": [], "page_info": info}
            return read_list(Response(status=200, body=msgspec.json.encode(body)), call.spec)
        return full(call, cursor, per_page, number)

    source._read = read  # type: ignore[method-assign]
    source.info = lambda n, info: {**info, "end_cursor": "5/10"} if n == 1 else info
    assert ids([p async for p in source.walk(per_page=10)]) == source.rows


async def test_the_next_page_is_requested_before_decoding_and_alone() -> None:
    source = CursorSource(5_000)
    walk = source.walk(prefetch=8)
    await anext(walk)
    await settle()
    assert source.asked == [None, "1000/1000"], "one request ahead, whatever prefetch says"
    async for _ in walk:
        pass
    assert source.decoded_when_asked == [0, 0, 1_000, 2_000, 3_000]


async def test_page_iteration_requests_the_next_page_before_decoding() -> None:
    source = CursorSource(5_000)
    async for _ in source.walk().pages():
        pass
    assert source.decoded_when_asked == [0, 0, 1_000, 2_000, 3_000]


async def test_without_prefetch_pages_are_requested_on_demand() -> None:
    source = CursorSource(20)
    walk = source.walk(per_page=10, prefetch=0)
    for _ in range(10):
        await anext(walk)
    await settle()
    assert source.asked == [None]
    await anext(walk)
    assert source.asked == [None, "10/10"]
    await walk.aclose()


STALLS: dict[str, Callable[[dict[str, object]], object]] = {
    "missing": lambda info: {"has_next_page": info["has_next_page"]},
    "null": lambda info: {**info, "end_cursor": None},
    "empty": lambda info: {**info, "end_cursor": ""},
    "number": lambda info: {**info, "end_cursor": 5},
    "the same again": lambda info: {**info, "end_cursor": "10/5"},
    "an earlier one": lambda info: {**info, "end_cursor": "5/5"},
    "no flag": lambda info: {"end_cursor": info["end_cursor"]},
    "null flag": lambda info: {**info, "has_next_page": None},
    "no info": lambda _: None,
}


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
async def test_a_missing_cursor_is_an_error_with_a_resume_value(
    stall: Callable[[dict[str, object]], object], prefetch: int
) -> None:
    source = CursorSource(20)
    source.info = lambda number, info: stall(info) if number == 3 else info
    got: list[Patient] = []
    walk = source.walk(per_page=5, prefetch=prefetch)
    with pytest.raises(StalledCursorError, match=r"^GET /patients: ") as caught:
        async for patient in walk:
            got.append(patient)
    assert ids(got) == source.rows[:15]
    assert caught.value.operation == "GET /patients"
    with pytest.raises(WalkClosedError, match="has failed"):
        await anext(walk)
    source.info = lambda _, info: info
    rest = [p async for p in source.walk(after=caught.value.resume)]
    assert ids([*got[:10], *rest]) == source.rows


async def test_a_first_page_without_page_info_is_delivered_before_the_error() -> None:
    source = CursorSource(20)
    source.info = lambda _, __: None
    walk = source.walk(per_page=5)
    assert [(await anext(walk)).id for _ in range(5)] == source.rows[:5]
    with pytest.raises(StalledCursorError):
        await anext(walk)
    pages = source.walk(per_page=5).pages()
    assert ids(list((await anext(pages)).items)) == source.rows[:5]
    with pytest.raises(StalledCursorError):
        await anext(pages)


async def test_only_has_next_page_false_ends_a_walk() -> None:
    source = CursorSource(10)
    source.info = lambda n, info: {"has_next_page": False, "end_cursor": None} if n == 2 else info
    pages = [page async for page in source.walk(per_page=5).pages()]
    assert [(p.cursor, p.resume) for p in pages] == [("5/5", "c:5:5/5"), (None, None)]


async def test_pages_have_cursor_and_resume_value_but_no_count() -> None:
    source = CursorSource(25)
    pages = [page async for page in source.walk(per_page=10).pages()]
    assert [(p.number, len(p.items), p.count, p.cursor) for p in pages] == [
        (1, 10, None, "10/10"),
        (2, 10, None, "20/10"),
        (3, 5, None, "25/10"),
    ]
    for page in pages:
        # The size it was begun with goes with it, so that no cursor meets another.
        rest = [p async for p in source.walk(after=page.resume, per_page=3)]
        assert ids(rest) == source.rows[page.items[-1].id :]


async def test_a_resumed_walk_that_fails_at_once_can_be_resumed_again() -> None:
    source = CursorSource(20)

    async def fail(_: int) -> None:
        raise ServerError("the API failed", status=500)

    source.before = fail
    for walk in (source.walk(after="c:5:10/5"), source.walk(after="c:5:10/5").pages()):
        with pytest.raises(ServerError) as caught:
            await anext(walk)
        assert caught.value.resume == "c:5:10/5"


async def test_good_pages_precede_the_error_which_names_the_resume_value() -> None:
    source = CursorSource(20)

    async def fail(number: int) -> None:
        if number == 3:
            raise ServerError("the API failed", status=500)

    source.before = fail
    got: list[Patient] = []
    with pytest.raises(ServerError) as caught:
        async for patient in source.walk(per_page=5):
            got.append(patient)
    assert ids(got) == source.rows[:10]
    source.before = None
    rest = [p async for p in source.walk(after=caught.value.resume)]
    assert ids(got + rest) == source.rows


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize("limit", [0, 1, 5, 7, 10, 13, 200])
async def test_a_limit_is_exact_and_requests_no_extra_page(limit: int, prefetch: int) -> None:
    source = CursorSource(100)
    got = ids([p async for p in source.walk(limit=limit, per_page=5, prefetch=prefetch)])
    await settle()
    assert got == source.rows[:limit]
    assert len(source.asked) == -(-min(limit, 100) // 5)


@pytest.mark.parametrize("limit", [1, 5, 7, 12])
async def test_pages_truncated_by_a_limit_resume_without_a_gap(limit: int) -> None:
    source = CursorSource(30)
    pages = [page async for page in source.walk(per_page=5, limit=limit).pages()]
    got = ids([p for page in pages for p in page.items])
    assert got == source.rows[:limit]
    again = ids([p async for p in source.walk(after=pages[-1].resume)])
    assert sorted({*got, *again}) == source.rows


async def test_count_raises_with_an_explanation() -> None:
    source = CursorSource(10)
    with pytest.raises(UsageError, match=r"^GET /patients: .*size of this list.*walk it and count"):
        await source.walk().count()
    assert not source.asked


@pytest.mark.parametrize("drift", ["watch", "ignore"])
async def test_drift_options_have_no_effect(drift: str) -> None:
    source = CursorSource(10)
    assert ids([p async for p in source.walk(drift=drift, passes=0)]) == source.rows
    assert len(source.asked) == 1


def test_verifying_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidArgumentError, match="no count to verify"):
        CursorSource(3).walk(drift="verify")


@pytest.mark.parametrize("after", ["nonsense", "n:1:5:5:9", "c:", "c:cursor", "c:0:cursor"])
def test_a_resume_value_of_another_list_is_refused_at_once(after: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"page\.resume unchanged"):
        CursorSource(3).walk(after=after)


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_a_wait_for_loop_loses_nothing(prefetch: int) -> None:
    source = CursorSource(15)

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
    assert source.asked == [None, "5/5", "10/5"]


async def test_leaving_a_dropped_walk_ends_its_page_task() -> None:
    source = CursorSource(3_000)

    async def hang(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    source.before = hang
    walk = source.walk()
    async for _ in walk:
        break
    await settle()
    assert len(source.tasks) == 1
    gone = weakref.ref(walk)
    del walk
    assert gone() is None, "a cycle keeps the walk alive"
    await settle()
    assert not source.tasks


async def test_dropping_a_stalled_walk_leaves_no_cycle() -> None:
    source = CursorSource(5)
    source.info = lambda _, __: None
    walk = source.walk()
    with suppress(StalledCursorError):
        while True:
            await anext(walk)
    gone = weakref.ref(walk)
    del walk
    await settle()
    assert gone() is None


async def test_aclose_in_a_cancelled_scope_leaves_no_task() -> None:
    source = CursorSource(3_000)

    async def hang(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()

    source.before = hang
    with anyio.CancelScope() as scope:
        async with aclosing(source.walk()) as walk:
            async for _ in walk:
                scope.cancel()
                break
    assert not source.tasks


async def test_an_idle_consumer_causes_no_more_requests() -> None:
    source = CursorSource(3_000)
    walk = source.walk(per_page=10, prefetch=3)
    await anext(walk)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(source.asked) == 2
    await walk.aclose()


async def test_a_bad_record_does_not_stop_a_cursor_walk() -> None:
    source = CursorSource(3)
    source.rows[1] = None  # type: ignore[call-overload]  # a record without an id
    set_aside: list[bytes] = []

    def note(_: UndecodableRecordError, record: bytes) -> None:
        set_aside.append(record)

    assert ids([p async for p in source.walk(per_page=1, on_bad_record=note)]) == [1, 3]
    assert set_aside == [b'{"id":null}']
