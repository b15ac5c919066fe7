"""Walks: listings as async generators that lose nothing.

A walk is a small state machine, not a native generator: cancelling ``anext`` costs no record, a
walk that failed or ended says so instead of looking empty, and one that is dropped leaves no task
behind.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from enum import Enum
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar, cast

from attrs import evolve, field, frozen

from nexhealth_async._protocol.operations import Paging
from nexhealth_async._protocol.traceback_boundary import (
    INTERRUPTIONS,
    strip_error,
    strip_frames,
    strip_traceback,
)
from nexhealth_async.errors import (
    InvalidArgumentError,
    NexHealthError,
    NexHealthWarning,
    UnexpectedStructureError,
    UsageError,
    VersionNotEnabledError,
    WalkClosedError,
)
from nexhealth_async.pagination.batch_decoder import (
    AS_BYTES,
    AS_DICTS,
    BatchDecoder,
    OnBadRecord,
    PairedDecoder,
    RecordDecoder,
    Repair,
)
from nexhealth_async.pagination.page_plans import (
    CursorPlan,
    NumberedPlan,
    UnpagedPlan,
    check_drift,
    cursor_start,
    numbered_start,
)
from nexhealth_async.pagination.prefetching import Pager, PageSource, RawPage

if TYPE_CHECKING:
    from types import TracebackType

    from nexhealth_async._protocol.operations import Endpoint
    from nexhealth_async._protocol.requests import PlannedCall
    from nexhealth_async.pagination.page_plans import Drift, PagePlan

__all__ = ["Page", "Pages", "RawPages", "Walk", "WalkConfig", "check_config"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Y_co = TypeVar("Y_co", covariant=True)


@frozen(kw_only=True)
class Page(Generic[T_co]):
    """One page of a walk."""

    items: tuple[T_co, ...] = field(repr=False)
    """The records not delivered before."""
    number: int
    """Its number, from 1; a walk that verifies itself counts from 1 again."""
    count: int | None = None
    """How many records the server says the whole list has, where it says so."""
    cursor: str | None = None
    """The cursor behind this page, in listings that have cursors."""
    resume: str | None = None
    """Pass as ``after=`` to the same walk, to go on behind this page; text, so it can be stored."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """What the server or the library wants noticed; the server's sentences may be personal."""
    repairs: tuple[Repair, ...] = ()
    """Fields that had to be repaired."""


@frozen(kw_only=True)
class WalkConfig(Generic[T]):
    """Everything a walk is made of; walks share and copy it, and change nothing in it."""

    source: PageSource
    call: PlannedCall
    decoder: RecordDecoder[T]
    per_page: int | None = None
    limit: int | None = None
    prefetch: int = 1
    drift: Drift = "watch"
    passes: int = 4
    on_bad_record: OnBadRecord | None = None
    after: str | None = None

    def begin(self, call: PlannedCall) -> PagePlan:
        """Make the plan for one walk through the list, in the version of the call."""
        _check_start(self, call)
        row = call.row
        if row.paging not in (Paging.NUMBERED, Paging.CURSOR):
            return UnpagedPlan()
        per_page = self.per_page or row.max_per_page or 100
        if self.limit is not None:
            per_page = max(1, min(per_page, self.limit))
        if row.paging is Paging.CURSOR:
            return CursorPlan(per_page=per_page, after=self.after)
        return NumberedPlan(
            per_page=per_page,
            drift=self.drift,
            passes=self.passes,
            after=self.after,
            # Whoever asks for requests in parallel is in a hurry: page 1 and 2 leave together.
            eager=self.prefetch > 1 and (self.limit is None or self.limit > per_page),
        )


def check_config(settings: WalkConfig[T]) -> WalkConfig[T]:
    """Return the settings, or raise `InvalidArgumentError` for options no walk can have."""
    for name, least in (("per_page", 1), ("limit", 0), ("prefetch", 0), ("passes", 0)):
        value = getattr(settings, name)
        if value is not None and (not isinstance(value, int) or value < least):
            raise InvalidArgumentError(f"{name} must be a whole number of at least {least}")
    check_drift(settings.drift)
    _check_start(settings, settings.call)
    return settings


def _check_start(settings: WalkConfig[T], call: PlannedCall) -> None:
    """Refuse ``after`` and ``drift`` where the list of this version cannot have them."""
    row, after = call.row, settings.after
    match row.paging:
        case Paging.NUMBERED:
            if after is not None:
                numbered_start(after, drift=settings.drift)
        case Paging.CURSOR:
            if settings.drift == "verify":
                raise InvalidArgumentError(
                    "a list with cursors has no count to verify it by, and needs none: cursors do "
                    "not shift as page numbers do; leave out drift=",
                    operation=row.operation,
                )
            if after is not None:
                cursor_start(after)
        case _ if after is not None:
            raise InvalidArgumentError(
                "this list comes whole, so after= has no meaning", operation=row.operation
            )
        case _:
            pass


async def _count(source: PageSource, call: PlannedCall) -> int:
    if call.row.paging is not Paging.NUMBERED:
        raise UsageError(
            "the API gives no total of this list's records in this version; walk it and count",
            operation=call.operation,
        )
    pairs = (("page", "1"), ("per_page", "1"))
    reading = await source.fetch_page(call, pairs, background=False, slots=nullcontext())
    if reading.count is None:
        raise UnexpectedStructureError("the server sent no usable count", operation=call.operation)
    return reading.count


class _State(Enum):
    FRESH = "has not begun"
    RUNNING = "is under way"
    DONE = "has ended"
    FAILED = "has failed"
    CLOSED = "was closed"


class _PageIterator(AsyncGenerator[Y_co, None], Generic[T, Y_co]):
    """What walks and their pages have in common: one consumer, one life, nothing lost."""

    __slots__ = ("__weakref__", "_busy", "_pager", "_resume", "_settings", "_state")

    def __init__(self, settings: WalkConfig[T]) -> None:
        self._settings = settings
        self._state = _State.FRESH
        self._busy = False
        self._resume = settings.after
        self._pager = Pager(
            settings.source,
            settings.call,
            settings.begin,
            prefetch=settings.prefetch,
            limit=settings.limit,
        )

    def __repr__(self) -> str:
        """Show the operation and the state, never a filter's value."""
        return f"<{type(self).__name__} {self._pager.call.operation}: {self._state.value}>"

    @property
    def endpoint(self) -> Endpoint[object]:
        """Which of the API's lists is walked."""
        return self._pager.call.endpoint

    @abstractmethod
    async def _advance(self) -> Y_co:
        """Return what comes next, or raise StopAsyncIteration."""

    async def __anext__(self) -> Y_co:
        """Return the next one; cancelling this loses nothing, and the walk can go on."""
        with _Turn(self):
            return await self._advance()

    def _take_turn(self) -> None:
        """Begin a step, if the walk can be read and nobody else is at it."""
        if self._busy:
            raise RuntimeError("another task is awaiting this walk; a walk has one consumer")
        if self._state not in (_State.FRESH, _State.RUNNING):
            raise WalkClosedError(
                f"this walk {self._state.value}; start a new one to read the list again",
                operation=self._pager.call.operation,
            )
        self._state = _State.RUNNING
        self._busy = True

    def _end_turn(self, error: BaseException | None, handled: BaseException | None) -> None:
        """End a step; an error says where to resume, and shows nothing of how it came about."""
        self._busy = False
        try:
            if isinstance(error, StopAsyncIteration):
                self._end(_State.DONE)
            elif isinstance(error, Exception):
                self._end(_State.FAILED)
                if isinstance(error, NexHealthError):
                    error.operation = error.operation or self._pager.call.operation
                    error.resume = error.resume or self._resume
                    strip_error(error, handled=handled)
            elif isinstance(error, INTERRUPTIONS):
                strip_frames(error, handled=handled)
        finally:
            del error, handled  # this frame would be in a cycle with what it holds

    if not TYPE_CHECKING:  # type checkers refuse both by themselves

        def __iter__(self) -> NoReturn:
            raise self._misuse_error("for")

        def __await__(self) -> NoReturn:
            raise self._misuse_error("await")

    def _misuse_error(self, statement: str) -> TypeError:
        kind = type(self).__name__
        return TypeError(
            f"{statement!r} does not read a {kind}; use `async for`, or a list: "
            "`[item async for item in ...]`"
        )

    async def asend(self, value: None) -> Y_co:
        """As ``anext``; a walk takes no values."""
        if value is not None:
            raise TypeError("a walk takes no values")
        return await self.__anext__()

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> NoReturn:
        """Close the walk and raise the exception."""
        await self.aclose()
        error = typ if isinstance(typ, BaseException) else val
        if not isinstance(error, BaseException):
            error = cast("type[BaseException]", typ)()
        raise error.with_traceback(tb)

    async def aclose(self) -> None:
        """End the walk and its requests; waits for them to stop, even in a cancelled scope."""
        if self._busy:
            raise RuntimeError("another task is awaiting this walk, so it cannot be closed")
        if self._state in (_State.FRESH, _State.RUNNING):
            self._state = _State.CLOSED
        self._drop()
        await self._pager.aclose()

    def _end(self, state: _State) -> None:
        self._state = state
        self._drop()
        self._pager.cancel()

    def _drop(self) -> None:
        """Let go of what was read but not delivered."""

    def set_prefetch(self, prefetch: int) -> None:
        """Allow more requests in flight from now on; fewer than before changes nothing.

        This is for pulls of many lists, which give what one list needs no more to those left.
        """
        self._pager.set_prefetch(prefetch)

    def without_deadline(self) -> None:
        """Let the first page wait for the rate limit as long as it takes, as later pages do.

        This is for pulls, too: nobody awaits a certain page of them. A ``timeout`` that was chosen
        for the session still holds.
        """
        self._pager.without_deadline()


class _Turn:
    """What surrounds a step of a walk: a context, so that no frame of it is in a traceback."""

    __slots__ = ("_handled", "_machine")

    def __init__(self, machine: _PageIterator[T, Y_co]) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        self._machine._take_turn()  # noqa: SLF001 - a part of the machine
        self._handled = sys.exception()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._machine._end_turn(error, self._handled)  # noqa: SLF001 - a part of the machine
        finally:
            del error, traceback, self._handled


class Walk(_PageIterator[T, T]):
    """A listing, as an async generator of its records: ``async for patient in walk``.

    Nothing is requested before the first record is asked for. The walk goes from page to page by
    itself, asks for the next page while you handle this one, and ends only when the server's list
    does. It can be walked once: afterwards, and after an error, it raises `WalkClosedError`.

    If you may leave the loop early, ``async with contextlib.aclosing(walk)`` ends its requests at
    once; a walk that is merely dropped ends them too. Cancelling ``anext`` (``asyncio.wait_for``)
    loses nothing: ask again and the walk goes on.
    """

    __slots__ = ("_left", "_ready", "_slices", "_upcoming")

    def __init__(self, settings: WalkConfig[T]) -> None:
        super().__init__(settings)
        self._left = settings.limit
        self._ready: deque[T] = deque()
        self._slices = BatchDecoder(settings.decoder, settings.on_bad_record)
        self._upcoming = settings.after

    async def __anext__(self) -> T:
        """Return the next record; cancelling this loses nothing, and the walk can go on."""
        if self._ready and not self._busy:  # most records: decoded with others, and not yet taken
            return self._ready.popleft()
        with _Turn(self):
            return await self._advance()

    def pages(self) -> Pages[T]:
        """Walk page by page: for progress, checkpoints, warnings and repairs."""
        return Pages(self._check_unstarted("pages"))

    def raw_pages(self) -> RawPages[T]:
        """Walk the pages as they came, for whoever decodes them later; ``limit`` is left out."""
        return RawPages(evolve(self._check_unstarted("raw_pages"), limit=None))

    def raw(self) -> Walk[dict[str, object]]:
        """Walk the records as plain dicts with every field the vendor sends."""
        return Walk(evolve(self._check_unstarted("raw"), decoder=AS_DICTS))  # type: ignore[arg-type]  # evolve keeps T

    def raw_json(self) -> Walk[bytes]:
        """Walk the records as the bytes of their JSON, for about the cost of reading them."""
        return Walk(evolve(self._check_unstarted("raw_json"), decoder=AS_BYTES))  # type: ignore[arg-type]  # evolve keeps T

    def with_json(self) -> Walk[tuple[T, bytes]]:
        """Walk the records beside the bytes of their JSON: typed, and with all the vendor sends."""
        settings = self._check_unstarted("with_json")
        return Walk(evolve(settings, decoder=PairedDecoder(settings.decoder)))  # type: ignore[arg-type]  # evolve keeps T

    @strip_traceback
    async def count(self) -> int:
        """Ask the server how many records the list has, with one small request.

        Only numbered lists say so. Raises `UsageError` for others, `UnexpectedStructureError` where
        the server sends no usable number.
        """
        source, call = self._settings.source, self._settings.call
        may_replan = call.plan_for_version is not None
        if may_replan:
            call = await source.resolve_call(call)
        try:
            return await _count(source, call)
        except VersionNotEnabledError:
            again = source.replan_after_refusal(call) if may_replan else None
            if again is None:
                raise
        return await _count(source, again)

    def _check_unstarted(self, method: str) -> WalkConfig[T]:
        if self._state is not _State.FRESH:
            raise WalkClosedError(
                f"this walk {self._state.value}; call .{method}() on a new one",
                operation=self._pager.call.operation,
            )
        return self._settings

    async def _advance(self) -> T:
        slices = self._slices
        while not self._ready:
            if self._left == 0:
                raise StopAsyncIteration
            if slices.failure is not None:
                raise slices.failure
            if slices.remaining:
                # A turn of the loop before each slice: the next page's request leaves ahead of the
                # first, and between them other requests go on.
                await asyncio.sleep(0)
                made = slices.read()
                if self._left is not None:
                    del made[self._left :]
                    self._left -= len(made)
                self._ready.extend(made)
                continue
            self._resume = self._upcoming
            page = await self._pager.next()
            if page is None:
                raise StopAsyncIteration
            self._record_page(page)
            self._upcoming = page.resume or self._upcoming
            slices.begin(page.records, page.repairs)
        return self._ready.popleft()

    def _record_page(self, page: RawPage) -> None:
        """Warn of what ``pages()`` would show, in words that are free of personal data."""
        if page.warnings:
            warnings.warn(
                f"{self._pager.call.operation}: page {page.number} came with warnings; "
                "walk .pages() to read them",
                NexHealthWarning,
                stacklevel=4,
            )

    def _drop(self) -> None:
        self._ready.clear()
        self._slices.begin(())


class Pages(_PageIterator[T, Page[T]]):
    """The same listing page by page; ``page.resume`` lets a later walk go on behind a page."""

    __slots__ = ("_decoding", "_items", "_left", "_slices")

    def __init__(self, settings: WalkConfig[T]) -> None:
        super().__init__(settings)
        self._left = settings.limit
        self._decoding: RawPage | None = None
        self._items: list[T] = []
        self._slices = BatchDecoder(settings.decoder, settings.on_bad_record)

    async def _advance(self) -> Page[T]:
        if self._left == 0:
            raise StopAsyncIteration
        if self._decoding is None:
            page = await self._pager.next()
            if page is None:
                raise StopAsyncIteration
            self._decoding = page
            self._slices.begin(page.records, page.repairs)
        while self._slices.remaining:
            await asyncio.sleep(0)
            self._items += self._slices.read()
        if self._slices.failure is not None:
            raise self._slices.failure
        return self._deliver(self._decoding)

    def _deliver(self, page: RawPage) -> Page[T]:
        items, resume = tuple(self._items), page.resume
        if self._left is not None:
            if len(items) > self._left:
                # Going on behind a page that was cut short would skip the rest of it.
                items, resume = items[: self._left], self._resume
            self._left -= len(items)
        delivered = Page(
            items=items,
            number=page.number,
            count=page.count,
            cursor=page.cursor,
            resume=resume,
            warnings=page.warnings,
            repairs=tuple(self._slices.repairs),
        )
        self._resume = resume or self._resume
        self._drop()
        return delivered

    def _drop(self) -> None:
        self._decoding = None
        self._items = []
        self._slices.begin(())


class RawPages(_PageIterator[T, RawPage]):
    """The same pages undecoded: while they wait, the garbage collector has no work with them.

    This is for pulls, which read ahead in many lists at once.
    """

    __slots__ = ()

    @property
    def decoder(self) -> RecordDecoder[T]:
        """What reads the records."""
        return self._settings.decoder

    async def _advance(self) -> RawPage:
        page = await self._pager.next()
        if page is None:
            raise StopAsyncIteration
        self._resume = page.resume or self._resume
        return page
