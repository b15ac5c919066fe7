"""Shared base of the tests' page sources: tasks, and one version of the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nexhealth_async._protocol.envelopes import ParsedList
    from nexhealth_async._protocol.requests import PlannedCall

__all__ = ["FakePageSource"]


class FakePageSource:
    """Owns page tasks as a client does, is always usable, and has one version of the API."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[ParsedList]] = set()

    def check_usable(self) -> None:
        """Always usable."""

    def start_task(self, work: Coroutine[object, object, ParsedList]) -> asyncio.Task[ParsedList]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def resolve_call(self, call: PlannedCall) -> PlannedCall:
        return call

    def replan_after_refusal(self, call: PlannedCall) -> PlannedCall | None:
        del call
        return None
