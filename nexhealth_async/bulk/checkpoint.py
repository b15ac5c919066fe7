"""A file that holds a pull's checkpoint and is replaced as a whole."""

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
    """A file that holds a pull's checkpoint, readable by its owner only.

    .. code-block:: python

        kept = CheckpointFile("pull.json")
        async with nex.bulk.pull(["patients"], resume=kept.load()) as pull:
            async for batch in pull:
                ...
                await kept.save(pull)
        kept.remove()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def load(self) -> str | None:
        """Return the checkpoint kept, None if there is none."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise UsageError(
                f"{self._path.name} is no checkpoint of a pull; name another file, or begin anew"
            ) from None

    async def save(self, pull: Pull) -> None:
        """Replace what is kept by the pull's checkpoint; a crash leaves one or the other."""
        content = [pull.checkpoint().encode()]
        await asyncio.to_thread(replace_file, self._path, content, suffix=token_hex(4))

    def remove(self) -> None:
        """Forget the checkpoint."""
        self._path.unlink(missing_ok=True)
