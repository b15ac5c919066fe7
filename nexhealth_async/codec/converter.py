"""From the API's JSON to models and back.

Records arrive with small faults: ``{}`` for a missing date, a number for text, a timestamp nobody
can read. ``Codec`` repairs what has only one meaning, names the fields it repaired, and refuses the
rest with ``UndecodableRecordError``, which never holds the value. A record without faults is read
by msgspec straight from its bytes, which gives the same object at a fifth of the cost, unless a
hook of yours reads something inside it.

A codec is a cattrs converter, so hooks of your own can be registered, and go before its own::

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
    """Reads the API's records, repairing what can be repaired.

    Of cattrs it keeps the way to register hooks and nothing of its conversions, for which
    ``bool("false")`` is True. Hooks of ours are built when a class is first met. Decoding keeps no
    state in the codec, so threads may share one.

    Options of ``cattrs.Converter`` are taken, because ``copy()`` passes them, but change nothing.
    """

    def __init__(self, *_options: object, **_more: object) -> None:
        self._is_native: dict[type, bool] = {}
        """Whether msgspec may read a model, once hooks were registered."""
        super().__init__(detailed_validation=False)
        for kind, hook in SCALARS.items():
            super().register_structure_hook(kind, hook)
        self.register_structure_hook_factory(is_composite, compose)
        self.register_unstructure_hook_func(_is_model, to_builtins)
        # A copy, which alone is made with options, may hold hooks that were never registered here.
        self._hooked = bool(_options)

    def decode(self, model: type[T], data: Data) -> tuple[T, tuple[str, ...]]:
        """Read one record's JSON; return the object and the paths of the fields that were repaired.

        A path is ``waitlisted_at``, ``bio.date_of_birth`` or ``upcoming_appts[0].start_time``.

        Raises:
            UndecodableRecordError: the record cannot be read, with path and expected type.
        """
        if native := self.native(model):
            with suppress(*NATIVE_ERRORS):  # what is wrong shows below
                return native(data), ()
        outcome = self._decode_record(model, data)
        del data  # a refusal's traceback must not lead to the value
        return cast("tuple[T, tuple[str, ...]]", unwrap_outcome(outcome))

    def decode_tolerantly(self, model: type[T], data: Data) -> tuple[T, tuple[str, ...]]:
        """Do what ``decode`` does with a record that the native decoder has refused."""
        outcome = self._decode_record(model, data)
        del data
        return cast("tuple[T, tuple[str, ...]]", unwrap_outcome(outcome))

    def structure_record(self, model: type[T], obj: object) -> tuple[T, tuple[str, ...]]:
        """Do what ``decode`` does with a record that was parsed already."""
        outcome = apply_reader(reader_of(model, self), model, obj)
        del obj
        return cast("tuple[T, tuple[str, ...]]", unwrap_outcome(outcome))

    def _decode_record(self, model: type, data: Data) -> Outcome:
        parsed, fault = _parse(data)
        if fault:
            return undecodable_error(model, "", fault)
        return apply_reader(reader_of(model, self), model, parsed)

    def native(self, model: type[T]) -> Callable[[Data], T] | None:
        """Return what reads a model's faultless records fastest, and refuses all others.

        Its refusals are `NATIVE_ERRORS`, and may hold the value. None for classes that are not
        ours, and for models with a user's hook anywhere inside: msgspec knows nothing of hooks.
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
        """Register a hook for all types a predicate takes, as cattrs does."""
        self._reset_decoders()
        super().register_structure_hook_func(check_func, func)

    def register_structure_hook_factory(
        self, predicate: Callable[[Any], bool], factory: Callable[..., Any] | None = None
    ) -> Any:
        """Register a factory of hooks, as cattrs does."""
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
        """Register a hook ``(value, type) -> object``; it goes before the codec's own.

        As a decorator it takes the type from the function's return annotation. A hook that fails
        makes the record undecodable; its error is not passed on, since it may hold the value.
        """
        if func is None:
            self.register_structure_hook(get_annotations(cl, eval_str=True)["return"], cl)
            return cl
        if is_attrs(cl):
            resolve_annotations(
                cl
            )  # cattrs resolves the annotations of a class it takes a hook for
        self._reset_decoders()
        super().register_structure_hook(cl, func)
        return None


def to_builtins(model: attrs.AttrsInstance) -> dict[str, JSON]:
    """Turn a model into what ``json.dumps`` takes.

    Timestamps become ISO 8601 text with their offset, dates ISO text, amounts text, tuples lists;
    None stays.
    """
    plain: dict[str, JSON] = msgspec.to_builtins(_as_dict(model))
    return plain


def to_json(model: attrs.AttrsInstance) -> bytes:
    """Turn a model into JSON; the forms are those of ``to_builtins``."""
    return msgspec.json.encode(_as_dict(model))


def _as_dict(model: attrs.AttrsInstance) -> dict[str, object]:
    """Show every field, the class's own before inherited ones; msgspec would skip absent ones."""
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
        return None, "less deep nesting"
    except (ValueError, ArithmeticError):  # bad UTF-8 and a number out of all bounds included
        return None, "JSON"
