"""Run command lines sequentially; print the output of each and the files it made.

A separate program, started by `test_command_line`, which passes the commands as JSON.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from nexhealth_async.cli import list_pull, output, terminal
from nexhealth_async.cli.app import run

_SEEN: dict[str, set[str]] = {}


def _modes(folder: Path) -> dict[str, set[str]]:
    return {path.suffix: {oct(path.stat().st_mode & 0o777)} for path in folder.iterdir()}


def _watch_files(folder: Path) -> None:
    """Record the mode of every file that exists while data are written."""
    write = output.FileWriter.write

    async def noted(self: Any, data: bytes) -> None:
        await write(self, data)
        for suffix, modes in _modes(folder).items():
            _SEEN.setdefault(suffix, set()).update(modes)

    output.FileWriter.write = noted  # type: ignore[method-assign]  # to look inside


def _fail(mark: str) -> None:
    def note(*_: object) -> None:
        raise ValueError(mark)

    list_pull.ListPull._record_page = note  # type: ignore[assignment,method-assign]  # a defect, made on purpose


def _main() -> None:
    arguments = json.loads(sys.argv[1])
    folder = Path(arguments["folder"])
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    heard = io.StringIO()
    logging.getLogger().handlers[0].stream = heard  # type: ignore[attr-defined]  # it is a StreamHandler
    _watch_files(folder)
    for command in arguments["commands"]:
        os.umask(int(command.get("umask", "0o022"), 8))
        if "defect" in command:
            _fail(command["defect"])
        out, err = io.StringIO(), io.StringIO()
        heard.seek(0)
        heard.truncate()
        _SEEN.clear()
        terminal.stderr.cache_clear()
        terminal.stdout_console.cache_clear()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = run(command["arguments"])
            except SystemExit as end:
                status = int(end.code or 0)
        after = {suffix: sorted(modes) for suffix, modes in _modes(folder).items()}
        during = {suffix: sorted(modes) for suffix, modes in _SEEN.items()}
        for path in folder.iterdir():
            path.unlink()
        done = [status, out.getvalue(), err.getvalue(), heard.getvalue(), during, after]
        print(json.dumps(done))  # noqa: T201 - to the test that started this


if __name__ == "__main__":
    _main()
