"""Iterate over free appointment slots one by one, in windows the API accepts."""

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
"""Days the vendor advises for one slot search."""


@frozen(kw_only=True)
class FreeSlot:
    """A time that is free, with whom and where. Pass ``start`` unchanged as ``start_time``."""

    start: datetime
    """In the practice's own offset."""
    end: datetime | None
    provider_id: int | None
    location_id: int | None
    operatory_id: int | None
    """Needed for booking where the location has ``map_by_operatory``."""


def free_slots(
    walk: Callable[..., Walk[SlotGroup]], filters: Mapping[str, object]
) -> FlatWalk[SlotGroup, FreeSlot]:
    """Return the free times one by one, searched in windows of at most 14 days."""
    shared = {**filters}
    limit = cast("int | None", shared.pop("limit", None))
    if limit is not None and limit < 0:
        raise InvalidArgumentError("limit must be a whole number of at least 0")
    start, days = cast("date", filters["start_date"]), cast("int", filters["days"])
    # The first one shows at once what no search can have.
    first = walk(**{**shared, "days": min(days, _MAX_SEARCH_LENGTH)})

    def windows() -> Iterator[Walk[SlotGroup]]:
        yield first
        for gone in range(_MAX_SEARCH_LENGTH, days, _MAX_SEARCH_LENGTH):
            window = min(days - gone, _MAX_SEARCH_LENGTH)
            yield walk(**{**shared, "start_date": start + timedelta(days=gone), "days": window})

    return FlatWalk(windows(), _slots, limit=limit)


def _slots(group: SlotGroup) -> Iterator[FreeSlot]:
    for slot in group.slots:
        if slot.time is None:
            text = "a free slot whose time cannot be read was left out"
            warnings.warn(text, NexHealthWarning, stacklevel=3)
            continue
        yield FreeSlot(
            start=slot.time,
            end=slot.end_time,
            provider_id=slot.provider_id or group.pid,
            location_id=group.lid,
            operatory_id=slot.operatory_id or group.operatory_id,
        )
