"""Pages on their way to the consumer, decoded once it asks for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, field

from nexhealth_async.bulk.batches import Refused
from nexhealth_async.slices import Slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgspec import Raw

    from nexhealth_async.bulk.shards import Shard
    from nexhealth_async.errors import UndecodableRecord
    from nexhealth_async.pager import RawPage
    from nexhealth_async.slices import Decoder, OnBadRecord, Repair

__all__ = ["Found", "Unpacking"]

T = TypeVar("T")


@define(eq=False, kw_only=True)
class Found(Generic[T]):
    """A page of a shard as it came: many wait at once, and bytes cost the least while they do."""

    shard: Shard
    list: int
    """Which of the shard's lists it is of."""
    page: RawPage = field(repr=False)
    decoder: Decoder[T]
    place: str | None


class Unpacking(Generic[T]):
    """The records of a page that are to be delivered, decoded a slice at a time."""

    def __init__(self, found: Found[T], fresh: Sequence[Raw]) -> None:
        self.shard: Shard = found.shard
        self.list: int = found.list
        self.place: str | None = found.place
        self.count: int | None = found.page.count
        self.warnings: tuple[str, ...] = found.page.warnings
        self.duplicates: int = len(found.page.records) - len(fresh)
        self.records: list[T] = []
        self.refused: list[Refused] = []
        self._fresh = fresh
        self._slices = Slices(found.decoder, _into(self.refused))
        self._slices.begin(fresh)

    @property
    def repairs(self) -> Sequence[Repair]:
        """What was repaired so far."""
        return self._slices.repairs

    async def run(self) -> None:
        """Decode what is left, with a turn of the loop before each slice; may be cancelled."""
        while self._slices.left:
            await asyncio.sleep(0)
            self.records += self._slices.read()

    def raw(self) -> tuple[bytes, ...]:
        """Return the JSON of the records, once all are decoded."""
        raw = [bytes(one) for one in self._fresh]
        for one in self.refused:  # in their order; whatever is equal to one was refused as well
            raw.remove(one.raw)
        return tuple(raw)


def _into(refused: list[Refused]) -> OnBadRecord:
    """Return what sets records aside; no method, since a cycle would hold a whole page."""

    def set_aside(error: UndecodableRecord, record: bytes) -> None:
        refused.append(
            Refused(
                record_id=error.record_id,
                path=error.path,
                expected=error.expected,
                raw=record,
            )
        )

    return set_aside
