"""Requests that are carried out only after their connection broke."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

__all__ = ["LateCommit"]


@define(kw_only=True, eq=False)
class LateCommit:
    """One request that is still to be carried out."""

    due: float
    """When, by the sandbox's clock."""
    method: str
    path: str
    commit: Callable[[], object]
