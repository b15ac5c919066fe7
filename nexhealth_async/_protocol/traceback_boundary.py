"""Traceback boundary of the public interface, which keeps personal data out of tracebacks.

The frames of the library hold arguments, requests and responses, which tools that print local
variables would show. A `NexHealthError` or an interruption therefore leaves without traceback,
cause and context, except for the error that the caller was handling. Any other error is a bug and
keeps its traceback.
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
"""Exceptions that end a call from outside: cancellation, the caller's time limit, Ctrl-C."""


def strip_traceback(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public method: strip tracebacks of library errors and of interruptions.

    The frames of a call hold filters and bodies, and aiohttp's hold the token. The message of a
    library error says what it means, and an interruption comes from the caller. Any other error
    keeps its traceback.
    """
    if iscoroutinefunction(unwrap(method)):
        coroutine_function = cast("Callable[..., Coroutine[object, object, object]]", method)
        return cast("Callable[P, R]", _wrap_coroutine_function(coroutine_function))
    return _wrap_function(method)


def _wrap_function(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        handled = sys.exception()
        try:
            return function(*args, **kwargs)
        except NexHealthError as error:
            del args, kwargs
            raise strip_error(error, handled=handled) from None
        except TypeError:
            # An unknown keyword keeps its traceback, which leads to the caller's line.
            del args, kwargs
            raise
        finally:
            del handled

    return guarded


class _HeldArguments:
    """Arguments of a call that has not started, hidden from tracebacks."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        self.args = args
        self.kwargs = kwargs


def _wrap_coroutine_function(
    method: Callable[..., Awaitable[R]],
) -> Callable[..., Coroutine[object, object, R]]:
    name, qualname = method.__name__, method.__qualname__

    # A plain function: a coroutine that is cancelled before its first step appears in the
    # traceback with all its arguments.
    @wraps(method)
    def guarded(*args: object, **kwargs: object) -> Coroutine[object, object, R]:
        coroutine = cast(
            "CoroutineType[object, object, R]", _call_stripped(method, _HeldArguments(args, kwargs))
        )
        coroutine.__name__, coroutine.__qualname__ = name, qualname
        return coroutine

    return _mark_coroutine_function(guarded)


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


def _mark_coroutine_function(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that returns a coroutine as a coroutine function."""
    if sys.version_info >= (3, 12):
        from inspect import markcoroutinefunction

        return markcoroutinefunction(function)
    function.__dict__["_is_coroutine"] = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return function


def strip_error(error: E, *, handled: BaseException | None) -> E:
    """Return a library error without its traceback, cause and context, to be raised again.

    Args:
        error: The error, which stays the same object.
        handled: The error that the caller was handling; it stays the context.
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
    """Return an interruption without traceback and chained library errors, to be raised again.

    Chained interruptions stay, without their tracebacks: anyio looks for its own cancellations
    among them.

    Args:
        error: The interruption, which stays the same object.
        handled: The error that the caller was handling; it stays in the chain.
    """
    seen = set[int]()
    pending: list[BaseException] = [error]
    while pending:
        current = pending.pop()
        current.__traceback__ = None
        seen.add(id(current))
        current.__context__ = _first_kept(current.__context__, handled)
        if current.__cause__ is not None:
            current.__cause__ = _first_kept(current.__cause__, handled)
        pending += [
            chained
            for chained in (current.__context__, current.__cause__)
            if chained is not None and chained is not handled and id(chained) not in seen
        ]
    return error


def _first_kept(error: BaseException | None, handled: BaseException | None) -> BaseException | None:
    """Return the first error of a chain that may stay in it, None if there is none."""
    seen = set[int]()
    while error is not None and error is not handled and id(error) not in seen:
        if isinstance(error, INTERRUPTIONS) and not isinstance(error, NexHealthError):
            return error
        seen.add(id(error))
        error = error.__context__
    return error if error is handled else None
