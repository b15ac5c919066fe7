"""Checks, at every step, whether others could open what is written."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import pytest

__all__ = ["exposed", "watched"]

_OTHERS = 0o077
_STEPS: tuple[tuple[Any, str], ...] = (
    (duckdb, "connect"),
    (sqlite3, "connect"),
    (os, "open"),
    (os, "link"),
    (os, "replace"),
    (os, "rename"),
    (os, "chmod"),
)
"""Functions that create, move and open files; the check runs after each."""


def exposed(folder: Path) -> dict[str, int]:
    """Modes of the files in a folder that others can reach and open, by name."""
    found: dict[str, int] = {}
    with suppress(OSError):  # what is gone again
        for path in folder.iterdir():
            with suppress(OSError):
                mode = path.stat().st_mode
                if stat.S_ISDIR(mode):
                    if mode & 0o011:
                        found |= exposed(path)
                elif mode & _OTHERS:
                    found[path.name] = stat.S_IMODE(mode)
    return found


@contextmanager
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[dict[str, int]]:
    """Check a folder after each step and from a thread meanwhile; yields what was exposed.

    The umask is the usual one, which lets others read new files.
    """
    seen: dict[str, int] = {}
    over = threading.Event()

    def look() -> None:
        seen.update(exposed(folder))

    def keep_looking() -> None:
        while not over.wait(0.0005):
            look()

    def looking(act: Callable[..., Any]) -> Callable[..., Any]:
        def then_look(*args: Any, **more: Any) -> Any:
            try:
                return act(*args, **more)
            finally:
                look()

        return then_look

    watcher = threading.Thread(target=keep_looking)
    before = os.umask(0o022)
    try:
        with monkeypatch.context() as patch:
            for module, name in _STEPS:
                patch.setattr(module, name, looking(getattr(module, name)))
            watcher.start()
            yield seen
    finally:
        over.set()
        watcher.join()
        os.umask(before)
