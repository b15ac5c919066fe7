"""Answers that do not mean what they seem to.

Reference: v3 1.6: a parameter that an endpoint does not take is ignored with a warning, and the
answer then holds records nobody asked for. v3 1.2: practices set up under v3 answer v2's slots and
working hours with empty lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from attrs import frozen
from msgspec import Raw

from nexhealth_async._protocol.api_versions import is_v2
from nexhealth_async._protocol.operations import Paging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async._protocol.requests import PlannedCall

__all__ = ["is_empty_schedule", "significant_ignored_params"]

_SCHEDULE_RESOURCES = frozenset({"/appointment_slots", "/availabilities"})


@frozen
class _Slots:
    slots: list[Raw] | None = None
    next_available_date: str | None = None


_SLOTS = msgspec.json.Decoder(_Slots)

_INSIGNIFICANT_PARAMS = {
    Paging.WHOLE: frozenset({"page", "per_page"}),
    Paging.NUMBERED: frozenset({"per_page"}),
    Paging.CURSOR: frozenset({"per_page"}),
    Paging.SINGLE: frozenset[str](),
}
"""A whole list needs no paging; of the others, the page size is read off the first page."""


_PAGING = frozenset({"page", "per_page", "end_cursor", "start_cursor"})


def significant_ignored_params(call: PlannedCall, ignored: frozenset[str]) -> frozenset[str]:
    """Return the ignored parameters without which the answer is not the one asked for.

    Only names that were sent count: ignoring others changes nothing, and a word picked out of the
    server's sentence may be anything, also a person's name.
    """
    return (ignored & (call.sent_filters | _PAGING)) - _INSIGNIFICANT_PARAMS[call.row.paging]


def is_empty_schedule(
    call: PlannedCall, pairs: Sequence[tuple[str, str]], records: Sequence[Raw]
) -> bool:
    """Tell whether v2 brought no working hours, or no free slot and no day that will have one.

    ``pairs`` is what a request adds to the query of its call. Hours that are switched off, and
    pages behind the first, are often empty and say nothing.
    """
    if call.row.path not in _SCHEDULE_RESOURCES or not is_v2(call.version):
        return False
    if call.row.path == "/availabilities":
        query = dict((*call.query, *pairs))
        return not records and query.get("active") != "false" and query.get("page", "1") == "1"
    return all(map(_has_no_slot, records))


def _has_no_slot(group: Raw) -> bool:
    try:
        found = _SLOTS.decode(group)
    except msgspec.MsgspecError:
        return False
    return not found.slots and found.next_available_date is None
