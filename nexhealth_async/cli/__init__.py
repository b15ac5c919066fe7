"""Command line of the package (extra ``cli``), with one module per command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexhealth_async.cli.app import run

__all__ = ["run"]


def __getattr__(name: str) -> object:
    """Import the commands on first use."""
    if name != "run":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nexhealth_async.cli import app

    return app.run
