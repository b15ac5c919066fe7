"""Walks of the soak test, each consumed and left in a random way."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
from attrs import Factory, define

from nexhealth_async import NexHealthError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from nexhealth_async import LocationScope

__all__ = ["WAYS", "SoakWalks"]


class _ConsumerError(Exception):
    """An exception of the caller's own code in the middle of a walk."""


@define
class SoakWalks:
    """Makes walks and counts their outcomes."""

    numbered: LocationScope
    cursors: LocationScope
    patients: list[int]
    rng: random.Random
    outcomes: Counter[str] = Factory(Counter[str])
    wrong: list[str] = Factory(list[str])
    """Walks that ended normally with other records than expected."""

    def draw(self) -> tuple[AsyncGenerator[Any, None], bool]:
        """Return a walk, and whether it must deliver each patient exactly once."""
        rng = self.rng
        prefetch = rng.randint(0, 8)
        if rng.random() < 0.3:
            walk = self.cursors.patient_recalls.walk(prefetch=prefetch)
            return (walk.pages() if rng.random() < 0.3 else walk), False
        drift = rng.choice(["watch", "watch", "verify", "ignore"])
        options: Any = {"prefetch": prefetch, "drift": drift, "per_page": rng.choice([2, 3, 300])}
        limit = rng.randint(0, 12) if rng.random() < 0.2 else None
        patients = self.numbered.patients.walk(**options, limit=limit)
        match rng.randrange(5):
            case 0:
                return patients.pages(), False
            case 1:
                return patients.raw(), False
            case _:
                return patients, limit is None

    async def one(self) -> None:
        """Make one walk, leave it in some way, and record the outcome."""
        walk, whole = self.draw()
        way = self.rng.choice(WAYS)
        try:
            got = await way(self, walk)
        except NexHealthError as error:
            self.outcomes[type(error).__name__] += 1
        else:
            self.outcomes[way.__name__] += 1
            if whole and way in _COMPLETE and [one.id for one in got] != self.patients:
                self.wrong.append(f"{way.__name__}: {len(got)} of {len(self.patients)}")

    def moment(self) -> float:
        """Draw a time that may fall anywhere in a walk."""
        return self.rng.uniform(0, 0.02)

    async def to_the_end(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        return [one async for one in walk]

    async def left_and_dropped(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        stop, got = self.rng.randint(0, 9), list[Any]()
        async for one in walk:
            got.append(one)
            if len(got) > stop:
                break
        return got

    async def left_and_closed(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        async with aclosing(walk):
            return await self.left_and_dropped(walk)

    async def never_begun(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        return []

    async def failed_inside(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        with suppress(_ConsumerError):
            async for _ in walk:
                if self.rng.random() < 0.3:
                    raise _ConsumerError
        return []

    async def timed(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.moment()):
                await self.to_the_end(walk)
        return []

    async def scoped(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        with anyio.move_on_after(self.moment()):
            async with aclosing(walk):
                await self.to_the_end(walk)
        return []

    async def cancelled(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        return await self._cancelled(self.to_the_end(walk))

    async def cancelled_while_closing(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        return await self._cancelled(self.left_and_closed(walk))

    async def _cancelled(self, work: Any) -> list[Any]:
        task = asyncio.ensure_future(work)
        await asyncio.wait((task,), timeout=self.moment())
        for _ in range(self.rng.randint(1, 3)):
            task.cancel()
            await asyncio.sleep(0)
        with suppress(asyncio.CancelledError):
            await task
        return []

    async def beside_a_failing_sibling(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        async def fail() -> None:
            await asyncio.sleep(self.moment())
            raise _ConsumerError

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await self.to_the_end(walk)
        except* _ConsumerError:
            pass
        except* NexHealthError:
            self.outcomes["an error beside the sibling's"] += 1
        return []

    async def patiently(self, walk: AsyncGenerator[Any, None]) -> list[Any]:
        """Read to the end under timeouts that are far too short; nothing may be lost."""
        got: list[Any] = []
        while True:
            try:
                async with asyncio.timeout(self.rng.uniform(0, 0.004)):
                    got.append(await anext(walk))
            except TimeoutError:
                await asyncio.sleep(0.001)
            except StopAsyncIteration:
                return got


WAYS = cast(
    "list[Callable[[SoakWalks, AsyncGenerator[Any, None]], Awaitable[list[Any]]]]",
    [
        SoakWalks.to_the_end,
        SoakWalks.left_and_dropped,
        SoakWalks.left_and_closed,
        SoakWalks.never_begun,
        SoakWalks.failed_inside,
        SoakWalks.timed,
        SoakWalks.scoped,
        SoakWalks.cancelled,
        SoakWalks.cancelled_while_closing,
        SoakWalks.beside_a_failing_sibling,
        SoakWalks.patiently,
    ],
)
_COMPLETE = (SoakWalks.to_the_end, SoakWalks.patiently)
