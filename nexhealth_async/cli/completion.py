"""``nexhealth completion``: a script that lets a shell complete commands, options and lists."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from cyclopts import App, Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.completion_names import generating_completions

__all__ = ["Shell", "completion", "script"]

Shell: TypeAlias = Literal["bash", "zsh", "fish"]


def completion(
    shell: Annotated[Shell, Parameter(help="The shell that is to complete.")],
    *,
    app: Annotated[App, Parameter(parse=False)],
) -> int:
    """Print what makes a shell complete commands and options; it changes no file.

    Put the first example into ~/.bashrc, or run the one of your shell once.
    """
    terminal.write(script(app, shell).rstrip() + "\n")
    return 0


def script(app: App, shell: Shell) -> str:
    """Generate the completion script of an application for a shell."""
    with generating_completions():
        return app.generate_completion(shell=shell)
