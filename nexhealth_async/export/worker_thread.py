"""One thread for a target's blocking work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["SingleThreadExecutor"]

T = TypeVar("T")


class SingleThreadExecutor:
    """A thread that runs functions one after another, in the order of the calls.

    Cancelling `run` does not stop a function that has started; the next one, such as closing,
    begins after it has ended.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nexhealth-target")

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in the thread and return its result."""
        return await asyncio.wrap_future(self._pool.submit(function))

    def end(self) -> None:
        """End the thread after all submitted functions."""
        self._pool.shutdown(wait=False)
