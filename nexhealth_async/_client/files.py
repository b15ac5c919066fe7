"""Downloads in chunks, and reading of files before an upload."""

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
    """Download of a file: ``async with ...download(document) as file: async for chunk in file``.

    Entering the block sends the request. The call's ``timeout`` applies until the response begins,
    and then to each chunk. A body that ends early raises `ConnectionLostError`. Leaving the block
    closes the connection. A download can be entered once.
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
        """Media type that the server states, such as ``application/pdf``."""
        return self._check_entered().media_type

    @property
    def size(self) -> int | None:
        """Size in bytes; None if the server does not state it."""
        return self._check_entered().size

    @strip_traceback
    async def read(self, *, max_bytes: int = 256 * 2**20) -> bytes:
        """Read the rest of the file.

        Args:
            max_bytes: Size limit of the decompressed file; a small compressed file can be very
                large. Iterate over the download to read any size in chunks.

        Raises:
            UnexpectedStructureError: The file is larger.
        """
        content = io.BytesIO()  # its repr shows no content in tracebacks with local variables
        while content.tell() <= max_bytes:
            try:
                content.write(await anext(self))
            except StopAsyncIteration:
                return content.getvalue()
        raise UnexpectedStructureError(
            "the file is larger than max_bytes; iterate over the download instead",
            operation=self._operation,
        )

    @strip_traceback
    async def __aenter__(self) -> Self:
        """Request the file; raises like any call."""
        if self._begin is None:
            raise UsageError(
                "a download can be entered once; call download() again",
                operation=self._operation,
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
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()

    def __aiter__(self) -> Self:
        return self

    @strip_traceback
    async def __anext__(self) -> bytes:
        """Return the next chunk; cancelling this loses no data."""
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
                "the download was not entered; use async with ... as file",
                operation=self._operation,
            )
        return self._stream

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise SessionStateError(
                "the download was entered in another event loop; read it in that loop",
                operation=self._operation,
            )


async def with_content(fields: Mapping[str, object]) -> dict[str, object]:
    """Replace a path or open file under ``file`` by its content, read in a thread.

    The file's name is the default of ``filename``; bytes stay as they are. For multipart uploads.
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
        # The error's text holds the path, which may name a patient.
        number = error.errno if isinstance(error, OSError) else None
        reason = f": {os.strerror(number).lower()}" if number else ""
        raise InvalidArgumentError(f"the file to upload cannot be read{reason}") from None
    return {"filename": name, **fields, "file": content}
