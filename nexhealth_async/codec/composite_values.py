"""Readers of composite values: lists, objects and models.

A reader takes a value and the list of repairs. Paths are extended on the way out, one step per
level, so that they cost nothing for a record without faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeAlias, Union, cast, get_args, get_origin

import attrs
import cattrs

from nexhealth_async import models
from nexhealth_async.codec import scalar_values as read
from nexhealth_async.codec.forward_references import is_attrs, resolve_annotations
from nexhealth_async.codec.scalar_values import Reader, ValueRejectedError
from nexhealth_async.errors import UndecodableRecordError

__all__ = [
    "SCALARS",
    "Outcome",
    "StructureHook",
    "apply_reader",
    "compose",
    "is_composite",
    "reader_of",
    "undecodable_error",
    "unwrap_outcome",
    "without_none",
]

Outcome: TypeAlias = "tuple[object, tuple[str, ...]] | UndecodableRecordError"
"""The value and the paths of its repairs, or an error that has not been raised yet."""

_CattrsHook = Callable[[object, object], object]

_NEVER_REPAIRED_TO_NONE: Final = frozenset(
    {"cancelled", "canceled", "deleted", "cancelled_at", "deleted_at", "disabled_at"}
)
"""Flags and timestamps that are rejected if unreadable, because None would mean the opposite."""
_NEVER_REJECTED: Final = frozenset({"waitlisted_at"})
"""Timestamps that only old samples show."""

# Repairs of the current record, for hooks of the codec that a user's hook calls.
_models_in_progress: ContextVar[list[str] | None] = ContextVar("_models_in_progress", default=None)


class StructureHook:
    """A hook of the codec; ``read`` also takes the list of repairs."""

    __slots__ = ("read",)

    def __init__(self, reader: Reader) -> None:
        self.read: Reader = reader

    def __call__(self, value: object, kind: object) -> object:
        """Read a value with the signature of a cattrs hook."""
        repairs = _models_in_progress.get()
        if repairs is not None:
            return self.read(value, repairs)
        outcome = apply_reader(self.read, kind, value)
        del value  # some tools print the variables of a traceback's frames
        return unwrap_outcome(outcome)[0]


SCALARS: Final[dict[object, StructureHook]] = {
    str: StructureHook(read.read_text),
    int: StructureHook(read.read_int),
    float: StructureHook(read.read_number),
    bool: StructureHook(read.read_bool),
    datetime: StructureHook(read.read_timestamp),
    date: StructureHook(read.read_date),
    Decimal: StructureHook(read.read_decimal),
}
_EXPECTED: Final[dict[object, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    datetime: "a date-time",
    date: "a date",
    Decimal: "an amount of money",
}


def apply_reader(reader: Reader, kind: object, value: object) -> Outcome:
    """Read one record; return an error instead of raising it.

    So no frame of the error's traceback holds the value.
    """
    repairs: list[str] = []
    path = expected = ""
    try:
        result = reader(value, repairs)
        if result is None and NoneType not in get_args(kind):
            raise _empty_value(kind)
    except ValueRejectedError as error:
        result, path, expected = None, error.path, error.expected
    except RecursionError:
        result, expected = None, "fewer nested levels"
    if expected:
        return undecodable_error(kind, path, expected, _id_of(value))
    return result, tuple(repairs)


def undecodable_error(
    kind: object, path: str, expected: str, record_id: int | None = None
) -> UndecodableRecordError:
    """Build the error for a record that cannot be read."""
    return UndecodableRecordError(
        model=getattr(kind, "__name__", "record"),
        path=path,
        expected=expected,
        record_id=record_id,
    )


def unwrap_outcome(outcome: Outcome) -> tuple[object, tuple[str, ...]]:
    """Return the value and its repairs, or raise the error without a context.

    The context, such as an error of the native decoder, may hold the value.
    """
    if not isinstance(outcome, UndecodableRecordError):
        return outcome
    try:
        raise outcome from None
    finally:
        outcome.__context__ = None


def _expected_type(kind: object) -> str:
    return _EXPECTED.get(kind) or ("an object" if is_attrs(kind) else "a value")


def _empty_value(kind: object) -> ValueRejectedError:
    """Build the error for an empty record, which names the first required field."""
    if is_attrs(kind):
        for attribute in attrs.fields(kind):
            if attribute.default is attrs.NOTHING:
                return ValueRejectedError(
                    _expected_type(without_none(attribute.type)), attribute.name
                )
    return ValueRejectedError(_expected_type(kind))


def _id_of(value: object) -> int | None:
    if not isinstance(value, Mapping):
        return None
    try:
        return read.read_int(cast("Mapping[str, object]", value).get("id"), [])
    except ValueRejectedError:
        return None


def _is_union(kind: object) -> bool:
    return get_origin(kind) in {Union, UnionType}


def is_composite(kind: object) -> bool:
    """Return True for types that the codec reads itself, besides the scalars."""
    origin = get_origin(kind)
    if origin is tuple:
        return get_args(kind)[1:] == (...,)
    return kind is Any or origin in {Annotated, dict} or _is_union(kind) or is_attrs(kind)


def _extend_path(step: str, path: str) -> str:
    return f"{step}.{path}" if path and not path.startswith("[") else f"{step}{path}"


def _read_nested(step: str, reader: Reader, value: object, repairs: list[str]) -> object:
    """Read a part, and prefix the paths of its repairs or its error."""
    before = len(repairs)
    try:
        result = reader(value, repairs)
    except ValueRejectedError as error:
        error.path = _extend_path(step, error.path)
        raise
    for at in range(before, len(repairs)):
        repairs[at] = _extend_path(step, repairs[at])
    return result


def without_none(kind: object) -> object:
    """Remove ``Annotated`` and ``| None`` from a type."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
            continue
        inner = [part for part in get_args(kind) if part is not NoneType]
        if not _is_union(kind) or len(inner) != 1:
            return kind
        kind = inner[0]


def reader_of(kind: object, codec: cattrs.Converter) -> Reader:
    """Return the reader of a type: the codec's own without its wrapper, or a user's hook."""
    kind = without_none(kind)
    hook = _hook_for(codec, kind)
    if not isinstance(hook, StructureHook):
        return _user_reader(hook, kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _user_reader(lambda value, _: kind(value), kind)
    return hook.read


def _hook_for(codec: cattrs.Converter, kind: object) -> _CattrsHook:
    hook: _CattrsHook = codec.get_structure_hook(cast("Any", kind))
    return hook


def _user_reader(hook: _CattrsHook, kind: object) -> Reader:
    """Wrap a user's hook; its errors may hold the value, so only their path is kept."""
    expected = f"a value for the hook of {getattr(kind, '__name__', 'this type')}"

    def reader(value: object, repairs: list[str]) -> object:
        token = _models_in_progress.set(repairs)
        try:
            return hook(value, kind)
        except (ValueRejectedError, RecursionError):
            raise
        except UndecodableRecordError as error:
            raise ValueRejectedError(error.expected, error.path) from None
        except Exception:  # noqa: BLE001 - a hook may raise anything
            raise ValueRejectedError(expected) from None
        finally:
            _models_in_progress.reset(token)

    return reader


def compose(kind: object, codec: cattrs.Converter) -> StructureHook:
    """Build the hook of a composite type, or of a field of any type."""
    if kind is Any:
        return StructureHook(read.read_json)
    if kind is models.Money:
        return StructureHook(_money_reader(codec))
    if is_attrs(kind):
        return StructureHook(_object_reader(kind, codec))
    if get_origin(kind) is tuple:
        return StructureHook(_list_reader(reader_of(get_args(kind)[0], codec), get_args(kind)[0]))
    if get_origin(kind) is dict:
        return StructureHook(_read_json_object)
    parts = [part for part in get_args(kind) if part is not NoneType]
    several = _is_union(kind) and len(parts) > 1
    inner = _union_reader(parts, codec) if several else reader_of(kind, codec)
    return StructureHook(lambda value, repairs: None if value is None else inner(value, repairs))


def _union_reader(parts: list[object], codec: cattrs.Converter) -> Reader:
    """Build the reader of a union of two types; models use only these pairs."""
    if set(parts) == {int, str}:
        return read.read_int_or_text
    lists = [part for part in parts if get_origin(part) is tuple]
    if len(lists) == 1 and set(parts) - set(lists) == {str}:
        many = reader_of(lists[0], codec)
        return lambda value, repairs: value if isinstance(value, str) else many(value, repairs)
    raise TypeError(f"JSON cannot distinguish the {len(parts)} types of this union; use one type")


def _list_reader(reader: Reader, element_type: object) -> Reader:
    """Build the reader of a list.

    Empty elements are dropped, and a single text or number becomes a list of one. Both are repairs.
    """
    kinds = {str: str, int: int | Decimal | float | str}
    single = kinds.get(cast("type", without_none(element_type)))

    def read_many(value: object, repairs: list[str]) -> tuple[object, ...] | None:
        if not isinstance(value, list | tuple):
            if read.is_missing(value):
                repairs.append("")
                return None
            if single is None or isinstance(value, bool) or not isinstance(value, single):
                raise ValueRejectedError("a list")
            element = reader(value, [])
            repairs.append("")
            return (element,)
        elements: list[object] = []
        for index, item in enumerate(cast("list[object]", value)):
            if item is None:
                repairs.append(f"[{index}]")
                continue
            element = _read_nested(f"[{index}]", reader, item, repairs)
            if element is not None:
                elements.append(element)
        return tuple(elements)

    return read_many


def _read_json_object(value: object, repairs: list[str]) -> object:
    """Read an object with unknown keys, which may be empty."""
    if not isinstance(value, Mapping):
        if read.is_missing(value):
            repairs.append("")
            return None
        raise ValueRejectedError("an object")
    return read.read_json(cast("Mapping[str, object]", value), repairs)


def _money_reader(codec: cattrs.Converter) -> Reader:
    """Build the reader of money: an object, or an amount without a currency."""
    amount, currency = reader_of(Decimal, codec), reader_of(str, codec)

    def read_money(value: object, repairs: list[str]) -> object:
        if isinstance(value, Mapping):
            record = cast("Mapping[str, object]", value)
        elif isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
            record = {"amount": value}
        else:
            raise ValueRejectedError("an amount of money")
        if not record:  # None would lose an amount
            raise ValueRejectedError("an amount of money")
        sent_amount, sent_currency = record.get("amount"), record.get("currency")
        if sent_amount is None:
            repairs.append("")
            return None
        value_read = _read_nested("amount", amount, sent_amount, repairs)
        if value_read is None:
            return None
        if sent_currency is None:
            repairs.append("currency")
        code = (
            ""
            if sent_currency is None
            else _read_nested("currency", currency, sent_currency, repairs)
        )
        try:
            return models.Money(
                amount=cast("Decimal", value_read), currency=cast("str", code or "")
            )
        except (AttributeError, ValueError):  # a user's hook for Decimal returned another type
            raise ValueRejectedError("an amount of money") from None

    return read_money


@attrs.frozen
class _ModelPlan:
    """Readers of a class by key, and the expected types of its required fields."""

    readers: dict[str, Reader]
    inits: dict[str, str]
    required: dict[str, str]


def _model_plan(model: type[attrs.AttrsInstance], codec: cattrs.Converter) -> _ModelPlan:
    resolve_annotations(model)
    plan = _ModelPlan({}, {}, {})
    for attribute in attrs.fields(model):
        if not attribute.init:
            continue
        name, kind = attribute.name, without_none(attribute.type)
        reader = reader_of(kind, codec)
        if reader is SCALARS[datetime].read:
            if name in _NEVER_REPAIRED_TO_NONE:
                reader = read.read_strict_timestamp
            elif name in _NEVER_REJECTED:
                reader = read.read_lenient_timestamp
        elif name in _NEVER_REPAIRED_TO_NONE and reader is SCALARS[bool].read:
            reader = read.read_strict_bool
        plan.readers[name] = reader
        plan.inits[name] = attribute.alias or name
        if attribute.default is attrs.NOTHING:
            plan.required[name] = _expected_type(kind)
    return plan


def _object_reader(model: type[attrs.AttrsInstance], codec: cattrs.Converter) -> Reader:
    """Build the reader of a model; its plan is built with the first record, since classes nest."""
    plan: _ModelPlan | None = None

    def read_object(value: object, repairs: list[str]) -> object:
        nonlocal plan
        if plan is None:
            plan = _model_plan(model, codec)
        if not isinstance(value, Mapping) and not read.is_missing(value):
            raise ValueRejectedError("an object")
        if not value or isinstance(value, str):
            if plan.required or not isinstance(value, Mapping):
                repairs.append("")
                return None
            return model()
        return _build_model(model, plan, cast("Mapping[str, object]", value), repairs)

    return read_object


def _build_model(
    model: type[attrs.AttrsInstance],
    plan: _ModelPlan,
    record: Mapping[str, object],
    repairs: list[str],
) -> object:
    arguments: dict[str, object] = {}
    for name, value in record.items():
        reader = plan.readers.get(name)
        if reader is None or value is None:
            continue
        result = _read_nested(name, reader, value, repairs)
        if result is not None:
            arguments[plan.inits[name]] = result
    for name, expected in plan.required.items():
        if plan.inits[name] not in arguments:
            raise ValueRejectedError(expected, name)
    try:
        return model(**arguments)
    except (TypeError, ValueError):  # a validator of a user's class
        raise ValueRejectedError(f"a valid {model.__name__}") from None
