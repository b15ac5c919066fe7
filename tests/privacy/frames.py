"""Errors taken apart: the chained errors, and the library's frames with their variables."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, cast

import nexhealth_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["chained", "frames", "is_ours", "name_of", "variables"]

LIBRARY = str(Path(nexhealth_async.__file__).parent) + "/"
_CALLED = ("/aiohttp/", "/asyncio/", "/anyio/", "/yarl/", "/multidict/", "/concurrent/")
"""Folders of the library's dependencies: their frames hold its arguments."""


def is_ours(filename: str) -> bool:
    """Tell whether a file is the library's, without the sandbox, which acts as the server."""
    return filename.startswith(LIBRARY) and not filename.startswith(f"{LIBRARY}sandbox/")


def name_of(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.removeprefix(LIBRARY)}:{frame.f_code.co_name}"


def chained(error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """Yield an error, its group members, causes and contexts; tell which are printed.

    Suppressed contexts are not printed, but debuggers still find them.
    """
    waiting = [(error, True)]
    seen = set[int]()
    while waiting:
        one, printed = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one, printed
        if one.__context__ is not None:
            waiting.insert(0, (one.__context__, printed and not one.__suppress_context__))
        if one.__cause__ is not None:
            waiting.append((one.__cause__, printed))
        if isinstance(one, BaseExceptionGroup):
            inside = cast("BaseExceptionGroup[BaseException]", one).exceptions
            waiting += [(other, printed) for other in inside]


def frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of an error's traceback in the library or its dependencies."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if is_ours(name) or any(part in name for part in _CALLED):
            yield frame


def variables(frame: FrameType) -> dict[str, str]:
    """Return a frame's variables as tools print them."""
    return {name: _shown(value) for name, value in frame.f_locals.items()}


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - as tracebacks do: an object may be half made
        return f"<a {type(value).__name__} that cannot be shown>"
