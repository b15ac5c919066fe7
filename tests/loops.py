"""The end of event loops that tests run by themselves."""

from __future__ import annotations

import asyncio

__all__ = ["end_tasks"]


async def end_tasks() -> None:
    """Cancel what still runs in this loop and wait for its end, as ``asyncio.run`` does.

    A server that was stopped has cancelled its handlers, but has not waited for them.
    """
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
