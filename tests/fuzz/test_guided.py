"""A short run of the coverage-guided fuzzer over every target; ``nox -s fuzz`` is the long one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import engine
from tests.fuzz.targets import TARGETS

_RUNS = 120
"""Runs for each target; the seeds are among them."""


@pytest.mark.timeout(300)
@pytest.mark.skipif(not engine.INSTALLED, reason="atheris has no wheel for this platform")
def test_a_short_guided_search_finds_nothing(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "tests.fuzz", "--runs", str(_RUNS), "--folder", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert "STOPPED" not in said, said
    lines = re.findall(r"^([a-z-]+): (\d+) runs", said, re.MULTILINE)
    ran = {name: int(runs) for name, runs in lines}
    assert set(ran) == set(TARGETS), said + done.stderr
    assert min(ran.values()) >= _RUNS, said
    assert "FOUND" not in said, said
    assert done.returncode == 0, said
