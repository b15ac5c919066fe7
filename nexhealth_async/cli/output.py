"""Writers of pulled records: stdout without blocking the event loop, and files written whole."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from nexhealth_async.cli.exit_status import FAILED, CliError

__all__ = ["FileWriter", "OutputWriter", "StdoutWriter", "open_writer"]

_CHUNK = 4096
"""Bytes that a pipe which is ready takes without blocking (POSIX's PIPE_BUF on Linux)."""


class OutputWriter(Protocol):
    """A writer of bytes."""

    async def write(self, data: bytes) -> None:
        """Write all of the data."""
        ...


class StdoutWriter:
    """Writer to stdout, which waits in the event loop while a pager or a pipe is not ready.

    A blocking write would delay Ctrl-C and let page requests time out.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._fd = sys.stdout.fileno()
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self._fd, select.POLLOUT)

    async def write(self, data: bytes) -> None:
        """Write all of the data; raise BrokenPipeError if the reader has closed the pipe."""
        remaining = memoryview(data)
        while remaining:
            if self._poll is not None and not self._poll.poll(0):
                await self._wait_until_ready()
                continue
            try:
                remaining = remaining[os.write(self._fd, remaining[:_CHUNK]) :]
            except BlockingIOError:
                await self._wait_until_ready()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _write_error("The output", error) from None

    async def _wait_until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_writer(self._fd, ready.set)
        except (NotImplementedError, OSError):
            await asyncio.sleep(0.01)
            return
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._fd)


class FileWriter:
    """Writer to a file."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path

    async def write(self, data: bytes) -> None:
        """Write all of the data."""
        remaining = memoryview(data)
        with _name_path_in_errors(self._path):
            while remaining:  # a pipe may take a part only
                remaining = remaining[self._file.write(remaining) or 0 :]


@contextmanager
def _name_path_in_errors(path: Path) -> Generator[None]:
    """Replace errors of the system by a `CliError` that names the file, except a broken pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _write_error(str(path), error) from None


def _write_error(target: str, error: OSError) -> CliError:
    return CliError(f"{target} cannot be written: {error.strerror}.", status=FAILED)


@contextmanager
def open_writer(path: Path | None) -> Generator[OutputWriter, None, None]:
    """Open a file for writing, or stdout if ``path`` is None.

    The file gets its name when the block ends without an error. Until then it is a hidden file in
    the same directory, which an error removes. Only the owner can read it. Devices and pipes are
    written directly.
    """
    if path is None:
        yield StdoutWriter()
        return
    target = path.resolve()
    with suppress(FileNotFoundError):
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode):
            raise CliError(f"{path} is a directory: name a file in it.")
        if not stat.S_ISREG(mode):
            with _name_path_in_errors(path):
                device = target.open("wb", buffering=0)
            with device:
                yield FileWriter(device, path)
            return
    if not target.parent.is_dir():
        raise CliError(f"{path} cannot be written: there is no directory {path.parent}.")
    try:
        number, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
    except OSError as error:
        raise _write_error(str(path), error) from None
    file = os.fdopen(number, "wb", buffering=1 << 18)
    try:
        Path(name).chmod(stat.S_IRUSR | stat.S_IWUSR)  # mkstemp applies the umask to 0600
        yield FileWriter(file, path)
        with _name_path_in_errors(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):  # flushing the rest of the buffer may fail
            file.close()
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
