"""Which types a model is read with, down to the last: a hook for any of them concerns the model."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, get_args, get_origin

import attrs

from nexhealth_async.codec.composite_values import Hook, bare
from nexhealth_async.codec.forward_references import is_attrs, prepare

if TYPE_CHECKING:
    import cattrs

__all__ = ["is_read_by_ours_alone"]


def is_read_by_ours_alone(model: type, codec: cattrs.Converter) -> bool:
    """Tell whether no hook of a user's would be asked when this model is read."""
    return all(isinstance(codec.get_structure_hook(kind), Hook) for kind in _kinds_inside(model))


def _kinds_inside(model: type) -> set[object]:
    """Return all types whose hooks reading a model asks for."""
    waiting: list[object] = [model]
    found: set[object] = set()
    while waiting:
        kind = bare(waiting.pop())
        if kind in found:
            continue
        found.add(kind)
        if is_attrs(kind):
            prepare(kind)
            waiting += [attribute.type for attribute in attrs.fields(kind)]
        elif get_origin(kind) is not dict:  # nobody has promised what is in those
            waiting += [part for part in get_args(kind) if part not in (NoneType, ...)]
    return found
