"""Sessions of nox: each has a line of help, and the page names all of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.contributing.patches import PAGE

ROOT = PAGE.parent
LINE = re.compile(r"^[*-] (?P<name>[a-z_]+)(?:-\d+\.\d+)?(?: -> (?P<help>.+))?$", re.MULTILINE)


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    """The sessions and their help."""
    if find_spec("nox") is None:
        pytest.skip("nox is not installed; it comes with the dependency group dev")
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {found["name"]: found["help"] or "" for found in LINE.finditer(done.stdout)}


def test_every_session_has_one_line_of_help(listed: dict[str, str]) -> None:
    defined = re.findall(
        r"^@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text(), re.MULTILINE
    )
    assert set(listed) == set(defined)
    for name, text in listed.items():
        assert re.fullmatch(r"[A-Z].+\.", text), f"{name}: {text!r}"


def test_the_page_names_every_session(listed: dict[str, str]) -> None:
    named = re.findall(r"^\| `([a-z]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(listed)


def test_the_page_and_the_readme_agree_on_the_setup() -> None:
    readme, page = (Path(ROOT / name).read_text() for name in ("README.md", PAGE.name))
    for part in ('-U "pip>=25.1"', '-e ".[cli]" --group dev'):
        assert part in readme
        assert part in page


def test_every_dependency_group_is_in_dev_or_has_a_session() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    noxfile = (ROOT / "noxfile.py").read_text()
    for name in set(groups) - {"dev"}:
        assert {"include-group": name} in groups["dev"] or f'"{name}"' in noxfile, name
