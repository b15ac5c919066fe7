"""The types nested in a model, whose hooks take part in reading it."""

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
    """Return True if no user's hook takes part in reading a model."""
    return all(
        isinstance(codec.get_structure_hook(kind), StructureHook) for kind in _nested_types(model)
    )


def _nested_types(model: type) -> set[object]:
    """Return all types whose hooks take part in reading a model."""
    pending: list[object] = [model]
    types: set[object] = set()
    while pending:
        kind = without_none(pending.pop())
        if kind in types:
            continue
        types.add(kind)
        if is_attrs(kind):
            resolve_annotations(kind)
            pending += [attribute.type for attribute in attrs.fields(kind)]
        elif get_origin(kind) is not dict:  # dicts hold raw JSON
            pending += [part for part in get_args(kind) if part not in (NoneType, ...)]
    return types
