"""What a pull delivers."""

from __future__ import annotations

from typing import TypeVar

from attrs import field, frozen

from nexhealth_async.bulk.shards import Shard
from nexhealth_async.errors import UsageError
from nexhealth_async.slices import Repair

__all__ = ["Batch", "Refused"]

T = TypeVar("T")


@frozen(kw_only=True)
class Refused:
    """A record that could not be read as its model."""

    record_id: int | str | None
    path: str
    """Path of the first field that could not be read."""
    expected: str
    """What should have been there."""
    raw: bytes = field(repr=False)
    """The record as it came: personal data."""


@frozen(kw_only=True)
class Batch:
    """Records of one shard, of one page at most, none of which the pull delivered before."""

    shard: Shard
    model: str
    """Name of the records' class in `nexhealth_async.models`."""
    records: tuple[object, ...] = field(repr=False)
    raw: tuple[bytes, ...] = field(repr=False)
    """The JSON of each record as it came, in the same order; fields the models lack are here."""
    repairs: tuple[Repair, ...] = ()
    refused: tuple[Refused, ...] = ()
    duplicates: int = 0
    """Records of the page that the pull had delivered before, in another shard."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """What came with the page to be noticed; the server's sentences may be personal."""
    place: str | None = None
    """Where a shard with cursors can be taken up behind this batch; None: only from its start."""
    total: int | None = None
    """Records of the list being read, where the server says so."""

    def of(self, model: type[T]) -> tuple[T, ...]:
        """Return the records, typed; `UsageError` if they are of another class."""
        if model.__name__ != self.model:
            raise UsageError(f"this batch holds {self.model} records, not {model.__name__}")
        return self.records  # type: ignore[return-value]  # made by this class's decoder
