"""Scopes and iteration options that the filters of all resources share."""

from collections.abc import Callable, Collection
from typing import Literal, TypedDict

from nexhealth_async.errors import UndecodableRecordError

__all__ = [
    "CursorOptions",
    "LocationScoped",
    "NumberedOptions",
    "PracticeScoped",
    "WholeOptions",
]


class PracticeScoped(TypedDict, total=False):
    """Scope of an operation on one practice."""

    subdomain: str | None
    """The practice's slug, lower case, as ``GET /institutions`` lists it; a scope binds it."""


class LocationScoped(PracticeScoped, total=False):
    """Scope of an operation on one location of a practice."""

    location_id: int | None
    """The location's id; a scope binds it, and a value given here takes precedence."""


class WholeOptions(TypedDict, total=False):
    """Iteration options of a list that arrives in one response."""

    limit: int | None
    """Stop after this many records; None, the default, means all."""
    on_bad_record: Callable[[UndecodableRecordError, bytes], None] | None
    """Called with the error and the JSON of each record that cannot be read; the walk continues.

    By default the walk ends with `UndecodableRecordError`. The bytes are personal data: do not log
    them.
    """


class CursorOptions(WholeOptions, total=False):
    """Iteration options of a list with cursors."""

    per_page: int | None
    """Records per page; the endpoint's maximum by default (300 in v2, 1,000 in v3)."""
    prefetch: int | None
    """Pages requested ahead of the current one; 1 by default, 0 for none.

    Lists with cursors request at most one page ahead.
    """
    after: str | None
    """``page.resume`` of an earlier walk with the same filters; continue after that page."""


class NumberedOptions(CursorOptions, total=False):
    """Iteration options of a list that has numbered pages in at least one API version."""

    drift: Literal["watch", "verify", "ignore"] | None
    """Handling of a numbered list that changes during the iteration.

    ``"watch"`` (the default) verifies after a change is detected, ``"verify"`` always verifies, and
    ``"ignore"`` reads the list once. Lists with cursors need no check and refuse ``"verify"``.
    """
    passes: int | None
    """Number of times that a verified iteration may read the list; 4 by default."""


_SHARED = frozenset({*LocationScoped.__annotations__, *NumberedOptions.__annotations__})


def filter_names(filters: type, *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of the filters that a `TypedDict` declares, as an `Endpoint` spells them.

    Args:
        filters: The keywords of a method.
        without: Filters that this version of the API does not take.

    Returns:
        The names in order, with ``[]`` after those that take several values.
    """
    return tuple(
        f"{name}[]" if "Sequence[" in str(kind) else name
        for name, kind in filters.__annotations__.items()
        if name not in _SHARED and name not in without
    )
