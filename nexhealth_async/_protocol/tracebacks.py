"""Errors of plain functions that leave without the frame that holds the arguments."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from nexhealth_async.errors import NexHealthError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["without_traceback"]

P = ParamSpec("P")
R = TypeVar("R")


def without_traceback(function: Callable[P, R]) -> Callable[P, R]:
    """Let errors of ours leave a plain function without a traceback through it.

    For coroutine functions there is `nexhealth_async._client.traceback_boundary.discreet`.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except NexHealthError as error:
            del args, kwargs
            raise error.with_traceback(None) from None
        except (
            TypeError
        ):  # a misspelt keyword is told with the frames that lead to the caller's line
            del args, kwargs
            raise

    return guarded
