"""What the queue and its streaq worker share: how long results are kept, and errors in groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, cast

__all__ = ["RESULT_TTL", "iter_leaves"]

RESULT_TTL: Final = timedelta(days=1)
"""For how long Redis knows why a message was given up."""


def iter_leaves(error: Exception) -> Iterator[Exception]:
    """Return an error, or those that a group of errors consists of."""
    if isinstance(error, ExceptionGroup):
        for one in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from iter_leaves(one)
    else:
        yield error
