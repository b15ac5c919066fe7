"""A task that can be stopped at each suspension, its own and its children's.

A task is driven by ``send`` and ``throw``; each that returns is one suspension. `Steps` counts
them, in the task under trial and in the library's own tasks that it sets off, and acts at the
chosen one: before the wait has begun (``at_once``), or when what it waits for has come but the task
has not run again (``as_it_wakes``), where a result can be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import CoroutineType, FrameType
from typing import Any, Literal, TypeAlias, TypeVar, cast

__all__ = ["Moment", "SteppedCoroutine", "SuspensionCounter", "follow"]

T = TypeVar("T")

Moment: TypeAlias = Literal["at_once", "as_it_wakes"]
AnyCoroutine: TypeAlias = Coroutine[Any, Any, T]

_CHILDREN = frozenset({"Client.fetch_page", "TokenManager._refresh", "work_apart"})
"""Coroutines that the library runs as tasks, and one of the tests."""


class SuspensionCounter:
    """Counts suspensions and acts at the chosen one, and at some later ones."""

    def __init__(self, at: int, moment: Moment, *, again: int = 0) -> None:
        self.at = at
        self.moment: Moment = moment
        self.again = again
        """Number of later suspensions of the task under trial at which to act again."""
        self.act: Callable[[], object] = lambda: None
        self.count = 0
        self.fired = 0
        self.where = "it never came so far"
        """Functions of the library in which the task was suspended when the action happened."""
        self.seen: set[str] = set()
        """Functions of the library in which any task was suspended."""

    def suspended(self, coro: object, waited: T, *, main: bool) -> T:
        """Record one suspension; called with the awaited object before the event loop sees it."""
        self.count += 1
        chain = _chain(coro)
        self.seen.update(chain)
        if self.count == self.at:
            self.where = " > ".join(chain) or "the test's own code"
        if self.count == self.at or (main and self.fired and self.fired <= self.again):
            self.fired += 1
            done = getattr(waited, "add_done_callback", None)
            if self.moment == "as_it_wakes" and done is not None:
                done(self._call)
            else:
                self.act()
        return waited

    def _call(self, _: object) -> None:
        self.act()


class SteppedCoroutine(Coroutine[Any, Any, T]):
    """A coroutine that reports each of its suspensions."""

    def __init__(self, coro: AnyCoroutine[T], steps: SuspensionCounter, *, main: bool) -> None:
        self.__qualname__ = getattr(coro, "__qualname__", "")
        self._coro = coro
        self._steps = steps
        self._main = main

    def send(self, value: Any, /) -> Any:
        return self._steps.suspended(self._coro, self._coro.send(value), main=self._main)

    def throw(self, *error: Any) -> Any:
        try:
            waited = self._coro.throw(*error)
        finally:
            del error  # this frame is in its traceback: a cycle that would keep a walk alive
        return self._steps.suspended(self._coro, waited, main=self._main)

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, T]:
        raise NotImplementedError  # a task asks for `send` and `throw` only


class SteppedTaskFactory:
    """A task factory that makes the library's own tasks report their suspensions."""

    def __init__(self, steps: SuspensionCounter) -> None:
        self.steps = steps
        self.tasks: list[asyncio.Task[Any]] = []

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> asyncio.Task[Any]:
        if getattr(coro, "__qualname__", "") not in _CHILDREN:
            return asyncio.Task(coro, loop=loop, **options)
        task = asyncio.Task(SteppedCoroutine(coro, self.steps, main=False), loop=loop, **options)
        self.tasks.append(task)
        return task


def follow(
    coro: AnyCoroutine[T], steps: SuspensionCounter
) -> tuple[asyncio.Task[T], SteppedTaskFactory]:
    """Run a coroutine as the task under trial, with the loop's task factory replaced."""
    loop = asyncio.get_running_loop()
    children = SteppedTaskFactory(steps)
    loop.set_task_factory(cast("Any", children))
    return asyncio.Task(
        SteppedCoroutine(coro, steps, main=True), loop=loop, name="under trial"
    ), children


def _chain(coro: object) -> list[str]:
    """Name the library's functions a coroutine is suspended in, outermost first."""
    names: list[str] = []
    while coro is not None:
        frame = cast("FrameType | None", getattr(coro, "cr_frame", None))
        if frame is not None and frame.f_globals.get("__name__", "").startswith("nexhealth_async."):
            names.append(cast("CoroutineType[Any, Any, Any]", coro).__qualname__)
        coro = getattr(coro, "cr_await", None)
    return names
