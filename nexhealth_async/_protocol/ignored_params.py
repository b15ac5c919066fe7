"""Detection of misleading responses: ignored parameters and empty schedules.

Reference: v3 1.6: an endpoint ignores unknown parameters with a warning, so the response may hold
records that do not match the filters. v3 1.2: for practices that were set up under v3, v2 returns
empty lists of slots and working hours.
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
"""Paging parameters that may be ignored; the page size is taken from the first page."""


_PAGING = frozenset({"page", "per_page", "end_cursor", "start_cursor"})


def significant_ignored_params(call: PlannedCall, ignored: frozenset[str]) -> frozenset[str]:
    """Return the ignored parameters that change the result.

    Only names that were sent count: the others come from a text of the server, so they may be any
    word, even a person's name.
    """
    return (ignored & (call.sent_filters | _PAGING)) - _INSIGNIFICANT_PARAMS[call.spec.paging]


def is_empty_schedule(
    call: PlannedCall, pairs: Sequence[tuple[str, str]], records: Sequence[Raw]
) -> bool:
    """Return whether v2 returned no working hours, or neither slots nor a next available date.

    Inactive hours and pages after the first do not count: they are often empty.

    Args:
        call: The call.
        pairs: Query parameters of the request beside the call's own.
        records: Records of the response.
    """
    if call.spec.path not in _SCHEDULE_RESOURCES or not is_v2(call.version):
        return False
    if call.spec.path == "/availabilities":
        query = dict((*call.query, *pairs))
        return not records and query.get("active") != "false" and query.get("page", "1") == "1"
    return all(map(_has_no_slot, records))


def _has_no_slot(group: Raw) -> bool:
    try:
        slots = _SLOTS.decode(group)
    except msgspec.MsgspecError:
        return False
    return not slots.slots and slots.next_available_date is None
