"""What the tests' own sources of pages have in common: tasks, and one version of the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nexhealth_async._protocol.envelopes import ListReading
    from nexhealth_async._protocol.requests import Call

__all__ = ["FakePageSource"]


class FakePageSource:
    """Owns page tasks as a client does, is always usable, and knows one version of the API."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[ListReading]] = set()

    def check_usable(self) -> None:
        """It always is."""

    def start_task(self, work: Coroutine[object, object, ListReading]) -> asyncio.Task[ListReading]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def resolve_call(self, call: Call) -> Call:
        return call

    def replan_after_refusal(self, call: Call) -> Call | None:
        del call
        return None
