"""Fuzz target: command lines, up to the point where a command would use the network."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Coroutine, Generator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from nexhealth_async.cli import (
    app,
    bulk_pull,
    check,
    exit_status,
    list_pull,
    practices,
    sandbox,
)
from nexhealth_async.cli.exit_status import CliError
from tests.fuzz.findings import Finding, target

_COMMANDS = (bulk_pull, check, list_pull, practices, sandbox)
_NUL = b"\0"
_STATUSES = {0, 1, 2}


def _lines() -> list[bytes]:
    spoken = [
        "--help",
        "--version",
        "pull --help",
        "check",
        "practices --sandbox --patients 3 --seed 2",
        "pull patients --sandbox --limit 3 --per-page 2 --prefetch 0 --drift verify -q",
        "pull appointments --sandbox --start 2026-01-01 --end 2026-02-01T08:00-04:00",
        "pull patients --since 2026-06-01 -o out.jsonl --format table --api-version v3.1.0",
        "pull patients --limit -1",
        "pull procedures --since 2026-01-01T00:00",
        "pull nothing",
        "endpoints --json --version v2",
        "endpoints --resource patients --no-json",
        "sandbox --port 99999 --latency nan --patients -1",
        "sandbox --latency inf --patients 1e9",
        "pull patients --location 9999999999999999999999 --subdomain Demo",
        '--entry {"sandbox":true}',
        "pull --entry.sandbox patients",
        "pull -- patients",
        "pull patients patients",
        "--",
    ]
    return [one.encode().replace(b" ", _NUL) for one in spoken]


def _refuse(work: Coroutine[object, None, object]) -> NoReturn:
    work.close()
    raise CliError("the network begins here")


@contextmanager
def _no_file(path: Path | None) -> Generator[None]:
    """Replace the opening of a command's output, which may be any file of the machine."""
    yield


@contextmanager
def _indoors() -> Generator[io.BytesIO]:
    """Keep a command away from network, files, environment and terminal."""
    # As strict as the real ones: what cannot be encoded must not be written.
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    said = io.BytesIO()
    err = io.TextIOWrapper(said, encoding="utf-8", errors="backslashreplace")
    with ExitStack() as stack:
        for command in _COMMANDS:
            stack.enter_context(patch.object(command, "run", _refuse))
        stack.enter_context(patch.object(list_pull, "open_writer", _no_file))
        stack.enter_context(patch.dict(os.environ, {"NEXHEALTH_API_KEY": "k", "COLUMNS": "80"}))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        yield said


@target(seeds=_lines)
def command_line(data: bytes) -> None:
    """Any arguments end with an exit status and a message, never with a traceback."""
    # As the interpreter decodes arguments, which hold no NUL.
    arguments = [os.fsdecode(part) for part in data.split(_NUL)][:12]
    with _indoors() as sink:
        try:
            # Without `run_supervised`, which sets the process's own signals and warnings.
            status = exit_status._status(lambda: app._execute(arguments))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 2
        sys.stdout.flush()
        sys.stderr.flush()
        said = sink.getvalue()
    if status not in _STATUSES:
        raise Finding(f"a command ends with status {status}")
    if b"Traceback" in said or b"please report it" in said:
        raise Finding("a command ends with a traceback", said.decode(errors="replace")[-1500:])
