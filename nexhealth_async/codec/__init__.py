"""Conversion of the API's JSON to models, and back.

cattrs takes as long to import as msgspec and attrs together, so `Codec` is loaded on first use; a
session does so in a thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nexhealth_async.codec.forward_references import is_attrs, resolve_annotations
from nexhealth_async.codec.native_decoding import NATIVE_ERRORS, Data

if TYPE_CHECKING:
    from nexhealth_async.codec.composite_values import without_none
    from nexhealth_async.codec.converter import Codec, to_builtins, to_json
    from nexhealth_async.codec.lazy_decoding import LazyDecoder, build_decoder
    from nexhealth_async.codec.scalar_values import ValueRejectedError, read_int, read_timestamp

__all__ = [
    "NATIVE_ERRORS",
    "Codec",
    "Data",
    "LazyDecoder",
    "ValueRejectedError",
    "build_decoder",
    "is_attrs",
    "read_int",
    "read_timestamp",
    "resolve_annotations",
    "to_builtins",
    "to_json",
    "without_none",
]

_HOMES = {
    "LazyDecoder": "lazy_decoding",
    "ValueRejectedError": "scalar_values",
    "without_none": "composite_values",
    "build_decoder": "lazy_decoding",
    "read_timestamp": "scalar_values",
    "read_int": "scalar_values",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'converter')}"), name)
    globals()[name] = value
    return value
