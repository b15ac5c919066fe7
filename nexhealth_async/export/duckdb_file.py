"""Creation of a DuckDB file that only its owner can open."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Protocol

__all__ = ["PRIVATE", "create"]

PRIVATE: Final = 0o600
"""Mode of a new file."""


class _Closable(Protocol):
    def close(self) -> None: ...


def create(path: Path, connect: Callable[[str], _Closable]) -> None:
    """Create an empty database, unless the file appears meanwhile.

    DuckDB creates files with the mode of the umask, and a program that opens one keeps read access
    after `chmod`. So the file is created in a directory that only its owner can enter. It is closed
    before it is moved, because the log of an open database would stay behind.

    Args:
        path: Path of the file, without symbolic links.
        connect: Opens a database, as ``duckdb.connect`` does, and creates it if it is missing.

    Raises:
        OSError: The directory cannot be written, or the disk is full.
    """
    private = Path(mkdtemp(prefix=".nexhealth-", dir=path.parent))
    try:
        private.chmod(0o700)  # the umask may have removed bits
        fresh = private / "new"
        connect(str(fresh)).close()
        fresh.chmod(PRIVATE)
        if not path.exists():
            # DuckDB would apply the log of a deleted database to the new one.
            Path(f"{path}.wal").unlink(missing_ok=True)
        with suppress(FileExistsError):  # another process created the file first
            _move_without_replacing(fresh, path)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _move_without_replacing(source: Path, to: Path) -> None:
    """Rename a file; raise `FileExistsError` if the new name exists."""
    try:
        os.link(source, to)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        source.replace(to)
    else:
        source.unlink()
