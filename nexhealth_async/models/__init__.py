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
from pathlib import Path
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


@cache
def _module_names() -> dict[str, str]:
    """Map each public name to its module, without importing the modules of models."""
    module_names: dict[str, str] = dict.fromkeys(_SHARED, "_base")
    for module in _MODULES:
        spec = find_spec(f"{__name__}.{module}")
        if spec is not None and spec.origin is not None and Path(spec.origin).suffix == ".py":
            source = Path(spec.origin).read_text(encoding="utf-8")
            module_names |= dict.fromkeys(_CLASS.findall(source), module)
        else:  # installed without sources
            module_names |= dict.fromkeys(import_module(f"{__name__}.{module}").__all__, module)
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
