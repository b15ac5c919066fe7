"""Type checkers accept every right call and reject every wrong one, line by line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RIGHT = HERE / "right.py"
WRONG = HERE / "wrong.py"
MARK = re.compile(r"# wrong: \S")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_right_calls_are_accepted_and_wrong_ones_refused(checker: str, tmp_path: Path) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed; it comes with the dependency group types")
    lines = WRONG.read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if MARK.search(line)}
    assert marked

    found: dict[Path, dict[int, str]] = {RIGHT: {}, WRONG: {}}
    errors = mypy_errors() if checker == "mypy" else pyright_errors(tmp_path)
    for file, line, message in errors:
        if file in found:
            found[file].setdefault(line, message)

    assert found[RIGHT] == {}, "right calls were refused"
    assert marked - found[WRONG].keys() == set(), "wrong calls were accepted"
    others = {line: message for line, message in found[WRONG].items() if line not in marked}
    assert others == {}, "lines without a mark were refused"


def mypy_errors() -> list[tuple[Path, int, str]]:
    output = run("mypy", "--strict", "--output=json", str(RIGHT), str(WRONG))
    entries = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [
        (ROOT / entry["file"], entry["line"], entry["message"])
        for entry in entries
        if entry["severity"] == "error"
    ]


def pyright_errors(folder: Path) -> list[tuple[Path, int, str]]:
    """Copies outside the project, without its exclusions; both in strict mode."""
    copies = [str(shutil.copy(file, folder)) for file in (RIGHT, WRONG)]
    python = f"--pythonpath={sys.executable}"
    output = run("pyright", "--outputjson", python, *copies, cwd=folder)
    return [
        (
            HERE / Path(diagnostic["file"]).name,
            diagnostic["range"]["start"]["line"] + 1,
            diagnostic["message"],
        )
        for diagnostic in json.loads(output)["generalDiagnostics"]
        if diagnostic["severity"] == "error"
    ]


def run(module: str, *arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(  # noqa: S603  # our own arguments
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.stdout
