"""Exit statuses, signals, and errors as one sentence."""

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
"""Exit status after an error of the API, the network or a file."""
MISUSED = 2
"""Exit status after a usage error."""
PARTIAL = 3
"""Exit status of a pull that is complete except for failed shards or rejected records."""
_BROKEN_PIPE = 141
_SIGNALLED = 128

_GRACEFUL_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that end a command like Ctrl-C, with its clean-up."""


class CliError(Exception):
    """An error that ends the command with a message and an exit status."""

    def __init__(self, message: str, *, status: int = MISUSED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class SignalInterrupt(BaseException):
    """An interrupt by a signal other than Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_supervised(work: Callable[[], int]) -> int:
    """Run a command and return its exit status; expected errors are printed as one sentence.

    Ctrl-C and other signals end the process here, after the clean-up, without waiting for
    threads: a hanging name look-up would delay the exit for many seconds.
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
    """Run a coroutine; the first signal cancels it and waits for its clean-up."""
    # After a signal the runner is not closed, which would wait for threads; see `run_supervised`.
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

    handled = [number for number in _GRACEFUL_SIGNALS if signal.getsignal(number) is _handle_signal]
    for number in handled:
        signal.signal(number, cancel)
    try:
        return await work
    except asyncio.CancelledError:
        if received:
            raise SignalInterrupt(received[0]) from None
        raise
    finally:
        for number in handled:
            signal.signal(number, _handle_signal)


def _handle_signal(number: int, _frame: FrameType | None) -> NoReturn:
    raise SignalInterrupt(number)


def _status(work: Callable[[], int]) -> int:
    try:
        status = work()
        terminal.flush()
    except CliError as error:
        return _print_failure(error.message, error.status)
    except UsageError as error:
        return _print_failure(as_sentence(error), MISUSED)
    except NexHealthError as error:
        return _print_failure(as_sentence(error), FAILED)
    except BrokenPipeError:
        # The reader of stdout has closed it, as `head` does.
        terminal.discard_output()
        return _BROKEN_PIPE
    except OSError as error:
        prefix = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return _print_failure(f"{prefix}{error.strerror or type(error).__name__}", FAILED)
    except Exception as error:  # noqa: BLE001 - a defect; its message may hold personal data
        frames = "".join(traceback.format_tb(error.__traceback__))
        message = f"unexpected {type(error).__name__}, please report it\n{frames}"
        return _print_failure(message, FAILED)
    return status


def _print_failure(message: str, status: int) -> int:
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
    """Print warnings of this package as notes; hide others, which are for developers."""
    del filename, lineno, file, line
    if issubclass(category, NexHealthWarning):
        terminal.print_note(str(message))
