"""The models' names for each other: found when a class is first read, not when it is defined."""

from __future__ import annotations

import re
import sys
from inspect import get_annotations
from typing import TypeGuard

import attrs

from nexhealth_async import models

__all__ = ["is_attrs", "resolve_annotations"]

_resolved: set[type] = set()  # filled once for each class of a program, by any thread
_NAMES = re.compile(r"[A-Za-z_]\w*")


def is_attrs(kind: object) -> TypeGuard[type[attrs.AttrsInstance]]:
    """Tell an attrs class from everything else."""
    return isinstance(kind, type) and attrs.has(kind)


def resolve_annotations(model: type) -> None:
    """Load every module a model refers to, so that its annotations can be resolved.

    Models name each other across modules that load on first use. Any decoder over a model, also
    ``msgspec.json.Decoder(Patient)``, needs this first. Repeating it costs next to nothing.
    """
    if model in _resolved:
        return
    waiting, seen = [model], {model}
    while waiting:
        cls = waiting.pop()
        for part in cls.__mro__:
            if part.__module__.startswith(models.__name__):
                found = {named for named in _import_names(part) if named not in seen}
                seen |= found
                waiting.extend(found)
        _resolve(cls)
    _resolved.update(seen)


def _import_names(cls: type) -> list[type]:
    """Put the names a class's annotations use into its module, where everybody looks them up."""
    space = vars(sys.modules[cls.__module__])
    names = {
        name
        for annotation in get_annotations(cls).values()
        if isinstance(annotation, str)
        for name in _NAMES.findall(annotation)
    }
    found: list[type] = []
    for name in names.intersection(models.__all__):
        target: object = space.setdefault(name, getattr(models, name))
        if is_attrs(target):
            found.append(target)
    return found


def _resolve(cls: type) -> None:
    if attrs.has(cls):
        attrs.resolve_types(cls)
