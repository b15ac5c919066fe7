"""A session that was open during a fork: refused in the child, usable in the parent."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

HERE = "where the loop stands"
NEW = "in a new loop"

CALLS = ["a call", "a scope", "a copy", "a write", "a login", "a count", "a download"]
WALKS = ["a walk made before", "a walk begun before"]
UNDER_WAY = ["a walk with pages on their way"]


@functools.cache
def forked(how: str) -> tuple[dict[str, tuple[str, str] | None], dict[str, int]]:
    """Return the outcome of each use in the child, and of the parent."""
    script = Path(__file__).with_name("fork_script.py")
    done = subprocess.run(  # noqa: S603 - our own script and interpreter
        [sys.executable, "-W", "ignore", str(script), how],
        capture_output=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": str(script.parents[3])},
    )
    child, parent = done.stdout.splitlines()
    return json.loads(child), json.loads(parent)


@pytest.mark.parametrize("how", [HERE, NEW])
def test_the_parent_continues_unaffected(how: str) -> None:
    _, parent = forked(how)
    assert parent == {"rest": 20, "logins": 1}


@pytest.mark.parametrize("use", CALLS + WALKS)
def test_a_child_with_a_new_loop_is_refused(use: str) -> None:
    child, _ = forked(NEW)
    error = child[use]
    assert error is not None
    assert error[0] == "SessionStateError"


@pytest.mark.parametrize("use", [*CALLS, *WALKS, *UNDER_WAY, "closing"])
def test_a_child_in_the_forked_loop_is_told_about_the_fork(use: str) -> None:
    child, _ = forked(HERE)
    error = child[use]
    assert error is not None
    assert error[0] == "SessionStateError"
    assert "forked" in error[1]


@pytest.mark.parametrize("use", CALLS + WALKS + UNDER_WAY)
def test_a_child_with_a_new_loop_is_told_about_the_fork(use: str) -> None:
    child, _ = forked(NEW)
    error = child[use]
    assert error is not None
    assert error[0] == "SessionStateError"
    assert "forked" in error[1]
