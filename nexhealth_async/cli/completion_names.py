"""The names of lists that a shell offers where a command takes lists."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from nexhealth_async.cli.list_names import lists_of

__all__ = ["completions", "generating_completions"]

_GENERATING: ContextVar[bool] = ContextVar("_GENERATING", default=False)


@contextmanager
def generating_completions() -> Generator[None]:
    """Offer the names of lists while the block generates a completion script."""
    token = _GENERATING.set(True)
    try:
        yield
    finally:
        _GENERATING.reset(token)


def completions() -> tuple[str, ...] | None:
    """Return the lists that a shell offers, those of every API version.

    None while no script is generated: cyclopts would otherwise refuse an unknown list with all
    names there are, while `check_names` suggests the nearest one.
    """
    if not _GENERATING.get():
        return None
    return tuple(lists_of(None))
