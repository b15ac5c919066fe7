"""Fuzz targets: walks over a server with arbitrary responses, and forged resume values."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from attrs import frozen

from nexhealth_async import NexHealthError
from nexhealth_async._protocol.envelopes import ParsedList, read_list
from nexhealth_async._protocol.http_messages import Response
from nexhealth_async._protocol.operations import Endpoint, OperationSpec, Paging
from nexhealth_async._protocol.requests import PlannedCall
from nexhealth_async.errors import DriftError, UsageError
from nexhealth_async.pagination.batch_decoder import AS_BYTES
from nexhealth_async.pagination.page_plans import CursorPlan, Drift, NumberedPlan, PagePlan
from nexhealth_async.pagination.record_ids import read_ids
from nexhealth_async.pagination.walk import Walk, WalkConfig, check_config
from tests.fuzz.findings import SENTINEL, ChoiceReader, Finding, private, target
from tests.fuzz.seeds import BREAK, ROWS, envelope
from tests.pagination.page_source import FakePageSource

_MOST_REPLIES = 5
_ROUNDS = 55
"""Repetitions in one pass after which the walk must have given up."""
_DRIFTS: tuple[Drift, ...] = ("watch", "verify", "ignore")
_ENDPOINT: Endpoint[object] = Endpoint(resource="fuzz", verb="walk", model=None)


def _first(paging: Paging) -> OperationSpec:
    return next(row for row in ROWS if row.paging is paging)


_LISTS = (_first(Paging.NUMBERED), _first(Paging.CURSOR), _first(Paging.WHOLE))


class _RepeatingSource(FakePageSource):
    """Repeats the same few responses."""

    def __init__(self, replies: list[bytes], bound: int) -> None:
        super().__init__()
        self._replies = replies
        self._left = bound
        self.exceeded = False

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
        self._left -= 1
        self.exceeded = self._left < 0
        if self.exceeded:
            raise Finding("a walk never ends")
        body = self._replies[-self._left % len(self._replies)]
        return read_list(Response(status=200, body=body), call.spec)


@frozen(kw_only=True)
class _Seen:
    ids: list[object]
    resume: str | None
    error: NexHealthError | None


async def _walked(settings: WalkConfig[bytes]) -> _Seen:
    walk = Walk(settings)
    ids: list[object] = []
    resume: str | None = None
    try:
        async for page in walk.raw_json().pages():
            ids += read_ids(cast("Any", page.items))
            resume = page.resume or resume
            # A cursor is shown, and may be any text.
            if SENTINEL in repr(page) and SENTINEL not in f"{resume}{page.cursor}":
                raise Finding("the repr of a page shows a value")
    except NexHealthError as error:
        private(error)
        return _Seen(ids=ids, resume=resume, error=error)
    return _Seen(ids=ids, resume=resume, error=None)


def _conversations() -> list[bytes]:
    def page(*ids: object, **more: object) -> bytes:
        return envelope(data={"patients": [{"id": id, "n": SENTINEL} for id in ids]}, **more)

    def at(cursor: object, *ids: int, more: object = True) -> bytes:
        info = {"has_next_page": more, "end_cursor": cursor}
        return envelope(data=[{"id": id} for id in ids], page_info=info)

    numbered = [
        [page(1, 2, count=4), page(3, 4, count=4)],
        [page(1, 2, count=5), page(2, 3, count=4), page(4, count=4)],
        [page(1, count=2**62)],
        [page(1), page(2), page(3)],
        [page(None, None, count=9)],
        [page("a", "b", count=3), page(count=3)],
        [page(1, count=1), page(2, count=1)],
    ]
    cursors = [
        [at("a", 1), at("b", 2), at(None, 3, more=False)],
        [at("a", 1), at("b", 1)],
        [at(None, 1)],
        [at(SENTINEL, 1, more="true")],
    ]
    seeds = [
        bytes([0, drift, 1, 2, 1, 0]) + BREAK.join(one) for drift in range(3) for one in numbered
    ]
    return seeds + [bytes([1, 0, 1, 1, 1, 0]) + BREAK.join(one) for one in cursors]


@target(choices=6, seeds=_conversations)
def whole_walk(data: bytes) -> None:
    """A walk over any responses, repeated without end, ends, and delivers nothing twice."""
    feed = ChoiceReader(data)
    row, drift, passes = feed.pick(_LISTS), feed.pick(_DRIFTS), feed.number(3)
    prefetch, per_page, limit = feed.number(4), feed.pick((1, 2, 3, 300)), feed.pick((None, 1, 4))
    replies = feed.rest.split(BREAK)[:_MOST_REPLIES]
    bound = (passes + 1) * _ROUNDS * (len(replies) + 1) + 2 * prefetch
    source = _RepeatingSource(replies, bound)
    if row.paging is not Paging.NUMBERED:
        drift = "watch"
    settings: WalkConfig[bytes] = WalkConfig(
        source=source,
        call=PlannedCall(endpoint=_ENDPOINT, spec=row, path=row.path, query=()),
        decoder=AS_BYTES,
        per_page=per_page,
        limit=limit,
        prefetch=prefetch,
        drift=drift,
        passes=passes,
    )
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        seen = runner.run(_walked(check_config(settings)))
    if source.exceeded:
        raise Finding("a walk never ends")
    named = [id for id in seen.ids if id is not None]
    if row.paging is Paging.NUMBERED and drift != "ignore" and len(set(named)) != len(named):
        raise Finding("a walk delivers a record twice")
    if limit is not None and len(seen.ids) > limit:
        raise Finding("a walk delivers more than its limit")
    if seen.resume is not None and drift != "verify":
        _plan(row, drift, seen.resume).next_request(0)


def _plan(row: OperationSpec, drift: Drift, after: str) -> PagePlan:
    if row.paging is Paging.CURSOR:
        return CursorPlan(per_page=3, after=after)
    return NumberedPlan(per_page=3, drift=drift, after=after)


def _resumes() -> list[bytes]:
    values = (
        "n:3:100:100:250",
        "n:1:1:0:-1",
        "n:3:100:100:-2",
        "n:0:0:0:0",
        "n:1_0:٣: 4 :5",
        f"n:{'9' * 4300}:1:1:1",
        f"n:3:{'9' * 4301}:1:1",
        f"n:3:1:{'9' * 4000}:{'9' * 4200}",
        "c:100:abc",
        f"c:100:{SENTINEL}:x",
        "c:0:a",
        f"c:{'1' * 4301}:a",
        "c:٣:a",
        "n:",
        "c:",
        ":",
    )
    return [bytes([kind, 0]) + value.encode() for kind in range(2) for value in values]


@target(choices=2, seeds=_resumes)
def resume_value(data: bytes) -> None:
    """A forged ``after=`` is refused, or its plan can continue."""
    feed = ChoiceReader(data)
    row, drift = feed.pick(_LISTS[:2]), feed.pick(_DRIFTS)
    after = feed.rest.decode("utf-8", "replace")
    try:
        plan = _plan(row, drift, after)
    except UsageError as error:
        private(error)
        return
    first = plan.next_request(0)
    assert first is not None
    if not all(text.isprintable() or name == "end_cursor" for name, text in first.pairs):
        raise Finding("a resume value puts control signs into a request")
    for info in ({"has_next_page": True, "end_cursor": "new"}, {"has_next_page": False}):
        reading = ParsedList(records=(), count=0, page_info=dict(info))
        try:
            taken = plan.accept(reading, ())
        except DriftError as error:
            private(error)
            return
        if taken.resume is not None and drift != "verify":
            _plan(row, drift, taken.resume)
        if plan.next_request(0) is None:
            return
