"""Files that only their owner can read, replaced as a whole and flushed to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["flush_to_disk", "new_private_file", "replace_file"]


def new_private_file(path: Path) -> int:
    """Create a file for its owner alone and return its descriptor, for writing.

    What has the name already goes: with it would stay its mode, those who have it open, and where
    it points to.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def replace_file(path: Path, content: Iterable[bytes], *, suffix: str = "new") -> None:
    """Replace a file by one with other content; a crash leaves one or the other.

    Args:
        path: File to replace or to make.
        content: Parts of the new content, which may be read from the old file.
        suffix: End of the name of the temporary file beside it. It must be unique where several
            processes may replace the same file at once.

    Raises:
        OSError: The file cannot be written; the old one is still there.
    """
    temporary = path.with_name(f".{path.name.removeprefix('.')}.{suffix}")
    try:
        with os.fdopen(new_private_file(temporary), "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    flush_to_disk(path.parent)


def flush_to_disk(path: Path) -> None:
    """Have the system write a file, or the names in a directory, to the disk."""
    if path.is_dir():
        if os.name == "nt":
            return  # which cannot open directories
        handle = os.open(path, os.O_RDONLY)
    else:
        handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
