"""Pages of a pull, decoded on delivery."""

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
    """Received page of a shard, kept as bytes because many wait at once."""

    shard: Shard
    list: int
    """Index of its list among the shard's lists."""
    page: RawPage = field(repr=False)
    decoder: RecordDecoder[T]
    position: str | None


class PageDecoding(Generic[T]):
    """Records of a page to deliver, decoded in slices.

    If a reader can convert all of them, no models are made.
    """

    def __init__(
        self,
        page: ReceivedPage[T],
        fresh: Sequence[Raw],
        reader: Reader | None = None,
        repaired: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        self.shard: Shard = page.shard
        self.list: int = page.list
        self.position: str | None = page.position
        self.count: int | None = page.page.count
        self.warnings: tuple[str, ...] = page.page.warnings
        self.duplicates: int = len(page.page.records) - len(fresh)
        self.fast_arrow: object | None = None
        self.refused: list[RejectedRecord] = []
        self._records: list[T] = []
        self._fresh = fresh
        self._batch_decoder = BatchDecoder(
            page.decoder, _make_collector(self.refused, self.shard.resource)
        )
        self._batch_decoder.begin(fresh, repaired)
        self._lazy_records = LazyRecords(fresh, page.decoder)
        self._steps: Generator[None, None, object | None] | None = None
        if reader is not None and fresh and not repaired and page.decoder.native() is not None:
            self._steps = reader(facts(self.shard.resource, self.shard.version).model, fresh)

    @property
    def repairs(self) -> Sequence[Repair]:
        """Repairs so far."""
        return self._batch_decoder.repairs

    async def decode(self) -> None:
        """Decode the rest and yield to the event loop before each slice. Can be cancelled."""
        while self._steps is not None:
            await asyncio.sleep(0)
            self._step(self._steps)
        while self._batch_decoder.remaining and self.fast_arrow is None:
            await asyncio.sleep(0)
            self._records += self._batch_decoder.read()

    def _step(self, steps: Generator[None, None, object | None]) -> None:
        try:
            next(steps)
        except StopIteration as end:
            self._steps, self.fast_arrow = None, end.value

    @property
    def size(self) -> int:
        """Number of records, once all are decoded."""
        return len(self._records if self.fast_arrow is None else self._fresh)

    def records(self) -> tuple[T, ...] | LazyRecords:
        """Return the records, once all are decoded."""
        return tuple(self._records) if self.fast_arrow is None else self._lazy_records

    def raw(self) -> tuple[bytes, ...] | LazyRecords:
        """Return the JSON of the records, once all are decoded."""
        if self.fast_arrow is not None:
            return self._lazy_records
        raw = [bytes(record) for record in self._fresh]
        for record in self.refused:  # equal records were rejected as well, in the same order
            raw.remove(record.raw_json)
        return tuple(raw)


def _make_collector(refused: list[RejectedRecord], resource: str) -> OnBadRecord:
    """Return a callback that collects rejected records; a method would be a reference cycle."""

    def add(error: UndecodableRecordError, record: bytes) -> None:
        refused.append(
            RejectedRecord(
                record_id=valid_id(resource, record),
                path=error.path,
                expected=error.expected,
                raw_json=record,
            )
        )

    return add
