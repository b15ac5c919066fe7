"""``nexhealth completion``: scripts that complete commands, options and lists in a shell."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from cyclopts import App, Parameter

from nexhealth_async.cli import terminal
from nexhealth_async.cli.completion_names import generating_completions

__all__ = ["Shell", "completion", "script"]

Shell: TypeAlias = Literal["bash", "zsh", "fish"]


def completion(
    shell: Annotated[Shell, Parameter(help="Your shell.")],
    *,
    app: Annotated[App, Parameter(parse=False)],
) -> int:
    """Print a completion script for a shell; no file is changed.

    For bash, add the first example to ~/.bashrc; for zsh or fish, run the example once.
    """
    terminal.write(script(app, shell).rstrip() + "\n")
    return 0


def script(app: App, shell: Shell) -> str:
    """Generate the completion script of an application for a shell."""
    with generating_completions():
        return app.generate_completion(shell=shell)
