"""Iteration over free slots, searched in windows that the API accepts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, cast

from attrs import frozen

from nexhealth_async.errors import InvalidArgumentError, NexHealthWarning
from nexhealth_async.pagination.flatten import FlatWalk

if TYPE_CHECKING:
    from nexhealth_async.models import SlotGroup
    from nexhealth_async.pagination.walk import Walk

__all__ = ["FreeSlot", "free_slots"]

_MAX_SEARCH_LENGTH = 14
"""Maximum number of days in a slot search that the vendor recommends."""


@frozen(kw_only=True)
class FreeSlot:
    """A free slot. Pass ``start`` unchanged as ``start_time``."""

    start: datetime
    """Start in the practice's UTC offset."""
    end: datetime | None
    provider_id: int | None
    location_id: int | None
    operatory_id: int | None
    """Operatory, required for booking at locations with ``map_by_operatory``."""


def free_slots(
    walk: Callable[..., Walk[SlotGroup]], filters: Mapping[str, object]
) -> FlatWalk[SlotGroup, FreeSlot]:
    """Return the free slots, searched in windows of at most 14 days."""
    shared = {**filters}
    limit = cast("int | None", shared.pop("limit", None))
    if limit is not None and limit < 0:
        raise InvalidArgumentError("limit must be a whole number of at least 0")
    start, days = cast("date", filters["start_date"]), cast("int", filters["days"])
    # Invalid filters raise here, at the first walk.
    first = walk(**{**shared, "days": min(days, _MAX_SEARCH_LENGTH)})

    def windows() -> Iterator[Walk[SlotGroup]]:
        yield first
        for offset in range(_MAX_SEARCH_LENGTH, days, _MAX_SEARCH_LENGTH):
            window = min(days - offset, _MAX_SEARCH_LENGTH)
            yield walk(**{**shared, "start_date": start + timedelta(days=offset), "days": window})

    return FlatWalk(windows(), _slots, limit=limit)


def _slots(group: SlotGroup) -> Iterator[FreeSlot]:
    for slot in group.slots:
        if slot.time is None:
            text = "a free slot with an unreadable time was skipped"
            warnings.warn(text, NexHealthWarning, stacklevel=3)
            continue
        yield FreeSlot(
            start=slot.time,
            end=slot.end_time,
            provider_id=slot.provider_id or group.pid,
            location_id=group.lid,
            operatory_id=slot.operatory_id or group.operatory_id,
        )
