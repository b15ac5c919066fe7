"""What a pull delivers."""

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
"""Makes something of a page's records, whose model is named, that takes the place of models.

It does so in short steps, between which the event loop has its turn. It returns None unless all
records are such that their model could be read without a repair.
"""


@frozen(kw_only=True)
class RejectedRecord:
    """A record that could not be read as its model."""

    record_id: int | str | None
    path: str
    """Path of the first field that could not be read."""
    expected: str
    """What should have been there."""
    raw_json: bytes = field(repr=False)
    """The record as it came: personal data."""


@define(eq=False)
class LazyRecords:
    """Records of which no models were made yet."""

    _found: Sequence[Raw]
    _decoder: RecordDecoder[object]
    _records: tuple[object, ...] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def records(self) -> tuple[object, ...]:
        """The models, made when first asked for."""
        if self._records is None:
            self._records = tuple(map(self._decoded, self._found))
        return self._records

    @property
    def raw(self) -> tuple[bytes, ...]:
        """Their JSON."""
        return tuple(map(bytes, self._found))

    def _decoded(self, record: Raw) -> object:
        native = self._decoder.native()
        if native is not None:
            with suppress(*NATIVE_ERRORS):
                return native(record)
        return self._decoder.tolerant(record)[0]


@frozen(kw_only=True)
class Batch:
    """Records of one shard, of one page at most, none of which the pull delivered before."""

    shard: Shard
    model: str
    """Name of the records' class in `nexhealth_async.models`."""
    _records: tuple[object, ...] | LazyRecords = field(alias="records", repr=False)
    _raw: tuple[bytes, ...] | LazyRecords = field(alias="raw", repr=False)
    repairs: tuple[Repair, ...] = ()
    refused: tuple[RejectedRecord, ...] = ()
    duplicates: int = 0
    """Records of the page that the pull had delivered before, in another shard."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """What came with the page to be noticed; the server's sentences may be personal."""
    position: str | None = None
    """Where a shard with cursors can be taken up behind this batch; None: only from its start."""
    total: int | None = None
    """Records of the list being read, where the server says so."""
    fast_arrow: object | None = field(default=None, repr=False, eq=False)
    """What a `Reader` made of the records; None where they were read as models.

    :meta private:
    """

    @property
    def size(self) -> int:
        """How many records there are, told without making models."""
        return len(self._records)

    @property
    def records(self) -> tuple[object, ...]:
        """The records, as models."""
        return self._records.records if isinstance(self._records, LazyRecords) else self._records

    @property
    def raw(self) -> tuple[bytes, ...]:
        """The JSON of each record as it came, in the same order, with fields the models lack."""
        return self._raw.raw if isinstance(self._raw, LazyRecords) else self._raw

    def __getstate__(self) -> dict[str, object]:
        """Make the models that were not made yet: a pickle holds records, not how to read them."""
        state: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(type(self))}
        return state | {"_records": self.records, "_raw": self.raw, "fast_arrow": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take over what was pickled."""
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def of(self, model: type[T]) -> tuple[T, ...]:
        """Return the records, typed; `UsageError` if they are of another class."""
        if model.__name__ != self.model:
            raise UsageError(f"this batch holds {self.model} records, not {model.__name__}")
        return self.records  # type: ignore[return-value]  # made by this class's decoder
