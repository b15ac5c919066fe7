"""The boundary of the public interface: what an error shows of the frames it came through.

Their variables hold arguments, requests and replies, and tools that print tracebacks with local
variables would show them. There is one rule. A `NexHealthError` and an interruption leave without
traceback, cause and context; only what the caller was handling stays. Any other error is a defect
and keeps everything.
"""

from __future__ import annotations

import asyncio
import sys
from functools import wraps
from inspect import iscoroutinefunction, unwrap
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from nexhealth_async.errors import NexHealthError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from types import CoroutineType

__all__ = ["INTERRUPTIONS", "strip_error", "strip_frames", "strip_traceback"]

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=BaseException)

INTERRUPTIONS: tuple[type[BaseException], ...] = (
    asyncio.CancelledError,
    TimeoutError,
    KeyboardInterrupt,
)
"""What ends a call from outside: a cancellation, a time limit of the caller's own, Ctrl-C."""


def strip_traceback(method: Callable[P, R]) -> Callable[P, R]:
    """Let errors of ours, and interruptions, leave a method without a traceback through it.

    Tools that print tracebacks with local variables would find filters and bodies in each frame on
    the way, and the token in aiohttp's. What an error of ours means is in its text, and an
    interruption comes from the caller; any other error keeps its whole traceback.
    """
    if iscoroutinefunction(unwrap(method)):
        work = cast("Callable[..., Coroutine[object, object, object]]", method)
        return cast("Callable[P, R]", _strip_coroutine(work))
    return _discreet_function(method)


def _discreet_function(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        handled = sys.exception()
        try:
            return function(*args, **kwargs)
        except NexHealthError as error:
            del args, kwargs
            raise strip_error(error, handled=handled) from None
        except (
            TypeError
        ):  # a misspelt keyword is told with the frames that lead to the caller's line
            del args, kwargs
            raise
        finally:
            del handled

    return guarded


class _HeldArguments:
    """The arguments of a call that has not begun, in a form that no traceback shows."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        self.args = args
        self.kwargs = kwargs


def _strip_coroutine(
    method: Callable[..., Awaitable[R]],
) -> Callable[..., Coroutine[object, object, R]]:
    name, qualname = method.__name__, method.__qualname__

    # No coroutine function itself: one that is cancelled before its first step is in the traceback
    # with all its arguments.
    @wraps(method)
    def guarded(*args: object, **kwargs: object) -> Coroutine[object, object, R]:
        work = cast(
            "CoroutineType[object, object, R]", _call_stripped(method, _HeldArguments(args, kwargs))
        )
        work.__name__, work.__qualname__ = name, qualname
        return work

    return _copy_metadata(guarded)


async def _call_stripped(method: Callable[..., Awaitable[R]], arguments: _HeldArguments) -> R:
    handled = sys.exception()
    try:
        return await method(*arguments.args, **arguments.kwargs)
    except NexHealthError as error:
        raise strip_error(error, handled=handled) from None
    except INTERRUPTIONS as error:
        raise strip_frames(error, handled=handled)  # noqa: B904 - it is the same object
    finally:
        del handled


def _copy_metadata(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function that returns a coroutine known as a coroutine function."""
    if sys.version_info >= (3, 12):
        from inspect import markcoroutinefunction

        return markcoroutinefunction(function)
    function.__dict__["_is_coroutine"] = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return function


def strip_error(error: E, *, handled: BaseException | None) -> E:
    """Return an error of ours without its traceback and without what it came from.

    It stays the same object, to be raised again. ``handled``, the error that the caller was
    handling when it called, stays its context.
    """
    seen = set[int]()
    origin = error.__context__
    while origin is not None and origin is not handled and id(origin) not in seen:
        seen.add(id(origin))
        origin = origin.__context__
    error.__traceback__ = error.__cause__ = None
    error.__context__ = origin if origin is handled else None
    error.__suppress_context__ = True
    return error


def strip_frames(error: E, *, handled: BaseException | None) -> E:
    """Return an interruption without its traceback and without the errors it met on its way.

    It stays the same object, to be raised again. Cancellations that it is chained to stay, without
    their tracebacks: anyio looks for its own among them. So does ``handled``, the error that the
    caller was handling when it called.
    """
    seen = set[int]()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        one.__traceback__ = None
        seen.add(id(one))
        one.__context__ = _strip_one(one.__context__, handled)
        if one.__cause__ is not None:
            one.__cause__ = _strip_one(one.__cause__, handled)
        waiting += [
            other
            for other in (one.__context__, one.__cause__)
            if other is not None and other is not handled and id(other) not in seen
        ]
    return error


def _strip_one(error: BaseException | None, handled: BaseException | None) -> BaseException | None:
    """Return the first error of a chain that may stay in it."""
    seen = set[int]()
    while error is not None and error is not handled and id(error) not in seen:
        if isinstance(error, INTERRUPTIONS) and not isinstance(error, NexHealthError):
            return error
        seen.add(id(error))
        error = error.__context__
    return error if error is handled else None
