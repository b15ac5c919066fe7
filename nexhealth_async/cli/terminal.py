"""Output to the user: data on stdout, messages on stderr."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = [
    "count_text",
    "discard_output",
    "escape_controls",
    "flush",
    "help_console",
    "is_coloured",
    "output_is_terminal",
    "print_error",
    "print_hidden_columns",
    "print_line",
    "print_message",
    "print_note",
    "redact_argument",
    "stderr",
    "stdout_console",
    "write",
]

_PLAIN = re.compile(r"[\w.-]{1,24}")
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")


@cache
def stdout_console() -> Console:
    """Return the console of stdout; coloured only on terminals, and not with ``NO_COLOR``."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


@cache
def stderr() -> Console:
    """Return the console of stderr, which wraps lines between words on terminals only."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    console.soft_wrap = not console.is_terminal
    return console


def help_console() -> Console:
    """Return the console of ``--help``, with colours for light and dark terminals."""
    from rich.console import Console
    from rich.theme import Theme

    notes = ("cyclopts.default", "cyclopts.choices", "cyclopts.env_var")
    return Console(theme=Theme(dict.fromkeys(notes, "dim")))


def output_is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout.isatty()


def is_coloured() -> bool:
    """Return whether stdout is a terminal with colours, without ``NO_COLOR``."""
    console = stdout_console()
    return console.is_terminal and console.color_system is not None and not console.no_color


def redact_argument(argument: str) -> str:
    """Return a command-line word for a message, without parts that may be a secret.

    Users put keys and passwords on command lines by mistake, and messages end up in logs.
    """
    option, equals, _ = argument.partition("=")
    if option.startswith("--"):
        return f"{option}=..." if equals else option
    if argument.startswith("-"):
        return argument[:2]
    return argument if _PLAIN.fullmatch(argument) else "..."


def count_text(number: int, singular: str) -> str:
    """Return a number with its noun: ``1 record``, ``1,024 records``."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"


def write(text: str) -> None:
    """Write text to stdout unchanged, and flush it."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_message(text: str) -> None:
    """Write sentences to stdout; on a terminal, long lines are wrapped between words."""
    if output_is_terminal():
        width = stdout_console().width
        lines = (
            textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
            if len(line) > width
            else line
            for line in text.split("\n")
        )
        text = "\n".join(lines)
    write(text)


def print_line(text: str) -> None:
    """Print a line to stderr."""
    stderr().print(text)


def print_hidden_columns(columns: Sequence[str]) -> None:
    """Print the titles of columns that did not fit; nothing if there are none."""
    if columns:
        print_line(f"(no room for {', '.join(columns)})")


def print_note(text: str) -> None:
    """Print a note: something to notice that is not an error."""
    stderr().print(f"note: {text}", style="yellow")


def print_error(text: str) -> None:
    """Print the error that ends the command."""
    from rich.text import Text

    stderr().print(Text.assemble(("error:", "bold red"), " ", text))


def escape_controls(text: str) -> str:
    """Replace control characters, which could change the terminal's state, by spaces."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def flush() -> None:
    """Flush stdout, so that write errors are noticed."""
    sys.stdout.flush()


def discard_output() -> None:
    """Redirect stdout to the null device, so that the interpreter's last flush cannot fail."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
