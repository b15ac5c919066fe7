"""Run commands of redis-py so that time limits and cancellation always take effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

__all__ = ["end_task", "run_command"]

T = TypeVar("T")

_CANCEL_AGAIN: Final = 0.05
"""Seconds between two cancellations of a task that does not end."""
_GIVE_UP: Final = 2.0
"""Seconds after which a task that ignores its cancellation is left alone."""


async def run_command(command: Awaitable[T], seconds: float | None = None) -> T:
    """Run a command in a task of its own, for at most so many seconds if any are given.

    redis-py sometimes swallows a cancellation while it connects or reads. Then the command would
    outlive the time limit or the cancellation of its caller; its own task is cancelled until it has
    ended, and the caller is never the one whose cancellation is lost.

    Raises:
        TimeoutError: the command took longer.
    """
    task = asyncio.ensure_future(command)
    try:
        await asyncio.wait((task,), timeout=seconds)
    finally:
        await end_task(task)
    if not task.done() or task.cancelled():
        raise TimeoutError
    return task.result()


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended; its own error is not raised.

    If the caller is cancelled meanwhile, the task still ends first.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _GIVE_UP
    interrupted: asyncio.CancelledError | None = None
    while not task.done() and loop.time() < deadline:
        task.cancel()
        try:
            await asyncio.wait((task,), timeout=_CANCEL_AGAIN)
        except asyncio.CancelledError as error:
            interrupted = error
    if task.done() and not task.cancelled():
        task.exception()  # It is known now, so asyncio does not report it.
    if interrupted is not None:
        raise interrupted
