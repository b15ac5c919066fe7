"""Create a DuckDB file that nobody but its owner can ever open."""

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
    """Create an empty database under a name that is free; do nothing if it is taken meanwhile.

    DuckDB creates files with the mode that the umask leaves, and who opens one then keeps reading
    it after `chmod`. So the file is created in a directory that only its owner can enter. It is
    closed before it is moved, because the log of an open database would stay behind.

    Args:
        path: The name of the file, without symbolic links.
        connect: Opens a database, as ``duckdb.connect`` does, and creates it if it is missing.

    Raises:
        OSError: The directory cannot be written, or the disk is full.
    """
    private = Path(mkdtemp(prefix=".nexhealth-", dir=path.parent))
    try:
        private.chmod(0o700)  # whatever the umask took away
        fresh = private / "new"
        connect(str(fresh)).close()
        fresh.chmod(PRIVATE)
        if not path.exists():
            # The log of a database that is gone: DuckDB would apply it to the new one.
            Path(f"{path}.wal").unlink(missing_ok=True)
        with suppress(FileExistsError):  # another process was faster: its file is as good
            _move_without_replacing(fresh, path)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _move_without_replacing(source: Path, to: Path) -> None:
    """Give a file another name; `FileExistsError` if that is taken."""
    try:
        os.link(source, to)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        source.replace(to)
    else:
        source.unlink()
