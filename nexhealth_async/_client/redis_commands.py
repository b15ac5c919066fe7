"""Redis commands whose time limits and cancellation always take effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

__all__ = ["end_task", "run_command"]

T = TypeVar("T")

_CANCEL_AGAIN: Final = 0.05
"""Seconds between repeated cancellations of a task that does not end."""
_GIVE_UP: Final = 2.0
"""Seconds after which a task that ignores cancellation is abandoned."""


async def run_command(command: Awaitable[T], seconds: float | None = None) -> T:
    """Run a command in its own task.

    redis-py sometimes swallows a cancellation while it connects or reads, and the command would
    outlive its time limit or its caller. A separate task can be cancelled repeatedly until it ends,
    and the caller's own cancellation is never lost.

    Args:
        command: The redis-py command.
        seconds: Time limit, None without one.

    Raises:
        TimeoutError: The command took longer.
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
    """Cancel a task repeatedly until it has ended; its error is not raised.

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
        task.exception()  # retrieved, so asyncio does not report it
    if interrupted is not None:
        raise interrupted
