"""Walks: iteration over lists as async generators.

A walk is a state machine instead of a native generator: cancelling ``anext`` loses no record, a
walk that failed or ended raises an error instead of appearing empty, and a walk that is garbage
collected leaves no task behind.
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
    """Records that were not delivered before."""
    number: int
    """Number of the page, from 1; each verifying pass starts from 1 again."""
    count: int | None = None
    """Number of records in the whole list, if the server states it."""
    cursor: str | None = None
    """The cursor after this page, in lists with cursors."""
    resume: str | None = None
    """Position after this page: pass it as ``after=`` to the same walk. It can be stored."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """Warnings of the server and the library; the server's may hold personal data."""
    repairs: tuple[Repair, ...] = ()
    """Fields that were repaired."""


@frozen(kw_only=True)
class WalkConfig(Generic[T]):
    """Immutable configuration of a walk."""

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

    def make_plan(self, call: PlannedCall) -> PagePlan:
        """Create the page plan of a walk, for the API version of the call.

        Raises:
            InvalidArgumentError: The list does not support ``after`` or ``drift`` in this version.
        """
        spec = call.spec
        if spec.paging not in (Paging.NUMBERED, Paging.CURSOR):
            if self.after is not None:
                raise InvalidArgumentError(
                    "this list has only one page; leave out after=", operation=spec.operation
                )
            return UnpagedPlan()
        per_page = self.per_page or spec.max_per_page or 100
        if self.limit is not None:
            per_page = max(1, min(per_page, self.limit))
        if spec.paging is Paging.CURSOR:
            if self.drift == "verify":
                raise InvalidArgumentError(
                    "a list with cursors has no count to verify and does not shift as numbered "
                    "pages do; leave out drift=",
                    operation=spec.operation,
                )
            return CursorPlan(per_page=per_page, after=self.after)
        return NumberedPlan(
            per_page=per_page,
            drift=self.drift,
            passes=self.passes,
            after=self.after,
            # With parallel requests, pages 1 and 2 are requested together.
            eager=self.prefetch > 1 and (self.limit is None or self.limit > per_page),
        )


def check_config(config: WalkConfig[T]) -> WalkConfig[T]:
    """Return the configuration; raise `InvalidArgumentError` if an option is invalid."""
    for name, least in (("per_page", 1), ("limit", 0), ("prefetch", 0), ("passes", 0)):
        value = getattr(config, name)
        if value is not None and (not isinstance(value, int) or value < least):
            raise InvalidArgumentError(f"{name} must be a whole number of at least {least}")
    check_drift(config.drift)
    if config.after is not None or config.drift == "verify":
        config.make_plan(config.call)  # raises if the list does not support them
    return config


async def _count(source: PageSource, call: PlannedCall) -> int:
    if call.spec.paging is not Paging.NUMBERED:
        raise UsageError(
            "the API does not state the size of this list in this version; walk it and count",
            operation=call.operation,
        )
    pairs = (("page", "1"), ("per_page", "1"))
    page = await source.fetch_page(call, pairs, background=False, slots=nullcontext())
    if page.count is None:
        raise UnexpectedStructureError("the server sent no usable count", operation=call.operation)
    return page.count


class _State(Enum):
    FRESH = "has not started"
    RUNNING = "is running"
    DONE = "has ended"
    FAILED = "has failed"
    CLOSED = "was closed"


class _PageIterator(AsyncGenerator[Y_co, None], Generic[T, Y_co]):
    """Base class of walks and their pages: a single-use iterator with one consumer."""

    __slots__ = ("__weakref__", "_busy", "_config", "_pager", "_resume", "_state")

    def __init__(self, config: WalkConfig[T]) -> None:
        self._config = config
        self._state = _State.FRESH
        self._busy = False
        self._resume = config.after
        self._pager = Pager(
            config.source,
            config.call,
            config.make_plan,
            prefetch=config.prefetch,
            limit=config.limit,
        )

    def __repr__(self) -> str:
        """Show the operation and the state, never the filters."""
        return f"<{type(self).__name__} {self._pager.call.operation}: {self._state.value}>"

    @property
    def endpoint(self) -> Endpoint[object]:
        """The list that is read."""
        return self._pager.call.endpoint

    @abstractmethod
    async def _advance(self) -> Y_co:
        """Return the next item, or raise StopAsyncIteration."""

    async def __anext__(self) -> Y_co:
        """Return the next item; cancelling this loses nothing, and the walk can continue."""
        with _Step(self):
            return await self._advance()

    def _begin_step(self) -> None:
        """Start a step; raises if the walk has ended or has another consumer."""
        if self._busy:
            raise RuntimeError("another task is awaiting this walk; a walk has one consumer")
        if self._state not in (_State.FRESH, _State.RUNNING):
            raise WalkClosedError(
                f"this walk {self._state.value}; start a new one to read the list again",
                operation=self._pager.call.operation,
            )
        self._state = _State.RUNNING
        self._busy = True

    def _end_step(self, error: BaseException | None, handled: BaseException | None) -> None:
        """End a step; add the position to an error and strip its traceback."""
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
            del error, handled  # break the cycle between this frame and the traceback

    if not TYPE_CHECKING:  # type checkers report both without these methods

        def __iter__(self) -> NoReturn:
            raise self._misuse_error("for")

        def __await__(self) -> NoReturn:
            raise self._misuse_error("await")

    def _misuse_error(self, statement: str) -> TypeError:
        kind = type(self).__name__
        return TypeError(
            f"{statement!r} cannot read a {kind}; use `async for`, or a list: "
            "`[item async for item in ...]`"
        )

    async def asend(self, value: None) -> Y_co:
        """Return the next item, like ``anext``; walks accept no values."""
        if value is not None:
            raise TypeError("a walk accepts no values")
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
        """End the walk and cancel its requests; waits for their end, even in a cancelled scope."""
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
        """Drop records that were read but not delivered."""

    def set_prefetch(self, prefetch: int) -> None:
        """Allow more requests in flight from now on; a smaller number changes nothing.

        For pulls, which move capacity from finished lists to the remaining ones.
        """
        self._pager.set_prefetch(prefetch)

    def without_deadline(self) -> None:
        """Let the first page wait for the rate limit without a deadline, as later pages do.

        For pulls, in which no consumer waits for a certain page. A ``timeout`` that was set for the
        session still applies.
        """
        self._pager.without_deadline()


class _Step:
    """Context of one step of a walk; a context manager adds no frame to tracebacks."""

    __slots__ = ("_handled", "_iterator")

    def __init__(self, iterator: _PageIterator[T, Y_co]) -> None:
        self._iterator = iterator

    def __enter__(self) -> None:
        self._iterator._begin_step()  # noqa: SLF001 - part of the iterator
        self._handled = sys.exception()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._iterator._end_step(error, self._handled)  # noqa: SLF001 - part of the iterator
        finally:
            del error, traceback, self._handled


class Walk(_PageIterator[T, T]):
    """A list of the API as an async generator of its records: ``async for patient in walk``.

    The first request is sent when the first record is needed. The walk reads page by page, requests
    the next page while you handle the current one, and ends when the server's list ends. It can be
    used once: afterwards, and after an error, it raises `WalkClosedError`.

    To leave the loop early, use ``async with contextlib.aclosing(walk)``, which cancels requests at
    once; garbage collection of a walk cancels them too. Cancelling ``anext``
    (``asyncio.wait_for``) loses nothing: the walk continues with the next ``anext``.
    """

    __slots__ = ("_batches", "_left", "_next_resume", "_ready")

    def __init__(self, config: WalkConfig[T]) -> None:
        super().__init__(config)
        self._left = config.limit
        self._ready: deque[T] = deque()
        self._batches = BatchDecoder(config.decoder, config.on_bad_record)
        self._next_resume = config.after

    async def __anext__(self) -> T:
        """Return the next record; cancelling this loses nothing, and the walk can continue."""
        if self._ready and not self._busy:  # the fast path of most records: decoded in a batch
            return self._ready.popleft()
        with _Step(self):
            return await self._advance()

    def pages(self) -> Pages[T]:
        """Iterate page by page, for progress, checkpoints, warnings and repairs."""
        return Pages(self._check_unstarted("pages"))

    def raw_pages(self) -> RawPages[T]:
        """Iterate over undecoded pages; ``limit`` does not apply."""
        return RawPages(evolve(self._check_unstarted("raw_pages"), limit=None))

    def raw(self) -> Walk[dict[str, object]]:
        """Iterate over the records as dicts with all fields that the vendor sends."""
        return Walk(evolve(self._check_unstarted("raw"), decoder=AS_DICTS))  # type: ignore[arg-type]  # evolve keeps T

    def raw_json(self) -> Walk[bytes]:
        """Iterate over the records as JSON bytes, without decoding them."""
        return Walk(evolve(self._check_unstarted("raw_json"), decoder=AS_BYTES))  # type: ignore[arg-type]  # evolve keeps T

    def with_json(self) -> Walk[tuple[T, bytes]]:
        """Iterate over pairs of the decoded record and its JSON bytes."""
        config = self._check_unstarted("with_json")
        return Walk(evolve(config, decoder=PairedDecoder(config.decoder)))  # type: ignore[arg-type]  # evolve keeps T

    @strip_traceback
    async def count(self) -> int:
        """Return the number of records in the list, with one small request.

        Raises:
            UsageError: The list is not numbered; the API states its size for numbered lists only.
            UnexpectedStructureError: The server sent no usable count.
        """
        source, call = self._config.source, self._config.call
        may_replan = call.plan_for_version is not None
        if may_replan:
            call = await source.resolve_call(call)
        try:
            return await _count(source, call)
        except VersionNotEnabledError:
            replanned = source.replan_after_refusal(call) if may_replan else None
            if replanned is None:
                raise
        return await _count(source, replanned)

    def _check_unstarted(self, method: str) -> WalkConfig[T]:
        if self._state is not _State.FRESH:
            raise WalkClosedError(
                f"this walk {self._state.value}; call .{method}() on a new one",
                operation=self._pager.call.operation,
            )
        return self._config

    async def _advance(self) -> T:
        batches = self._batches
        while not self._ready:
            if self._left == 0:
                raise StopAsyncIteration
            if batches.failure is not None:
                raise batches.failure
            if batches.remaining:
                # Let the event loop run before each batch: the request of the next page is sent
                # before the first one, and other requests progress in between.
                await asyncio.sleep(0)
                decoded = batches.read()
                if self._left is not None:
                    del decoded[self._left :]
                    self._left -= len(decoded)
                self._ready.extend(decoded)
                continue
            self._resume = self._next_resume
            page = await self._pager.next()
            if page is None:
                raise StopAsyncIteration
            self._warn(page)
            self._next_resume = page.resume or self._next_resume
            batches.begin(page.records, page.repairs)
        return self._ready.popleft()

    def _warn(self, page: RawPage) -> None:
        """Warn that a page has warnings, without their texts, which may hold personal data."""
        if page.warnings:
            warnings.warn(
                f"{self._pager.call.operation}: page {page.number} has warnings; "
                "iterate over .pages() to read them",
                NexHealthWarning,
                stacklevel=4,
            )

    def _drop(self) -> None:
        self._ready.clear()
        self._batches.begin(())


class Pages(_PageIterator[T, Page[T]]):
    """A list of the API page by page; a later walk can resume after a page (``page.resume``)."""

    __slots__ = ("_batches", "_decoding", "_items", "_left")

    def __init__(self, config: WalkConfig[T]) -> None:
        super().__init__(config)
        self._left = config.limit
        self._decoding: RawPage | None = None
        self._items: list[T] = []
        self._batches = BatchDecoder(config.decoder, config.on_bad_record)

    async def _advance(self) -> Page[T]:
        if self._left == 0:
            raise StopAsyncIteration
        if self._decoding is None:
            page = await self._pager.next()
            if page is None:
                raise StopAsyncIteration
            self._decoding = page
            self._batches.begin(page.records, page.repairs)
        while self._batches.remaining:
            await asyncio.sleep(0)
            self._items += self._batches.read()
        if self._batches.failure is not None:
            raise self._batches.failure
        return self._deliver(self._decoding)

    def _deliver(self, page: RawPage) -> Page[T]:
        items, resume = tuple(self._items), page.resume
        if self._left is not None:
            if len(items) > self._left:
                # Resuming after a page that was cut by the limit would skip the rest of it.
                items, resume = items[: self._left], self._resume
            self._left -= len(items)
        delivered = Page(
            items=items,
            number=page.number,
            count=page.count,
            cursor=page.cursor,
            resume=resume,
            warnings=page.warnings,
            repairs=tuple(self._batches.repairs),
        )
        self._resume = resume or self._resume
        self._drop()
        return delivered

    def _drop(self) -> None:
        self._decoding = None
        self._items = []
        self._batches.begin(())


class RawPages(_PageIterator[T, RawPage]):
    """A list of the API as undecoded pages, which cost the garbage collector nothing.

    For pulls, which prefetch many lists at once.
    """

    __slots__ = ()

    @property
    def decoder(self) -> RecordDecoder[T]:
        """The decoder of the records."""
        return self._config.decoder

    async def _advance(self) -> RawPage:
        page = await self._pager.next()
        if page is None:
            raise StopAsyncIteration
        self._resume = page.resume or self._resume
        return page
