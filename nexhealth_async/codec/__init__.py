"""From the API's JSON to models and back; `Codec` is the converter, its parts are beside it."""

from __future__ import annotations

from nexhealth_async.codec.converter import Codec, prepare, to_builtins, to_json
from nexhealth_async.codec.lazy import LazyDecoder

__all__ = ["Codec", "LazyDecoder", "prepare", "to_builtins", "to_json"]
