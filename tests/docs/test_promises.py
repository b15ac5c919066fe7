"""Every file and test that a page names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "SECURITY.md",
    *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_exist(page: str) -> None:
    here = ROOT / page
    targets = _LINK.findall(here.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (here.parent / target).exists()]
    assert not missing


def test_every_promise_names_a_test() -> None:
    lines = (ROOT / "docs/promises.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|") and not line.startswith("| ---")]
    promises = [row for row in rows if row != "| promise | shown by |"]
    assert len(promises) > 20
    assert all("](../tests/" in row for row in promises)
