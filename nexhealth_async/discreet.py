"""Errors that leave without the frames they came through, whose variables hold the arguments."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from nexhealth_async.errors import NexHealthError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["discreet"]

P = ParamSpec("P")
R = TypeVar("R")


def discreet(method: Callable[P, R]) -> Callable[P, R]:
    """Let errors of ours leave a method without a traceback through the library.

    Tools that print tracebacks with local variables would find filters and bodies in each frame on
    the way. What such an error means is in its text; any other keeps its whole traceback.
    """
    if iscoroutinefunction(method):
        return cast("Callable[P, R]", _discreet_coroutine(method))

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except NexHealthError as error:
            del args, kwargs
            raise error.with_traceback(None) from None

    return guarded


def _discreet_coroutine(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    @wraps(method)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        work = method(*args, **kwargs)
        del args, kwargs
        try:
            return await work
        except NexHealthError as error:
            raise error.with_traceback(None) from None

    return guarded
