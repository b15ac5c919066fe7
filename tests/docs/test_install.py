"""The command that adds an extra: spelled the same everywhere, and usable before a release."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXTRAS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
)
LINE = re.compile(r'python -m pip install "nexhealth-async\[([\w,]+|\{extra\})\]"')
"""The only spelling, also in messages that are put together."""


def places() -> Iterator[tuple[Path, str]]:
    """Yield each line of the library and of the pages that installs this package."""
    files = [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
    files += [*(ROOT / "nexhealth_async").rglob("*.py"), *(ROOT / "docs" / "examples").glob("*.py")]
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if "install" in line and re.search(r"nexhealth[-_]async\[", line):
                yield file, line


def test_all_places_show_the_same_command_with_existing_extras() -> None:
    seen = dict[str, int]()
    for file, line in places():
        found = LINE.findall(line)
        by_path = line.count("] @ file:///")  # a clone that is named by its path
        assert found or by_path, f"{file}: {line}"
        assert len(found) + by_path == len(re.findall(r"nexhealth[-_]async\[", line)), line
        for extra in [part for names in found for part in names.split(",")]:
            seen[extra] = seen.get(extra, 0) + 1
    assert seen.keys() - {"{extra}"} <= EXTRAS
    assert {"cli", "duckdb", "redis", "parquet", "{extra}"} <= seen.keys()


def test_no_page_or_message_shows_another_command_for_an_extra() -> None:
    for file in [*(ROOT / "nexhealth_async").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]:
        text = file.read_text(encoding="utf-8")
        for line in re.findall(r".*pip install.*\.\[.*", text):  # from a clone
            assert "python -m pip install -e" in line, f"{file}: {line}"
            assert file.name == "start.md", f"{file}: {line}"


@pytest.mark.skipif(find_spec("pip") is None, reason="this environment has no pip")
def test_the_command_works_with_pip_before_the_package_is_published() -> None:
    if distribution("nexhealth-async").read_text("direct_url.json") is None:
        pytest.skip("the package was installed from an index")
    (extra, *_) = LINE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    line = f"-m pip install --no-index --dry-run nexhealth-async[{extra}]"
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, *line.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"nexhealth-async[{extra}]" in done.stdout
    assert "Would install" not in done.stdout  # what the extra needs is here already
