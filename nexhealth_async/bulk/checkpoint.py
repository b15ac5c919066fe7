"""File with a pull's checkpoint, replaced atomically."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from nexhealth_async.bulk.private_files import replace_file
from nexhealth_async.errors import UsageError

if TYPE_CHECKING:
    from nexhealth_async.bulk.pull import Pull

__all__ = ["CheckpointFile"]


class CheckpointFile:
    """File with a pull's checkpoint, readable by its owner only.

    .. code-block:: python

        file = CheckpointFile("pull.json")
        async with nex.bulk.pull(["patients"], resume=file.load()) as pull:
            async for batch in pull:
                ...
                await file.save(pull)
        file.remove()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def load(self) -> str | None:
        """Return the checkpoint; None if there is no file.

        Raises:
            UsageError: The file is not a checkpoint.
        """
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise UsageError(
                f"{self._path.name} is not a checkpoint; name another file, or begin a new pull"
            ) from None

    async def save(self, pull: Pull) -> None:
        """Replace the file by the pull's checkpoint; a crash leaves the old or the new one."""
        content = [pull.checkpoint().encode()]
        await asyncio.to_thread(replace_file, self._path, content, suffix=token_hex(4))

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)
