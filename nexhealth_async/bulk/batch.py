"""Batches of records, as a pull delivers them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import TypeAlias, TypeVar

from attrs import define, field, fields, frozen
from msgspec import Raw

from nexhealth_async.bulk.shards import Shard
from nexhealth_async.codec import NATIVE_ERRORS
from nexhealth_async.errors import UsageError
from nexhealth_async.pagination.batch_decoder import RecordDecoder, Repair

__all__ = ["Batch", "LazyRecords", "Reader", "RejectedRecord"]

T = TypeVar("T")

Reader: TypeAlias = "Callable[[str, Sequence[Raw]], Generator[None, None, object | None]]"
"""Function that converts a page's records, of the named model, to something other than models.

It works in short steps, and the event loop runs between them. It returns None unless the model
could decode all records without a repair.
"""


@frozen(kw_only=True)
class RejectedRecord:
    """Record that its model cannot decode."""

    record_id: int | str | None
    path: str
    """Path of the first field that could not be decoded."""
    expected: str
    """Expected type or value."""
    raw_json: bytes = field(repr=False)
    """Original JSON of the record: personal data."""


@define(eq=False)
class LazyRecords:
    """Records that are decoded on first access."""

    _raw_records: Sequence[Raw]
    _decoder: RecordDecoder[object]
    _records: tuple[object, ...] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self._raw_records)

    @property
    def records(self) -> tuple[object, ...]:
        """Models, decoded on first access."""
        if self._records is None:
            self._records = tuple(map(self._decoded, self._raw_records))
        return self._records

    @property
    def raw(self) -> tuple[bytes, ...]:
        """JSON of each record."""
        return tuple(map(bytes, self._raw_records))

    def _decoded(self, record: Raw) -> object:
        native = self._decoder.native()
        if native is not None:
            with suppress(*NATIVE_ERRORS):
                return native(record)
        return self._decoder.tolerant(record)[0]


@frozen(kw_only=True)
class Batch:
    """Records of one shard, at most one page, without those that the pull delivered before."""

    shard: Shard
    model: str
    """Name of the records' class in `nexhealth_async.models`."""
    _records: tuple[object, ...] | LazyRecords = field(alias="records", repr=False)
    _raw: tuple[bytes, ...] | LazyRecords = field(alias="raw", repr=False)
    repairs: tuple[Repair, ...] = ()
    refused: tuple[RejectedRecord, ...] = ()
    duplicates: int = 0
    """Number of records that another shard had delivered before."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """Warnings of the page; the server's sentences may hold personal data."""
    position: str | None = None
    """Position after this batch in a list with cursors; None: only from its start."""
    total: int | None = None
    """Number of records of the list, if the server counts them."""
    fast_arrow: object | None = field(default=None, repr=False, eq=False)
    """Result of a `Reader`; None if the records were decoded as models.

    :meta private:
    """

    @property
    def size(self) -> int:
        """Number of records, without decoding them."""
        return len(self._records)

    @property
    def records(self) -> tuple[object, ...]:
        """The records, as models."""
        return self._records.records if isinstance(self._records, LazyRecords) else self._records

    @property
    def raw(self) -> tuple[bytes, ...]:
        """Original JSON of each record, in the same order, including fields the models lack."""
        return self._raw.raw if isinstance(self._raw, LazyRecords) else self._raw

    def __getstate__(self) -> dict[str, object]:
        """Decode the models first: a pickle holds records, not decoders."""
        state: dict[str, object] = {
            attribute.name: getattr(self, attribute.name) for attribute in fields(type(self))
        }
        return state | {"_records": self.records, "_raw": self.raw, "fast_arrow": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore the pickled state."""
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def of(self, model: type[T]) -> tuple[T, ...]:
        """Return the records, typed.

        Raises:
            UsageError: The batch holds records of another model.
        """
        if model.__name__ != self.model:
            raise UsageError(f"this batch holds {self.model} records, not {model.__name__}")
        return self.records  # type: ignore[return-value]  # made by this class's decoder
