"""Reading faultless records straight from their bytes, by msgspec alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from nexhealth_async import models
from nexhealth_async.codec.forward_references import prepare

__all__ = ["REFUSALS", "Data", "native_of"]

T = TypeVar("T")

Data: TypeAlias = bytes | bytearray | memoryview | msgspec.Raw

REFUSALS: Final = (ValueError, ArithmeticError, RecursionError)
"""What a native decoder raises for a record it cannot read; it may hold the value."""

_BUILT: dict[type, Callable[[Data], Any] | None] = {}
"""Built once for each class of a program, by any thread."""


def native_of(model: type[T]) -> Callable[[Data], T] | None:
    """Return msgspec's decoder for one of our models; other classes may ask more of cattrs."""
    if model not in _BUILT:
        ours = getattr(models, model.__name__, None) is model
        if ours:
            prepare(model)
        _BUILT[model] = msgspec.json.Decoder(model).decode if ours else None
    return _BUILT[model]
