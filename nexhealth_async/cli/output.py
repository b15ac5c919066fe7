"""Where pulled records go: stdout, without holding up the event loop, or a file that is whole."""

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
"""What a pipe that is ready takes for certain without blocking (POSIX's PIPE_BUF on Linux)."""


class OutputWriter(Protocol):
    """Something that takes bytes."""

    async def write(self, data: bytes) -> None:
        """Write all of it."""
        ...


class StdoutWriter:
    """Writes to stdout, waiting in the event loop while a pager or a slow pipe is not ready.

    A write that blocks would also keep Ctrl-C waiting, and let page requests time out.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._fd = sys.stdout.fileno()
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self._fd, select.POLLOUT)

    async def write(self, data: bytes) -> None:
        """Write all of it; raises BrokenPipeError when nobody reads any more."""
        rest = memoryview(data)
        while rest:
            if self._poll is not None and not self._poll.poll(0):
                await self._ready()
                continue
            try:
                rest = rest[os.write(self._fd, rest[:_CHUNK]) :]
            except BlockingIOError:
                await self._ready()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _write_error("The output", error) from None

    async def _ready(self) -> None:
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
    """Writes to a file."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path

    async def write(self, data: bytes) -> None:
        """Write all of it."""
        rest = memoryview(data)
        with _with_path(self._path):
            while rest:  # a pipe may take a part
                rest = rest[self._file.write(rest) or 0 :]


@contextmanager
def _with_path(path: Path) -> Generator[None]:
    """Name the file in what the system says of it; nobody reads on at the end of a pipe."""
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
    """Open the target; a file appears under its name only when the block ends without an error.

    Until then it is a hidden file beside it, which an error removes. Only the owner may read it.
    Devices and pipes are written to as they are.
    """
    if path is None:
        yield StdoutWriter()
        return
    target = path.resolve()
    with suppress(FileNotFoundError):
        kind = target.stat().st_mode
        if stat.S_ISDIR(kind):
            raise CliError(f"{path} is a directory; name a file in it.")
        if not stat.S_ISREG(kind):
            with _with_path(path):
                device = target.open("wb", buffering=0)
            with device:
                yield FileWriter(device, path)
            return
    if not target.parent.is_dir():
        raise CliError(f"{path} cannot be written: there is no directory {path.parent}.")
    # A name nobody else has, and mode 0600 at most: what the umask takes from it is put back.
    try:
        number, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
    except OSError as error:
        raise _write_error(str(path), error) from None
    file = os.fdopen(number, "wb", buffering=1 << 18)
    try:
        Path(name).chmod(stat.S_IRUSR | stat.S_IWUSR)
        yield FileWriter(file, path)
        with _with_path(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):  # what is left in its buffer is not wanted
            file.close()
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
