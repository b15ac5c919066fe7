from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import Terminal, environment, served

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def test_the_bar_shows_records_total_and_time_left_on_a_terminal(tmp_path: Path) -> None:
    with served(patients=1200) as sandbox:
        sandbox.latency = 0.08
        terminal = Terminal(
            "pull", "patients", "-o", str(tmp_path / "p.jsonl"), env=environment(sandbox)
        )
        assert terminal.end() == 0
    plain = ESCAPES.sub(b"", terminal.shown)
    assert re.search(rb"patients .*(300|600|900) of 1,200 .*/s .* 0:00:0\d left", plain)
    assert re.search(rb"1200 patients in \d+\.\d s", plain)
    assert len((tmp_path / "p.jsonl").read_bytes().splitlines()) == 1200


def test_a_table_and_the_bar_share_a_terminal() -> None:
    with served(patients=650) as sandbox:
        sandbox.latency = 0.1
        terminal = Terminal("pull", "patients", env=environment(sandbox), columns=80)
        assert terminal.end() == 0
    plain = ESCAPES.sub(b"", terminal.shown).replace(b"\r", b"\n")
    rows = re.findall(rb"^44\d{7}  \S.*$", plain, re.MULTILINE)
    assert len(rows) == 650
    assert b"300 of 650" in plain
    assert all(b"of 650" not in row for row in rows)
    assert b"\x1b[1m" in terminal.shown


def test_the_bar_of_a_list_without_a_total_estimates_nothing(tmp_path: Path) -> None:
    with served(patients=3200) as sandbox:
        sandbox.latency = 0.08
        to = str(tmp_path / "p.jsonl")
        terminal = Terminal(
            "pull", "patients", "--api-version", "v3", "-o", to, env=environment(sandbox)
        )
        assert terminal.end() == 0
    plain = ESCAPES.sub(b"", terminal.shown)
    assert re.search(rb"patients \S+ [\d,]+ +[\d,]+/s", plain)
    assert b"left" not in plain
    assert b"?" not in plain


def test_sentences_on_a_narrow_terminal_wrap_between_words() -> None:
    with served(patients=20) as sandbox:
        terminal = Terminal("pull", "patients", "--dry-run", env=environment(sandbox), columns=40)
        assert terminal.end() == 0
    lines = terminal.shown.decode().splitlines()
    assert max(map(len, lines)) <= 40
    said = " ".join(lines)
    for sentence in (
        "at least 5 requests, including the login",
        "/sweep shards read the records that",
    ):
        assert sentence in said


def test_no_color_is_respected() -> None:
    with served(patients=5) as sandbox:
        terminal = Terminal("pull", "patients", "-q", env=environment(sandbox, NO_COLOR="1"))
        assert terminal.end() == 0
    assert b"\x1b[" not in terminal.shown


def test_quiet_shows_no_bar(tmp_path: Path) -> None:
    with served(patients=400) as sandbox:
        terminal = Terminal(
            "pull", "patients", "-q", "-o", str(tmp_path / "p.jsonl"), env=environment(sandbox)
        )
        assert terminal.end() == 0
    assert terminal.shown == b""


def test_ctrl_c_removes_the_bar_and_leaves_no_file(tmp_path: Path) -> None:
    with served(patients=1500) as sandbox:
        sandbox.latency = 0.15
        terminal = Terminal(
            "pull", "patients", "-o", str(tmp_path / "p.jsonl"), env=environment(sandbox)
        )
        terminal.see(b" of 1,500")
        terminal.type(b"\x03")
        assert terminal.end() == 130
    assert terminal.shown.rfind(b"\x1b[?25l") < terminal.shown.rfind(b"\x1b[?25h")
    assert b"was not" in terminal.shown[terminal.shown.rfind(b"\x1b[?25h") :]
    assert b"Traceback" not in terminal.shown
    assert list(tmp_path.iterdir()) == []


def test_stdout_contains_only_data_while_the_bar_is_shown(tmp_path: Path) -> None:
    target = tmp_path / "redirected"
    with served(patients=400) as sandbox, target.open("wb") as file:
        sandbox.latency = 0.1
        terminal = Terminal("pull", "patients", env=environment(sandbox), stdout=file.fileno())
        assert terminal.end() == 0
    assert b" of 400" in terminal.shown
    assert len(target.read_bytes().splitlines()) == 400
    assert b"\x1b" not in target.read_bytes()


def test_the_key_is_prompted_for_on_a_terminal_and_not_shown() -> None:
    with served(patients=5) as sandbox:
        env = environment(sandbox)
        key = env.pop("NEXHEALTH_API_KEY")
        terminal = Terminal("pull", "providers", env=env)
        terminal.see(b"NexHealth API key: ")
        terminal.type(os.fsencode(key) + b"\n")
        assert terminal.end() == 0
    assert b"Mosswood" in terminal.shown
    assert os.fsencode(key) not in terminal.shown


def test_ctrl_c_at_the_prompt() -> None:
    terminal = Terminal("check", env=environment())
    terminal.see(b"NexHealth API key: ")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert b"Traceback" not in terminal.shown
