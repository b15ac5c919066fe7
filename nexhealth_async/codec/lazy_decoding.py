"""A decoder that loads its model with the first record, or in a thread before it."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from nexhealth_async import models
from nexhealth_async.codec.native_decoding import native_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from msgspec import Raw

    from nexhealth_async.codec.converter import Codec

__all__ = ["LazyDecoder", "build_decoder"]

T = TypeVar("T")

_BUILD_LOCK = Lock()
_TURN_SECONDS = 0.001


def build_decoder(model: str) -> None:
    """Build a model's decoder in a thread; takes about 50 ms, mostly for classes.

    Meanwhile the interpreter switches threads every millisecond instead of every five, to keep the
    event loop responsive.
    """
    with _BUILD_LOCK:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(min(interval, _TURN_SECONDS))
        try:
            import_module("nexhealth_async.codec.converter")
            native_of(getattr(models, model))
        finally:
            sys.setswitchinterval(interval)


class LazyDecoder(Generic[T]):
    """Decoder of one kind of record, which loads its model with the first one."""

    __slots__ = ("_codec", "_model", "_name")

    def __init__(self, codec: Callable[[], Codec], name: str) -> None:
        self._codec = codec
        self._name = name
        self._model: type[T] | None = None

    def _loaded(self) -> type[T]:
        if self._model is None:
            self._model = cast("type[T]", getattr(models, self._name))
        return self._model

    def native(self) -> Callable[[Raw], T] | None:
        """Return the fast decoder of records without faults, if the codec has one."""
        return self._codec().native(self._loaded())

    def __call__(self, record: Raw) -> tuple[T, tuple[str, ...]]:
        """Decode a record; return the object and the paths of its repaired fields."""
        return self._codec().decode(self._loaded(), record)

    def tolerant(self, record: Raw) -> tuple[T, tuple[str, ...]]:
        """Decode a record that ``native`` has rejected."""
        return self._codec().decode_tolerantly(self._loaded(), record)
