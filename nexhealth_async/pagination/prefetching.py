"""The pages of one walk: asked for ahead, delivered in order, owned by nobody else.

The tasks that fetch pages know the session and the request, never the walk, so that a walk which
is dropped goes at once and takes its tasks with it, garbage collector or not.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import anyio
from attrs import field, frozen

from nexhealth_async.errors import SessionStateError, VersionNotEnabledError
from nexhealth_async.pagination.record_ids import read_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from msgspec import Raw

    from nexhealth_async._protocol.envelopes import ParsedList
    from nexhealth_async._protocol.requests import PlannedCall
    from nexhealth_async.pagination.page_plans import PagePlan, PageRequest

_PageTask: TypeAlias = "asyncio.Task[ParsedList]"

__all__ = ["PageSource", "Pager", "RawPage", "cancel_and_wait", "renumber_repairs"]

_CANCEL_SECONDS = 5.0
_NO_SLOTS = nullcontext()
"""For walks that have one request in flight by themselves."""


class PageSource(Protocol):
    """Where pages come from: the client of a session, as walks see it."""

    async def fetch_page(
        self,
        call: PlannedCall,
        pairs: tuple[tuple[str, str], ...],
        *,
        background: bool,
        slots: AbstractAsyncContextManager[object],
    ) -> ParsedList:
        """Fetch one page inside ``slots``; in the background without a deadline for the limits."""
        ...

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless pages can be fetched here and now."""
        ...

    def start_task(self, work: Coroutine[object, object, ParsedList]) -> _PageTask:
        """Run a page's request as a task that ends with the session at the latest."""
        ...

    async def resolve_call(self, call: PlannedCall) -> PlannedCall:
        """Return the call in the version that is spoken, which is found out first."""
        ...

    def replan_after_refusal(self, call: PlannedCall) -> PlannedCall | None:
        """Return the call in another version after its own was refused, if there is one to try."""
        ...


@frozen(kw_only=True)
class RawPage:
    """A page as it came, without the records that were delivered before."""

    number: int
    records: tuple[Raw, ...] = field(repr=False)
    ids: Sequence[int | str | None] | None = field(default=None, repr=False)
    """The records' ids, where they were read."""
    count: int | None
    cursor: str | None
    resume: str | None
    warnings: tuple[str, ...] = field(repr=False)
    repairs: Mapping[int, tuple[str, ...]] = field(factory=dict[int, "tuple[str, ...]"])
    """By place of the record: paths of the fields whose text was repaired."""


class Pager:
    """Hands out a plan's pages in order, with up to ``prefetch`` requests in flight.

    Up to twice as many pages are asked for or held: with a window no wider than the requests in
    flight, one slow page leaves the others idle. ``prefetch=0`` asks only when a page is wanted.
    A page's cursor leads to one page only, so that such a list is at most one request ahead: it
    leaves as soon as the reply is split, before a record is decoded.
    """

    __slots__ = (
        "__weakref__",
        "_begin",
        "_loop",
        "_may_replan",
        "_patient",
        "_plan",
        "_prefetch",
        "_rows",
        "_slots",
        "_source",
        "_wanted",
        "_window",
        "call",
    )

    def __init__(
        self,
        source: PageSource,
        call: PlannedCall,
        begin: Callable[[PlannedCall], PagePlan],
        *,
        prefetch: int,
        limit: int | None,
    ) -> None:
        """Make the pager of a call.

        Args:
            source: Where pages come from.
            call: The listing, in the version that is most likely spoken.
            begin: Makes the plan of a call; asked once the version is known.
            prefetch: How many requests may be in flight.
            limit: How many records are wanted; None for all.
        """
        self._source = source
        self.call = call
        """The listing, in the version in which it is read."""
        self._begin = begin
        self._plan: PagePlan | None = None
        self._may_replan = call.plan_for_version is not None
        """True until a page has come, or another version was tried."""
        self._prefetch = prefetch
        self._wanted = limit
        self._rows = 0
        self._patient = False
        self._slots: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._window: deque[tuple[PageRequest, _PageTask]] = deque()

    def __del__(self) -> None:
        """End the page tasks of a walk that was left and dropped."""
        if self._window:
            self.cancel()

    async def next(self) -> RawPage | None:
        """Return the next page, None after the last; cancelling this loses nothing."""
        self._source.check_usable()
        if self._plan is None:
            if self.call.plan_for_version is not None:
                self.call = await self._source.resolve_call(self.call)
            self._start()
        while (task := self._first_task()) is not None:
            if not task.done():
                # Not awaited itself, so that cancelling the wait spares the page.
                ended = task.get_loop().create_future()
                wake = partial(_wake, ended)
                task.add_done_callback(wake)
                try:
                    await ended
                finally:
                    task.remove_done_callback(wake)
            # A failed task holds its error, whose traceback would hold this frame: a cycle.
            del task
            if (page := self._take_first()) is not None:
                return page
        return None

    def _start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._slots = asyncio.Semaphore(self._prefetch) if self._prefetch else None
        self._plan = self._begin(self.call)

    def _first_task(self) -> _PageTask | None:
        """Return the task of the next page, None after the last."""
        plan = cast("PagePlan", self._plan)
        if not self._window:
            self._fill(plan, background=self._patient)
        if self._window:
            return self._window[0][1]
        if plan.failure is not None:
            # The plan's own would hold this frame by its traceback, and so itself: a cycle.
            raise copy.copy(plan.failure)
        return None

    def _take_first(self) -> RawPage | None:
        """Take the page that has come; None if the list is to be read in another version."""
        ask, task = self._window.popleft()
        if task.cancelled():
            raise SessionStateError(
                "the session was closed while this walk was under way; close it after the walk",
                operation=self.call.operation,
            )
        try:
            reading = task.result()
        except VersionNotEnabledError:
            again = self._other_version()
            if again is None:
                raise
        else:
            self._may_replan = False
            return self._accept(cast("PagePlan", self._plan), ask, reading)
        finally:
            del task
        self.cancel()
        self.call = again
        self._start()
        return None

    def _other_version(self) -> PlannedCall | None:
        """Return the listing in another version after a refusal, if there is one to try."""
        if not self._may_replan:
            return None
        self._may_replan = False
        return self._source.replan_after_refusal(self.call)

    def _accept(self, plan: PagePlan, ask: PageRequest, reading: ParsedList) -> RawPage:
        records, repairs = reading.records, reading.repairs
        ids = read_ids(records) if plan.reads_ids else None
        taken = plan.accept(reading, ids or ())
        self._rows = len(records)
        if taken.new_records is not None:
            records = tuple(records[place] for place in taken.new_records)
            ids = None if ids is None else [ids[place] for place in taken.new_records]
            repairs = renumber_repairs(repairs, taken.new_records)
        if taken.drop_rest:
            self.cancel()
        if self._wanted is not None:
            self._wanted -= len(records)
        if self._prefetch:
            self._fill(plan, background=True)
        info = reading.page_info or {}
        cursor = info.get("end_cursor")
        return RawPage(
            number=ask.number,
            records=records,
            ids=ids,
            count=reading.count,
            cursor=cursor if isinstance(cursor, str) else None,
            resume=taken.resume,
            warnings=(*taken.warnings, *reading.warnings),
            repairs=repairs,
        )

    def _fill(self, plan: PagePlan, *, background: bool) -> None:
        """Ask for what the plan allows and the window holds; only the first is waited for."""
        width = 2 * self._prefetch or 1
        while len(self._window) < width:
            # A page that is waited for is always wanted: records set aside count for no limit.
            held = len(self._window) * self._rows
            if background and self._wanted is not None and held >= self._wanted:
                return
            ask = plan.next_request(len(self._window))
            if ask is None:
                return
            work = self._source.fetch_page(
                self.call,
                ask.pairs,
                background=background,
                slots=_NO_SLOTS if self._slots is None else self._slots,
            )
            self._window.append((ask, self._source.start_task(work)))
            background = True

    def set_prefetch(self, prefetch: int) -> None:
        """Allow more requests in flight from now on; asking for fewer changes nothing."""
        more = prefetch - self._prefetch
        if more > 0:
            self._prefetch = prefetch
            for _ in range(more if self._slots is not None else 0):
                cast("asyncio.Semaphore", self._slots).release()

    def without_deadline(self) -> None:
        """Let the first page, too, wait for the rate limit as long as it takes."""
        self._patient = True

    def cancel(self) -> list[_PageTask]:
        """Cancel the page tasks and return them; safe from any thread, and after the loop's end."""
        tasks = [task for _, task in self._window]
        self._window.clear()
        loop = self._loop
        if loop is None or loop.is_closed():
            return tasks
        if _runs_here(loop):
            _cancel_tasks(tasks)
        else:
            with suppress(RuntimeError):  # closed between the question and the call
                loop.call_soon_threadsafe(_cancel_tasks, tasks)
        return tasks

    async def aclose(self) -> None:
        """Cancel the page tasks and see them end, even inside a cancelled scope."""
        await cancel_and_wait(self.cancel())


def renumber_repairs(
    repairs: Mapping[int, tuple[str, ...]], kept_indexes: Iterable[int]
) -> Mapping[int, tuple[str, ...]]:
    """Return the repairs of the records at the chosen places, by their places among these."""
    if not repairs:
        return repairs
    return {new: repairs[old] for new, old in enumerate(kept_indexes) if old in repairs}


def _wake(ended: asyncio.Future[None], _: object) -> None:
    if not ended.done():
        ended.set_result(None)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _cancel_tasks(tasks: Iterable[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()


async def cancel_and_wait(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks and wait for their end: shielded, so that a cancelled caller leaves none behind.

    Bounded, since a task that swallows its cancellation must not hang the one who closes.
    """
    left: set[asyncio.Task[object]] = {task for task in tasks if not task.done()}
    if not left:
        return
    _cancel_tasks(left)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _CANCEL_SECONDS
    interrupted: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while left and (seconds := deadline - loop.time()) > 0:
            try:
                _, left = await asyncio.wait(left, timeout=seconds)
            except asyncio.CancelledError as error:
                # Asyncio's own cancellation passes the shield; it is kept until the tasks are gone.
                if interrupted is not None:
                    raise
                interrupted = error
                left = {task for task in left if not task.done()}
    if interrupted is not None:
        raise interrupted
