"""The two ways to the user: data on stdout, everything else on stderr."""

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
    "shell_quote",
    "stderr",
    "stdout_console",
    "write",
]

_PLAIN = re.compile(r"[\w.-]{1,24}")
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")


@cache
def stdout_console() -> Console:
    """Return the console of stdout; coloured on terminals only, and not under ``NO_COLOR``."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


@cache
def stderr() -> Console:
    """Return the console of stderr; a terminal's lines are broken between words, others never."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    console.soft_wrap = not console.is_terminal
    return console


def help_console() -> Console:
    """Return the console of ``--help``, whose asides can be read on light and on dark terminals."""
    from rich.console import Console
    from rich.theme import Theme

    asides = ("cyclopts.default", "cyclopts.choices", "cyclopts.env_var")
    return Console(theme=Theme(dict.fromkeys(asides, "dim")))


def output_is_terminal() -> bool:
    """Tell whether stdout is a terminal."""
    return sys.stdout.isatty()


def is_coloured() -> bool:
    """Tell whether stdout shows colours: a terminal that has them, without ``NO_COLOR``."""
    console = stdout_console()
    return console.is_terminal and console.color_system is not None and not console.no_color


def shell_quote(argument: str) -> str:
    """Return a word of the command line as it may be said back: what may be a secret is left out.

    Keys and passwords get onto command lines by mistake, and what is said back into logs.
    """
    option, equals, _ = argument.partition("=")
    if option.startswith("--"):
        return f"{option}=..." if equals else option
    if argument.startswith("-"):
        return argument[:2]
    return argument if _PLAIN.fullmatch(argument) else "..."


def count_text(number: int, singular: str) -> str:
    """Return a number with its singular: ``1 record``, ``1,024 records``."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"


def write(text: str) -> None:
    """Write text to stdout as it is, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_message(text: str) -> None:
    """Write sentences to stdout; a terminal's lines are broken between words, others never."""
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
    """Say something on stderr, beside the data."""
    stderr().print(text)


def print_hidden_columns(columns: Sequence[str]) -> None:
    """Say which columns a table had no room for; nothing if there are none."""
    if columns:
        print_line(f"(no room for {', '.join(columns)})")


def print_note(text: str) -> None:
    """Say what the user should notice although nothing is wrong."""
    stderr().print(f"note: {text}", style="yellow")


def print_error(text: str) -> None:
    """Say in a sentence why the command ends."""
    from rich.text import Text

    stderr().print(Text.assemble(("error:", "bold red"), " ", text))


def escape_controls(text: str) -> str:
    """Blank out control characters, which could otherwise give orders to the terminal."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def flush() -> None:
    """Write out what stdout still holds, so that a failure to do so is noticed."""
    sys.stdout.flush()


def discard_output() -> None:
    """Point stdout nowhere, so that the interpreter's last flush cannot fail."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
