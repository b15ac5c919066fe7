"""Requests that are processed some time after their connection was reset."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

__all__ = ["LateCommit"]


@define(kw_only=True, eq=False)
class LateCommit:
    """A request that is processed later."""

    due: float
    """Time of processing, in seconds of the sandbox's clock."""
    method: str
    path: str
    commit: Callable[[], object]
