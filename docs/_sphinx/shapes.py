"""Presentation of classes, signatures and docstrings in the reference."""

from __future__ import annotations

import ast
import re
import sys
from abc import ABC
from functools import cache
from importlib import import_module
from inspect import getsource, isfunction, ismemberdescriptor
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, Generic, NewType, Protocol, cast, is_typeddict

from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.typing import restify

import nexhealth_async
from docs._sphinx.names import homes, written_in
from nexhealth_async import fleet, models, pytest_plugin
from nexhealth_async.bulk import Bulk
from nexhealth_async.models import Record
from nexhealth_async.resources._base import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["setup"]

_MADE_BY_USERS = frozenset(
    {
        "nexhealth_async.Budget",
        "nexhealth_async.EventBus",
        "nexhealth_async.Limit",
        "nexhealth_async.NexHealth",
        "nexhealth_async.Rates",
        "nexhealth_async.RetryPolicy",
        "nexhealth_async.bulk.CheckpointFile",
        "nexhealth_async.export.DuckDBTarget",
        "nexhealth_async.export.JsonLinesTarget",
        "nexhealth_async.export.ParquetTarget",
        "nexhealth_async.export.PostgresTarget",
        "nexhealth_async.fleet.FleetQueue",
        "nexhealth_async.otel.OpenTelemetry",
        "nexhealth_async.sandbox.Clock",
        "nexhealth_async.sandbox.Assumptions",
        "nexhealth_async.sandbox.Sandbox",
        "nexhealth_async.stores.MemorySeen",
        "nexhealth_async.stores.RedisRates",
        "nexhealth_async.stores.RedisSeen",
        "nexhealth_async.stores.RedisTokens",
        "nexhealth_async.stores.SqliteQueue",
        "nexhealth_async.stores.SqliteSeen",
        "nexhealth_async.testing.Factory",
        "nexhealth_async.testing.SandboxThread",
        "nexhealth_async.webhooks.Receiver",
    }
)
"""Classes whose constructor is shown; the others have fields or keys, or are never created."""


def _modules() -> Iterator[ModuleType]:
    """Import and yield all modules of the package."""
    for found in walk_packages(nexhealth_async.__path__, "nexhealth_async."):
        if not found.name.endswith("__main__"):
            yield import_module(found.name)


def _see_types(module: ModuleType) -> None:
    """Run a module's imports for type checkers, so that annotations can be resolved."""
    for node in ast.parse(getsource(module)).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            imports: list[ast.stmt] = [
                one for one in node.body if isinstance(one, (ast.Import, ast.ImportFrom))
            ]
            code = compile(ast.Module(imports, []), str(module.__file__), "exec")
            exec(code, vars(module))  # noqa: S102 - our own source


def _keep_aliases(modules: Iterable[ModuleType]) -> None:
    """Show these aliases by name instead of by value."""
    for home, name in (
        ("models", "Timestamp"),
        ("models", "JSON"),
        ("_protocol.requests", "JSONValue"),
    ):
        alias = cast("Any", NewType)(name, object)
        alias.__module__ = f"nexhealth_async.{home}"
        for module in modules:
            if name in vars(module) and module.__name__ != alias.__module__:
                setattr(module, name, alias)


def _fold_filters() -> None:
    """Show ``**filters: Unpack[PatientFilters]``, a link, instead of the filters of ``help()``."""
    for owner in (*Resource.__subclasses__(), Bulk, fleet):
        for member in vars(owner).values():
            if isfunction(member):
                vars(member).pop("__signature__", None)


def _bare_fixtures() -> None:
    """Show fixtures as functions."""
    for name in pytest_plugin.__all__:
        fixture: Any = getattr(pytest_plugin, name)
        setattr(pytest_plugin, name, fixture.__wrapped__)


def _join_fields(model: object) -> None:
    """Sort a model's fields as in the source, those of its private base last.

    The defaults stored as class attributes of that base are removed, because they would be shown.
    """
    if not isinstance(model, type) or not issubclass(model, Record):
        return
    order = _read(model)
    for base in model.__mro__[1:]:
        if base.__module__ != model.__module__:
            continue
        for name in base.__annotations__:
            place = order.tagorder.get(f"{base.__name__}.{name}", 0)
            order.tagorder[f"{model.__name__}.{name}"] = len(order.tagorder) + place + 1_000_000
            if name in vars(base) and not ismemberdescriptor(vars(base)[name]):
                delattr(base, name)


def _join_keys(kind: Any) -> None:
    """Give the keys of a typed dictionary the docstrings of its private bases."""
    said = _read(kind).attr_docs
    waiting = list(_bases(kind))
    for base in waiting:
        waiting += _bases(base)
        for key in base.__annotations__:
            if (text := _read(base).attr_docs.get((base.__name__, key))) is not None:
                said.setdefault((kind.__name__, key), text)


def _read(kind: type) -> ModuleAnalyzer:
    """Return Sphinx's analysis of a class's module, which Sphinx caches."""
    analyzer = ModuleAnalyzer.for_module(kind.__module__)
    analyzer.analyze()
    return analyzer


def _signature(
    _app: Sphinx, what: str, name: str, _thing: object, _options: object, *shown: str | None
) -> tuple[str, None] | None:
    """Leave out the constructors of classes that users never create."""
    is_left_out = what in {"class", "exception"} and name not in _MADE_BY_USERS
    return ("", None) if is_left_out and shown[0] is not None else None


def _bases(kind: Any) -> tuple[Any, ...]:
    """Return the bases of a class as in the source; a typed dictionary does not store them."""
    if not is_typeddict(kind):
        return tuple(getattr(kind, "__orig_bases__", kind.__bases__))
    module = sys.modules[kind.__module__]
    (written,) = (
        node
        for node in ast.parse(getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    named = [base.id for base in written.bases if isinstance(base, ast.Name)]
    return tuple(getattr(module, name) for name in named if name != "TypedDict")


@cache
def _public_bases(kind: Any) -> tuple[Any, ...]:
    """Return the public bases of a class; a private base is replaced by its own bases."""
    found: dict[Any, None] = {}
    for base in _bases(kind):
        plain = getattr(base, "__origin__", base)
        home = written_in(plain) or ""
        if home.startswith("nexhealth_async.") and home not in homes():
            # The type parameters of a private base are not shown.
            bases = [getattr(one, "__origin__", one) for one in _public_bases(plain)]
            found |= dict.fromkeys(bases)
        elif plain not in {object, Generic, Protocol, ABC}:
            found[base] = None
    return tuple(found)


def _skip(app: Sphinx, what: str, name: str, *_: object) -> bool | None:
    """Show a class's own members and those of private bases; public bases are linked."""
    current = app.env.current_document
    if what not in {"class", "exception"}:
        return None
    kind: Any = getattr(import_module(current.autodoc_module), current.autodoc_class, None)
    if is_typeddict(kind):
        inherited = any(name in base.__annotations__ for base in _public_bases(kind))
        return True if inherited or name not in kind.__annotations__ else None
    if not isinstance(kind, type):
        return None
    homes_of = (one for one in kind.__mro__ if name in vars(one) or name in _annotated(one))
    home = written_in(next(homes_of, kind)) or ""
    is_ours = home.startswith("nexhealth_async.")
    return None if home == written_in(kind) or (is_ours and home not in homes()) else True


def _annotated(kind: type) -> Mapping[str, object]:
    annotations: Mapping[str, object] = vars(kind).get("__annotations__", {})
    return annotations


@cache
def _said_elsewhere(full_name: str) -> list[str]:
    """Return the docstring below a variable, from the module that defines it."""
    package, _, name = full_name.rpartition(".")
    written = re.compile(rf"^{name}\b", re.MULTILINE)
    ours = [home for home in sorted(sys.modules) if home.startswith("nexhealth_async")]
    for home in sorted(ours, key=lambda home: not home.startswith(package)):
        if not written.search(getsource(sys.modules[home])):
            continue
        said = ModuleAnalyzer.for_module(home).find_attr_docs()
        if ("", name) in said:
            return list(said["", name])
    return []


def _docstring(
    _app: Sphinx, what: str, name: str, thing: object, _options: object, lines: list[str]
) -> None:
    """Convert Google-style docstrings, and add those of variables from other modules.

    Docstrings of fields stay as they are: "True: only new ones" would be read as a type.
    """
    if what == "data":
        lines[:] = _said_elsewhere(name) or lines
    elif what not in {"attribute", "property"}:
        read = GoogleDocstring(list(lines), cast("Any", Config()))
        lines[:] = read.lines()
    if what in {"class", "exception"}:
        bases = [restify(base, "smart") for base in _public_bases(thing)]
        lines += ["", f"Bases: {', '.join(bases)}", ""] if bases else []


def setup(app: Sphinx) -> ExtensionMetadata:
    """Prepare all modules for autodoc, and register the handlers."""
    modules = list(_modules())
    for module in modules:
        _see_types(module)
    _keep_aliases(modules)
    _fold_filters()
    _bare_fixtures()
    for name in models.__all__:
        _join_fields(getattr(models, name))
    for module in modules:
        if module.__name__.startswith("nexhealth_async.resources."):
            for name in module.__all__:
                if is_typeddict(kind := getattr(module, name)):
                    _join_keys(kind)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
