"""A file that holds a pull's checkpoint and is replaced as a whole."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

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
        await asyncio.to_thread(self._write, pull.checkpoint().encode())

    def remove(self) -> None:
        """Forget the checkpoint."""
        self._path.unlink(missing_ok=True)

    def _write(self, text: bytes) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{token_hex(4)}")
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(self._path)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise
