"""The package as a whole: public names, layers, imports, start-up cost."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

import nexhealth_async
from nexhealth_async import errors

PACKAGE = Path(nexhealth_async.__file__).parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "nexhealth_async.")
    if not module.name.endswith("__main__")
)


def test_exactly_these_names_are_public() -> None:
    assert set(nexhealth_async.__all__) - set(errors.__all__) == {
        "APIResponse",
        "Attempt",
        "Budget",
        "Codec",
        "Download",
        "WebhookSyncResult",
        "EventBus",
        "FindOrCreateResult",
        "FreeSlot",
        "Hook",
        "Limit",
        "LocationScope",
        "NO_RETRY",
        "NexHealth",
        "AttemptOutcome",
        "Page",
        "Pages",
        "PracticeLocation",
        "PracticeScope",
        "Rates",
        "Repair",
        "RescheduleResult",
        "RetryPolicy",
        "Stats",
        "Usage",
        "Walk",
        "WriteResult",
        "__version__",
        "normalize_phone",
        "to_builtins",
        "to_json",
    }
    for name in nexhealth_async.__all__:
        assert getattr(nexhealth_async, name) is not None
    assert set(nexhealth_async.__all__) <= set(dir(nexhealth_async))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = nexhealth_async.nothing


def test_every_error_is_public_and_in_the_diagram() -> None:
    drawing = errors.__doc__ or ""
    for name in errors.__all__:
        assert name in drawing, f"{name} is missing from the drawing"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_all(name: str) -> None:
    module = importlib.import_module(name)
    offered: object = module.__all__
    assert isinstance(offered, list)
    assert module.__doc__
    for public in cast("list[str]", offered):
        assert hasattr(module, public)


def test_each_module_can_be_imported_alone() -> None:
    """One interpreter for all, with its modules removed between: this reveals import cycles."""
    code = """
import importlib, sys
clean = set(sys.modules)
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.startswith("nexhealth_async")]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, *MODULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_neither_network_nor_models() -> None:
    code = "import sys, nexhealth_async; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not {"aiohttp", "cattrs", "asyncio", "nexhealth_async.models.people"} & loaded


def test_the_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed; nox -s lint checks the layers")
    done = subprocess.run(  # noqa: S603 - a tool of this environment
        [linter, "--no-cache"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_feature_of_the_list_has_its_files() -> None:
    """Each feature in the list names the files that implement it."""
    root = Path(__file__).parent.parent
    rows = (root / "tests" / "features.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 50
    for row in rows:
        question, files = row.split("\t")
        assert question.endswith("?")
        missing = [file for file in files.split() if not (root / file).is_file()]
        assert not missing, question
