"""A page's records, decoded a few dozen at a time.

A page of 1,000 decoded at once holds the event loop up for milliseconds, and wakes the garbage
collector, which takes longer still.
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
"""Called with the error and the record's bytes for every record that cannot be read."""

_BATCH_SIZE = 64
"""Records decoded in one turn of the event loop."""


class RecordDecoder(Protocol[T_co]):
    """How records become what a walk delivers."""

    def native(self) -> Callable[[Raw], T_co] | None:
        """Return what reads records without faults fastest, and refuses the others; or None."""
        ...

    def tolerant(self, record: Raw) -> tuple[T_co, tuple[str, ...]]:
        """Read any record; return it and the paths of repaired fields, or raise the refusal."""
        ...


@frozen
class Repair:
    """A field that did not hold what it should and was read as something sensible, or as None."""

    record_id: int | str | None
    field: str
    """Path of the field, such as ``bio.date_of_birth``."""


class BatchDecoder(Generic[T]):
    """Decodes the records of one page after the other, a slice at a time."""

    __slots__ = (
        "_decoder",
        "_made",
        "_on_bad_record",
        "_place",
        "_records",
        "_repaired",
        "failure",
        "repairs",
    )

    def __init__(self, decoder: RecordDecoder[T], on_bad_record: OnBadRecord | None) -> None:
        self._decoder = decoder
        self._on_bad_record = on_bad_record
        self._records: Sequence[Raw] = ()
        self._made: list[T] = []
        self._place = 0
        self._repaired: Mapping[int, tuple[str, ...]] = {}
        self.repairs: list[Repair] = []
        """What was repaired in this page so far."""
        self.failure: UndecodableRecordError | None = None
        """The record that ends the walk, once what came before it is delivered."""

    def begin(
        self, records: Sequence[Raw], repaired: Mapping[int, tuple[str, ...]] | None = None
    ) -> None:
        """Take the records of the next page, and by place the paths of text repaired before."""
        self._records = records
        self._repaired = repaired or {}
        self._made = []
        self._place = 0
        self.repairs = []
        self.failure = None

    @property
    def remaining(self) -> bool:
        """Whether there is something to decode."""
        return bool(self._records)

    def read(self) -> list[T]:
        """Decode the next slice, or as much of it as comes before a record that nobody can read."""
        start, end = self._place, self._place + _BATCH_SIZE
        records = self._records[start:end]
        self._place = end
        if end >= len(self._records):
            self._records = ()  # each record keeps its whole page alive
        # No variable here: an error of the user's own callback passes this frame.
        self._made = []
        native = self._decoder.native()
        if self._repaired:
            self._read_repaired(records, start, native)
        elif native is None:
            self._read_tolerantly(records)
        else:
            self._read_natively(records, native)
        made, self._made = self._made, []
        return made

    def _read_repaired(
        self, records: Sequence[Raw], start: int, native: Callable[[Raw], T] | None
    ) -> None:
        """Decode records of a page of which some were repaired before, and report those."""
        for place, record in enumerate(records, start):
            before = len(self._made)
            if native is None:
                self._read_tolerantly((record,))
            else:
                self._read_natively((record,), native)
            if self.failure is not None:
                return
            paths = self._repaired.get(place)
            if paths and len(self._made) > before:
                (id,) = read_ids((record,))
                self.repairs += [Repair(id, path) for path in paths]

    def _read_natively(self, records: Sequence[Raw], native: Callable[[Raw], T]) -> None:
        keep = self._made.append
        for at, record in enumerate(records):
            try:
                keep(native(record))
                continue
            except (
                NATIVE_ERRORS
            ):  # it may hold the value, and must not be what the next error is about
                pass
            if not self._read_tolerantly(records[at : at + 1]):
                return

    def _read_tolerantly(self, records: Sequence[Raw]) -> bool:
        """Decode records one by one; False if one ended the walk."""
        for record in records:
            try:
                value, repaired = self._decoder.tolerant(record)
            except UndecodableRecordError as error:
                # Without its traceback, which would hold the walk.
                bad = error.with_traceback(None)
            else:
                self._made.append(value)
                if repaired:
                    (id,) = read_ids((record,))
                    self.repairs += [Repair(id, path) for path in repaired]
                continue
            if self._on_bad_record is None:
                self.failure = bad
                self._records = ()
                return False
            self._on_bad_record(bad, bytes(record))
        return True


class _DictDecoder:
    """Records as plain dicts, with every field the vendor sends."""

    def __init__(self) -> None:
        self._read = msgspec.json.Decoder(dict[str, object]).decode

    def native(self) -> Callable[[Raw], dict[str, object]]:
        return self._read

    def tolerant(self, record: Raw) -> tuple[dict[str, object], tuple[str, ...]]:  # noqa: ARG002 - whatever it is
        raise UndecodableRecordError(model="record", path="", expected="an object")


class _BytesDecoder:
    """Records as the bytes of their JSON."""

    def native(self) -> Callable[[Raw], bytes]:
        return bytes

    def tolerant(self, record: Raw) -> tuple[bytes, tuple[str, ...]]:
        return bytes(record), ()


class PairedDecoder(Generic[T]):
    """Records beside the bytes of their JSON."""

    def __init__(self, decoder: RecordDecoder[T]) -> None:
        self._decoder = decoder

    def native(self) -> Callable[[Raw], tuple[T, bytes]] | None:
        """Return what reads records without faults fastest, and refuses the others; or None."""
        native = self._decoder.native()
        if native is None:
            return None
        return lambda record: (native(record), bytes(record))

    def tolerant(self, record: Raw) -> tuple[tuple[T, bytes], tuple[str, ...]]:
        """Read any record; return it and the paths of repaired fields, or raise the refusal."""
        value, repaired = self._decoder.tolerant(record)
        return (value, bytes(record)), repaired


AS_DICTS = _DictDecoder()
AS_BYTES = _BytesDecoder()
