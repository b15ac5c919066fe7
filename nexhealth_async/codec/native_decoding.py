"""Decoding of records without faults by msgspec."""

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
"""Errors of a native decoder for an unreadable record; they may hold the value."""

_DECODERS: dict[type, Callable[[Data], Any] | None] = {}
"""Decoders by class, built once by any thread."""


def native_of(model: type[T]) -> Callable[[Data], T] | None:
    """Return msgspec's decoder of one of this package's models; None for other classes."""
    if model not in _DECODERS:
        is_ours = getattr(models, model.__name__, None) is model
        if is_ours:
            resolve_annotations(model)
        _DECODERS[model] = msgspec.json.Decoder(model).decode if is_ours else None
    return _DECODERS[model]
