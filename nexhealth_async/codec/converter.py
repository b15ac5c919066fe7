"""Conversion of the API's JSON to models, and back.

Records often have small faults: ``{}`` for a missing date, a number for text, an unreadable
timestamp. `Codec` repairs values that have only one meaning, reports the repaired fields, and
rejects all others with ``UndecodableRecordError``, which never holds the value. msgspec reads a
record without faults directly from its bytes, with the same result at a fifth of the cost, unless a
user's hook reads something inside it.

A codec is a cattrs converter. Hooks registered by users take precedence over its own::

    codec = Codec()
    codec.register_structure_hook(PatientBio, lambda value, _: my_bio(value))
    patient, repaired = codec.decode(Patient, b'{"id": 143776, "waitlisted_at": {}}')
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import attrs
import cattrs
import msgspec

from nexhealth_async import models
from nexhealth_async.codec.composite_values import (
    SCALARS,
    apply_reader,
    compose,
    is_composite,
    reader_of,
    undecodable_error,
    unwrap_outcome,
)
from nexhealth_async.codec.forward_references import is_attrs, resolve_annotations
from nexhealth_async.codec.hook_dependencies import has_no_user_hooks
from nexhealth_async.codec.native_decoding import NATIVE_ERRORS, Data, native_of

if TYPE_CHECKING:
    from nexhealth_async.codec.composite_values import Outcome
    from nexhealth_async.models import JSON

__all__ = ["Codec", "resolve_annotations", "to_builtins", "to_json"]

T = TypeVar("T")
_HookFunc = TypeVar("_HookFunc", bound=Callable[..., Any])

_PARSER = msgspec.json.Decoder(float_hook=Decimal)  # 62.1 must not become a binary fraction


class Codec(cattrs.Converter):
    """Reads the API's records, and repairs small faults.

    Hooks are registered as in cattrs, but the conversions of cattrs, for which ``bool("false")`` is
    True, are not used. The codec's own hooks are built when a class is first read. Decoding keeps
    no state, so threads may share a codec.

    Options of ``cattrs.Converter`` are accepted, because ``copy()`` passes them, but have no
    effect.
    """

    def __init__(self, *_options: object, **_more: object) -> None:
        self._is_native: dict[type, bool] = {}
        """True if msgspec may read a model although hooks were registered."""
        super().__init__(detailed_validation=False)
        for kind, hook in SCALARS.items():
            super().register_structure_hook(kind, hook)
        self.register_structure_hook_factory(is_composite, compose)
        self.register_unstructure_hook_func(_is_model, to_builtins)
        # Only a copy is created with options; it may hold hooks that were not registered here.
        self._hooked = bool(_options)

    def decode(self, model: type[T], data: Data) -> tuple[T, tuple[str, ...]]:
        """Decode one record's JSON, and repair small faults.

        Args:
            model: Class of the record.
            data: JSON of the record.

        Returns:
            The record, and the paths of its repaired fields, such as ``waitlisted_at``,
            ``bio.date_of_birth`` or ``upcoming_appts[0].start_time``.

        Raises:
            UndecodableRecordError: The record cannot be read; holds path and expected type.
        """
        if native := self.native(model):
            with suppress(*NATIVE_ERRORS):  # the tolerant reader reports the fault
                return native(data), ()
        outcome = self._decode_record(model, data)
        del data  # an error's traceback must not hold the value
        return cast("tuple[T, tuple[str, ...]]", unwrap_outcome(outcome))

    def decode_tolerantly(self, model: type[T], data: Data) -> tuple[T, tuple[str, ...]]:
        """Decode a record that the native decoder has rejected; see `decode`."""
        outcome = self._decode_record(model, data)
        del data
        return cast("tuple[T, tuple[str, ...]]", unwrap_outcome(outcome))

    def structure_record(self, model: type[T], obj: object) -> tuple[T, tuple[str, ...]]:
        """Convert a record that was already parsed; see `decode`."""
        outcome = apply_reader(reader_of(model, self), model, obj)
        del obj
        return cast("tuple[T, tuple[str, ...]]", unwrap_outcome(outcome))

    def _decode_record(self, model: type, data: Data) -> Outcome:
        parsed, expected = _parse(data)
        if expected:
            return undecodable_error(model, "", expected)
        return apply_reader(reader_of(model, self), model, parsed)

    def native(self, model: type[T]) -> Callable[[Data], T] | None:
        """Return the fast decoder of a model, which rejects every record with a fault.

        It raises `NATIVE_ERRORS`, which may hold the value.

        Returns:
            The decoder; None for classes other than this package's models, and for models with a
            user's hook anywhere inside, because msgspec does not call hooks.
        """
        if not self._hooked:
            return native_of(model)
        allowed = self._is_native.get(model)
        if allowed is None:
            allowed = self._is_native[model] = has_no_user_hooks(model, self)
        return native_of(model) if allowed else None

    def register_structure_hook_func(
        self, check_func: Callable[[Any], bool], func: Callable[[Any, Any], Any]
    ) -> None:
        """Register a hook for all types that a predicate accepts, as in cattrs."""
        self._reset_decoders()
        super().register_structure_hook_func(check_func, func)

    def register_structure_hook_factory(
        self, predicate: Callable[[Any], bool], factory: Callable[..., Any] | None = None
    ) -> Any:
        """Register a factory of hooks, as in cattrs."""
        self._reset_decoders()
        register: Callable[..., Any] = super().register_structure_hook_factory
        return register(predicate, factory)

    def _reset_decoders(self) -> None:
        self._hooked = True
        self._is_native.clear()

    @overload
    def register_structure_hook(self, cl: _HookFunc) -> _HookFunc: ...

    @overload
    def register_structure_hook(self, cl: Any, func: Callable[[Any, Any], Any]) -> None: ...

    def register_structure_hook(
        self, cl: Any, func: Callable[[Any, Any], Any] | None = None
    ) -> Any:
        """Register a hook ``(value, type) -> object``, which takes precedence over the codec's own.

        As a decorator it takes the type from the function's return annotation. A hook that raises
        makes the record undecodable; its error is not passed on, because it may hold the value.
        """
        if func is None:
            self.register_structure_hook(get_annotations(cl, eval_str=True)["return"], cl)
            return cl
        if is_attrs(cl):
            resolve_annotations(cl)  # before cattrs resolves the annotations itself
        self._reset_decoders()
        super().register_structure_hook(cl, func)
        return None


def to_builtins(model: attrs.AttrsInstance) -> dict[str, JSON]:
    """Convert a model to values that ``json.dumps`` accepts.

    Timestamps become ISO 8601 text with their offset, dates ISO 8601 text, amounts text, and tuples
    lists. None stays.
    """
    plain: dict[str, JSON] = msgspec.to_builtins(_as_dict(model))
    return plain


def to_json(model: attrs.AttrsInstance) -> bytes:
    """Convert a model to JSON, in the format of ``to_builtins``."""
    return msgspec.json.encode(_as_dict(model))


def _as_dict(model: attrs.AttrsInstance) -> dict[str, object]:
    """Convert a model to a dict of all fields, its own before inherited ones.

    msgspec would skip absent fields.
    """
    fields = sorted(attrs.fields(type(model)), key=lambda attribute: attribute.inherited)
    return {attribute.name: _unwrap_value(getattr(model, attribute.name)) for attribute in fields}


def _unwrap_value(value: object) -> object:
    if isinstance(value, models.Record):
        return _as_dict(cast("attrs.AttrsInstance", value))
    if isinstance(value, tuple):
        return [_unwrap_value(item) for item in cast("tuple[object, ...]", value)]
    return value


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, models.Record)


def _parse(data: Data) -> tuple[object, str]:
    try:
        return _PARSER.decode(data), ""
    except RecursionError:
        return None, "fewer nested levels"
    except (ValueError, ArithmeticError):  # includes invalid UTF-8 and numbers out of range
        return None, "JSON"
