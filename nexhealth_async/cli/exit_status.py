"""How a command lives and ends: signals, exit statuses, and errors as one sentence."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar

from nexhealth_async.cli import terminal
from nexhealth_async.cli.error_messages import as_sentence
from nexhealth_async.errors import NexHealthError, NexHealthWarning, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

__all__ = ["FAILED", "MISUSED", "PARTIAL", "CliError", "SignalInterrupt", "run", "run_supervised"]

T = TypeVar("T")

FAILED = 1
"""Exit status when the API, the network or a file let us down."""
MISUSED = 2
"""Exit status when the command cannot be carried out as it was given."""
PARTIAL = 3
"""Exit status when shards failed or records could not be read, and all else is complete."""
_BROKEN_PIPE = 141
_SIGNALLED = 128

_GRACEFUL_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that end a command as Ctrl-C does, with its clean-up."""


class CliError(Exception):
    """The command ends with this sentence for the user and this exit status."""

    def __init__(self, message: str, *, status: int = MISUSED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class SignalInterrupt(BaseException):
    """A signal other than Ctrl-C asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_supervised(work: Callable[[], int]) -> int:
    """Do the work and return the exit status; errors that are to be expected become sentences.

    Ctrl-C and its like end the process here, after the clean-up, without waiting for threads: a
    name look-up that hangs would hold the interpreter for many seconds.
    """
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", NexHealthWarning)
    for number in _GRACEFUL_SIGNALS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _handle_signal)
    try:
        return _status(work)
    except KeyboardInterrupt:
        _exit(_SIGNALLED + signal.SIGINT)
    except SignalInterrupt as ended:
        _exit(_SIGNALLED + ended.number)


def run(work: Coroutine[object, None, T]) -> T:
    """Run a coroutine; the first signal cancels it, and its clean-up is awaited."""
    # Left open when a signal ended the work: closing it would wait for threads. See
    # `run_supervised`.
    runner = asyncio.Runner()
    try:
        result = runner.run(_cancellable(work))
    except Exception:
        runner.close()
        raise
    runner.close()
    return result


async def _cancellable(work: Coroutine[object, None, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    received: list[int] = []

    def cancel(number: int, _frame: FrameType | None) -> None:
        if received or task is None:
            raise SignalInterrupt(number)
        received.append(number)
        loop.call_soon_threadsafe(task.cancel)

    ours = [number for number in _GRACEFUL_SIGNALS if signal.getsignal(number) is _handle_signal]
    for number in ours:
        signal.signal(number, cancel)
    try:
        return await work
    except asyncio.CancelledError:
        if received:
            raise SignalInterrupt(received[0]) from None
        raise
    finally:
        for number in ours:
            signal.signal(number, _handle_signal)


def _handle_signal(number: int, _frame: FrameType | None) -> NoReturn:
    raise SignalInterrupt(number)


def _status(work: Callable[[], int]) -> int:
    try:
        status = work()
        terminal.flush()
    except CliError as quit_:
        return _failed(quit_.message, quit_.status)
    except UsageError as error:
        return _failed(as_sentence(error), MISUSED)
    except NexHealthError as error:
        return _failed(as_sentence(error), FAILED)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does. Nothing is left to flush.
        terminal.discard_output()
        return _BROKEN_PIPE
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return _failed(f"{where}{error.strerror or type(error).__name__}", FAILED)
    except Exception as error:  # noqa: BLE001 - a defect; its message may hold personal data
        frames = "".join(traceback.format_tb(error.__traceback__))
        return _failed(f"unexpected {type(error).__name__}, please report it\n{frames}", FAILED)
    return status


def _failed(message: str, status: int) -> int:
    terminal.print_error(message)
    return status


def _exit(status: int) -> NoReturn:
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say our own warnings in words; others are for developers."""
    del filename, lineno, file, line
    if issubclass(category, NexHealthWarning):
        terminal.print_note(str(message))
