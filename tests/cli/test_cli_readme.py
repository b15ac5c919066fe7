"""The command line examples of README print what README shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import Terminal, environment

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

README = Path(__file__).parents[2] / "README.md"
SPEED = re.compile(r"in [\d,]+\.\d s \([\d,]+/s\)")
"""Durations, which differ from run to run; everything else is compared literally."""
ELIDED = "..."
"""A line that stands for any number of lines."""


def test_the_demo_matches_the_commands_output_on_a_terminal() -> None:
    (demo,) = re.findall(
        r"^```text\n\$ nexhealth (.*)\n([^`]*)^```", README.read_text("utf-8"), re.MULTILINE
    )
    env = environment(TERM="dumb", NEXHEALTH_API_VERSION="")
    terminal = Terminal(*demo[0].split(), env=env, columns=80)
    assert terminal.end() == 0
    shown = SPEED.sub("(fast)", terminal.shown.decode()).splitlines()
    first, _, last = SPEED.sub("(fast)", demo[1]).partition(f"\n{ELIDED}\n")
    assert shown[: first.count("\n") + 1] == first.splitlines()
    assert shown[-len(last.splitlines()) :] == last.splitlines()
    assert len(shown) == 5_004
    assert max(map(len, shown)) <= 80
