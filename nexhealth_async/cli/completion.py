"""``nexhealth completion``: what a shell needs to complete commands, options and names of lists."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from nexhealth_async.cli import terminal

__all__ = ["Shell", "completion", "offered", "script"]

Shell: TypeAlias = Literal["bash", "zsh", "fish"]

_MAKING: ContextVar[bool] = ContextVar("_MAKING", default=False)


def completion(
    shell: Annotated[Shell, Parameter(help="The shell that is to complete.")],
) -> int:
    """Print what makes a shell complete commands and options; it changes no file.

    Put the first example into ~/.bashrc, or run the one of your shell once.
    """
    terminal.write(script(shell).rstrip() + "\n")
    return 0


def script(shell: Shell) -> str:
    """Make the script that teaches a shell to complete."""
    from nexhealth_async.cli.app import build

    making = _MAKING.set(True)
    try:
        return build().generate_completion(shell=shell)
    finally:
        _MAKING.reset(making)


def offered() -> tuple[str, ...] | None:
    """Return the lists a shell offers, in any version of the API.

    None while no script is made: a name that is no list is refused with the one that was meant,
    not with all there are.
    """
    if not _MAKING.get():
        return None
    from nexhealth_async.bulk import resources

    return tuple(dict.fromkeys((*resources("v2"), *resources("v3"))))
