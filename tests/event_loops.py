"""Shutdown of event loops in tests."""

from __future__ import annotations

import asyncio

__all__ = ["end_tasks", "ends_without_help", "logins_ended"]


async def end_tasks() -> None:
    """Cancel all other tasks of this loop and wait for them, as ``asyncio.run`` does.

    A stopped server has cancelled its handlers, but has not waited for them.
    """
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def logins_ended() -> None:
    """Wait briefly until no session logs in and no server accepts a connection."""
    async with asyncio.timeout(5):
        while passing := [task for task in asyncio.all_tasks() if ends_without_help(task)]:
            await asyncio.wait(passing)


def ends_without_help(task: asyncio.Task[object]) -> bool:
    """Tell whether this task is left running on purpose, and ends soon.

    A login belongs to the session: it continues for others when its waiters are cancelled. A server
    in this loop accepts its connection a moment later.
    """
    return task.get_name() == "nexhealth_async login" or "_accept_connection2" in repr(task)
