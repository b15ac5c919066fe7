"""Result lifetime and error groups, shared by the queue and its streaq worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, cast

__all__ = ["RESULT_TTL", "iter_leaves"]

RESULT_TTL: Final = timedelta(days=1)
"""Time that Redis keeps the reason why a message was given up."""


def iter_leaves(error: Exception) -> Iterator[Exception]:
    """Iterate over an error, or over the errors of a group."""
    if isinstance(error, ExceptionGroup):
        for inner in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from iter_leaves(inner)
    else:
        yield error
