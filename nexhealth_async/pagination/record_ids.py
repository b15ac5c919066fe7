"""Ids of undecoded records, and a compact set of ids, for walks and pulls.

A Python set of a million integers takes 70 MB. `IdSet` stores ids by their upper bits in chunks of
65,536, each a sorted array of 16-bit remainders that becomes a bitmap when that is smaller.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from itertools import islice
from operator import lt
from typing import TYPE_CHECKING, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["IdSet", "read_ids"]

_ARRAY_LIMIT = 4_096
"""Number of remainders in a chunk above which a bitmap of 8 KiB is smaller than the array."""
_BITMAP_BYTES = 8_192


class _Identified(msgspec.Struct):
    id: int | str | None = None


_ID = msgspec.json.Decoder(_Identified)
_FIRST_ID = re.compile(rb'\{\s*"id"\s*:\s*([1-9][0-9]{0,17})\s*[,}]')


def read_ids(records: Sequence[msgspec.Raw]) -> list[int | str | None]:
    """Return the ids of records, None for a record whose id is missing or invalid.

    The id is nearly always the first field, which a regular expression finds fast.
    """
    return [
        int(match[1]) if match else _find_id(record)
        for record, match in zip(records, map(_FIRST_ID.match, records), strict=True)
    ]


def _find_id(record: msgspec.Raw) -> int | str | None:
    try:
        return _ID.decode(record).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class IdSet:
    """Compact set of ids; ids other than integers are kept in an ordinary set."""

    __slots__ = ("_chunks", "_count", "_greatest", "_others")

    def __init__(self) -> None:
        self._chunks: dict[int, array[int] | bytearray] = {}
        self._others: set[object] = set()
        self._count = 0
        self._greatest: int | None = None

    def __len__(self) -> int:
        return self._count + len(self._others)

    def __contains__(self, id: object) -> bool:
        if type(id) is not int:
            return id in self._others
        chunk = self._chunks.get(id >> 16)
        if chunk is None:
            return False
        low = id & 0xFFFF
        if isinstance(chunk, bytearray):
            return bool(chunk[low >> 3] & (1 << (low & 7)))
        position = bisect_left(chunk, low)
        return position < len(chunk) and chunk[position] == low

    def add(self, id: object) -> bool:
        """Add an id; return True if it is new."""
        if type(id) is not int:
            before = len(self._others)
            self._others.add(id)
            return len(self._others) > before
        high, low = id >> 16, id & 0xFFFF
        chunk = self._chunks.setdefault(high, array("H"))
        if isinstance(chunk, bytearray):
            bit = 1 << (low & 7)
            if chunk[low >> 3] & bit:
                return False
            chunk[low >> 3] |= bit
        else:
            position = bisect_left(chunk, low)
            if position < len(chunk) and chunk[position] == low:
                return False
            chunk.insert(position, low)
            if len(chunk) > _ARRAY_LIMIT:
                self._chunks[high] = _as_bitmap(chunk)
        self._count += 1
        self._greatest = id if self._greatest is None else max(self._greatest, id)
        return True

    def add_all(self, ids: Sequence[object]) -> list[int]:
        """Add ids; return the indexes of those that were in the set, or come twice in ``ids``."""
        if self._append(ids):
            return []
        return [index for index, id in enumerate(ids) if not self.add(id)]

    def _append(self, ids: Sequence[object]) -> bool:
        """Add ascending ids above all ids of the set, the case of pages sorted by id."""
        if set(map(type, ids)) != {int}:
            return False
        numbers = cast("Sequence[int]", ids)
        high, greatest = numbers[0] >> 16, self._greatest
        in_order = all(map(lt, numbers, islice(numbers, 1, None)))
        if (greatest is not None and numbers[0] <= greatest) or not in_order:
            return False
        if high != numbers[-1] >> 16:
            return False
        chunk = self._chunks.get(high, None) or array("H")
        lows = [number & 0xFFFF for number in numbers]
        if isinstance(chunk, array):
            chunk.extend(lows)
            self._chunks[high] = chunk if len(chunk) <= _ARRAY_LIMIT else _as_bitmap(chunk)
        else:
            for low in lows:
                chunk[low >> 3] |= 1 << (low & 7)
        self._count += len(lows)
        self._greatest = numbers[-1]
        return True


def _as_bitmap(lows: array[int]) -> bytearray:
    bitmap = bytearray(_BITMAP_BYTES)
    for low in lows:
        bitmap[low >> 3] |= 1 << (low & 7)
    return bitmap
