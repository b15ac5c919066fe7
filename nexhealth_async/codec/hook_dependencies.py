"""Which types a model is read with, down to the last: a hook for any of them concerns the model."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, get_args, get_origin

import attrs

from nexhealth_async.codec.composite_values import StructureHook, without_none
from nexhealth_async.codec.forward_references import is_attrs, resolve_annotations

if TYPE_CHECKING:
    import cattrs

__all__ = ["has_no_user_hooks"]


def has_no_user_hooks(model: type, codec: cattrs.Converter) -> bool:
    """Tell whether no hook of a user's would be asked when this model is read."""
    return all(
        isinstance(codec.get_structure_hook(kind), StructureHook) for kind in _nested_types(model)
    )


def _nested_types(model: type) -> set[object]:
    """Return all types whose hooks reading a model asks for."""
    waiting: list[object] = [model]
    found: set[object] = set()
    while waiting:
        kind = without_none(waiting.pop())
        if kind in found:
            continue
        found.add(kind)
        if is_attrs(kind):
            resolve_annotations(kind)
            waiting += [attribute.type for attribute in attrs.fields(kind)]
        elif get_origin(kind) is not dict:  # nobody has promised what is in those
            waiting += [part for part in get_args(kind) if part not in (NoneType, ...)]
    return found
