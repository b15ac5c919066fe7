"""The worked example of CONTRIBUTING.md, replayed in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from nexhealth_async.resources import ENDPOINTS
from tests.contributing.patches import PAGE, ExampleStep, apply, steps_of

ROOT: Final = PAGE.parent
FOLDERS: Final = ("nexhealth_async", "tests", "benchmarks", "docs", "tools")
FILES: Final = ("README.md", "CHANGELOG.md", "pyproject.toml")
# The plugins that the commands need: loading all the others takes longer than the tests.
PLUGINS: Final = ("pytest_asyncio.plugin", "pytest_timeout", "nexhealth_async.pytest_plugin")
STEPS: Final = steps_of(PAGE.read_text(encoding="utf-8"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the files that the example changes and the tests need."""
    root = tmp_path / "alone" / "tree"
    for name in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    for name in FILES:
        shutil.copy(ROOT / name, root / name)
    return root


def run(tree: Path, *arguments: str) -> tuple[int, str]:
    """Run Python in a tree, whose package shadows the installed one."""
    if arguments[:2] == ("-m", "ruff") and find_spec("ruff") is None:
        return 0, ""
    plugins = " ".join(f"-p {name}" for name in (*PLUGINS, "no:cacheprovider"))
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": plugins}
    foreign = ("PYTEST_", "COV_")
    done = subprocess.run(  # noqa: S603 - our own interpreter, and the page's own commands
        [sys.executable, *arguments],
        cwd=tree,
        env={k: v for k, v in os.environ.items() if not k.startswith(foreign)} | quick,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def do(step: ExampleStep, tree: Path) -> None:
    for patch in step.patches:
        apply(patch, tree)
    for arguments in step.commands:
        status, output = run(tree, *arguments)
        assert (status == 0) == (not step.announced), f"{step.title}\n{output}"
        assert step.announced in " ".join(output.split()), f"{step.title}\n{output}"


@pytest.mark.timeout(300)
def test_each_step_names_the_next_one_and_the_last_succeeds(tree: Path) -> None:
    for step in STEPS:
        do(step, tree)
    for table in ("operations", "guarantees", "added"):
        made = f"from docs._sphinx.tables import TABLES; print(TABLES[{table!r}]())"
        status, output = run(tree, "-c", made)
        assert status == 0, output
        assert "lab_cases" in output


def test_every_step_but_the_last_two_names_the_next() -> None:
    assert [step.title.split(":")[0] for step in STEPS] == [f"Step {n}" for n in range(1, 7)]
    assert all(step.patches and step.commands for step in STEPS)
    assert [bool(step.announced) for step in STEPS] == [True] * 4 + [False] * 2


def test_an_endpoint_touches_at_most_six_files() -> None:
    patches = "".join(patch for step in STEPS for patch in step.patches)
    assert len(set(re.findall(r"^--- (.+)$", patches, re.MULTILINE))) <= 6


def test_the_page_says_that_its_list_is_invented_and_it_is() -> None:
    assert "lab_cases" not in {endpoint.resource for endpoint in ENDPOINTS}
    assert "**The list of this example is invented.**" in PAGE.read_text(encoding="utf-8")


def test_a_patch_without_its_context_raises(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\n")
    patch = "--- a.py\n@@\n one\n+and a half\n two\n"
    apply(patch, tmp_path)
    assert (tmp_path / "a.py").read_text() == "one\nand a half\ntwo\n"
    with pytest.raises(AssertionError, match=r"a\.py has 0 times"):
        apply(patch, tmp_path)


def test_a_patch_of_a_missing_file_creates_it(tmp_path: Path) -> None:
    apply("--- b.py\n@@\n+one\n+two\n", tmp_path)
    assert (tmp_path / "b.py").read_text() == "one\ntwo\n"
