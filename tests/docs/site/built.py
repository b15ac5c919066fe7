"""The site, built once for all test processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

__all__ = ["ROOT", "BuiltSite", "missing", "site"]

ROOT: Final = Path(__file__).parents[3]


def missing(what: str, how: str) -> None:
    """Skip the test because a tool is missing; under CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must not skip what it proves")
    pytest.skip(f"{what} is not installed ({how})")


@frozen
class BuiltSite:
    """Result of building the site."""

    html: Path
    status: int
    log: str

    @property
    def pages(self) -> list[Path]:
        """All pages."""
        return sorted(self.html.rglob("*.html"))


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Hold a file lock, so that one process builds and the others wait for it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """The site as ``nox -s docs`` builds it, warnings being errors."""
    if any(find_spec(name) is None for name in ("sphinx", "furo", "myst_parser")):
        missing("Sphinx", "pip install --group docs")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    html, status, log = shared / "site", shared / "site.status", shared / "site.log"
    with _alone(shared / "site.lock"):
        if not status.exists():
            command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-E"]
            places = ["-j", "auto", "-b", "html", "-d", str(shared / "doctrees"), "docs", str(html)]
            done = subprocess.run(  # noqa: S603 - our own interpreter
                [*command, *places], cwd=ROOT, capture_output=True, text=True, check=False
            )
            log.write_text(done.stdout + done.stderr, encoding="utf-8")
            status.write_text(str(done.returncode), encoding="utf-8")
    return BuiltSite(html, int(status.read_text(encoding="utf-8")), log.read_text(encoding="utf-8"))
