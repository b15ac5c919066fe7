"""Strict decoding of records by msgspec, without models.

In most pages every record can be read without repairs and has a column for each field. Such pages
need no models: a struct with the fields of the records and the types of the model reads them, and
rejects all others at any depth. Its values equal those of the model, with three differences that
the column builders handle: JSON columns hold the JSON as sent, an amount may be NaN, and a text may
stand for a list of one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache, lru_cache
from types import NoneType
from typing import Any, Final, cast, get_args, get_origin

import attrs
import msgspec
from attrs import frozen
from msgspec import Raw

from nexhealth_async.codec import resolve_annotations, without_none
from nexhealth_async.export.columns import ColumnKind, FieldColumn, fields_of

__all__ = [
    "StrictAmount",
    "StrictReader",
    "attribute_of",
    "names_of",
    "reader_of_json",
    "strict_reader",
    "struct_of",
]

_OVERRIDING_FIELDS: Final = {"Appointment": frozenset({"canceled"})}
"""Fields that change other fields of a model, by model; a struct cannot do that."""
_MAX_FIELDS: Final = 300
"""Largest number of fields of a struct; a record with more is read as a model."""


class _StrictStruct(msgspec.Struct):
    """Base class with a repr that holds no values."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class StrictAmount(_StrictStruct, forbid_unknown_fields=True, gc=False):
    """An amount of money as sent by the server."""

    amount: Decimal
    currency: str


@frozen
class StrictReader:
    """Decoder of records of one model with a fixed set of fields."""

    model: type
    names: tuple[str, ...]
    """Fields of the model that records may have, in the order of the struct."""
    others: frozenset[str]
    """Allowed fields that the model lacks."""
    read: Callable[[Raw], msgspec.Struct]
    """Decodes one record; raises the errors of native decoders."""


@cache
def names_of(model: type) -> frozenset[str]:
    """Return the fields of a model that can be read strictly."""
    return frozenset(column.name for column in fields_of(model))


@lru_cache(maxsize=32)
def strict_reader(model: type, names: frozenset[str]) -> StrictReader | None:
    """Return a decoder of records with these fields; None if only the model can read them."""
    columns = [column for column in fields_of(model) if column.name in names]
    known = frozenset(column.name for column in columns)
    if (
        names & _OVERRIDING_FIELDS.get(model.__name__, frozenset())
        or _required(model) - known
        or len(names) > _MAX_FIELDS
    ):
        return None
    others = sorted(names - known)
    fields = [_field(model, column) for column in columns]
    fields += [(f"other_{at}", Raw, None) for at in range(len(others))]
    try:
        struct = msgspec.defstruct(
            model.__name__,
            fields,
            bases=(_StrictStruct,),
            rename={f"other_{at}": name for at, name in enumerate(others)},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
    except ValueError:  # a name with a quotation mark
        return None
    read = msgspec.json.Decoder(struct).decode
    return StrictReader(model, struct.__struct_fields__[: len(columns)], frozenset(others), read)


@cache
def struct_of(model: type) -> Callable[[], object]:
    """Return the struct for a nested object, with all fields of the model."""
    fields = [_field(model, column) for column in fields_of(model)]
    return msgspec.defstruct(
        model.__name__,
        fields,
        bases=(_StrictStruct,),
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


@cache
def reader_of_json(model: type, name: str) -> Callable[[Raw], object]:
    """Return a decoder that reads a field's JSON as the model would, or raises."""
    return msgspec.json.Decoder(attribute_of(model, name).type).decode


@cache
def attribute_of(model: type, name: str) -> attrs.Attribute[Any]:
    """Return the attrs attribute of a model's field."""
    resolve_annotations(model)
    return attrs.fields_dict(cast("type[attrs.AttrsInstance]", model))[name]


@cache
def _required(model: type) -> frozenset[str]:
    return frozenset(
        column.name
        for column in fields_of(model)
        if attribute_of(model, column.name).default is attrs.NOTHING
    )


def _field(model: type, column: FieldColumn) -> tuple[str, Any] | tuple[str, Any, Any]:
    attribute = attribute_of(model, column.name)
    kind = _type(column, attribute.type)
    if column.name in _required(model):
        return (column.name, kind)
    return (column.name, kind, attribute.default)


def _type(column: FieldColumn, declared: object) -> Any:
    kind: Any
    match column.kind:
        case ColumnKind.JSON:
            return Raw
        case ColumnKind.MONEY:
            kind = StrictAmount
        case ColumnKind.INTEGER:
            kind = int
        case ColumnKind.STRUCT:
            kind = struct_of(cast("type", column.model))
        case ColumnKind.LIST if get_origin(without_none(declared)) is tuple:
            element = cast("FieldColumn", column.element)
            inner = _type(element, get_args(without_none(declared))[0])
            kind = tuple[inner, ...]  # type: ignore[valid-type]  # built at run time
        case _:
            return declared
    return kind | None if NoneType in get_args(declared) else kind
