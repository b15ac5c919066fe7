"""Fields in a record's JSON that have no column.

Most records hold only known fields. For each model there is a struct that rejects unknown keys at
any depth and parses nothing else, so the check costs less than half of decoding the record. Only
rejected records are compared key by key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Final, TypeAlias, cast

import msgspec
from attrs import frozen
from msgspec import Raw

from nexhealth_async.codec import NATIVE_ERRORS, to_builtins
from nexhealth_async.export.columns import ColumnKind, FieldColumn, fields_of
from nexhealth_async.models import Record

__all__ = [
    "ExtraFields",
    "KnownFields",
    "extra_json",
    "fields_in",
    "find_extra_fields",
    "items_in",
    "json_of",
    "json_text",
    "known_fields",
    "known_model_fields",
    "outline_struct",
]

ExtraFields: TypeAlias = "dict[str, Raw | ExtraFields | list[ExtraFields]]"
"""JSON by key, or the extra fields of a nested value."""

_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_ROWS: Final = msgspec.json.Decoder(list[Raw])
_NULL: Final = Raw(b"null")
_WITH_PARTS: Final = frozenset({ColumnKind.MONEY, ColumnKind.STRUCT})
_EMPTY: Final = frozenset({b"null", b'""', b"{}", b"[]"})
_ESCAPED_BYTES: Final = re.compile("[\udc80-\udcff]")
_MONEY: Final = frozenset({"amount", "currency"})


@frozen
class KnownFields:
    """Fields that have columns."""

    names: frozenset[str]
    with_parts: tuple[FieldColumn, ...]
    """Fields whose parts are columns, too."""


def known_fields(columns: Iterable[FieldColumn]) -> KnownFields:
    """Collect the field names of columns."""
    columns = tuple(columns)
    return KnownFields(
        frozenset(column.name for column in columns),
        tuple(column for column in columns if _has_parts(column)),
    )


@cache
def known_model_fields(model: type) -> KnownFields:
    """Collect the field names of a model's columns."""
    return known_fields(fields_of(model))


def _has_parts(column: FieldColumn) -> bool:
    return column.kind in _WITH_PARTS or (
        column.element is not None and column.element.kind in _WITH_PARTS
    )


@cache
def outline_struct(model: type) -> Callable[[bytes], object]:
    """Return a decoder that raises if a record has unknown keys.

    The result has each field of the model as an attribute: raw JSON for JSON columns, None if it
    was not sent.
    """
    return msgspec.json.Decoder(_outline(model.__name__, fields_of(model))).decode


def _outline(name: str, columns: Sequence[FieldColumn]) -> type[msgspec.Struct]:
    fields = [(column.name, _known_column(column), None) for column in columns]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, gc=False)


def _known_column(column: FieldColumn) -> object:
    if column.kind is ColumnKind.MONEY:
        return _MoneyFields | None
    if column.kind is ColumnKind.STRUCT:
        return _outline(column.name, column.parts) | None
    if column.element is not None and column.element.kind is ColumnKind.STRUCT:
        inner = _outline(column.name, column.element.parts)
        return list[inner] | None  # type: ignore[valid-type]  # built at run time
    return Raw


class _MoneyFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    amount: Raw = _NULL
    currency: Raw = _NULL


def fields_in(raw: bytes | Raw) -> dict[str, Raw]:
    """Return the fields of a JSON object as JSON; empty for any other value."""
    for data in (raw, json_text(raw)):  # the second differs only for invalid UTF-8
        with suppress(*NATIVE_ERRORS):
            return _FIELDS.decode(data)
    return {}


def items_in(raw: Raw) -> list[Raw] | None:
    """Return the elements of a JSON list as JSON; None for any other value."""
    try:
        return _ROWS.decode(raw)
    except NATIVE_ERRORS:
        return None


def find_extra_fields(known: KnownFields, record: object, fields: Mapping[str, Raw]) -> ExtraFields:
    """Return the fields of a record that have no column.

    This includes fields that the model read as None although the server sent a value.
    """
    names = known.names
    extra: ExtraFields = {
        name: raw
        for name, raw in fields.items()
        if name not in names or (getattr(record, name, None) is None and bytes(raw) not in _EMPTY)
    }
    for column in known.with_parts:
        name = column.name
        value = getattr(record, name, None)
        if (
            value is not None
            and name in fields
            and (inner := _extra_in_value(column, value, fields[name]))
        ):
            extra[name] = inner
    return extra


def _extra_in_value(
    column: FieldColumn, value: object, raw: Raw
) -> ExtraFields | list[ExtraFields] | Raw | None:
    if column.kind is ColumnKind.STRUCT:
        return find_extra_fields(
            known_model_fields(cast("type", column.model)), value, fields_in(raw)
        )
    if column.kind is ColumnKind.MONEY:
        return {key: part for key, part in fields_in(raw).items() if key not in _MONEY}
    if column.element is None or column.element.kind is not ColumnKind.STRUCT:
        return None
    return _extra_in_list(column.element, cast("tuple[object, ...]", value), raw)


def _extra_in_list(
    element: FieldColumn, values: tuple[object, ...], raw: Raw
) -> list[ExtraFields] | Raw | None:
    """Return the extra fields of each element, or the whole list if elements were dropped."""
    sent = items_in(raw)
    if sent is None:
        return None
    if len(sent) != len(values):
        return raw
    known = known_model_fields(cast("type", element.model))
    extra = [
        find_extra_fields(known, value, fields_in(item))
        for value, item in zip(values, sent, strict=True)
    ]
    return extra if any(extra) else None


def json_of(value: object) -> Raw:
    """Encode a field's value, for records without raw JSON."""
    plain = _plain_value(value)
    try:
        return Raw(msgspec.json.encode(plain))
    except (ValueError, TypeError):  # half of a surrogate pair must be escaped
        return Raw(json.dumps(plain, default=str).encode())


def _plain_value(value: object) -> object:
    if isinstance(value, Record):
        return to_builtins(value)  # type: ignore[arg-type]  # every record is an attrs class
    if isinstance(value, tuple | list):
        return [_plain_value(item) for item in cast("Sequence[object]", value)]
    return value


def extra_json(extra: ExtraFields) -> str | None:
    """Encode extra fields; None if there are none."""
    return json_text(msgspec.json.encode(extra)) if extra else None


def json_text(raw: bytes | Raw) -> str:
    r"""Decode JSON to text; invalid UTF-8 in a string becomes text such as ``\xff``."""
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        text = str(raw, "utf-8", "surrogateescape")
        return _ESCAPED_BYTES.sub(lambda found: f"\\\\x{ord(found[0]) - 0xDC00:02x}", text)
