"""One thread for a target's blocking work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["SingleThreadExecutor"]

T = TypeVar("T")


class SingleThreadExecutor:
    """A thread that does one thing after the other, in the order in which it is told.

    Whoever is cancelled while waiting leaves work behind that goes on: what comes next, closing
    above all, begins when that is over.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nexhealth-target")

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in the thread, and return what it made."""
        return await asyncio.wrap_future(self._pool.submit(work))

    def end(self) -> None:
        """Let the thread end when it has done all it was told."""
        self._pool.shutdown(wait=False)
