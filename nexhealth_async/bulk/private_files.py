"""Private files, readable by their owner only, replaced atomically and flushed to disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["flush_to_disk", "new_private_file", "replace_file"]


def new_private_file(path: Path) -> int:
    """Create a file for its owner alone and return its descriptor, for writing.

    An existing file is deleted first: it could have another mode, be open elsewhere or be a link.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def replace_file(path: Path, content: Iterable[bytes], *, suffix: str = "new") -> None:
    """Replace the content of a file; a crash leaves the old or the new content.

    Args:
        path: File to replace or create.
        content: Parts of the new content, which may be read from the old file.
        suffix: End of the temporary file's name. It must be unique if several processes may replace
            the same file at once.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
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
    """Flush a file, or the entries of a directory, to disk."""
    if path.is_dir():
        if os.name == "nt":
            return  # Windows cannot open directories
        handle = os.open(path, os.O_RDONLY)
    else:
        handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
