"""Iteration over the parts of the records of several walks."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from nexhealth_async._protocol.traceback_boundary import strip_traceback

if TYPE_CHECKING:
    from nexhealth_async.pagination.walk import Walk

__all__ = ["FlatWalk"]

S = TypeVar("S")
T = TypeVar("T")


class FlatWalk(AsyncIterator[T], Generic[S, T]):
    """Iterator over the parts of the records of consecutive walks.

    An error of a walk is raised. As with walks, cancelling ``anext`` loses nothing, and `aclose`
    cancels requests.
    """

    def __init__(
        self,
        walks: Iterable[Walk[S]],
        expand: Callable[[S], Iterable[T]],
        *,
        limit: int | None = None,
    ) -> None:
        self._walks: Iterator[Walk[S]] = iter(walks)
        self._walk: Walk[S] | None = None
        self._expand = expand
        self._ready: deque[T] = deque()
        self._left = limit

    @strip_traceback
    async def __anext__(self) -> T:
        """Return the next part."""
        if self._left == 0:
            await self.aclose()
            raise StopAsyncIteration
        while not self._ready:
            if self._walk is None:
                self._walk = next(self._walks, None)
            if self._walk is None:
                raise StopAsyncIteration
            try:
                record = await anext(self._walk)
            except StopAsyncIteration:
                self._walk = None
            else:
                self._ready.extend(self._expand(record))
        if self._left is not None:
            self._left -= 1
        return self._ready.popleft()

    async def aclose(self) -> None:
        """End the iteration and cancel its requests."""
        self._walks = iter(())
        self._ready.clear()
        walk, self._walk = self._walk, None
        if walk is not None:
            await walk.aclose()
