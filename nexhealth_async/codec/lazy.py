"""A decoder that loads its model with the first record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from nexhealth_async import models

if TYPE_CHECKING:
    from msgspec import Raw

    from nexhealth_async.codec.converter import Codec

__all__ = ["LazyDecoder"]

T = TypeVar("T")


class LazyDecoder(Generic[T]):
    """Decodes one kind of record; its model is loaded with the first."""

    __slots__ = ("_codec", "_model", "_name")

    def __init__(self, codec: Codec, name: str) -> None:
        self._codec = codec
        self._name = name
        self._model: type[T] | None = None

    def __call__(self, record: Raw) -> tuple[T, tuple[str, ...]]:
        """Decode a record; return the object and the paths of its repaired fields."""
        model = self._model
        if model is None:
            model = self._model = cast("type[T]", getattr(models, self._name))
        return self._codec.decode(model, record)
