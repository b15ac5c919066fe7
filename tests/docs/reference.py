"""What the pages of nouns, models and filters leave out: each public name has a line there."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from inspect import isclass
from types import ModuleType
from typing import Final

from nexhealth_async import filters, models, resources
from tests.docs.parts import DOCS

__all__ = ["lines_missing"]

_PACKAGES: Final = {"nouns": resources, "models": models, "filters": filters}


def lines_missing() -> dict[str, str]:
    """By public name, which file of the reference lacks which line."""
    found: dict[str, str] = {}
    for folder, package in _PACKAGES.items():
        pages = [page.read_text("utf-8") for page in (DOCS / "reference" / folder).glob("*.md")]
        there = re.findall(r"^\.\. auto(?:class|data):: (\w+)$", "\n".join(pages), re.MULTILINE)
        for name in set(package.__all__) - set(there):
            kind = "autoclass" if isclass(getattr(package, name, None)) else "autodata"
            page = f"docs/reference/{folder}/{_page(package, name)}.md"
            found[name] = f"{page} lacks `.. {kind}:: {name}`"
    return found


def _page(package: ModuleType, name: str) -> str:
    for part in pkgutil.iter_modules(package.__path__):
        if name in import_module(f"{package.__name__}.{part.name}").__all__:
            return "shared" if part.name == "_base" else part.name
    return "*"
