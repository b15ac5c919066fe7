"""Decoding of a page's records in batches.

Decoding 1,000 records at once blocks the event loop for milliseconds and triggers the garbage
collector, which takes even longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

import msgspec
from attrs import frozen

from nexhealth_async.codec import NATIVE_ERRORS
from nexhealth_async.errors import UndecodableRecordError
from nexhealth_async.pagination.record_ids import read_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from msgspec import Raw

__all__ = [
    "AS_BYTES",
    "AS_DICTS",
    "BatchDecoder",
    "OnBadRecord",
    "PairedDecoder",
    "RecordDecoder",
    "Repair",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

OnBadRecord: TypeAlias = "Callable[[UndecodableRecordError, bytes], None]"
"""Callback for undecodable records, with the error and the record's JSON bytes."""

_BATCH_SIZE = 64
"""Number of records decoded in one step of the event loop."""


class RecordDecoder(Protocol[T_co]):
    """Decoder of records into the items of a walk."""

    def native(self) -> Callable[[Raw], T_co] | None:
        """Return the fast decoder, which raises for invalid records; None if there is none."""
        ...

    def tolerant(self, record: Raw) -> tuple[T_co, tuple[str, ...]]:
        """Decode any record; return it and the paths of its repaired fields.

        Raises:
            UndecodableRecordError: The record cannot be repaired.
        """
        ...


@frozen
class Repair:
    """A field with an invalid value that was repaired or set to None."""

    record_id: int | str | None
    field: str
    """Path of the field, such as ``bio.date_of_birth``."""


class BatchDecoder(Generic[T]):
    """Decodes the records of consecutive pages in batches."""

    __slots__ = (
        "_decoded",
        "_decoder",
        "_on_bad_record",
        "_position",
        "_records",
        "_repaired",
        "failure",
        "repairs",
    )

    def __init__(self, decoder: RecordDecoder[T], on_bad_record: OnBadRecord | None) -> None:
        self._decoder = decoder
        self._on_bad_record = on_bad_record
        self._records: Sequence[Raw] = ()
        self._decoded: list[T] = []
        self._position = 0
        self._repaired: Mapping[int, tuple[str, ...]] = {}
        self.repairs: list[Repair] = []
        """Repairs in this page so far."""
        self.failure: UndecodableRecordError | None = None
        """Error that ends the walk after the records before it have been delivered."""

    def begin(
        self, records: Sequence[Raw], repaired: Mapping[int, tuple[str, ...]] | None = None
    ) -> None:
        """Start with the records of the next page.

        Args:
            records: The records.
            repaired: Paths of fields whose text was repaired before, by index of the record.
        """
        self._records = records
        self._repaired = repaired or {}
        self._decoded = []
        self._position = 0
        self.repairs = []
        self.failure = None

    @property
    def remaining(self) -> bool:
        """True while there are records to decode."""
        return bool(self._records)

    def read(self) -> list[T]:
        """Decode the next batch, up to the first record that ends the walk."""
        start, end = self._position, self._position + _BATCH_SIZE
        records = self._records[start:end]
        self._position = end
        if end >= len(self._records):
            self._records = ()  # each record keeps its whole page in memory
        # Not in a local variable: errors of the user's callback pass through this frame.
        self._decoded = []
        native = self._decoder.native()
        if self._repaired:
            self._read_repaired(records, start, native)
        elif native is None:
            self._read_tolerantly(records)
        else:
            self._read_natively(records, native)
        decoded, self._decoded = self._decoded, []
        return decoded

    def _read_repaired(
        self, records: Sequence[Raw], start: int, native: Callable[[Raw], T] | None
    ) -> None:
        """Decode records of a page with repaired text, and report those repairs."""
        for index, record in enumerate(records, start):
            before = len(self._decoded)
            if native is None:
                self._read_tolerantly((record,))
            else:
                self._read_natively((record,), native)
            if self.failure is not None:
                return
            paths = self._repaired.get(index)
            if paths and len(self._decoded) > before:
                (id,) = read_ids((record,))
                self.repairs += [Repair(id, path) for path in paths]

    def _read_natively(self, records: Sequence[Raw], native: Callable[[Raw], T]) -> None:
        append = self._decoded.append
        for index, record in enumerate(records):
            try:
                append(native(record))
                continue
            except NATIVE_ERRORS:  # may hold the value, so it must not become an error's context
                pass
            if not self._read_tolerantly(records[index : index + 1]):
                return

    def _read_tolerantly(self, records: Sequence[Raw]) -> bool:
        """Decode records one by one; return False if one of them ends the walk."""
        for record in records:
            try:
                value, repaired = self._decoder.tolerant(record)
            except UndecodableRecordError as error:
                # The traceback would keep the walk alive.
                failure = error.with_traceback(None)
            else:
                self._decoded.append(value)
                if repaired:
                    (id,) = read_ids((record,))
                    self.repairs += [Repair(id, path) for path in repaired]
                continue
            if self._on_bad_record is None:
                self.failure = failure
                self._records = ()
                return False
            self._on_bad_record(failure, bytes(record))
        return True


class _DictDecoder:
    """Decoder of records into dicts with all fields that the vendor sends."""

    def __init__(self) -> None:
        self._read = msgspec.json.Decoder(dict[str, object]).decode

    def native(self) -> Callable[[Raw], dict[str, object]]:
        return self._read

    def tolerant(self, record: Raw) -> tuple[dict[str, object], tuple[str, ...]]:  # noqa: ARG002 - the protocol's signature
        raise UndecodableRecordError(model="record", path="", expected="an object")


class _BytesDecoder:
    """Decoder that returns the JSON bytes of records."""

    def native(self) -> Callable[[Raw], bytes]:
        return bytes

    def tolerant(self, record: Raw) -> tuple[bytes, tuple[str, ...]]:
        return bytes(record), ()


class PairedDecoder(Generic[T]):
    """Decoder of records into pairs of the decoded record and its JSON bytes."""

    def __init__(self, decoder: RecordDecoder[T]) -> None:
        self._decoder = decoder

    def native(self) -> Callable[[Raw], tuple[T, bytes]] | None:
        """Return the fast decoder, which raises for invalid records; None if there is none."""
        native = self._decoder.native()
        if native is None:
            return None
        return lambda record: (native(record), bytes(record))

    def tolerant(self, record: Raw) -> tuple[tuple[T, bytes], tuple[str, ...]]:
        """Decode any record; return it and the paths of its repaired fields."""
        value, repaired = self._decoder.tolerant(record)
        return (value, bytes(record)), repaired


AS_DICTS = _DictDecoder()
AS_BYTES = _BytesDecoder()
