"""Resolution of the models' annotations, on first use."""

from __future__ import annotations

import re
import sys
from inspect import get_annotations
from typing import TypeGuard

import attrs

from nexhealth_async import models

__all__ = ["is_attrs", "resolve_annotations"]

_resolved: set[type] = set()  # filled once per class, by any thread
_NAMES = re.compile(r"[A-Za-z_]\w*")


def is_attrs(kind: object) -> TypeGuard[type[attrs.AttrsInstance]]:
    """Return True for an attrs class."""
    return isinstance(kind, type) and attrs.has(kind)


def resolve_annotations(model: type) -> None:
    """Import every module a model refers to, and resolve its annotations.

    Models refer to each other across modules that are loaded on first use. Any decoder of a model
    needs this first, also ``msgspec.json.Decoder(Patient)``. Repeated calls cost next to nothing.
    """
    if model in _resolved:
        return
    pending, seen = [model], {model}
    while pending:
        cls = pending.pop()
        for part in cls.__mro__:
            if part.__module__.startswith(models.__name__):
                new = {cls for cls in _import_names(part) if cls not in seen}
                seen |= new
                pending.extend(new)
        _resolve(cls)
    _resolved.update(seen)


def _import_names(cls: type) -> list[type]:
    """Add the names in a class's annotations to its module, where they are looked up."""
    namespace = vars(sys.modules[cls.__module__])
    names = {
        name
        for annotation in get_annotations(cls).values()
        if isinstance(annotation, str)
        for name in _NAMES.findall(annotation)
    }
    classes: list[type] = []
    for name in names.intersection(models.__all__):
        target: object = namespace.setdefault(name, getattr(models, name))
        if is_attrs(target):
            classes.append(target)
    return classes


def _resolve(cls: type) -> None:
    if attrs.has(cls):
        attrs.resolve_types(cls)
