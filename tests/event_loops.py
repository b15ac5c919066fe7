"""The end of event loops that tests run by themselves."""

from __future__ import annotations

import asyncio

__all__ = ["end_tasks", "logins_ended", "passes_by_itself"]


async def end_tasks() -> None:
    """Cancel what still runs in this loop and wait for its end, as ``asyncio.run`` does.

    A server that was stopped has cancelled its handlers, but has not waited for them.
    """
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def logins_ended() -> None:
    """Wait until no session logs in and no server accepts a connection; not for long."""
    async with asyncio.timeout(5):
        while passing := [one for one in asyncio.all_tasks() if passes_by_itself(one)]:
            await asyncio.wait(passing)


def passes_by_itself(task: asyncio.Task[object]) -> bool:
    """Tell whether this is left running on purpose, and ends in a moment.

    A login is the session's: it goes on for the others when those who wait for it are cancelled.
    What they had begun to connect to, a server in this loop accepts a moment later.
    """
    return task.get_name() == "nexhealth_async login" or "_accept_connection2" in repr(task)
