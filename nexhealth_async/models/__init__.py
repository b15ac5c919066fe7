"""Frozen attrs classes for the API's records.

Attribute names are the API's own. Every field but ``id`` may be absent; absent and null are both
``None``. A list is ``()`` if the server sent an empty list, and ``None`` if it sent none. Values
such as a status are plain strings, because the API adds new ones often.

Records compare by value, and their repr shows no personal data. The modules of the models are
loaded on first use.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexhealth_async.models import (
        clinical,
        insurance,
        ledger,
        people,
        practice,
        schedule,
        webhooks,
    )
    from nexhealth_async.models._base import JSON, Money, Record, Timestamp
    from nexhealth_async.models.clinical import *  # noqa: F403 - pinned by its own __all__
    from nexhealth_async.models.insurance import *  # noqa: F403 - pinned by its own __all__
    from nexhealth_async.models.ledger import *  # noqa: F403 - pinned by its own __all__
    from nexhealth_async.models.people import *  # noqa: F403 - pinned by its own __all__
    from nexhealth_async.models.practice import *  # noqa: F403 - pinned by its own __all__
    from nexhealth_async.models.schedule import *  # noqa: F403 - pinned by its own __all__
    from nexhealth_async.models.webhooks import *  # noqa: F403 - pinned by its own __all__

    __all__: list[str] = ["JSON", "Money", "Record", "Timestamp"]
    __all__ += clinical.__all__
    __all__ += webhooks.__all__
    __all__ += insurance.__all__
    __all__ += ledger.__all__
    __all__ += people.__all__
    __all__ += practice.__all__
    __all__ += schedule.__all__

_SHARED: tuple[str, ...] = ("JSON", "Money", "Record", "Timestamp")
_MODULES = (
    "clinical",
    "webhooks",
    "insurance",
    "ledger",
    "people",
    "practice",
    "schedule",
)
_CLASS = re.compile(r"^class ([A-Z]\w*)", re.MULTILINE)


def _source_of(module: str) -> str | None:
    """Return a module's source, also from a zip file; None if only its bytecode is installed."""
    spec = find_spec(module)
    get_source = getattr(spec and spec.loader, "get_source", None)
    source: str | None = get_source(module) if get_source is not None else None
    return source


@cache
def _module_names() -> dict[str, str]:
    """Map each public name to its module, without importing the modules of models."""
    module_names: dict[str, str] = dict.fromkeys(_SHARED, "_base")
    for module in _MODULES:
        name = f"{__name__}.{module}"
        source = _source_of(name)
        names = import_module(name).__all__ if source is None else _CLASS.findall(source)
        module_names |= dict.fromkeys(names, module)
    return module_names


def __getattr__(name: str) -> object:
    """Import a model on first use."""
    if name == "__all__":
        return sorted(_module_names())
    module = _module_names().get(name) if name[:1].isupper() else None
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List all models, loaded or not."""
    return sorted({*globals(), *_module_names()})
