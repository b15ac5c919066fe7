"""Count the frames of the library between a caller and aiohttp: ``python -m benchmarks.call_path``.

A sandbox is started, and the stack is read when aiohttp is asked for a request: once for
``await location.patients.get(id)`` and once for a page of ``location.patients.walk()``. Listed are

- coroutines: the frames of the library's coroutines in the task that enters aiohttp,
- functions: its synchronous frames there,
- waiting: its coroutines in other tasks that wait meanwhile for this one.

A stack shows only what has not returned yet, so the script also counts every coroutine and every
function of the library that a repetition of the same work runs. Work moved from one frame into a
callback or another task stays visible there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from pathlib import Path
from types import CodeType, FrameType
from unittest.mock import patch

import aiohttp
from attrs import field, frozen

import nexhealth_async
from nexhealth_async import NexHealth, Rates
from nexhealth_async.sandbox import Sandbox

__all__ = ["CallCounts", "CallPath", "call_path", "main", "page_path"]

_PACKAGE = str(Path(nexhealth_async.__file__).parent)
_SANDBOX = str(Path(_PACKAGE, "sandbox"))
_PATIENTS = 12
_PER_PAGE = 5


@frozen(kw_only=True)
class CallCounts:
    """The function calls of one operation inside the library."""

    coroutines: int
    functions: int


@frozen(kw_only=True)
class CallPath:
    """The frames of the library between a caller and aiohttp, outermost first."""

    title: str
    coroutines: tuple[str, ...]
    """Coroutines in the task that calls aiohttp."""
    functions: tuple[str, ...]
    """Synchronous functions in the same task."""
    waiting: tuple[str, ...]
    """Coroutines of other tasks that await this task."""
    totals: CallCounts
    """Every frame between the call and its result."""


@frozen
class _Stack:
    coroutines: list[str] = field(factory=list[str])
    functions: list[str] = field(factory=list[str])
    waiting: list[str] = field(factory=list[str])


async def call_path() -> CallPath:
    """Return the call path of a single call."""
    async with _client() as (nex, sandbox):
        patients = nex.practice(sandbox.subdomain).location(sandbox.location_id).patients
        patient_id = sandbox.patients.ids[0]

        async def get() -> None:
            await patients.get(patient_id)

        return await _measure("await location.patients.get(id)", get)


async def page_path() -> CallPath:
    """Return the call path of a page that is requested for its first record."""
    async with _client() as (nex, sandbox):
        patients = nex.practice(sandbox.subdomain).location(sandbox.location_id).patients

        async def first() -> None:
            walk = patients.walk(per_page=_PER_PAGE, prefetch=0)
            await anext(walk)
            await walk.aclose()

        return await _measure("a page of location.patients.walk()", first)


@asynccontextmanager
async def _client() -> AsyncGenerator[tuple[NexHealth, Sandbox]]:
    async with (
        Sandbox(patients=_PATIENTS, seed=1) as sandbox,
        NexHealth(
            sandbox.api_key, base_url=sandbox.url, version="v2", rates=Rates.unlimited()
        ) as nex,
    ):
        yield nex, sandbox


async def _measure(title: str, work: Callable[[], Awaitable[None]]) -> CallPath:
    """Run the operation three times: to warm up, to read the stack, to count calls."""
    await work()
    stack = await _stack_of(work)
    return CallPath(
        title=title,
        coroutines=tuple(stack.coroutines),
        functions=tuple(stack.functions),
        waiting=tuple(stack.waiting),
        totals=await _totals_of(work),
    )


async def _stack_of(work: Callable[[], Awaitable[None]]) -> _Stack:
    """Run the operation and read the stack at the first request."""
    enter = aiohttp.ClientSession._request  # noqa: SLF001 - every way into aiohttp passes it
    stacks: list[_Stack] = []

    # No coroutine function: the stack is the caller's.
    def request(*args: object, **kwargs: object) -> object:
        stacks.append(_read_stack(sys._getframe(1)))  # noqa: SLF001
        return enter(*args, **kwargs)  # type: ignore[arg-type]

    with patch.object(aiohttp.ClientSession, "_request", request):
        await work()
    return stacks[0]


def _read_stack(frame: FrameType | None) -> _Stack:
    stack = _Stack()
    while frame is not None:
        if _is_ours(frame.f_code):
            names = stack.coroutines if _is_async(frame.f_code) else stack.functions
            names.append(_name(frame.f_code))
        frame = frame.f_back
    stack.coroutines.reverse()
    stack.functions.reverse()
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            stack.waiting.extend(_awaited_by(task))
    return stack


def _awaited_by(task: asyncio.Task[object]) -> Iterator[str]:
    """Yield the names of the library's coroutines in a suspended task."""
    awaited: object = task.get_coro()
    while awaited is not None:
        code = getattr(awaited, "cr_code", None) or getattr(awaited, "ag_code", None)
        if isinstance(code, CodeType) and _is_ours(code):
            yield _name(code)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)


async def _totals_of(work: Callable[[], Awaitable[None]]) -> CallCounts:
    """Run the operation and count the library's frames; a resumed frame counts once."""
    frames = dict[int, FrameType]()  # kept, so that no two have the same id

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and _is_ours(frame.f_code):
            frames[id(frame)] = frame

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        await work()
    finally:
        sys.setprofile(before)
    coroutines = sum(_is_async(frame.f_code) for frame in frames.values())
    return CallCounts(coroutines=coroutines, functions=len(frames) - coroutines)


def _is_ours(code: CodeType) -> bool:
    """Tell whether code belongs to the library; the sandbox counts as the server."""
    name = code.co_filename
    return name.startswith(_PACKAGE) and not name.startswith(_SANDBOX)


def _is_async(code: CodeType) -> bool:
    return bool(code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR))


def _name(code: CodeType) -> str:
    module = Path(code.co_filename).relative_to(_PACKAGE).as_posix()
    return f"{module}: {code.co_qualname}"


def main() -> None:
    """Print both call paths."""
    for measure in (call_path, page_path):
        path = asyncio.run(measure())
        _print(path)


def _print(path: CallPath) -> None:
    print(path.title)
    for label, names in (
        ("coroutines", path.coroutines),
        ("functions", path.functions),
        ("waiting in other tasks", path.waiting),
    ):
        print(f"  {label}: {len(names)}")
        for name in names:
            print(f"    {name}")
    totals = path.totals
    print(f"  in all: {totals.coroutines} coroutines, {totals.functions} functions\n")


if __name__ == "__main__":
    main()
