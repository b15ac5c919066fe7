"""Helpers for tests of tables: rows turned back into records, `_extra` included."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

import attrs

from nexhealth_async.codec import Codec
from nexhealth_async.export.columns import ColumnKind, FieldColumn, fields_of

__all__ = ["as_kept", "from_row", "merged"]

T = TypeVar("T")
_CODEC = Codec()


def from_row(model: type[T], row: Mapping[str, object]) -> T:
    """Restore a record from a row of its table, and from nothing else."""
    found = {column.name: _cell(column, row) for column in fields_of(cast("type", model))}
    sent = {name: value for name, value in found.items() if value is not None}
    extra = row["_extra"]
    if extra is not None:
        sent = cast("dict[str, object]", merged(sent, json.loads(cast("str", extra))))
    sent.pop("canceled", None)  # which has no column, and which `cancelled` follows
    return _CODEC.structure_record(model, sent)[0]


def _cell(column: FieldColumn, row: Mapping[str, object]) -> object:
    name = column.name
    if column.kind is not ColumnKind.MONEY:
        return _plain(column, row[name])
    amount, currency = row[f"{name}_amount"], row[f"{name}_currency"]
    return None if amount is None else {"amount": str(amount), "currency": currency}


def as_kept(record: T) -> T:
    """Return a record as its table has it: numbers in text columns are text."""
    changes: dict[str, object] = {
        column.name: str(getattr(record, column.name))
        for column in fields_of(cast("type", type(record)))
        if column.mixed and isinstance(getattr(record, column.name), int)
    }
    if hasattr(record, "canceled"):
        changes["canceled"] = None
    return attrs.evolve(cast("Any", record), **changes) if changes else record


def merged(kept: object, extra: object) -> object:
    """Put the extra fields back in their places."""
    if isinstance(kept, dict) and isinstance(extra, dict):
        known = cast("dict[str, object]", kept)
        more = cast("dict[str, object]", extra)
        return {**known, **{key: merged(known.get(key), value) for key, value in more.items()}}
    if isinstance(kept, list) and isinstance(extra, list):
        items, others = cast("list[object]", kept), cast("list[object]", extra)
        if len(items) == len(others):
            return [merged(one, more) for one, more in zip(items, others, strict=True)]
        return others
    return extra


def _plain(column: FieldColumn, value: object) -> object:
    """Convert a cell's value to its JSON form."""
    if value is None:
        return None
    match value:
        case str() if column.kind is ColumnKind.JSON:
            return json.loads(value, parse_float=Decimal)
        case datetime():
            assert value.utcoffset() == UTC.utcoffset(None)
            return value.isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case list():
            element = cast("FieldColumn", column.element)
            return [_plain(element, item) for item in cast("Sequence[object]", value)]
        case dict():
            return _object(column, cast("Mapping[str, object]", value))
        case _:
            return value


def _object(column: FieldColumn, value: Mapping[str, object]) -> dict[str, object]:
    if column.kind is ColumnKind.MONEY:
        return {"amount": str(value["amount"]), "currency": value["currency"]}
    plain = {part.name: _plain(part, value[part.name]) for part in column.parts}
    return {name: part for name, part in plain.items() if part is not None}
