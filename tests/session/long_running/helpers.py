"""A worker with a round every five minutes, and a vendor with many faults."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from typing import TYPE_CHECKING, cast

from attrs import Factory, define, field

from nexhealth_async import NexHealthError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from nexhealth_async._protocol.rate_limits import SlidingWindowLog
    from nexhealth_async.sandbox import Sandbox
    from tests.conftest import MovableLoop
    from tests.session.transport_error_helpers import ErrorScene

__all__ = ["DayOfFaults", "Worker", "library_objects", "log_sizes"]

ROUND = 300.0
FOR_EVER = 1_000_000


def library_objects() -> Counter[str]:
    """Count the library's objects that the garbage collector tracks, without the sandbox."""
    gc.collect()
    objects: list[object] = gc.get_objects()
    kinds = Counter(type(obj) for obj in objects)
    names = {kind: f"{kind.__module__}.{kind.__qualname__}" for kind in kinds}
    return Counter(
        {
            name: kinds[kind]
            for kind, name in names.items()
            if name.startswith("nexhealth_async.")
            and not name.startswith("nexhealth_async.sandbox")
        }
    )


def log_sizes(at: ErrorScene) -> list[int]:
    """Return the lengths of all collections of the rate limiter."""
    limiter = at.nex._client.state.rate_limiter
    kept = cast("SlidingWindowLog", limiter._log)
    logs = {id(log): log for logs in kept._logs.values() for log in logs}
    sizes = [
        max(log._held, len(log._left), len(log._answered)) / log.limit.count
        for log in logs.values()
    ]
    waiting = [
        len(line) for queue in limiter._queues.values() for line in (queue.calls, queue.pages)
    ]
    return [round(size * 100) for size in sizes] + waiting


@define
class Worker:
    """Walks, gets and writes; records the outcomes."""

    at: ErrorScene
    whole_walks: int = 0
    short_walks: int = 0
    """Walks that ended normally without all patients."""
    failed_walks: Counter[str] = Factory(Counter[str])
    gets: int = 0
    failed_gets: Counter[str] = Factory(Counter[str])
    made: list[str] = field(factory=list[str])
    unknown: list[str] = field(factory=list[str])
    refused: list[str] = field(factory=list[str])
    failed_writes: Counter[str] = Factory(Counter[str])

    async def do_round(self, number: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._walk())
            group.create_task(self._get(number))
            group.create_task(self._write(f"Visit {number}"))

    async def _walk(self) -> None:
        sandbox = self.at.sandbox
        try:
            walk = self.at.location.patients.walk(new_patient=None, prefetch=2, per_page=10)
            found = [one.id async for one in walk]
        except NexHealthError as error:
            self.failed_walks[type(error).__name__] += 1
        else:
            whole = found == list(sandbox.patients.ids)
            self.whole_walks += whole
            self.short_walks += not whole

    async def _get(self, number: int) -> None:
        ids = self.at.sandbox.patients.ids
        id_ = ids[number % len(ids)]
        try:
            found = await self.at.location.patients.get(id_)
        except NexHealthError as error:
            self.failed_gets[type(error).__name__] += 1
        else:
            self.gets += found.id == id_

    async def _write(self, name: str) -> None:
        try:
            await self.at.location.appointment_types.create(name=name, minutes=30)
        except OutcomeUnknownError as error:
            self.unknown.append(name)
            self.failed_writes[type(error).__name__] += 1
        except NexHealthError as error:
            self.refused.append(name)
            self.failed_writes[type(error).__name__] += 1
        else:
            self.made.append(name)


@define
class DayOfFaults:
    """The faults of the 24 hours, by the round in which they begin (twelve an hour)."""

    sandbox: Sandbox
    loop: MovableLoop
    wall: Callable[[float], None]
    """Set the wall clock wrong by so many seconds."""
    _endings: dict[int, list[Callable[[], Coroutine[Any, Any, object]]]] = Factory(
        dict[int, "list[Callable[[], Coroutine[Any, Any, object]]]"]
    )

    async def begin_round(self, number: int) -> None:  # noqa: C901, PLR0912 - the day's timetable
        for ending in self._endings.pop(number, []):
            await ending()
        match number:
            case 24 | 132:
                self.sandbox.fail_next(503, times=FOR_EVER)
                self._until(number + 2, self._fair)
            case 36:
                self.sandbox.drop_next(times=3, when="after", path="/appointment_types")
                self._until(number + 1, self._fair)
            case 60:
                port = int(self.sandbox.url.rpartition(":")[2])
                await self.sandbox.stop()
                self._until(number + 1, lambda: self.sandbox.start(port=port))
            case 84:
                self.sandbox.expire_tokens()
                self.sandbox.fail_next(503, times=FOR_EVER, path="/authenticates")
                self._until(number + 1, self._fair)
            case 96 | 97 | 98 | 99:
                self.sandbox.expire_tokens()
            case 108:
                self.sandbox.fail_next(401, times=FOR_EVER)
                self._until(number + 2, self._fair)
            case 120:
                self.sandbox.expire_tokens()
                self.sandbox.fail_next(401, times=FOR_EVER, path="/authenticates")
                self._until(number + 3, self._fair)
            case 150:
                self._limit(people=3, other=2)
                self._until(number + 6, self._usual_limits)
            case 180:
                self.wall(86_400)
            case 204:
                self.wall(-3_600)
            case 216:
                self.sandbox.token_lifetime = 60
                self.sandbox.expire_tokens()
                self._until(number + 6, self._usual_tokens)
            case 240:
                self.loop.shift(3 * 3_600)
            case _:
                pass

    def _until(self, number: int, ending: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._endings.setdefault(number, []).append(ending)

    def _limit(self, *, people: int, other: int) -> None:
        self.sandbox.limits.windows["people"].limit = people
        self.sandbox.limits.windows["other"].limit = other

    async def _fair(self) -> None:
        self.sandbox.faults.clear()

    async def _usual_limits(self) -> None:
        self._limit(people=1_000, other=2_000)

    async def _usual_tokens(self) -> None:
        self.sandbox.token_lifetime = 3_600
