"""Ids of records that are stored as JSON."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from nexhealth_async.codec import NATIVE_ERRORS, ValueRejectedError, read_int
from nexhealth_async.export.columns import ColumnKind, fields_of
from nexhealth_async.export.model_classes import model_of_shard

if TYPE_CHECKING:
    from nexhealth_async.bulk import Shard

__all__ = ["has_numbers", "id_of"]


class _WithId(msgspec.Struct, gc=False):
    id: Raw = Raw(b"null")


_READ = msgspec.json.Decoder(_WithId).decode
_VALUE = msgspec.json.Decoder(int | float | str | None).decode


@cache
def _kind_of_id(model: type) -> ColumnKind | None:
    return next((column.kind for column in fields_of(model) if column.name == "id"), None)


def has_numbers(shard: Shard) -> bool:
    """Return True if the ids of a shard's records are integers."""
    return _kind_of_id(model_of_shard(shard)) is ColumnKind.INTEGER


def id_of(record: bytes, *, numbers: bool) -> int | str | None:
    """Return the id in a record's JSON; None if there is no valid one."""
    try:
        value = _VALUE(_READ(record).id)
        if numbers:
            return read_int(value, [])
    except (*NATIVE_ERRORS, ValueRejectedError):
        return None
    return value if isinstance(value, str) else None
