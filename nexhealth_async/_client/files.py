"""Files as they come and go: documents downloaded piece by piece, and read before an upload."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from nexhealth_async._protocol.traceback_boundary import strip_traceback
from nexhealth_async.errors import (
    InvalidArgumentError,
    NexHealthError,
    SessionStateError,
    UnexpectedStructureError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from nexhealth_async._protocol.http_messages import Stream

__all__ = ["Download", "with_content"]


class Download:
    """A file of the API: ``async with ...download(document) as file: async for chunk in file``.

    Asked for when it is entered; the call's ``timeout`` counts until the answer begins, and then
    for each wait for more. A body that ends too early is `ConnectionLostError`, never a short file.
    Leaving the block early closes the connection. It can be entered once.
    """

    __slots__ = ("_begin", "_loop", "_operation", "_stream")

    def __init__(self, begin: Callable[[], Awaitable[Stream]], operation: str) -> None:
        self._begin: Callable[[], Awaitable[Stream]] | None = begin
        self._operation = operation
        self._stream: Stream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        """Show the operation, never the address."""
        return f"<Download {self._operation}>"

    @property
    def content_type(self) -> str:
        """What the server says the file is, such as ``application/pdf``."""
        return self._check_entered().media_type

    @property
    def size(self) -> int | None:
        """Its length in bytes; None where the server does not say."""
        return self._check_entered().size

    @strip_traceback
    async def read(self, *, max_bytes: int = 256 * 2**20) -> bytes:
        """Read the rest of the file, at most ``max_bytes`` bytes.

        A small compressed file can hold a very large one; iterate to take any size in pieces.
        """
        content = io.BytesIO()  # which shows nothing in a traceback with local variables
        while content.tell() <= max_bytes:
            try:
                content.write(await anext(self))
            except StopAsyncIteration:
                return content.getvalue()
        raise UnexpectedStructureError(
            "the file is larger than max_bytes allows; read it in pieces instead",
            operation=self._operation,
        )

    @strip_traceback
    async def __aenter__(self) -> Self:
        """Ask for the file; raises what any call raises."""
        if self._begin is None:
            raise UsageError(
                "a download can be entered once; ask for it again", operation=self._operation
            )
        begin, self._begin = self._begin, None
        self._stream = await begin()
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Let go of the connection."""
        if self._stream is not None:
            self._stream.close()

    def __aiter__(self) -> Self:
        return self

    @strip_traceback
    async def __anext__(self) -> bytes:
        """Return the next piece; cancelling this loses nothing."""
        stream = self._check_entered()
        self._check_loop()
        try:
            chunk = await stream.chunk()
        except NexHealthError as error:
            error.operation = error.operation or self._operation
            raise
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def _check_entered(self) -> Stream:
        if self._stream is None:
            raise UsageError(
                "enter a download first: async with ... as file", operation=self._operation
            )
        return self._stream

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise SessionStateError(
                "this download was entered in another event loop; read it where it was entered",
                operation=self._operation,
            )


async def with_content(fields: Mapping[str, object]) -> dict[str, object]:
    """Read a path or an open file given as ``file``, in a thread; its own name is the default.

    Bytes stay as they are. For operations whose row is ``multipart``.
    """
    file = fields.get("file")
    if isinstance(file, os.PathLike):
        path = Path(os.fsdecode(cast("os.PathLike[str]", file)))
        read = cast("Callable[[], object]", path.read_bytes)
        name: object = path.name
    elif isinstance(file, io.IOBase):
        read = cast("Callable[[], object]", getattr(file, "read", None))
        name = getattr(file, "name", None)
        name = Path(name).name if isinstance(name, str) else None
    else:
        return dict(fields)
    try:
        content = await asyncio.to_thread(read)
    except (OSError, ValueError) as error:
        # Its own text names the path, which may name a patient.
        number = error.errno if isinstance(error, OSError) else None
        why = os.strerror(number).lower() if number else "it cannot be read"
        raise InvalidArgumentError(f"the file to upload cannot be read: {why}") from None
    return {"filename": name, **fields, "file": content}
