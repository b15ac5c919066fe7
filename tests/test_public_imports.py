"""Packages import only each other's public names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, cast

import nexhealth_async

ROOT: Final = Path(nexhealth_async.__file__).parent

PACKAGES: Final = ("bulk", "cli", "codec", "export", "fleet", "stores", "webhooks")
"""Packages whose names are imported from the package itself."""

PUBLIC_MODULES: Final = frozenset(
    {
        "nexhealth_async.bulk.target_support",
        "nexhealth_async.export.dlt",
        "nexhealth_async.webhooks.aiohttp",
        "nexhealth_async.webhooks.starlette",
    }
)
"""Modules that offer names to other packages."""

FACADE: Final = ("stores", "webhooks")
"""`stores` publishes the delivery stores, which are modules of `webhooks`."""


def _imports(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import of the package's own modules."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{file.name} has a relative import"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def _is_public(module: str, name: str) -> bool:
    if module in PUBLIC_MODULES:
        return name in cast("list[str]", import_module(module).__all__)
    if module.count(".") > 1:
        return False
    is_exported = name in cast("list[str]", import_module(module).__all__)
    return is_exported or f"{module}.{name}" in PUBLIC_MODULES


def test_a_package_imports_only_public_names_of_other_packages() -> None:
    private: list[str] = []
    for file in sorted(ROOT.rglob("*.py")):
        here = file.relative_to(ROOT)
        package = here.parts[0] if len(here.parts) > 1 else ""
        for module, name in _imports(file):
            other = module.removeprefix("nexhealth_async.").partition(".")[0]
            if not module.startswith("nexhealth_async.") or other not in PACKAGES:
                continue
            is_facade = here.as_posix() == f"{FACADE[0]}/__init__.py" and other == FACADE[1]
            if other != package and not is_facade and not _is_public(module, name):
                private.append(f"{here.as_posix()}: {module}.{name}")
    assert private == []
