"""Reading faultless records straight from their bytes, by msgspec alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from nexhealth_async import models
from nexhealth_async.codec.forward_references import resolve_annotations

__all__ = ["NATIVE_ERRORS", "Data", "native_of"]

T = TypeVar("T")

Data: TypeAlias = bytes | bytearray | memoryview | msgspec.Raw

NATIVE_ERRORS: Final = (ValueError, ArithmeticError, RecursionError)
"""What a native decoder raises for a record it cannot read; it may hold the value."""

_DECODERS: dict[type, Callable[[Data], Any] | None] = {}
"""Built once for each class of a program, by any thread."""


def native_of(model: type[T]) -> Callable[[Data], T] | None:
    """Return msgspec's decoder for one of our models; other classes may ask more of cattrs."""
    if model not in _DECODERS:
        ours = getattr(models, model.__name__, None) is model
        if ours:
            resolve_annotations(model)
        _DECODERS[model] = msgspec.json.Decoder(model).decode if ours else None
    return _DECODERS[model]
