"""Names of lists that shell completion offers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from nexhealth_async.cli.list_names import lists_of

__all__ = ["completions", "generating_completions"]

_GENERATING: ContextVar[bool] = ContextVar("_GENERATING", default=False)


@contextmanager
def generating_completions() -> Generator[None]:
    """Make `completions` return names while the block generates a completion script."""
    token = _GENERATING.set(True)
    try:
        yield
    finally:
        _GENERATING.reset(token)


def completions() -> tuple[str, ...] | None:
    """Return the names of the lists of every API version, or None outside of completion.

    Outside of completion, `check_names` rejects an unknown list and suggests the nearest name;
    cyclopts would print all names instead.
    """
    if not _GENERATING.get():
        return None
    return tuple(lists_of(None))
