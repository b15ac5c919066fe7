"""Records read strictly: by msgspec alone, and only if they hold what columns hold and no more.

Most pages are such that every record is read without a repair, and has no field that a column
lacks. For them no models are needed: a struct is made of the fields that the records have, with the
types of the model's, and refuses all others at any depth. What it reads is what the model would
hold, save that what becomes JSON in a column is the JSON that was sent, that an amount may be NaN,
and that a text may stand where the model makes a list of it: who builds columns sees to those.
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
"""By model: fields that change others once they are read. A struct does nothing of the kind."""
_MAX_CACHED: Final = 300
"""Fields a struct is made for; a record with more is read the slow way, whoever sent it."""


class _StrictStruct(msgspec.Struct):
    """Prints nothing of what it holds, as the models do."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class StrictAmount(_StrictStruct, forbid_unknown_fields=True, gc=False):
    """An amount of money as it was sent."""

    amount: Decimal
    currency: str


@frozen
class StrictReader:
    """Reads records of one model that have no other fields than these."""

    model: type
    names: tuple[str, ...]
    """Fields of the model that records may have, in the order in which they are in a struct."""
    others: frozenset[str]
    """Fields that the model lacks, and records may have all the same."""
    read: Callable[[Raw], msgspec.Struct]
    """Reads one record; raises what native decoders raise."""


@cache
def names_of(model: type) -> frozenset[str]:
    """Return the fields of a model that can be read strictly."""
    return frozenset(column.name for column in fields_of(model))


@lru_cache(maxsize=32)
def strict_reader(model: type, names: frozenset[str]) -> StrictReader | None:
    """Return what reads records with these fields; None where only models can."""
    columns = [column for column in fields_of(model) if column.name in names]
    known = frozenset(column.name for column in columns)
    if (
        names & _OVERRIDING_FIELDS.get(model.__name__, frozenset())
        or _required(model) - known
        or len(names) > _MAX_CACHED
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
    except ValueError:  # a name with a quotation mark in it
        return None
    read = msgspec.json.Decoder(struct).decode
    return StrictReader(model, struct.__struct_fields__[: len(columns)], frozenset(others), read)


@cache
def struct_of(model: type) -> Callable[[], object]:
    """Return the struct in which a part of a record is read, with all of the model's fields."""
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
    """Return what reads the JSON of a field as the model would, or refuses it."""
    return msgspec.json.Decoder(attribute_of(model, name).type).decode


@cache
def attribute_of(model: type, name: str) -> attrs.Attribute[Any]:
    """Return what a model says of a field."""
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
            kind = tuple[inner, ...]  # type: ignore[valid-type]  # made for this column
        case _:
            return declared
    return kind | None if NoneType in get_args(declared) else kind
