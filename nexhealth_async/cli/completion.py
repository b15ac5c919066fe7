"""``nexhealth completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from nexhealth_async.cli import screen

__all__ = ["completion"]


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Parameter(help="The shell that is to complete.")
    ],
) -> int:
    """Print what makes a shell complete commands and options; it changes no file.

    Put the first example into ~/.bashrc, or run the one of your shell once.
    """
    from nexhealth_async.cli.app import build

    screen.write(build().generate_completion(shell=shell).rstrip() + "\n")
    return 0
