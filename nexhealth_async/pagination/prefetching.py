"""Prefetching of a walk's pages, delivered in order.

The tasks that fetch pages reference the session and the request, never the walk, so that a walk
without references is freed at once and cancels its tasks.
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
"""Context for walks without prefetching, which have one request in flight."""


class PageSource(Protocol):
    """Source of pages: the part of a client that walks use."""

    async def fetch_page(
        self,
        call: PlannedCall,
        pairs: tuple[tuple[str, str], ...],
        *,
        background: bool,
        slots: AbstractAsyncContextManager[object],
    ) -> ParsedList:
        """Fetch one page inside ``slots``.

        Args:
            call: The list.
            pairs: Page or cursor parameters.
            background: True for a prefetched page, which waits for the rate limit without a
                deadline.
            slots: Context that limits the requests in flight.
        """
        ...

    def check_usable(self) -> None:
        """Raise `SessionStateError` unless pages can be fetched in this event loop."""
        ...

    def start_task(self, work: Coroutine[object, object, ParsedList]) -> _PageTask:
        """Run a page's request as a task that ends at the latest with the session."""
        ...

    async def resolve_call(self, call: PlannedCall) -> PlannedCall:
        """Return the call in the session's API version, which is determined first."""
        ...

    def replan_after_refusal(self, call: PlannedCall) -> PlannedCall | None:
        """Return the call in another version after the account refused its own, if there is one."""
        ...


@frozen(kw_only=True)
class RawPage:
    """An undecoded page, without records that were delivered before."""

    number: int
    records: tuple[Raw, ...] = field(repr=False)
    ids: Sequence[int | str | None] | None = field(default=None, repr=False)
    """Ids of the records, if they were read."""
    count: int | None
    cursor: str | None
    resume: str | None
    warnings: tuple[str, ...] = field(repr=False)
    repairs: Mapping[int, tuple[str, ...]] = field(factory=dict[int, "tuple[str, ...]"])
    """Paths of the fields whose text was repaired, by index of the record."""


class Pager:
    """Returns a plan's pages in order, with up to ``prefetch`` requests in flight.

    Up to twice as many pages are requested or held, so that one slow page does not stop the
    others. ``prefetch=0`` requests a page only when it is needed. In a list with cursors only the
    next page can be requested ahead: as soon as the response is split, before records are decoded.
    """

    __slots__ = (
        "__weakref__",
        "_loop",
        "_make_plan",
        "_may_replan",
        "_page_size",
        "_plan",
        "_prefetch",
        "_remaining",
        "_slots",
        "_source",
        "_window",
        "_without_deadline",
        "call",
    )

    def __init__(
        self,
        source: PageSource,
        call: PlannedCall,
        make_plan: Callable[[PlannedCall], PagePlan],
        *,
        prefetch: int,
        limit: int | None,
    ) -> None:
        """Create the pager of a list.

        Args:
            source: Source of the pages.
            call: The list, planned for the most likely API version.
            make_plan: Creates the page plan of a call, once the version is known.
            prefetch: Maximum number of requests in flight.
            limit: Maximum number of records; None for all.
        """
        self._source = source
        self.call: PlannedCall = call
        """The list, planned for the version in which it is read."""
        self._make_plan = make_plan
        self._plan: PagePlan | None = None
        self._may_replan = call.plan_for_version is not None
        """True until a page was received or another version was tried."""
        self._prefetch = prefetch
        self._remaining = limit
        self._page_size = 0
        self._without_deadline = False
        self._slots: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._window: deque[tuple[PageRequest, _PageTask]] = deque()

    def __del__(self) -> None:
        """Cancel the page tasks of an abandoned walk."""
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
                # The task is not awaited directly, so cancelling this wait does not cancel it.
                ended = task.get_loop().create_future()
                wake = partial(_wake, ended)
                task.add_done_callback(wake)
                try:
                    await ended
                finally:
                    task.remove_done_callback(wake)
            # A failed task holds its error, whose traceback would form a cycle with this frame.
            del task
            if (page := self._take_first()) is not None:
                return page
        return None

    def _start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._slots = asyncio.Semaphore(self._prefetch) if self._prefetch else None
        self._plan = self._make_plan(self.call)

    def _first_task(self) -> _PageTask | None:
        """Return the task of the next page, None after the last."""
        plan = cast("PagePlan", self._plan)
        if not self._window:
            self._fill(plan, background=self._without_deadline)
        if self._window:
            return self._window[0][1]
        if plan.failure is not None:
            # A copy: the plan's own error would form a cycle with its traceback.
            raise copy.copy(plan.failure)
        return None

    def _take_first(self) -> RawPage | None:
        """Return the first page; None if the list must be read in another version."""
        request, task = self._window.popleft()
        if task.cancelled():
            raise SessionStateError(
                "the session was closed during the walk; close it after the walk",
                operation=self.call.operation,
            )
        try:
            page = task.result()
        except VersionNotEnabledError:
            replanned = self._other_version()
            if replanned is None:
                raise
        else:
            self._may_replan = False
            return self._accept(cast("PagePlan", self._plan), request, page)
        finally:
            del task
        self.cancel()
        self.call = replanned
        self._start()
        return None

    def _other_version(self) -> PlannedCall | None:
        """Return the list in another version after a refusal, if there is one to try."""
        if not self._may_replan:
            return None
        self._may_replan = False
        return self._source.replan_after_refusal(self.call)

    def _accept(self, plan: PagePlan, request: PageRequest, page: ParsedList) -> RawPage:
        records, repairs = page.records, page.repairs
        ids = read_ids(records) if plan.reads_ids else None
        result = plan.accept(page, ids or ())
        self._page_size = len(records)
        if result.new_records is not None:
            records = tuple(records[index] for index in result.new_records)
            ids = None if ids is None else [ids[index] for index in result.new_records]
            repairs = renumber_repairs(repairs, result.new_records)
        if result.drop_rest:
            self.cancel()
        if self._remaining is not None:
            self._remaining -= len(records)
        if self._prefetch:
            self._fill(plan, background=True)
        info = page.page_info or {}
        cursor = info.get("end_cursor")
        return RawPage(
            number=request.number,
            records=records,
            ids=ids,
            count=page.count,
            cursor=cursor if isinstance(cursor, str) else None,
            resume=result.resume,
            warnings=(*result.warnings, *page.warnings),
            repairs=repairs,
        )

    def _fill(self, plan: PagePlan, *, background: bool) -> None:
        """Request the pages that the plan allows and the window holds."""
        width = 2 * self._prefetch or 1
        while len(self._window) < width:
            # A page that the consumer waits for is always requested: undecodable records do not
            # count towards the limit.
            held = len(self._window) * self._page_size
            if background and self._remaining is not None and held >= self._remaining:
                return
            request = plan.next_request(len(self._window))
            if request is None:
                return
            work = self._source.fetch_page(
                self.call,
                request.pairs,
                background=background,
                slots=_NO_SLOTS if self._slots is None else self._slots,
            )
            self._window.append((request, self._source.start_task(work)))
            background = True

    def set_prefetch(self, prefetch: int) -> None:
        """Allow more requests in flight from now on; a smaller number changes nothing."""
        more = prefetch - self._prefetch
        if more > 0:
            self._prefetch = prefetch
            for _ in range(more if self._slots is not None else 0):
                cast("asyncio.Semaphore", self._slots).release()

    def without_deadline(self) -> None:
        """Let the first page wait for the rate limit without a deadline, too."""
        self._without_deadline = True

    def cancel(self) -> list[_PageTask]:
        """Cancel and return the page tasks; safe from any thread and after the loop has closed."""
        tasks = [task for _, task in self._window]
        self._window.clear()
        loop = self._loop
        if loop is None or loop.is_closed():
            return tasks
        if _runs_here(loop):
            _cancel_tasks(tasks)
        else:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_cancel_tasks, tasks)
        return tasks

    async def aclose(self) -> None:
        """Cancel the page tasks and wait for their end, even in a cancelled scope."""
        await cancel_and_wait(self.cancel())


def renumber_repairs(
    repairs: Mapping[int, tuple[str, ...]], kept_indexes: Iterable[int]
) -> Mapping[int, tuple[str, ...]]:
    """Return the repairs of the kept records, by their new indexes."""
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
    """Cancel tasks and wait for their end, shielded from the caller's cancellation.

    The wait is limited to 5 seconds, for tasks that swallow their cancellation.
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
                # asyncio's own cancellation passes the shield; raise it after the tasks have ended.
                if interrupted is not None:
                    raise
                interrupted = error
                left = {task for task in left if not task.done()}
    if interrupted is not None:
        raise interrupted
