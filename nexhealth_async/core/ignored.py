"""Which ignored parameters change what an answer means.

Reference: v3 1.6: a parameter that an endpoint does not take is ignored with a warning, and the
answer then holds records nobody asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexhealth_async.endpoints import Paging

if TYPE_CHECKING:
    from nexhealth_async.core.request import Call

__all__ = ["misread"]

_HARMLESS = {
    Paging.WHOLE: frozenset({"page", "per_page"}),
    Paging.NUMBERED: frozenset({"per_page"}),
    Paging.CURSOR: frozenset({"per_page"}),
    Paging.SINGLE: frozenset[str](),
}
"""A whole list needs no paging; of the others, the page size is read off the first page."""


_PAGING = frozenset({"page", "per_page", "end_cursor", "start_cursor"})


def misread(call: Call, ignored: frozenset[str]) -> frozenset[str]:
    """Return the ignored parameters without which the answer is not the one asked for.

    Only names that were sent count: ignoring others changes nothing, and a word picked out of the
    server's sentence may be anything, also a person's name.
    """
    return (ignored & (call.sent_filters | _PAGING)) - _HARMLESS[call.row.paging]
