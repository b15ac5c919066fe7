"""A measurement in a fresh process, for results that depend on the history of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, cast

__all__ = ["alone", "ensure_bytecode"]

Argument: TypeAlias = "str | int | float | bool"

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_ROOT = Path(__file__).parents[1]


@cache
def _bytecode() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="bytecode-")


def ensure_bytecode() -> dict[str, str]:
    """Return an environment in which compiled modules are cached, as in production.

    With ``PYTHONDONTWRITEBYTECODE`` every fresh process would compile all its imports.
    """
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return {**kept, "PYTHONPYCACHEPREFIX": _bytecode().name}


def alone(module: str, function: str, **arguments: Argument) -> dict[str, float]:
    """Call a function of a benchmark in a fresh interpreter, and return what it returns."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.alone", module, function, json.dumps(arguments)],
        cwd=_ROOT,
        env=ensure_bytecode(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module}.{function} failed:\n{done.stderr}")
    return cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))


def _main(module: str, function: str, arguments: str) -> None:
    work = getattr(import_module(f"benchmarks.{module}"), function)
    print(json.dumps(work(**json.loads(arguments))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
