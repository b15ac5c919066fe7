"""Pages on their way to the consumer, decoded once it asks for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, field

from nexhealth_async.bulk.batch import LazyRecords, RejectedRecord
from nexhealth_async.bulk.rejected_records import valid_id
from nexhealth_async.bulk.resource_facts import facts
from nexhealth_async.pagination.batch_decoder import BatchDecoder

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from msgspec import Raw

    from nexhealth_async.bulk.batch import Reader
    from nexhealth_async.bulk.shards import Shard
    from nexhealth_async.errors import UndecodableRecordError
    from nexhealth_async.pagination.batch_decoder import OnBadRecord, RecordDecoder, Repair
    from nexhealth_async.pagination.prefetching import RawPage

__all__ = ["PageDecoding", "ReceivedPage"]

T = TypeVar("T")


@define(eq=False, kw_only=True)
class ReceivedPage(Generic[T]):
    """A page of a shard as it came: many wait at once, and bytes cost the least while they do."""

    shard: Shard
    list: int
    """Which of the shard's lists it is of."""
    page: RawPage = field(repr=False)
    decoder: RecordDecoder[T]
    position: str | None


class PageDecoding(Generic[T]):
    """The records of a page that are to be delivered, decoded a slice at a time.

    Where a reader is given and has something to offer for all of them, no models are made.
    """

    def __init__(
        self,
        found: ReceivedPage[T],
        fresh: Sequence[Raw],
        reader: Reader | None = None,
        repaired: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        self.shard: Shard = found.shard
        self.list: int = found.list
        self.place: str | None = found.position
        self.count: int | None = found.page.count
        self.warnings: tuple[str, ...] = found.page.warnings
        self.duplicates: int = len(found.page.records) - len(fresh)
        self.sheet: object | None = None
        self.refused: list[RejectedRecord] = []
        self._records: list[T] = []
        self._fresh = fresh
        self._slices = BatchDecoder(found.decoder, _add_rejected(self.refused, self.shard.resource))
        self._slices.begin(fresh, repaired)
        self._unread = LazyRecords(fresh, found.decoder)
        self._steps: Generator[None, None, object | None] | None = None
        if reader is not None and fresh and not repaired and found.decoder.native() is not None:
            self._steps = reader(facts(self.shard.resource, self.shard.version).model, fresh)

    @property
    def repairs(self) -> Sequence[Repair]:
        """What was repaired so far."""
        return self._slices.repairs

    async def decode(self) -> None:
        """Decode what is left, with a turn of the loop before each slice; may be cancelled."""
        while self._steps is not None:
            await asyncio.sleep(0)
            self._step(self._steps)
        while self._slices.remaining and self.sheet is None:
            await asyncio.sleep(0)
            self._records += self._slices.read()

    def _step(self, steps: Generator[None, None, object | None]) -> None:
        try:
            next(steps)
        except StopIteration as end:
            self._steps, self.sheet = None, end.value

    @property
    def size(self) -> int:
        """How many records there are, once all are decoded."""
        return len(self._records if self.sheet is None else self._fresh)

    def records(self) -> tuple[T, ...] | LazyRecords:
        """Return the records, once all are decoded."""
        return tuple(self._records) if self.sheet is None else self._unread

    def raw(self) -> tuple[bytes, ...] | LazyRecords:
        """Return the JSON of the records, once all are decoded."""
        if self.sheet is not None:
            return self._unread
        raw = [bytes(one) for one in self._fresh]
        for one in self.refused:  # in their order; whatever is equal to one was refused as well
            raw.remove(one.raw_json)
        return tuple(raw)


def _add_rejected(refused: list[RejectedRecord], resource: str) -> OnBadRecord:
    """Return what sets records aside; no method, since a cycle would hold a whole page."""

    def set_aside(error: UndecodableRecordError, record: bytes) -> None:
        refused.append(
            RejectedRecord(
                record_id=valid_id(resource, record),
                path=error.path,
                expected=error.expected,
                raw_json=record,
            )
        )

    return set_aside
