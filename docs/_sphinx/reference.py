"""Pages of the reference for resources and models, written before the site is built.

Each module of `nexhealth_async.resources` and `nexhealth_async.models` has a page with the names in
its ``__all__``. The pages are not committed.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nexhealth_async import models, resources
from nexhealth_async.resources._base import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["pages", "setup"]

_SHARED: Final = "shared"
"""Name of the page for the base class and the types that all models share."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the path below ``docs/reference`` of each page, and its text."""
    for name, module in _modules(resources):
        if not name.startswith("_"):
            heading = name.replace("_", " ").capitalize()
            yield f"resources/{name}.md", _page(module, module.__name__, heading)
    for name, module in _modules(models):
        page = _SHARED if name == "_base" else name
        yield f"models/{page}.md", _page(module, models.__name__, f"Models: {page}")


def _modules(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    for part in pkgutil.iter_modules(package.__path__):
        yield part.name, import_module(f"{package.__name__}.{part.name}")


def _page(module: ModuleType, home: str, heading: str) -> str:
    """Return the page of a module's public names, under the module that users import from."""
    public = import_module(home)
    defined = [name for name in vars(module) if name in module.__all__ and hasattr(public, name)]
    lines = [
        f"# {heading}",
        "",
        (module.__doc__ or "").splitlines()[0],
        "",
        "```{eval-rst}",
        f".. currentmodule:: {home}",
        "",
    ]
    for name in sorted(defined, key=lambda name: not _is_resource(getattr(module, name))):
        kind = "autoclass" if isclass(getattr(module, name)) else "autodata"
        lines.append(f".. {kind}:: {name}")
    return "\n".join([*lines, "```", ""])


def _is_resource(value: object) -> bool:
    return isclass(value) and issubclass(value, Resource)


def _write(app: Sphinx) -> None:
    """Write new and changed pages, and delete those of removed modules."""
    folder = Path(app.srcdir) / "reference"
    written = {folder / path: text for path, text in pages()}
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for kind in ("resources", "models"):
        for path in (folder / kind).glob("*.md"):
            if path not in written and path.stem != "index":
                path.unlink()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Write the pages before Sphinx searches for pages."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
