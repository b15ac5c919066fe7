"""Public names, and links to them from docstrings, signatures and guides.

A name is documented once, under the module that users import it from. Docstrings, annotations and
guides may refer to it by its own name, by the module that defines it, or by one of its members.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from sphinx.addnodes import desc, desc_signature, pending_xref
from sphinx.util.nodes import make_refnode

from nexhealth_async import resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docutils.nodes import Element, TextElement, document
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["MODULES", "homes", "offered", "setup", "written_in"]

MODULES: Final = (
    "nexhealth_async",
    "nexhealth_async.bulk",
    "nexhealth_async.errors",
    "nexhealth_async.export",
    "nexhealth_async.export.dlt",
    "nexhealth_async.export.duckdb",
    "nexhealth_async.export.jsonl",
    "nexhealth_async.export.parquet",
    "nexhealth_async.export.postgres",
    "nexhealth_async.fleet",
    "nexhealth_async.workflows",
    "nexhealth_async.webhooks.aiohttp",
    "nexhealth_async.otel",
    "nexhealth_async.webhooks.starlette",
    "nexhealth_async.models",
    "nexhealth_async.pytest_plugin",
    "nexhealth_async.resources",
    "nexhealth_async.sandbox",
    "nexhealth_async.scopes",
    "nexhealth_async.stores",
    "nexhealth_async.testing",
    "nexhealth_async.webhooks",
    *(
        f"nexhealth_async.resources.{part.name}"
        for part in iter_modules(resources.__path__)
        if not part.name.startswith("_")
    ),
)
"""Modules that users import from; each name in their ``__all__`` is documented on the site."""


def offered() -> Iterator[tuple[str, object]]:
    """Yield each public name with its module, and the object it refers to."""
    for module in MODULES:
        loaded = import_module(module)
        names: list[str] = loaded.__all__
        for name in names:
            yield f"{module}.{name}", getattr(loaded, name)


def written_in(value: object) -> str | None:
    """Return the name of a class or function with the module that defines it."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{module}.{name}" if module and name else None


@cache
def homes() -> Mapping[str, tuple[str, ...]]:
    """Map the defining name of each object to its public names.

    Each public name is a key too, with the same value.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, value in offered():
        home = written_in(value)
        if home is not None and home.startswith("nexhealth_async."):
            found[home] = (*found.get(home, ()), name)
    return found | {name: names for names in found.values() for name in names}


def _spellings(target: str) -> Iterator[str]:
    """Yield the names that an object, or the class around it, may be documented under."""
    yield target
    head, tail = target, ""
    while "." in head:
        yield from (f"{name}{tail}" for name in homes().get(head, ()))
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"


def _in_scope(node: Element, target: str) -> Iterator[str]:
    """Yield the names of the object that a name refers to in the docstring's own module."""
    module, kind = node.get("py:module"), node.get("py:class")
    if not module:
        return
    scope: object = import_module(module)
    if kind:
        inside = getattr(scope, kind.partition(".")[0], None)
        scope = sys.modules.get(getattr(inside, "__module__", ""), scope)
    head, dot, tail = target.partition(".")
    home = written_in(getattr(scope, head, None))
    if home is not None:
        yield from _spellings(f"{home}{dot}{tail}")


class _Index:
    """Documented names, by their last parts."""

    def __init__(self, names: Iterable[str]) -> None:
        self.ends: dict[str, list[str]] = {}
        for name in names:
            parts = name.split(".")
            for start in range(1, len(parts)):
                self.ends.setdefault(".".join(parts[start:]), []).append(name)

    def nearest(self, target: str, module: str) -> str | None:
        """Return the name that ends so; prefer the same module, then the top level.

        None if there is no such name, or more than one.
        """
        names = self.ends.get(target, [])
        for name in (f"{module}.{target}", f"nexhealth_async.{target}"):
            if name in names:
                return name
        return names[0] if len(names) == 1 else None


class _Links:
    """Resolver of references to our names that Sphinx cannot resolve."""

    def __init__(self) -> None:
        self._index: _Index | None = None

    def __call__(
        self, app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: TextElement
    ) -> Element | None:
        if node.get("refdomain") != "py":
            return None
        target = str(node["reftarget"])
        objects = env.domains.python_domain.objects
        spellings = (*_spellings(target), *_in_scope(node, target))
        name = next((one for one in spellings if one in objects), None)
        if name is None and node["reftype"] != "class":
            self._index = self._index or _Index(
                [one for one, entry in objects.items() if not entry.aliased]
            )
            name = self._index.nearest(target, node.get("py:module") or "")
        if name is None:
            return shown if _is_plain(target) else None
        entry = objects[name]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, name)


def _is_plain(target: str) -> bool:
    """Return True for names without a link: type variables, private names, pyarrow protocols."""
    if target.startswith("nexhealth_async.export.pyarrow_types."):
        return True
    if target in {"T", "Ts", "P", "R"}:
        return True
    module, _, name = target.rpartition(".")
    if not module.startswith("nexhealth_async."):
        return False
    if name.startswith("_"):
        return True
    try:
        return isinstance(getattr(import_module(module), name, None), (TypeVar, ParamSpec))
    except ImportError:
        return False


def _take_literally(_app: Sphinx, doctree: document) -> None:
    """Resolve types in signatures by their full names, so that ``date`` is not a field ``date``."""
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py" and node.get("reftype") == "class":
            node.attributes.pop("refspecific", None)
            node.attributes.pop("py:class", None)


def _list_no_fields(_app: Sphinx, doctree: document) -> None:
    """Leave fields and keys out of tables of contents, which would be longer than the page."""
    for node in doctree.findall(desc):
        if node.get("objtype") in {"attribute", "data"}:
            for signature in node.findall(desc_signature):
                signature["_toc_name"] = ""


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the resolver of names that Sphinx cannot resolve."""
    app.connect("doctree-read", _take_literally)
    app.connect("doctree-read", _list_no_fields, priority=400)  # before the tables are made
    app.connect("missing-reference", _Links())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
